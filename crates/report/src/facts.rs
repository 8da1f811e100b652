//! The values of a report's metrics in all of its periods: each fact table is read once for all of them.

use jiff::SignedDuration;
use tranche_metric::{Facts, Metric, Population, Span, UnitValues, Wanted, unit_values};
use tranche_segment::evaluate::Evaluation;

use crate::context::BuildContext;
use crate::error::ReportError;
use crate::period::{Days, Periods};
use crate::segments::AtStart;

/// What metrics come to for each entity, period by period.
pub(crate) struct Measured {
    pub(crate) current: MeasuredPeriod,
    pub(crate) compared: MeasuredPeriod,
    /// The same entities as in the current period, in each of those before it that a trend shows.
    pub(crate) earlier: Vec<UnitValues>,
}

/// The entities that there are when a period begins, and their values in it.
pub(crate) struct MeasuredPeriod {
    /// The segments when it begins.
    pub(crate) at_start: Evaluation,
    /// By an entity's number in the evaluation's index.
    pub(crate) values: UnitValues,
}

/// Everyone in a period.
struct Everyone {
    population: Population,
    length: SignedDuration,
}

/// Measures metrics for everyone in every period.
pub(crate) async fn measure(
    metrics: &[&Metric],
    at_start: AtStart,
    periods: &Periods,
    context: &BuildContext<'_>,
) -> Result<Measured, ReportError> {
    let AtStart { current, compared } = at_start;
    let mut everyone = vec![
        Everyone::new("current", &current, periods.current, context)?,
        Everyone::new("compared", &compared, periods.compared, context)?,
    ];
    for days in &periods.earlier {
        everyone.push(Everyone::new("earlier", &current, *days, context)?);
    }
    let wanted = everyone.iter().map(|Everyone { population, length }| Wanted {
        population,
        span: Span::Period(*length),
        metrics: metrics.to_vec(),
    });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let facts = Facts {
        metrics: context.metrics,
        contracts: &context.definitions.contracts,
        tables: context.tables,
        session: context.session,
    };
    let (values, _) = unit_values(&wanted, &facts).await?;
    let mut values = values.into_iter();
    let mut of_period = |at_start| MeasuredPeriod { at_start, values: values.next().unwrap_or_default() };
    let (current, compared) = (of_period(current), of_period(compared));
    Ok(Measured { current, compared, earlier: values.collect() })
}

impl Everyone {
    fn new(
        role: &str,
        at_start: &Evaluation,
        days: Days,
        context: &BuildContext<'_>,
    ) -> Result<Self, ReportError> {
        let (from, to) = days.instants(context.zone);
        let population = Population {
            name: format!("{}, {role} period from {}", at_start.entity, days.from),
            entity: at_start.entity.clone(),
            keys: at_start.index.column(0..at_start.universe)?,
            at: vec![from; at_start.universe as usize],
            until: to,
        };
        Ok(Self { population, length: to.duration_since(from) })
    }
}

//! The history of entities, over as long before an instant as units will be observed.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use datafusion::functions_aggregate::expr_fn::count_distinct;
use datafusion::prelude::ident;
use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Direction, Metric, Population, Span, UnitValues, Values};
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_segment::{EVERYONE, Scope};
use tranche_sql::{SqlError, column_text, instant_literal};
use tranche_stats::Arm;

use crate::context::MeasureContext;
use crate::definition::{Experiment, MetricChoice, VariantIndex};
use crate::error::ExperimentError;
use crate::estimate::arms::{Adjustments, Outcomes, arm};
use crate::estimate::inputs::covariate_columns;
use crate::units::cells::{Cells, Membership, SegmentIndex, Side};
use crate::units::values::ValuesPlan;

/// Days of exposures that units per day are counted over.
const TRAFFIC_DAYS: u32 = 28;
const SECONDS_OF_DAY: f64 = 86_400.0;

/// The history of an experiment's entities.
pub(super) struct History<'a> {
    pub(super) units: u64,
    pub(super) observed_days: f64,
    pub(super) units_per_day: Option<f64>,
    pub(super) metrics: Vec<(&'a MetricChoice, MetricHistory)>,
}

/// One metric in the history.
pub(super) struct MetricHistory {
    pub(super) better: Direction,
    pub(super) arm: Arm,
    /// The share of the variance that covariates explain; 0 without any.
    pub(super) variance_reduction: f64,
}

impl<'a> History<'a> {
    pub(super) async fn read(
        experiment: &'a Experiment,
        segment: Option<&str>,
        context: &MeasureContext<'a>,
    ) -> Result<Self, ExperimentError> {
        let as_of = context.session.as_of();
        let observed = observed(experiment, context);
        let from = as_of.checked_sub(observed).unwrap_or(Timestamp::MIN);
        let keys = keys(experiment, segment, from, context).await?;
        let units = keys.len();
        let (name, entity) = (experiment.name.clone(), experiment.entity.clone());
        let chosen = experiment.chosen(context.metrics);
        let mut plan = ValuesPlan::default();
        let population = Population { name, entity, keys, at: vec![from; units], until: as_of };
        let population = plan.population(experiment, population);
        let metrics = chosen.iter().map(|(_, metric)| *metric).collect();
        let after = plan.request(population, Span::After(Some(observed)), metrics);
        let before = experiment.statistics.cuped.as_ref().map(|cuped| {
            let span = Span::Before(SignedDuration::try_from(cuped.lookback).unwrap_or(SignedDuration::MAX));
            plan.request(population, span, experiment.covariates(context.metrics))
        });
        let mut values = plan.measure(context, None).await?;
        let (after, before) = (values.take(after), before.map(|id| values.take(id)));
        let everyone: Vec<usize> = (0..units).collect();
        let cells = Cells::new(
            &vec![VariantIndex(0); units],
            &Membership::from([(EVERYONE.to_owned(), everyone.clone())]),
        );
        let of = |&(choice, metric): &(&'a MetricChoice, &'a Metric)| {
            let values = after.of(metric)?;
            let columns = before.as_ref().map(|before: &UnitValues| {
                covariate_columns(experiment, metric, context.metrics, |covariate| before.of(covariate))
            });
            let counted = after.counted(metric);
            let everyone: Vec<usize> = everyone
                .iter()
                .copied()
                .filter(|&unit| counted.is_none_or(|counted| counted.value(unit)))
                .collect();
            let found = MetricHistory {
                better: metric.direction,
                arm: arm(values, &everyone),
                variance_reduction: variance_reduction(values, columns.unwrap_or_default(), counted, &cells),
            };
            Some((choice, found))
        };
        Ok(Self {
            units: units as u64,
            observed_days: observed.as_secs_f64() / SECONDS_OF_DAY,
            units_per_day: units_per_day(experiment, context).await?,
            metrics: chosen.iter().filter_map(of).collect(),
        })
    }
}

/// How long a unit will be observed: until the windows of all metrics are over, or the whole period.
fn observed(experiment: &Experiment, context: &MeasureContext<'_>) -> SignedDuration {
    let windows = experiment.observed(context.metrics);
    windows.unwrap_or_else(|| experiment.to.duration_since(experiment.from))
}

/// The keys of everyone, or of a segment's members at `at`.
async fn keys(
    experiment: &Experiment,
    segment: Option<&str>,
    at: Timestamp,
    context: &MeasureContext<'_>,
) -> Result<ArrayRef, ExperimentError> {
    let session = context.engine.session_over(context.tables, at).await?;
    let scope = match segment {
        Some(segment) => {
            Scope::of(context.definitions, &experiment.entity, &[segment.to_owned()], context.session).await?
        }
        None => Scope::universe(&experiment.entity),
    };
    let found = evaluate(context.definitions, &scope, context.tables, &session, Sharing::Shared).await;
    let found = found.map_err(|source| ExperimentError::Segment {
        experiment: experiment.name.clone(),
        source: Box::new(source),
    })?;
    Ok(match segment {
        None => found.index.column(0..found.universe)?,
        Some(segment) => match found.segments.get(segment) {
            Some(members) => found.index.column(members.entities.iter())?,
            None => found.index.column(std::iter::empty())?,
        },
    })
}

/// The share of the variance that covariates explain, as CUPED takes it out.
fn variance_reduction(
    values: Values<'_>,
    covariates: Vec<(&str, &[f64])>,
    counted: Option<&BooleanBuffer>,
    cells: &Cells,
) -> f64 {
    let variance = |covariates| {
        let adjustments = Adjustments { counted, covariates, ..Adjustments::default() };
        let [everyone, none] =
            [0, 1].map(|variant| cells.group(Side::In(SegmentIndex::EVERYONE), VariantIndex(variant)));
        Outcomes::new(values, adjustments, cells).arms(&everyone, &none).control.variance
    };
    match (variance(covariates), variance(Vec::new())) {
        (Ok(adjusted), Ok(plain)) => (1.0 - adjusted / plain).clamp(0.0, 0.999_999),
        _ => 0.0,
    }
}

/// Distinct units with an exposure, in any variant, in the days before.
async fn units_per_day(
    experiment: &Experiment,
    context: &MeasureContext<'_>,
) -> Result<Option<f64>, ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let table = &experiment.table.value;
    let contract = context
        .definitions
        .contracts
        .get(table)
        .ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    let key = contract
        .entity_column(&experiment.entity)
        .ok_or_else(|| failed("no column names the entity".to_owned()))?;
    let at = experiment.at.as_ref().map(|at| at.value.as_str()).or(contract.event_time());
    let at = at.ok_or_else(|| failed(format!("`{table}` is not an event table")))?;
    let from = context
        .session
        .as_of()
        .checked_sub(SignedDuration::from_hours(24 * i64::from(TRAFFIC_DAYS)))
        .unwrap_or(Timestamp::MIN);
    let mut frame = context
        .session
        .table(table)
        .await?
        .filter(ident(at).gt_eq(instant_literal(from)))
        .map_err(SqlError::engine)?;
    if let Some(filter) = &experiment.filter {
        let filter = context
            .session
            .row_expression(contract, &filter.value)
            .map_err(|problem| failed(problem.message))?;
        frame = frame.filter(filter).map_err(SqlError::engine)?;
    }
    let counted = frame.aggregate(vec![], vec![count_distinct(ident(key))]).map_err(SqlError::engine)?;
    let found = context.session.collect_frame(counted).await?;
    let units = column_text(&found.batches, 0)?.into_iter().flatten().next();
    let units = units.and_then(|units| units.parse::<u32>().ok()).filter(|units| *units > 0);
    Ok(units.map(|units| f64::from(units) / f64::from(TRAFFIC_DAYS)))
}

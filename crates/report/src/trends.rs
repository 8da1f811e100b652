//! How the KPIs of a report went: each metric for everyone, period by period.

use tranche_metric::{Metric, UnitValues};

use crate::document::TrendPoint;
use crate::facts::Measured;
use crate::measurement::{arm_of, kind, measurement};
use crate::period::{Days, Periods};

/// A metric in the periods up to the current one, oldest first. They begin with the first in which anything happened; one in
/// which the metric has no value is left out.
pub(crate) fn points(metric: &Metric, periods: &Periods, measured: &Measured) -> Vec<TrendPoint> {
    let everyone = 0..measured.current.at_start.universe as usize;
    let point = |(days, values): (&Days, &UnitValues)| {
        let measured = measurement(&arm_of(values, metric, everyone.clone())?, kind(metric));
        measured.value.is_some().then(|| TrendPoint { span: days.span(), measured, incomplete: false })
    };
    let earlier = periods.earlier.iter().zip(&measured.earlier);
    let all = earlier.chain([(&periods.current, &measured.current.values)]).filter_map(point);
    all.skip_while(|point| point.measured.value == Some(0.0)).collect()
}

//! Whether the data of an experiment can be trusted: checks, and what to do about one that failed.

mod checks;
mod outliers;
pub(crate) mod thresholds;
mod traffic;

use tranche_scorecard::{HealthCheck, OutlierRow, SampleRatioCheck, TrafficRow};

use crate::context::MeasureContext;
use crate::estimate::inputs::before_exposure;
use crate::units::collect::UnitData;
use traffic::Traffic;

/// The health of an experiment's data.
#[derive(Debug)]
pub(crate) struct Health {
    /// Whether units were split as planned.
    pub(crate) srm: SampleRatioCheck,
    /// Every check: of the split, of the time before exposure, of the days, of outliers.
    pub(crate) checks: Vec<HealthCheck>,
    /// The units first exposed by day and variant.
    pub(crate) traffic: Vec<TrafficRow>,
}

impl Health {
    /// Checks the data of an experiment; `outliers` are those of its estimates.
    pub(crate) fn of(data: &UnitData<'_>, outliers: &[OutlierRow], context: &MeasureContext<'_>) -> Self {
        let (experiment, all) = (data.observed.experiment, &data.observed.all);
        let srm = checks::sample_ratio_check(experiment, all);
        let before = before_exposure(data, context.metrics, context.engine.threads());
        let traffic = Traffic::of(experiment, all, context.session.as_of());
        let mut checks = checks::checks(data, &srm, &before);
        checks.extend(traffic.checks());
        checks.extend(outliers.iter().map(outliers::check));
        Self { srm, checks, traffic: traffic.rows() }
    }
}

//! All estimates of a metric: by segment, between segments, without outliers, by day.

use tranche_scorecard::{HeterogeneityRow, OutlierRow, SeriesPoint};
use tranche_segment::EVERYONE;

use super::estimates::Compared;
use super::inputs::MetricInputs;
use super::series::Cohorts;
use super::{heterogeneity, outliers};
use crate::definition::VariantIndex;
use crate::units::cells::{SegmentIndex, Side};
use crate::units::collect::UnitData;

/// The estimates of metrics.
#[derive(Debug, Default)]
pub(crate) struct MetricEstimates {
    /// By segment and treatment.
    pub(crate) compared: Vec<Compared>,
    /// Whether effects differ between segments.
    pub(crate) heterogeneity: Vec<HeterogeneityRow>,
    /// What a few units do to the effects for everyone.
    pub(crate) outliers: Vec<OutlierRow>,
    /// The effects for everyone, day by day.
    pub(crate) points: Vec<SeriesPoint>,
}

impl MetricEstimates {
    /// The estimates of a metric. Without `cohorts`, because nothing may be seen yet, there are only those by
    /// segment, which say so.
    pub(crate) fn of(data: &UnitData<'_>, inputs: &MetricInputs<'_>, cohorts: Option<&Cohorts>) -> Self {
        let compared = Compared::by_segment(data, inputs);
        let Some(cohorts) = cohorts else { return Self { compared, ..Self::default() } };
        let heterogeneity = heterogeneity::rows(data, inputs, &compared);
        let mut estimates = Self { compared, heterogeneity, ..Self::default() };
        estimates.look_closer(data, inputs, cohorts);
        estimates
    }

    /// Adds the estimates of another metric.
    pub(crate) fn append(&mut self, other: Self) {
        self.compared.extend(other.compared);
        self.heterogeneity.extend(other.heterogeneity);
        self.outliers.extend(other.outliers);
        self.points.extend(other.points);
    }

    /// Looks at each effect for everyone without a few units, and by day.
    fn look_closer(&mut self, data: &UnitData<'_>, inputs: &MetricInputs<'_>, cohorts: &Cohorts) {
        let experiment = data.observed.experiment;
        let group =
            |variant: VariantIndex| data.divided.cells.group(Side::In(SegmentIndex::EVERYONE), variant);
        let control = experiment.index_of(&experiment.control);
        let by_day = inputs.outcomes.over(cohorts.cells());
        for one in self.compared.iter().filter(|one| one.row.segment == EVERYONE) {
            let treatment = experiment.index_of(&one.row.variant);
            let groups = (&group(control), &group(treatment));
            self.outliers.extend(outliers::audit(one, &inputs.outcomes, &experiment.control, groups));
            self.points.extend(cohorts.points(one, &by_day, (control, treatment)));
        }
    }
}

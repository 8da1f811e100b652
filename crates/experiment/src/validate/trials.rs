//! The checks of each draw: of every metric, at the looks of every inference.

use std::collections::BTreeSet;

use tranche_metric::{Metric, Values};
use tranche_stats::Alternative;

use super::checks::{CheckDesign, CheckSpec, EVEN_LOOKS};
use super::columns::Columns;
use super::inference_kind::InferenceKind;
use super::lift::{ArmPair, LIFT};
use super::members::Members;
use super::rows::Rows;
use super::sums::{Summing, Sums};
use crate::definition::{Experiment, MetricChoice};
use crate::estimate::arms::Adjustments;
use crate::units::cells::Cells;

/// What was measured of each unit, and what its estimates take into account.
#[derive(Debug, Clone)]
pub(super) struct Observed<'a> {
    pub(super) values: Values<'a>,
    pub(super) adjustments: Adjustments<'a>,
    pub(super) cells: &'a Cells,
}

/// Where the arms of a metric come from.
#[derive(Debug)]
pub(super) enum Data<'a> {
    Sums(Columns),
    Members(Members<'a>),
}

/// A metric, and what is checked of it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) metric: &'a str,
    pub(super) data: Data<'a>,
    pub(super) checks: Vec<CheckSpec>,
    /// The lift that was put in, of a mean that is not 0.
    pub(super) lift: f64,
    /// Where its sums begin among those of an arm.
    first: usize,
}

/// One of the draws of a batch.
#[derive(Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) sums: &'a Sums,
    /// Its place in the batch.
    pub(super) place: usize,
    /// The variant of each row.
    pub(super) variants: &'a [u16],
}

/// All that is checked in a draw.
#[derive(Debug)]
pub(super) struct Trials<'a> {
    pub(super) shares: Vec<f64>,
    pub(super) control: usize,
    pub(super) alpha: f64,
    pub(super) subjects: Vec<Subject<'a>>,
    /// The rows before each look of any check, rising; the last are all.
    pub(super) looks: Vec<usize>,
    /// The looks at which the split is checked.
    pub(super) even: Vec<usize>,
}

impl<'a> Subject<'a> {
    /// A metric as an experiment looks at it; `wanted` are the inferences, all when empty.
    pub(super) fn of(
        experiment: &Experiment,
        (choice, metric): (&'a MetricChoice, &Metric),
        observed: &Observed<'a>,
        rows: &Rows,
        wanted: &[InferenceKind],
    ) -> Self {
        match Columns::of(observed.values, &observed.adjustments, rows) {
            Some(columns) => Self::new(experiment, choice, metric, Data::Sums(columns), wanted),
            None => {
                let members =
                    Data::Members(Members::new(observed.values, &observed.adjustments, observed.cells, rows));
                let mut subject = Self::new(experiment, choice, metric, members, wanted);
                // All events of a unit are put in order at every look: too much for many of them.
                subject.checks.retain(|check| {
                    !matches!(observed.values, Values::EventQuantile(..)) || check.count() == 1
                });
                subject
            }
        }
    }

    pub(super) fn new(
        experiment: &Experiment,
        choice: &'a MetricChoice,
        metric: &Metric,
        data: Data<'a>,
        wanted: &[InferenceKind],
    ) -> Self {
        let direction = choice.direction.unwrap_or(experiment.statistics.direction);
        let alternative = if choice.margin.is_some() {
            Alternative::TwoSided
        } else {
            direction.alternative(metric.direction)
        };
        let whole = match &data {
            Data::Sums(columns) => columns.whole(),
            Data::Members(members) => Some(members.whole()),
        };
        let design = CheckDesign { experiment, metric, alternative, whole };
        let kinds = InferenceKind::ALL.into_iter().filter(|kind| wanted.is_empty() || wanted.contains(kind));
        let checks = kinds.filter_map(|kind| design.by(kind)).collect();
        Self {
            metric: &choice.metric.value,
            data,
            checks,
            lift: LIFT * whole.map_or(0.0, |arm| arm.mean).signum(),
            first: 0,
        }
    }

    pub(super) fn columns(&self) -> Option<&Columns> {
        match &self.data {
            Data::Sums(columns) => Some(columns),
            Data::Members(_) => None,
        }
    }

    /// Control with a treatment at a look, as they are and with the lift put into the treatment.
    pub(super) fn arms(
        &self,
        trials: &Trials<'_>,
        draw: Draw<'_>,
        look: usize,
        treatment: usize,
    ) -> Option<[ArmPair; 2]> {
        match &self.data {
            Data::Sums(columns) => {
                let moments = |variant: usize| {
                    let arm = draw.sums.arm(draw.place, look, variant);
                    columns.moments(&arm[self.first..self.first + columns.sums()])
                };
                columns.arms(&moments(trials.control), &moments(treatment))
            }
            Data::Members(members) => {
                Some(members.arms(draw.variants, trials.looks[look], trials.control, treatment))
            }
        }
    }

    /// The places of the looks of all its checks.
    pub(super) fn looks(&self) -> BTreeSet<usize> {
        self.checks.iter().flat_map(|check| check.places.iter().copied()).collect()
    }
}

impl<'a> Trials<'a> {
    /// The checks of so many rows.
    pub(super) fn new(experiment: &Experiment, mut subjects: Vec<Subject<'a>>, rows: usize) -> Self {
        let even: Vec<f64> = (1..=EVEN_LOOKS).map(|look| f64::from(look) / f64::from(EVEN_LOOKS)).collect();
        let asked = subjects
            .iter()
            .flat_map(|subject| &subject.checks)
            .flat_map(|check| check.looks.iter().map(|(share, _)| *share));
        let looks: BTreeSet<usize> =
            asked.chain(even.iter().copied()).chain([1.0]).map(|share| rows_at(share, rows)).collect();
        let looks: Vec<usize> = looks.into_iter().collect();
        let place = |share: f64| looks.partition_point(|look| *look < rows_at(share, rows));
        for check in subjects.iter_mut().flat_map(|subject| &mut subject.checks) {
            check.places = check.looks.iter().map(|(share, _)| place(*share)).collect();
        }
        let mut first = 1;
        for subject in &mut subjects {
            subject.first = first;
            first += subject.columns().map_or(0, Columns::sums);
        }
        Self {
            shares: experiment.variants.values().copied().collect(),
            control: experiment.variants.get_index_of(&experiment.control).unwrap_or(0),
            alpha: experiment.statistics.alpha,
            even: even.into_iter().map(place).collect(),
            subjects,
            looks,
        }
    }

    /// What is summed up of each draw.
    pub(super) fn summing(&self) -> Summing<'_> {
        let columns = self.subjects.iter().filter_map(Subject::columns).collect();
        Summing::new(columns, &self.looks, self.control, self.shares.len())
    }

    /// The places of the variants that are compared with control.
    pub(super) fn treatments(&self) -> impl Iterator<Item = usize> {
        (0..self.shares.len()).filter(|variant| *variant != self.control)
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of units"
)]
fn rows_at(share: f64, rows: usize) -> usize {
    ((share * rows as f64 - 1e-9).ceil() as usize).clamp(1, rows.max(1))
}

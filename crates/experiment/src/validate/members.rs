//! The values of units by their places, for quantiles, which sums do not hold.

use tranche_metric::Values;
use tranche_stats::{Arm, Baseline};

use super::lift::{ArmPair, LIFT};
use super::rows::Rows;
use crate::estimate::arms::{Adjustments, Outcomes};
use crate::units::cells::Cells;

/// The units of a metric that count for it, in the order of their exposure.
#[derive(Debug)]
pub(super) struct Members<'a> {
    outcomes: Outcomes<'a>,
    /// Each unit with its row. A quantile's rise, so that they are put in order once and not in every draw.
    rows: Vec<(usize, usize)>,
}

impl<'a> Members<'a> {
    pub(super) fn new(
        values: Values<'a>,
        adjustments: &Adjustments<'a>,
        cells: &'a Cells,
        rows: &Rows,
    ) -> Self {
        let counts = |unit: usize| adjustments.counted.is_none_or(|counted| counted.value(unit));
        let mut rows: Vec<(usize, usize)> = rows.of_units().filter(|(_, unit)| counts(*unit)).collect();
        if let Values::Quantile(values, _) = values {
            rows.sort_by(|(_, one), (_, other)| values[*one].total_cmp(&values[*other]));
        }
        // Covariates could not be lifted with the values.
        let adjustments = Adjustments { clusters: adjustments.clusters, ..Adjustments::default() };
        Self { outcomes: Outcomes::new(values, adjustments, cells), rows }
    }

    /// The arm of all units.
    pub(super) fn whole(&self) -> Arm {
        let everyone: Vec<usize> = self.rows.iter().map(|(_, unit)| *unit).collect();
        self.outcomes.arms_of_units(&everyone, &[]).control
    }

    /// Control with a treatment, of the first `end` rows: as they are, and with the lift put into the
    /// treatment.
    pub(super) fn arms(&self, drawn: &[u16], end: usize, control: usize, treatment: usize) -> [ArmPair; 2] {
        let of = |variant: usize| {
            let own = self.rows.iter().filter(|(row, _)| *row < end && usize::from(drawn[*row]) == variant);
            own.map(|(_, unit)| *unit).collect::<Vec<usize>>()
        };
        let arms = self.outcomes.arms_of_units(&of(control), &of(treatment));
        [(arms.control, arms.treatment), (arms.control, lifted(&arms.treatment))]
    }
}

/// The arm of values that are all higher by the lift.
fn lifted(arm: &Arm) -> Arm {
    let factor = 1.0 + LIFT;
    let Baseline { mean, variance, covariance } = arm.baseline;
    let squared = factor * factor;
    Arm {
        n: arm.n,
        mean: arm.mean * factor,
        variance: arm.variance.map(|variance| variance * squared),
        baseline: Baseline {
            mean: mean * factor,
            variance: variance * squared,
            covariance: covariance * squared,
        },
    }
}

//! From values per unit to arms, and from arms to estimates.

use tranche_metric::Values;
use tranche_stats::{Arm, CoMoments, Comparison, Moments, Options, adjust, compare};

/// The values of one metric, and of the same metric before exposure where that is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcomes<'a> {
    pub(crate) after: Values<'a>,
    pub(crate) before: Option<Values<'a>>,
}

/// Control and a treatment, with what the one does to the other.
pub(crate) struct Compared {
    pub(crate) control: Arm,
    pub(crate) treatment: Arm,
    pub(crate) comparison: Comparison,
    /// The slope that CUPED took out, if it did.
    pub(crate) theta: Option<f64>,
}

/// Compares the units of two arms, given by their places among all units.
pub(crate) fn compared(outcomes: Outcomes<'_>, control: &[usize], treatment: &[usize], options: &Options) -> Compared {
    let (control, treatment, theta) = match outcomes {
        Outcomes { after: Values::Single(after), before: Some(Values::Single(before)) } => {
            let pairs = |units: &[usize]| CoMoments::from_pairs(units.iter().map(|&unit| (after[unit], before[unit])));
            let adjusted = adjust(&pairs(control), &pairs(treatment));
            (adjusted.control, adjusted.treatment, Some(adjusted.theta))
        }
        Outcomes { after: Values::Single(after), .. } => {
            let mean = |units: &[usize]| Arm::mean(&Moments::from_values(units.iter().map(|&unit| after[unit])));
            (mean(control), mean(treatment), None)
        }
        Outcomes { after: Values::Ratio(above, below), .. } => {
            let ratio =
                |units: &[usize]| Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit]))));
            (ratio(control), ratio(treatment), None)
        }
    };
    Compared { control, treatment, comparison: compare(&control, &treatment, options), theta }
}

//! From values per unit to arms.

use std::borrow::Cow;

use arrow::buffer::BooleanBuffer;
use tranche_metric::Values;
use tranche_stats::{Arm, CoMoments, Moments, QuantileSummary, adjust};

/// The values of one metric, and of the same metric before exposure where that is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcomes<'a> {
    pub(crate) after: Values<'a>,
    pub(crate) before: Option<Values<'a>>,
    /// The units that count for the metric; all do when `None`.
    pub(crate) counted: Option<&'a BooleanBuffer>,
}

/// Control and a treatment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arms {
    pub(crate) control: Arm,
    pub(crate) treatment: Arm,
    /// The slope that CUPED took out, if it did.
    pub(crate) theta: Option<f64>,
}

impl Outcomes<'_> {
    /// The units of two arms, given by their places among all units. A covariate is taken out where there is one.
    pub(crate) fn arms(&self, control: &[usize], treatment: &[usize]) -> Arms {
        let (control, treatment) = (&*self.counted(control), &*self.counted(treatment));
        if let Outcomes { after: Values::Single(after), before: Some(Values::Single(before)), .. } = self {
            let pairs = |units: &[usize]| CoMoments::from_pairs(units.iter().map(|&unit| (after[unit], before[unit])));
            let adjusted = adjust(&pairs(control), &pairs(treatment));
            return Arms { control: adjusted.control, treatment: adjusted.treatment, theta: Some(adjusted.theta) };
        }
        Arms { control: arm(self.after, control), treatment: arm(self.after, treatment), theta: None }
    }

    /// Those of some units that count for the metric.
    pub(crate) fn counted<'u>(&self, units: &'u [usize]) -> Cow<'u, [usize]> {
        match self.counted {
            None => Cow::Borrowed(units),
            Some(counted) => units.iter().copied().filter(|&unit| counted.value(unit)).collect(),
        }
    }
}

/// The arm of some units, as they are.
pub(crate) fn arm(values: Values<'_>, units: &[usize]) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.iter().map(|&unit| values[unit]))),
        Values::Ratio(above, below) => Arm::ratio(&CoMoments::from_pairs(units.iter().map(|&unit| (above[unit], below[unit])))),
        Values::Quantile(values, level) => {
            Arm::quantile(&QuantileSummary::of_values(units.iter().map(|&unit| values[unit]).collect(), level))
        }
        Values::EventQuantile(events, level) => Arm::clustered_quantile(units.iter().map(|&unit| events.of_unit(unit)), level),
    }
}

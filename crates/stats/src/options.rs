//! How two arms are compared: error rate, looks, direction, margin.

use crate::{Alternative, GroupSequential, Margin};

/// How to compare two arms. The default: alpha .05, one look, Fieller's relative interval, two-sided without a margin.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The chance of a false alarm, in (0, 1); intervals cover 1 - alpha.
    pub alpha: f64,
    /// How often the result may be looked at.
    pub inference: Inference,
    /// Where relative intervals come from.
    pub relative: RelativeMethod,
    /// The direction of the test.
    pub alternative: Alternative,
    /// How much worse the treatment may be; needs a one-sided alternative.
    pub margin: Option<Margin>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            inference: Inference::Fixed,
            relative: RelativeMethod::Fieller,
            alternative: Alternative::TwoSided,
            margin: None,
        }
    }
}

/// How often the result may be looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Inference {
    /// Once, at a time fixed beforehand: Welch's t-test.
    Fixed,
    /// At any time, as often as one likes: see [`ConfidenceSequence`](crate::ConfidenceSequence).
    Sequential {
        /// The number of units, of both arms together, at which the interval shall be about narrowest.
        tuning: f64,
    },
    /// At any time, as often as one likes: see [`MixtureTest`](crate::MixtureTest).
    Mixture {
        /// The standard deviation of plausible effects, absolute, in the metric's unit.
        scale: f64,
    },
    /// At these looks, the present one last: repeated confidence intervals and p-values.
    GroupSequential(GroupSequential),
    /// At one look of a plan whose boundary is known: the interval of [`Inference::GroupSequential`] at its present look, without
    /// finding the boundary again. The p-value is that of this look alone.
    Boundary {
        /// What an effect has to be beyond, in standard errors: [`Look::critical`](crate::Look).
        critical: f64,
    },
}

/// Where relative intervals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelativeMethod {
    /// Fieller's set, with the p-value of the absolute estimate: "no lift" and "no difference" are one hypothesis, so the two
    /// estimates never contradict each other.
    Fieller,
    /// The delta method, symmetric around the lift, with a p-value of its own, as GrowthBook's. It may contradict the absolute
    /// estimate.
    Delta,
}

//! What a comparison is asked: in which direction, and how much worse is still acceptable.

use crate::Reason;

/// The alternative that a small p-value speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alternative {
    /// The effect differs from the null, in either direction.
    #[default]
    TwoSided,
    /// The effect is greater than the null; intervals are bounded from below only.
    Greater,
    /// The effect is less than the null; intervals are bounded from above only.
    Less,
}

/// How much worse than the control the treatment may be. A finite number of at least 0.
///
/// With a margin M the null of [`Alternative::Greater`] becomes "effect ≤ -M" and that of [`Alternative::Less`] "effect ≥ M":
/// a test of non-inferiority of a metric of which more, or less, is better. Source: FDA, Non-inferiority clinical trials (2016).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// In the metric's unit.
    Absolute(f64),
    /// A share of the absolute value of the control mean; .02 is 2 %.
    Relative(f64),
}

/// The effect under the null hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Null {
    Difference(f64),
    Lift(f64),
}

impl Alternative {
    /// 2 or 1: how many tails share alpha.
    pub(crate) fn sides(self) -> f64 {
        if self == Self::TwoSided { 2.0 } else { 1.0 }
    }

    /// Standard errors in the direction of the alternative, from standard errors above the null.
    pub(crate) fn evidence(self, z: f64) -> f64 {
        match self {
            Self::TwoSided => z.abs(),
            Self::Greater => z,
            Self::Less => -z,
        }
    }

    pub(crate) fn null(self, margin: Option<Margin>) -> Result<Null, Reason> {
        let Some(margin) = margin else { return Ok(Null::Difference(0.0)) };
        let (Margin::Absolute(size) | Margin::Relative(size)) = margin;
        if !(size >= 0.0 && size.is_finite()) {
            return Err(Reason::MarginOutOfRange);
        }
        let null = match self {
            Self::TwoSided => return Err(Reason::MarginWithoutDirection),
            Self::Greater => -size,
            Self::Less => size,
        };
        Ok(if matches!(margin, Margin::Absolute(_)) { Null::Difference(null) } else { Null::Lift(null) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_moves_the_null_to_the_worse_side() {
        for (alternative, margin, null) in [
            (Alternative::TwoSided, None, Ok(Null::Difference(0.0))),
            (Alternative::Greater, Some(Margin::Absolute(0.5)), Ok(Null::Difference(-0.5))),
            (Alternative::Less, Some(Margin::Relative(0.02)), Ok(Null::Lift(0.02))),
            (Alternative::TwoSided, Some(Margin::Relative(0.02)), Err(Reason::MarginWithoutDirection)),
            (Alternative::Greater, Some(Margin::Absolute(-0.5)), Err(Reason::MarginOutOfRange)),
            (Alternative::Greater, Some(Margin::Absolute(f64::NAN)), Err(Reason::MarginOutOfRange)),
        ] {
            assert_eq!(alternative.null(margin), null);
        }
    }
}

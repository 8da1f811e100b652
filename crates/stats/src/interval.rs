//! The values that a sample leaves possible, bounded or not.

/// A confidence set for one number.
///
/// Almost always an interval. The set for a lift is not one when the control mean itself may be zero: then it leaves out a gap at
/// most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interval {
    /// All values from `lo` to `hi`, both included; an end may be infinite.
    Between {
        /// The least value.
        lo: f64,
        /// The greatest value.
        hi: f64,
    },
    /// All values from `lo` on: what a test of "greater" leaves.
    AtLeast(f64),
    /// All values up to `hi`: what a test of "less" leaves.
    AtMost(f64),
    /// All values but those strictly between `lo` and `hi`: unbounded on both sides, with a gap.
    Outside {
        /// Where the gap begins.
        lo: f64,
        /// Where the gap ends.
        hi: f64,
    },
    /// All values: the sample excludes none.
    Everything,
}

impl Interval {
    /// `centre` ± `half_width`.
    pub fn around(centre: f64, half_width: f64) -> Self {
        Self::Between { lo: centre - half_width, hi: centre + half_width }
    }

    /// Whether `value` is possible.
    pub fn contains(&self, value: f64) -> bool {
        match *self {
            Self::Between { lo, hi } => lo <= value && value <= hi,
            Self::AtLeast(lo) => lo <= value,
            Self::AtMost(hi) => value <= hi,
            Self::Outside { lo, hi } => value <= lo || hi <= value,
            Self::Everything => true,
        }
    }

    /// The least and the greatest possible value, infinite where there is no bound.
    pub fn ends(&self) -> [f64; 2] {
        match *self {
            Self::Between { lo, hi } => [lo, hi],
            Self::AtLeast(lo) => [lo, f64::INFINITY],
            Self::AtMost(hi) => [f64::NEG_INFINITY, hi],
            Self::Outside { .. } | Self::Everything => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// The least possible value.
    pub fn lo(&self) -> f64 {
        self.ends()[0]
    }

    /// The greatest possible value.
    pub fn hi(&self) -> f64 {
        self.ends()[1]
    }

    /// Whether both ends are finite.
    pub fn is_bounded(&self) -> bool {
        self.ends().iter().all(|end| end.is_finite())
    }

    /// Why a lift's interval has no bounds, for a person to read; None where it has those that its test gives.
    pub fn unbounded_reason(&self) -> Option<&'static str> {
        let one_sided = matches!(self, Self::AtLeast(_) | Self::AtMost(_));
        (!one_sided && !self.is_bounded()).then_some("the control mean may be zero, so the lift has no bound")
    }

    /// The smallest widening that makes `value` possible.
    pub(crate) fn reaching(self, value: f64) -> Self {
        match self {
            _ if self.contains(value) => self,
            Self::Between { lo, hi } => Self::Between { lo: lo.min(value), hi: hi.max(value) },
            Self::AtLeast(lo) => Self::AtLeast(lo.min(value)),
            Self::AtMost(hi) => Self::AtMost(hi.max(value)),
            Self::Outside { lo, hi } if value - lo < hi - value => Self::Outside { lo: value, hi },
            Self::Outside { lo, .. } => Self::Outside { lo, hi: value },
            Self::Everything => self,
        }
    }

    pub(crate) fn is_nan(&self) -> bool {
        match *self {
            Self::Between { lo, hi } | Self::Outside { lo, hi } => lo.is_nan() || hi.is_nan(),
            Self::AtLeast(end) | Self::AtMost(end) => end.is_nan(),
            Self::Everything => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_not_possible_and_its_ends_are() {
        let gap = Interval::Outside { lo: -1.0, hi: 2.0 };
        assert!(gap.contains(-1.0) && gap.contains(2.0) && gap.contains(1e9) && !gap.contains(0.0));
        assert_eq!(gap.ends(), [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(gap.unbounded_reason().is_some());
    }

    #[test]
    fn reaching_a_value_moves_the_nearer_end_only() {
        assert_eq!(
            Interval::Between { lo: 0.1, hi: 2.0 }.reaching(0.0),
            Interval::Between { lo: 0.0, hi: 2.0 }
        );
        assert_eq!(
            Interval::Between { lo: -2.0, hi: -0.1 }.reaching(0.0),
            Interval::Between { lo: -2.0, hi: 0.0 }
        );
        assert_eq!(
            Interval::Outside { lo: -0.1, hi: 2.0 }.reaching(0.0),
            Interval::Outside { lo: 0.0, hi: 2.0 }
        );
        assert_eq!(
            Interval::Outside { lo: -3.0, hi: 2.0 }.reaching(0.0),
            Interval::Outside { lo: -3.0, hi: 0.0 }
        );
        assert_eq!(Interval::Everything.reaching(0.0), Interval::Everything);
        assert_eq!(Interval::AtLeast(0.1).reaching(-0.2), Interval::AtLeast(-0.2));
        assert_eq!(Interval::AtMost(0.1).reaching(-0.2), Interval::AtMost(0.1));
    }

    #[test]
    fn one_side_is_all_that_a_one_sided_test_bounds() {
        assert!(Interval::AtLeast(1.0).contains(1e300) && !Interval::AtLeast(1.0).contains(0.9));
        assert_eq!(Interval::AtMost(1.0).ends(), [f64::NEG_INFINITY, 1.0]);
        assert_eq!(Interval::AtMost(1.0).unbounded_reason(), None);
    }
}

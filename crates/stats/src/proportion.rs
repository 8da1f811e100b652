//! A share of successes, with the variance of its own estimator.

use serde::{Deserialize, Serialize};

/// How many of n units succeeded.
///
/// ```
/// use tranche_stats::Proportion;
/// let visits = Proportion::from_counts(21_306, 2_262);
/// assert_eq!(visits.share(), 2_262.0 / 21_306.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proportion {
    /// How many units.
    pub n: u64,
    /// How many of them succeeded.
    pub successes: u64,
}

impl Proportion {
    /// `successes` out of `n`.
    pub fn from_counts(n: u64, successes: u64) -> Self {
        Self { n, successes }
    }

    /// Both samples together.
    pub fn merge(&self, other: &Self) -> Self {
        Self { n: self.n + other.n, successes: self.successes + other.successes }
    }

    /// p = successes / n; 0 without units.
    pub fn share(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.successes as f64 / self.n as f64 }
    }

    /// p (1 - p): the maximum likelihood variance of one unit, without the n - 1 of a sample variance.
    pub fn variance(&self) -> f64 {
        self.share() * (1.0 - self.share())
    }

    /// √(p (1 - p) / n), the standard error of p (Wald); 0 without units.
    pub fn standard_error(&self) -> f64 {
        if self.n == 0 { 0.0 } else { (self.variance() / self.n as f64).max(0.0).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Normal;

    /// Cookie Cats, retention after 7 days: the pooled z-test as published.
    #[test]
    fn the_pooled_z_of_cookie_cats() {
        let (control, treatment) =
            (Proportion::from_counts(44_700, 8_502), Proportion::from_counts(45_489, 8_279));
        let pooled = control.merge(&treatment).variance();
        let z = (treatment.share() - control.share()) / (pooled / 44_700.0 + pooled / 45_489.0).sqrt();
        assert!((z + 3.16436).abs() < 5e-6, "{z}");
        assert!((2.0 * Normal.survival(z.abs()) - 0.001_554_25).abs() < 5e-9);
    }

    #[test]
    fn no_units_have_no_standard_error() {
        assert_eq!(Proportion::default().standard_error(), 0.0);
    }
}

//! A family of tests: which to reject, and intervals that keep the family's error rate too.

use crate::multiplicity::{Adjustment, adjusted};

/// What a family's adjustment holds at alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorRate {
    /// The chance of a false rejection in each test by itself.
    PerTest,
    /// The chance of any false rejection in the family.
    FamilyWise,
    /// The expected share of false rejections among all rejections.
    FalseDiscovery,
}

/// Tests that are judged together.
///
/// ```
/// use tranche_stats::{Adjustment, Family};
/// let family = Family { p: vec![0.001, 0.2, 0.012], alpha: 0.05, method: Adjustment::BenjaminiHochberg };
/// assert_eq!(family.rejected(), [true, false, true]);
/// assert_eq!(family.interval_alphas(), [Some(0.05 * 2.0 / 3.0), None, Some(0.05 * 2.0 / 3.0)]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The p-values, unadjusted.
    pub p: Vec<f64>,
    /// The error rate, in (0, 1).
    pub alpha: f64,
    /// How they are adjusted.
    pub method: Adjustment,
}

impl Adjustment {
    /// Which error rate the method holds.
    pub fn error_rate(self) -> ErrorRate {
        match self {
            Self::None => ErrorRate::PerTest,
            Self::Bonferroni | Self::Holm | Self::Hochberg => ErrorRate::FamilyWise,
            Self::BenjaminiHochberg | Self::BenjaminiYekutieli => ErrorRate::FalseDiscovery,
        }
    }
}

impl Family {
    /// The adjusted p-values, in the family's order.
    pub fn adjusted(&self) -> Vec<f64> {
        adjusted(&self.p, self.method)
    }

    /// Which nulls are rejected: those whose adjusted p-value is at most alpha.
    pub fn rejected(&self) -> Vec<bool> {
        self.adjusted().into_iter().map(|p| p <= self.alpha).collect()
    }

    /// The alpha at which to form each test's interval, so that the intervals keep the family's error rate.
    ///
    /// Bonferroni: alpha / m for all m, which cover simultaneously with a chance of 1 - alpha. Benjamini-Hochberg: with R rejections
    /// R alpha / m for those rejected and none for the others; of intervals so selected and adjusted at most a share alpha misses on
    /// average (the false coverage rate). Benjamini-Yekutieli: the same, divided by 1 + 1/2 + ... + 1/m, under any dependence.
    /// Without adjustment alpha. Holm's and Hochberg's tests have no intervals of this form. Source: Benjamini and Yekutieli, False
    /// discovery rate-adjusted multiple confidence intervals for selected parameters (2005).
    pub fn interval_alphas(&self) -> Vec<Option<f64>> {
        let m = self.p.len() as f64;
        let rejected = self.rejected();
        let share = self.alpha * rejected.iter().filter(|rejected| **rejected).count() as f64 / m;
        let harmonic: f64 = (1..=self.p.len()).map(|i| 1.0 / i as f64).sum();
        let alpha = |rejected: bool| match self.method {
            Adjustment::None => Some(self.alpha),
            Adjustment::Bonferroni => Some(self.alpha / m),
            Adjustment::Holm | Adjustment::Hochberg => None,
            Adjustment::BenjaminiHochberg => rejected.then_some(share),
            Adjustment::BenjaminiYekutieli => rejected.then_some(share / harmonic),
        };
        rejected.into_iter().map(alpha).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: [f64; 15] = [
        0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251, 0.269, 0.275, 0.34,
    ];

    /// Fifteen p-values of a textbook example through statsmodels 0.15.0, `multipletests`.
    #[test]
    fn adjusted_values_are_those_of_statsmodels() {
        use Adjustment::{BenjaminiHochberg, BenjaminiYekutieli, Bonferroni, Hochberg, Holm};
        for (method, rate, expected) in [
            (Bonferroni, ErrorRate::FamilyWise, [0.015, 0.12, 0.585, 0.615, 0.63, 0.9, 1.0, 1.0, 1.0]),
            (Holm, ErrorRate::FamilyWise, [0.015, 0.112, 0.507, 0.507, 0.507, 0.6, 0.666, 1.0, 1.0]),
            (Hochberg, ErrorRate::FamilyWise, [0.015, 0.112, 0.34, 0.34, 0.34, 0.34, 0.34, 0.34, 0.34]),
            (
                BenjaminiHochberg,
                ErrorRate::FalseDiscovery,
                [
                    0.015,
                    0.06,
                    0.126,
                    0.126,
                    0.126,
                    0.15,
                    0.158_571_428_571_428_56,
                    0.294_642_857_142_857_15,
                    0.294_642_857_142_857_15,
                ],
            ),
            (
                BenjaminiYekutieli,
                ErrorRate::FalseDiscovery,
                [
                    0.049_773_434_898_434_9,
                    0.199_093_739_593_739_6,
                    0.418_096_853_146_853_24,
                    0.418_096_853_146_853_24,
                    0.418_096_853_146_853_24,
                    0.497_734_348_984_349,
                    0.526_176_311_783_454_6,
                    0.977_692_471_219_257_1,
                    0.977_692_471_219_257_1,
                ],
            ),
        ] {
            let family = Family { p: P.to_vec(), alpha: 0.05, method };
            let found = family.adjusted();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{method:?}: {found:?}");
            assert_eq!(family.rejected().iter().filter(|rejected| **rejected).count(), 1, "{method:?}");
            assert_eq!(method.error_rate(), rate);
        }
    }

    #[test]
    fn intervals_are_formed_where_they_keep_the_rate() {
        let alphas =
            |method| Family { p: vec![0.001, 0.9, 0.02, 0.03], alpha: 0.1, method }.interval_alphas();
        assert_eq!(alphas(Adjustment::None), [Some(0.1); 4]);
        assert_eq!(alphas(Adjustment::Bonferroni), [Some(0.025); 4]);
        assert_eq!(alphas(Adjustment::Holm), [None; 4]);
        let selected = 0.1 * 3.0 / 4.0;
        assert_eq!(
            alphas(Adjustment::BenjaminiHochberg),
            [Some(selected), None, Some(selected), Some(selected)]
        );
        // .03 · 25/12 · 4/3 = .083: the same three are rejected.
        let dependent = alphas(Adjustment::BenjaminiYekutieli);
        assert_eq!(dependent[1], None);
        assert!(
            dependent[0].is_some_and(|alpha| (alpha - selected * 12.0 / 25.0).abs() < 1e-15),
            "{dependent:?}"
        );
        assert_eq!(Family { p: vec![], alpha: 0.1, method: Adjustment::Bonferroni }.interval_alphas(), []);
    }
}

//! How much of alpha may be spent by when.

use crate::Reason;
use crate::distribution::Normal;

/// An alpha-spending function: the error that may be spent when a fraction t of the planned information is in.
///
/// Source: Lan and DeMets, Discrete sequential boundaries for clinical trials (1983); for the power family Kim and DeMets (1987).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spending {
    /// Like O'Brien and Fleming's boundary, hard to cross early: 2 P(Z > z / √t) with P(Z > z) = alpha / 2.
    OBrienFleming,
    /// Like Pocock's boundary, about even: alpha ln(1 + (e - 1) t).
    Pocock,
    /// alpha t^rho.
    Power {
        /// The exponent, positive: 1 spends evenly, 3 is close to O'Brien and Fleming.
        rho: f64,
    },
}

impl Spending {
    /// The part of `alpha`, the error of one tail, that is spent at the information `fraction`; all of it from 1 on.
    pub fn spent(self, alpha: f64, fraction: f64) -> f64 {
        self.schedule(alpha)(fraction)
    }

    /// [`spent`](Self::spent) at many fractions.
    pub(super) fn schedule(self, alpha: f64) -> impl Fn(f64) -> f64 {
        let z = if self == Self::OBrienFleming { Normal.critical(0.5 * alpha) } else { 0.0 };
        move |fraction| {
            let t = fraction.clamp(0.0, 1.0);
            match self {
                _ if t == 0.0 || t == 1.0 => alpha * t,
                Self::OBrienFleming => 2.0 * Normal.survival(z / t.sqrt()),
                Self::Pocock => alpha * (t * 1.0_f64.exp_m1()).ln_1p(),
                Self::Power { rho } => alpha * t.powf(rho),
            }
        }
    }

    pub(super) fn check(self) -> Result<(), Reason> {
        match self {
            Self::Power { rho } if !(rho > 0.0 && rho.is_finite()) => Err(Reason::ParameterNotPositive),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_spent_in_the_end_and_never_less_than_before() {
        for spending in [Spending::OBrienFleming, Spending::Pocock, Spending::Power { rho: 2.0 }] {
            assert_eq!(spending.spent(0.05, 0.0), 0.0);
            assert_eq!([spending.spent(0.05, 1.0), spending.spent(0.05, 1.3)], [0.05, 0.05]);
            assert!((spending.spent(0.05, 1.0 - 1e-9) - 0.05).abs() < 1e-9);
            let path: Vec<f64> = (0..=20).map(|i| spending.spent(0.05, f64::from(i) / 20.0)).collect();
            assert!(path.is_sorted(), "{path:?}");
        }
    }
}

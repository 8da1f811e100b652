//! Student's t distribution.

use std::f64::consts::PI;

use super::{Normal, exponential_mean, rising_series, solve_tail};

/// Student's t distribution with real `df` > 0 degrees of freedom, such as Welch and Satterthwaite's.
///
/// ```
/// use tranche_stats::distribution::StudentT;
/// assert!((StudentT { df: 10.0 }.critical(0.025) - 2.2281388519862747).abs() < 1e-14);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentT {
    /// Degrees of freedom.
    pub df: f64,
}

impl StudentT {
    /// f(t) = Γ((v+1)/2) / (√(vπ) Γ(v/2)) · (1 + t²/v)^(-(v+1)/2).
    pub fn density(self, t: f64) -> f64 {
        self.height() * (-0.5 * (self.df + 1.0) * (t * t / self.df).ln_1p()).exp()
    }

    /// P(T > t), for t ≥ 1 by quadrature, mirrored below 0.
    ///
    /// Up to 1 it is 1/2 - t f(t) F(1, (v+1)/2; 3/2; t² / (v + t²)), a series of positive terms (Abramowitz and Stegun 26.5.27,
    /// 15.3.4). From there on, with w = v/2 · ln((1 + u²/v) / (1 + t²/v)) the integral of the density over u from t on becomes
    /// f(0) (1 + t²/v)^(-v/2) ∫ exp(-w) √(1/u² + 1/v) dw over w > 0. What is left to integrate is smooth and positive, so that
    /// neither a small tail nor a large v costs digits, as they do in the incomplete beta function.
    pub fn survival(self, t: f64) -> f64 {
        if t < 0.0 {
            return 1.0 - self.survival(-t);
        }
        if t < 1.0 {
            let y = t * t / (self.df + t * t);
            return 0.5
                - t * self.density(t) * rising_series(|k| y * (0.5 * (self.df + 1.0) + k) / (1.5 + k));
        }
        let decay = (-0.5 * self.df * (t * t / self.df).ln_1p()).exp();
        if decay == 0.0 {
            return 0.0;
        }
        let integral = exponential_mean(|w| {
            let u_squared = t * t + (2.0 * w / self.df).exp_m1() * (t * t + self.df);
            (1.0 / u_squared + 1.0 / self.df).sqrt()
        });
        self.height() * decay * integral
    }

    /// f(0) = Γ((v+1)/2) / (√(vπ) Γ(v/2)).
    fn height(self) -> f64 {
        gamma_step(0.5 * self.df) / (PI * self.df).sqrt()
    }

    /// P(T ≤ t).
    pub fn cdf(self, t: f64) -> f64 {
        self.survival(-t)
    }

    /// The t with P(T > t) = `tail`, for a tail in (0, 1). Newton's method from Fisher's expansion around the normal quantile.
    pub fn critical(self, tail: f64) -> f64 {
        if tail > 0.5 {
            return -self.critical(1.0 - tail);
        }
        if tail == 0.5 {
            return 0.0;
        }
        let z = Normal.critical(tail);
        let start = z + (z * z * z + z) / (4.0 * self.df.max(1.0));
        solve_tail(tail, start, 0.0, |t| self.survival(t), |t| self.density(t))
    }

    /// The t with P(T ≤ t) = `probability`, in (0, 1).
    pub fn quantile(self, probability: f64) -> f64 {
        -self.critical(probability)
    }
}

/// Γ(a + 1/2) / Γ(a) for a > 0, by its asymptotic series (Tricomi and Erdélyi 1951), raised to where that holds all digits.
fn gamma_step(a: f64) -> f64 {
    let (mut a, mut factor) = (a, 1.0);
    while a < 50.0 {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let i = 1.0 / a;
    let tail = -21.0 / 32_768.0
        + i * (-399.0 / 262_144.0 + i * (869.0 / 4_194_304.0 + i * (39_325.0 / 33_554_432.0)));
    let series = 1.0 + i * (-1.0 / 8.0 + i * (1.0 / 128.0 + i * (5.0 / 1024.0 + i * tail)));
    factor * a.sqrt() * series
}

#[cfg(test)]
#[path = "student_t_tests.rs"]
mod tests;

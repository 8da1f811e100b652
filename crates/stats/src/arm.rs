//! One arm of an experiment, as every estimator here sees it.

use crate::{CoMoments, Moments, Proportion, QuantileSummary, UndefinedReason};

/// How many units an arm has, their mean and the variance per unit, whatever the metric: variance / n is that of the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    /// How many units were randomised into the arm.
    pub n: u64,
    /// The estimate: a mean, proportion, ratio, quantile or adjusted mean.
    pub mean: f64,
    /// The variance per unit, positive and finite; or what the arm lacks to have one.
    pub variance: Result<f64, UndefinedReason>,
    /// What a lift is relative to, when this arm is the control.
    pub baseline: Baseline,
}

/// The mean before adjustment. The same as the arm's own but for a CUPED-adjusted arm, whose lift is relative to the observed
/// mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// The observed mean.
    pub mean: f64,
    /// Its variance per unit.
    pub variance: f64,
    /// Its covariance with the arm's mean, per unit.
    pub covariance: f64,
}

/// Two arms adjusted by one covariate, and by how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// The slope of the outcome on the covariate, both arms taken as one sample; 0 where either does not vary.
    pub theta: f64,
    /// The control, adjusted.
    pub control: Arm,
    /// The treatment, adjusted.
    pub treatment: Arm,
}

impl Arm {
    /// An arm of known mean and variance per unit.
    pub fn new(n: u64, mean: f64, variance: f64) -> Self {
        Self::with(n, mean, positive(n, variance))
    }

    /// The mean of the units' values; the variance is the sample variance, M₂ / (n - 1).
    pub fn mean(moments: &Moments) -> Self {
        let variance = match moments.variance() {
            Some(variance) => positive(moments.n, variance),
            None => Err(too_few(moments.n)),
        };
        Self::with(moments.n, moments.mean, variance)
    }

    /// The standard error of the difference between two random halves of the arm, √(4 s² / n); none without a variance.
    ///
    /// ```
    /// let error = tranche_stats::Arm::new(100, 10.0, 25.0).error_between_halves();
    /// assert_eq!(error, Some(1.0));
    /// ```
    pub fn error_between_halves(&self) -> Option<f64> {
        self.variance.ok().map(|variance| (4.0 * variance / self.n as f64).sqrt())
    }

    /// The share of units that succeeded; the variance is p (1 - p).
    pub fn proportion(proportion: &Proportion) -> Self {
        let variance = if proportion.successes > proportion.n {
            Err(UndefinedReason::MoreSuccessesThanUnits)
        } else {
            positive(proportion.n, proportion.variance())
        };
        Self::with(proportion.n, proportion.share(), variance)
    }

    /// Σx / Σy over the units; R = x̄ / ȳ has the variance (s²ₓ - 2 R sₓᵧ + R² s²ᵧ) / ȳ² per unit.
    ///
    /// Source: the delta method; Deng, Knoblich and Lu, Applying the delta method in metric analytics (2018), section 3.
    pub fn ratio(pairs: &CoMoments) -> Self {
        if pairs.n < 2 || pairs.mean_y == 0.0 {
            let divides = pairs.n == 0 || pairs.mean_y != 0.0;
            let reason = if divides { too_few(pairs.n) } else { UndefinedReason::ZeroDenominator };
            return Self::with(
                pairs.n,
                if pairs.mean_y == 0.0 { 0.0 } else { pairs.mean_x / pairs.mean_y },
                Err(reason),
            );
        }
        let ratio = pairs.mean_x / pairs.mean_y;
        let terms = [pairs.m2_x, -2.0 * ratio * pairs.c_xy, ratio * ratio * pairs.m2_y];
        let variance = difference_of(&terms) / (pairs.n - 1) as f64 / (pairs.mean_y * pairs.mean_y);
        Self::with(pairs.n, ratio, positive(pairs.n, variance))
    }

    /// A quantile over the units; see [`QuantileSummary::variance`].
    pub fn quantile(quantile: &QuantileSummary) -> Self {
        let variance = match quantile.variance() {
            Some(variance) => positive(quantile.n, variance),
            None if quantile.n == 0 => Err(UndefinedReason::NoUnits),
            None if quantile.upper <= quantile.lower => Err(UndefinedReason::NoVariance),
            None => Err(UndefinedReason::TooFewForQuantile),
        };
        Self::with(quantile.n, quantile.estimate, variance)
    }

    /// Whether the arm has an estimate at all: without units, without rows or over a denominator of zero there is none, which is
    /// not an estimate of zero.
    pub fn has_value(&self) -> bool {
        let none = [UndefinedReason::NoUnits, UndefinedReason::NoRows, UndefinedReason::ZeroDenominator];
        self.mean.is_finite() && self.n > 0 && !self.variance.is_err_and(|reason| none.contains(&reason))
    }

    /// The standard error of the mean, √(variance / n).
    pub fn standard_error(&self) -> Result<f64, UndefinedReason> {
        self.variance.map(|variance| (variance / self.n as f64).sqrt())
    }

    fn with(n: u64, mean: f64, variance: Result<f64, UndefinedReason>) -> Self {
        let variance = if mean.is_finite() { variance } else { Err(UndefinedReason::NotFinite) };
        let spread = variance.unwrap_or(0.0);
        Self { n, mean, variance, baseline: Baseline { mean, variance: spread, covariance: spread } }
    }

    fn adjusted(pairs: &CoMoments, theta: f64, covariate_mean: f64) -> Self {
        let plain = Self::mean(&pairs.x());
        if theta == 0.0 || pairs.n < 2 {
            return plain;
        }
        let mean = pairs.mean_x - theta * (pairs.mean_y - covariate_mean);
        let degrees = (pairs.n - 1) as f64;
        let variance =
            difference_of(&[pairs.m2_x, -2.0 * theta * pairs.c_xy, theta * theta * pairs.m2_y]) / degrees;
        let covariance = (pairs.m2_x - theta * pairs.c_xy) / degrees;
        let arm = Self::with(pairs.n, mean, positive(pairs.n, variance));
        Self { baseline: Baseline { mean: pairs.mean_x, variance: pairs.m2_x / degrees, covariance }, ..arm }
    }
}

/// CUPED: both arms' means of x, less what their means of the covariate y explain.
///
/// θ = cov(x, y) / var(y) over both arms taken as one sample; an arm's mean becomes x̄ - θ (ȳ - pooled ȳ), its variance
/// s²ₓ + θ² s²ᵧ - 2 θ sₓᵧ. Centring on the pooled covariate leaves every difference as it is and keeps the means readable.
/// Source: Deng, Xu, Kohavi and Walker, Improving the sensitivity of online controlled experiments (2013).
pub fn adjust(control: &CoMoments, treatment: &CoMoments) -> Adjusted {
    let pooled = control.merge(treatment);
    let varies = pooled.m2_x > 0.0 && pooled.m2_y > 0.0;
    let theta = if varies { pooled.c_xy / pooled.m2_y } else { 0.0 };
    let arm = |pairs| Arm::adjusted(pairs, theta, pooled.mean_y);
    Adjusted { theta, control: arm(control), treatment: arm(treatment) }
}

pub(crate) fn positive(n: u64, variance: f64) -> Result<f64, UndefinedReason> {
    match variance {
        _ if n == 0 => Err(UndefinedReason::NoUnits),
        variance if !variance.is_finite() => Err(UndefinedReason::NotFinite),
        variance if variance <= 0.0 => Err(UndefinedReason::NoVariance),
        variance => Ok(variance),
    }
}

fn too_few(n: u64) -> UndefinedReason {
    if n == 0 { UndefinedReason::NoUnits } else { UndefinedReason::OneUnit }
}

/// The sum of terms that may cancel; what is left below their rounding is zero.
fn difference_of(terms: &[f64; 3]) -> f64 {
    let sum: f64 = terms.iter().sum();
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    if sum <= 16.0 * f64::EPSILON * size { 0.0 } else { sum }
}

#[cfg(test)]
#[path = "arm_tests.rs"]
mod tests;

//! Intervals for what has no formula: the bootstrap over units.

use crate::distribution::Normal;
use crate::{Generator, Moments, Outcome, Reason, UndefinedReason};

/// How to resample. The default: 2000 replicates, alpha .05, bias-corrected and accelerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many resamples are drawn; at least 2.
    pub replicates: u32,
    /// Where the random numbers begin; the same seed gives the same interval.
    pub seed: u64,
    /// Intervals cover about 1 - alpha; in (0, 1).
    pub alpha: f64,
    /// Where the interval's ends are read.
    pub method: BootstrapMethod,
}

/// Where the ends of a bootstrap interval are read among the replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapMethod {
    /// At alpha / 2 and 1 - alpha / 2.
    Percentile,
    /// At levels corrected for bias and skewness (BCa); calls the statistic once more for every unit.
    BiasCorrected,
}

/// What the replicates say about a statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapEstimate {
    /// The statistic of the units themselves.
    pub effect: f64,
    /// The standard deviation of the replicates.
    pub se: f64,
    /// The interval's ends.
    pub interval: [f64; 2],
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { replicates: 2000, seed: 1, alpha: 0.05, method: BootstrapMethod::BiasCorrected }
    }
}

impl Bootstrap {
    /// Resamples `control` and `treatment` units, each arm by itself, and reads the interval of `statistic`, which is given the
    /// units of both arms by their places.
    ///
    /// Undefined where an arm has no two units, or the statistic is not finite for the units themselves or for any resample. Source:
    /// Efron, Better bootstrap confidence intervals (1987); for two samples Efron and Tibshirani, An introduction to the bootstrap
    /// (1993), chapter 14.
    pub fn estimate(
        &self,
        control: usize,
        treatment: usize,
        statistic: impl Fn(&[usize], &[usize]) -> f64,
    ) -> Outcome<BootstrapEstimate> {
        self.resample([control, treatment], statistic).into()
    }

    fn resample(
        &self,
        sizes: [usize; 2],
        statistic: impl Fn(&[usize], &[usize]) -> f64,
    ) -> Result<BootstrapEstimate, Reason> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        if self.replicates < 2 {
            return Err(Reason::ParameterNotPositive);
        }
        for (size, arm) in sizes.into_iter().zip([Reason::Control, Reason::Treatment]) {
            if size < 2 {
                return Err(arm(if size == 0 { UndefinedReason::NoUnits } else { UndefinedReason::OneUnit }));
            }
        }
        let evaluate = |units: &[Vec<usize>; 2]| {
            let value = statistic(&units[0], &units[1]);
            if value.is_finite() { Ok(value) } else { Err(Reason::ResamplesUndefined) }
        };
        let all = sizes.map(|size| (0..size).collect::<Vec<_>>());
        let effect = evaluate(&all)?;
        let mut generator = Generator::seeded(self.seed);
        let mut units = all.clone();
        let mut replicates = Vec::with_capacity(self.replicates as usize);
        for _ in 0..self.replicates {
            for (units, size) in units.iter_mut().zip(sizes) {
                units.iter_mut().for_each(|unit| *unit = generator.below(size));
            }
            replicates.push(evaluate(&units)?);
        }
        replicates.sort_by(f64::total_cmp);
        let levels = match self.method {
            BootstrapMethod::Percentile => [0.5 * self.alpha, 1.0 - 0.5 * self.alpha],
            BootstrapMethod::BiasCorrected => {
                corrected_levels(self.alpha, bias(&replicates, effect), acceleration(&all, evaluate)?)
            }
        };
        let interval = levels.map(|level| quantile(&replicates, level));
        let se = Moments::from_values(replicates).variance().unwrap_or(0.0).sqrt();
        Ok(BootstrapEstimate { effect, se, interval })
    }
}

/// The normal quantile of the share of replicates below the effect, ties counted half.
fn bias(replicates: &[f64], effect: f64) -> f64 {
    let n = replicates.len() as f64;
    let below = replicates.partition_point(|value| *value < effect);
    let up_to = replicates.partition_point(|value| *value <= effect);
    Normal.quantile((0.5 * (below + up_to) as f64 / n).clamp(0.5 / n, 1.0 - 0.5 / n))
}

/// Σ u³ / 6 (Σ u²)^(3/2) over all units, u = (n - 1) / n times what leaving the unit out takes from the mean of its arm's
/// jackknife.
fn acceleration(
    all: &[Vec<usize>; 2],
    evaluate: impl Fn(&[Vec<usize>; 2]) -> Result<f64, Reason>,
) -> Result<f64, Reason> {
    let (mut squares, mut cubes) = (0.0, 0.0);
    for arm in 0..2 {
        let n = all[arm].len();
        let mut units = all.clone();
        units[arm].remove(0);
        let mut values = Vec::with_capacity(n);
        for left_out in 0..n {
            if left_out > 0 {
                units[arm][left_out - 1] = left_out - 1;
            }
            values.push(evaluate(&units)?);
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        for value in values {
            let influence = (n - 1) as f64 * (mean - value) / n as f64;
            squares += influence * influence;
            cubes += influence * influence * influence;
        }
    }
    Ok(if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 })
}

/// Φ(b + (b + z) / (1 - a (b + z))) at z of alpha / 2 and 1 - alpha / 2, for the bias b and the acceleration a.
fn corrected_levels(alpha: f64, bias: f64, acceleration: f64) -> [f64; 2] {
    let z = Normal.critical(0.5 * alpha);
    [-z, z].map(|z| Normal.cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z))))
}

/// The quantile of sorted values, interpolated between neighbours as by R's type 7.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
#[path = "bootstrap_tests.rs"]
mod tests;

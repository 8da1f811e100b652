//! Arms whose variances come from resampling their rows rather than from a formula.

use crate::covariates::Slopes;
use crate::{Arm, Baseline, CoMomentMatrix, Generator, Lack, Moments, Outcome, OutcomeColumns, PostStratified, Reason};
use crate::{Stratum, StratumWeights, adjust_for_covariates, post_stratify};

/// How to resample for a variance. The default: 2000 replicates from the seed 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapVariance {
    /// How many resamples are drawn; at least 2. The standard error is off by about 1 / √(2 replicates) of itself.
    pub replicates: u32,
    /// Where the random numbers begin; the same seed gives the same variance.
    pub seed: u64,
}

impl Default for BootstrapVariance {
    fn default() -> Self {
        Self { replicates: 2000, seed: 1 }
    }
}

/// The rows of one stratum, each of `columns` numbers: the outcome's columns, then any covariates.
#[derive(Debug, Clone, PartialEq)]
pub struct StratumRows {
    /// How many numbers a row has.
    pub columns: usize,
    /// The control's rows, one after the other.
    pub control: Vec<f64>,
    /// The treatment's rows.
    pub treatment: Vec<f64>,
}

impl StratumRows {
    fn moments(&self) -> Result<Stratum, Reason> {
        let of = |rows: &[f64]| -> Result<CoMomentMatrix, Reason> {
            let mut moments = CoMomentMatrix::new(self.columns);
            for row in rows.chunks(self.columns.max(1)) {
                moments.push(row).into_result()?;
            }
            Ok(moments)
        };
        Ok(Stratum { control: of(&self.control)?, treatment: of(&self.treatment)? })
    }
}

impl BootstrapVariance {
    /// The arms of [`post_stratify`] with observed weights, or for one stratum those of [`adjust_for_covariates`], with the variance over
    /// resamples of what they estimate. Slopes and weights stay those of the rows themselves.
    ///
    /// Each stratum of n rows in an arm is resampled by drawing n - 1 of them with replacement, so that the variance of a mean is s² / n
    /// on average and not less. Rows are put in order first: the order in which they are given does not matter.
    ///
    /// Undefined where these functions are, or where the estimate has no value on some resample. Source: Rao and Wu, Resampling
    /// inference with complex survey data (1988).
    pub fn arms(&self, strata: &[StratumRows], outcomes: OutcomeColumns) -> Outcome<PostStratified> {
        self.resample(strata, outcomes).into()
    }

    fn resample(&self, strata: &[StratumRows], outcomes: OutcomeColumns) -> Result<PostStratified, Reason> {
        if self.replicates < 2 {
            return Err(Reason::ParameterNotPositive);
        }
        let moments = strata.iter().map(StratumRows::moments).collect::<Result<Vec<_>, _>>()?;
        let (mut found, slopes) = match moments.as_slice() {
            [one] => {
                let arms = adjust_for_covariates(&one.control, &one.treatment, outcomes).into_result()?;
                let weights = vec![1.0];
                let slopes = Slopes::within(&one.control.with(&one.treatment)?, outcomes)?;
                (PostStratified { weights, thetas: arms.thetas, control: arms.control, treatment: arms.treatment }, slopes)
            }
            several => {
                let found = post_stratify(several, StratumWeights::Observed, outcomes).into_result()?;
                let slopes = crate::strata::slopes_within(several, &found.weights, outcomes)?;
                (found, slopes)
            }
        };
        let mut generator = Generator::seeded(self.seed);
        let control: Vec<Rows> = strata.iter().map(|stratum| Rows::ordered(&stratum.control, stratum.columns)).collect();
        found.control = self.arm(&found.control, &control, &found.weights, &slopes, &mut generator)?;
        let treatment: Vec<Rows> = strata.iter().map(|stratum| Rows::ordered(&stratum.treatment, stratum.columns)).collect();
        found.treatment = self.arm(&found.treatment, &treatment, &found.weights, &slopes, &mut generator)?;
        Ok(found)
    }

    fn arm(
        &self,
        arm: &Arm,
        strata: &[Rows],
        weights: &[f64],
        slopes: &Slopes,
        generator: &mut Generator,
    ) -> Result<Arm, Reason> {
        if arm.variance.is_err() {
            return Ok(*arm);
        }
        let mut spread = crate::CoMoments::default();
        let columns = strata.first().map_or(0, |rows| rows.columns);
        let (mut means, mut sums) = (vec![0.0; columns], vec![0.0; columns]);
        for _ in 0..self.replicates {
            means.fill(0.0);
            for (rows, weight) in strata.iter().zip(weights) {
                rows.resampled_sums(&mut sums, generator);
                let share = weight / (rows.len - 1) as f64;
                means.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean += share * sum);
            }
            let [adjusted, observed] = slopes.estimate(&means).map_err(|_| Reason::ResamplesUndefined)?;
            spread.push(adjusted, observed);
        }
        let per_row = |sum: f64| sum / (spread.n - 1) as f64 * arm.n as f64;
        let baseline = Baseline { mean: arm.baseline.mean, variance: per_row(spread.m2_y), covariance: per_row(spread.c_xy) };
        let variance = Moments { n: spread.n, mean: spread.mean_x, m2: spread.m2_x }.variance().unwrap_or(0.0);
        let variance = if variance > 0.0 { Ok(variance * arm.n as f64) } else { Err(Lack::NoVariance) };
        Ok(Arm { variance, baseline, ..*arm })
    }
}

/// Rows in an order of their own.
struct Rows {
    columns: usize,
    len: usize,
    values: Vec<f64>,
}

impl Rows {
    fn ordered(values: &[f64], columns: usize) -> Self {
        let mut rows: Vec<&[f64]> = values.chunks(columns.max(1)).collect();
        rows.sort_by(|a, b| {
            a.iter().zip(*b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        Self { columns, len: rows.len(), values: rows.concat() }
    }

    /// The sums of n - 1 rows drawn with replacement.
    fn resampled_sums(&self, sums: &mut [f64], generator: &mut Generator) {
        sums.fill(0.0);
        for _ in 1..self.len {
            let first = generator.below(self.len) * self.columns;
            sums.iter_mut().zip(&self.values[first..first + self.columns]).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
#[path = "resampled_tests.rs"]
mod tests;

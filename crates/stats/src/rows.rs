//! From the rows of units or clusters to two arms, with whatever is to be taken into account.

use std::cmp::Ordering;

use crate::arm::positive;
use crate::covariates::Slopes;
use crate::strata::slopes_within;
use crate::{
    Arm, Baseline, CoMomentMatrix, CoMoments, Generator, Outcome, OutcomeColumns, Reason, Stratum,
    StratumWeights, UndefinedReason, adjust_for_covariates, post_stratify,
};

/// Where the variance of an arm's estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VarianceMethod {
    /// A formula.
    #[default]
    Formula,
    /// The spread of the estimate over resamples.
    Bootstrap {
        /// How many resamples are drawn; at least 2. The standard error is off by about 1 / √(2 replicates) of itself.
        replicates: u32,
        /// Where the random numbers begin; the same seed gives the same variance.
        seed: u64,
    },
}

/// The rows of one stratum, one after the other: of each the outcome's columns, then any covariates.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StratumRows {
    /// The control's.
    pub control: Vec<f64>,
    /// The treatment's.
    pub treatment: Vec<f64>,
}

/// Two arms, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmsOfRows {
    /// The slope on each covariate, as of [`CovariateAdjusted`](crate::CovariateAdjusted).
    pub thetas: Vec<f64>,
    /// How many strata were weighed.
    pub strata: usize,
    /// How many of those given were too small in an arm to be a stratum of their own.
    pub pooled: usize,
    /// The control.
    pub control: Arm,
    /// The treatment.
    pub treatment: Arm,
}

/// The arms of [`post_stratify`] with observed weights, or for one stratum those of [`adjust_for_covariates`], from rows of `columns`
/// numbers.
///
/// Strata with fewer than two rows in an arm are put together into one, with the smallest of the others if that is too small
/// itself.
///
/// By [`VarianceMethod::Bootstrap`] variances are those over resamples of what the arms estimate, slopes and weights staying as they
/// are. Each stratum of n rows in an arm is resampled by drawing n - 1 of them with replacement, so that the variance of a mean is
/// s² / n on average and not less. Rows are put in order first: the order in which they are given does not matter. Source: Rao and Wu,
/// Resampling inference with complex survey data (1988).
///
/// Undefined where rows have fewer columns than `outcomes` needs, and for fewer than two replicates.
pub fn arms_of_rows(
    strata: &[StratumRows],
    columns: usize,
    outcomes: OutcomeColumns,
    variance: VarianceMethod,
) -> Outcome<ArmsOfRows> {
    estimated(strata, columns, outcomes, variance).into()
}

fn estimated(
    strata: &[StratumRows],
    columns: usize,
    outcomes: OutcomeColumns,
    variance: VarianceMethod,
) -> Result<ArmsOfRows, Reason> {
    if columns < outcomes.columns() {
        return Err(Reason::ColumnsDiffer);
    }
    let (strata, pooled) = pool(strata, 2 * columns);
    let moments = strata.iter().map(|rows| rows.moments(columns)).collect::<Result<Vec<_>, _>>()?;
    let (mut found, weights, slopes) = match moments.as_slice() {
        [one] => {
            let arms = adjust_for_covariates(&one.control, &one.treatment, outcomes).into_result()?;
            let slopes = Slopes::within(&one.control.with(&one.treatment)?, outcomes)?;
            let (control, treatment) = (arms.control, arms.treatment);
            (ArmsOfRows { thetas: arms.thetas, strata: 1, pooled, control, treatment }, vec![1.0], slopes)
        }
        several => {
            let arms = post_stratify(several, StratumWeights::Observed, outcomes).into_result()?;
            let slopes = slopes_within(several, &arms.weights, outcomes)?;
            let (control, treatment) = (arms.control, arms.treatment);
            (
                ArmsOfRows { thetas: arms.thetas, strata: several.len(), pooled, control, treatment },
                arms.weights,
                slopes,
            )
        }
    };
    if let VarianceMethod::Bootstrap { replicates, seed } = variance {
        if replicates < 2 {
            return Err(Reason::ParameterNotPositive);
        }
        let mut resampling =
            Resampling { replicates, weights: &weights, slopes: &slopes, generator: Generator::seeded(seed) };
        let ordered = |of: fn(&StratumRows) -> &[f64]| -> Vec<Rows> {
            strata.iter().map(|rows| Rows::ordered(of(rows), columns)).collect()
        };
        found.control = resampling.arm(&found.control, &ordered(|rows| &rows.control));
        found.treatment = resampling.arm(&found.treatment, &ordered(|rows| &rows.treatment));
    }
    Ok(found)
}

/// Strata of at least `least` numbers in both arms, unless there is but one; and how many of those given were smaller.
fn pool(strata: &[StratumRows], least: usize) -> (Vec<StratumRows>, usize) {
    let is_large = |rows: &StratumRows| rows.control.len() >= least && rows.treatment.len() >= least;
    let (mut large, small): (Vec<StratumRows>, Vec<StratumRows>) =
        strata.iter().cloned().partition(|rows| is_large(rows));
    let pooled = small.len();
    if let Some(rows) = small.into_iter().reduce(StratumRows::with) {
        let smallest = (0..large.len()).min_by_key(|&place| large[place].len());
        match smallest.filter(|_| !is_large(&rows)) {
            Some(place) => large[place] = std::mem::take(&mut large[place]).with(rows),
            None => large.push(rows),
        }
    }
    if large.is_empty() {
        large.push(StratumRows::default());
    }
    (large, pooled)
}

impl StratumRows {
    fn len(&self) -> usize {
        self.control.len() + self.treatment.len()
    }

    fn with(mut self, other: Self) -> Self {
        self.control.extend(other.control);
        self.treatment.extend(other.treatment);
        self
    }

    fn moments(&self, columns: usize) -> Result<Stratum, Reason> {
        let of = |rows: &[f64]| -> Result<CoMomentMatrix, Reason> {
            let mut moments = CoMomentMatrix::new(columns);
            for row in rows.chunks_exact(columns) {
                moments.push(row).into_result()?;
            }
            Ok(moments)
        };
        Ok(Stratum { control: of(&self.control)?, treatment: of(&self.treatment)? })
    }
}

struct Resampling<'a> {
    replicates: u32,
    weights: &'a [f64],
    slopes: &'a Slopes,
    generator: Generator,
}

impl Resampling<'_> {
    fn arm(&mut self, arm: &Arm, strata: &[Rows]) -> Arm {
        if arm.variance.is_err() {
            return *arm;
        }
        let columns = strata.first().map_or(0, |rows| rows.columns);
        let (mut means, mut sums) = (vec![0.0; columns], vec![0.0; columns]);
        let mut spread = CoMoments::default();
        for _ in 0..self.replicates {
            means.fill(0.0);
            for (rows, weight) in strata.iter().zip(self.weights) {
                rows.resampled_sums(&mut sums, &mut self.generator);
                let share = weight / (rows.len - 1) as f64;
                means.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean += share * sum);
            }
            match self.slopes.estimate(&means) {
                Ok([adjusted, observed]) => spread.push(adjusted, observed),
                Err(_) => return Arm { variance: Err(UndefinedReason::ResampleUndefined), ..*arm },
            }
        }
        let per_row = |sum: f64| sum / (spread.n - 1) as f64 * arm.n as f64;
        let baseline = Baseline {
            mean: arm.baseline.mean,
            variance: per_row(spread.m2_y),
            covariance: per_row(spread.c_xy),
        };
        Arm { variance: positive(arm.n, per_row(spread.m2_x)), baseline, ..*arm }
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
        let mut rows: Vec<&[f64]> = values.chunks_exact(columns).collect();
        let order = |a: &&[f64], b: &&[f64]| {
            a.iter().zip(*b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne())
        };
        rows.sort_by(|a, b| order(a, b).unwrap_or(Ordering::Equal));
        Self { columns, len: rows.len(), values: rows.concat() }
    }

    /// The sums of n - 1 rows drawn with replacement.
    fn resampled_sums(&self, sums: &mut [f64], generator: &mut Generator) {
        sums.fill(0.0);
        for _ in 1..self.len {
            let first = generator.below(self.len) * self.columns;
            sums.iter_mut()
                .zip(&self.values[first..first + self.columns])
                .for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;

//! CUPED with any number of covariates, for means and for ratios, of units or of clusters of them.

use crate::arm::positive;
use crate::{Arm, Baseline, CoMomentMatrix, Outcome, Reason, UndefinedReason};

/// What the first columns of a row are; those after it are covariates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeColumns {
    /// One column: the value whose mean is compared. A row is a unit.
    Mean,
    /// Two columns: the numerator and the denominator of a ratio of sums. A row is a unit.
    Ratio,
    /// Three columns, where a row is a cluster of units and holds sums over them: the numerator, the denominator (for a mean the number
    /// of units) and the number of units. Covariates are sums too, and count per unit.
    Clusters,
}

/// Two arms adjusted by several covariates, and by how much.
#[derive(Debug, Clone, PartialEq)]
pub struct CovariateAdjusted {
    /// The slope on each covariate; 0 for one that does not vary, or that those before it determine.
    pub thetas: Vec<f64>,
    /// The control, adjusted.
    pub control: Arm,
    /// The treatment, adjusted.
    pub treatment: Arm,
}

/// A covariate whose variance the others leave less than this share of is dropped.
const LEAST_SHARE: f64 = 1e-10;

/// Takes from both arms what `outcomes` and covariates have in common.
///
/// The outcome of a ratio R = x̄ / ȳ is linearised by the delta method: unit i counts as (xᵢ - R yᵢ) / ȳ. θ solves S θ = s, S the
/// covariates' covariance and s their covariance with the outcome, over both arms taken as one sample; an arm's estimate becomes
/// its mean or ratio less θ · (its covariate means - the pooled ones), with the variance of outcome - θ · covariates within the arm.
/// With one covariate and a mean this is [`adjust`](crate::adjust). A ratio's own past is adjusted for by giving the earlier numerator
/// and denominator as two covariates.
///
/// Of clusters, a covariate is the ratio z̄ of its sum and the number of units m, and linearised as (zᵢ - z̄ mᵢ) / m̄: the variance is the
/// cluster-robust one of the units' outcome - θ · covariates, with the factor n / (n - 1) for n clusters.
///
/// Undefined when the arms differ in columns or have fewer than `outcomes` needs. Source: Deng, Xu, Kohavi and Walker, Improving the
/// sensitivity of online controlled experiments (2013), appendix B; Deng, Knoblich and Lu (2018) for the linearisation.
pub fn adjust_for_covariates(
    control: &CoMomentMatrix,
    treatment: &CoMomentMatrix,
    outcomes: OutcomeColumns,
) -> Outcome<CovariateAdjusted> {
    adjust_all(control, treatment, outcomes).into()
}

fn adjust_all(
    control: &CoMomentMatrix,
    treatment: &CoMomentMatrix,
    outcomes: OutcomeColumns,
) -> Result<CovariateAdjusted, Reason> {
    let pooled = control.with(treatment)?;
    let slopes = Slopes::within(&pooled, outcomes)?;
    let arm = |moments| slopes.arm(&[Part { weight: 1.0, moments }]);
    let (control, treatment) = (arm(control), arm(treatment));
    Ok(CovariateAdjusted { thetas: slopes.thetas, control, treatment })
}

/// Some rows of an arm, and what their means count among those of the arm's other parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) weight: f64,
    pub(crate) moments: &'a CoMomentMatrix,
}

/// What is taken out of both arms.
#[derive(Debug)]
pub(crate) struct Slopes {
    outcomes: OutcomeColumns,
    pub(crate) thetas: Vec<f64>,
    /// The means of the covariates that those of an arm are held against.
    centres: Vec<f64>,
}

/// A mean or a ratio of means, and up to a constant the linear combination of a row's columns whose mean it is.
struct Linear {
    value: f64,
    weights: Vec<f64>,
}

impl OutcomeColumns {
    /// How many columns of a row the outcome takes.
    pub fn columns(self) -> usize {
        match self {
            Self::Mean => 1,
            Self::Ratio => 2,
            Self::Clusters => 3,
        }
    }

    fn outcome(self, means: &[f64]) -> Result<Linear, UndefinedReason> {
        Linear::of(means, 0, (self != Self::Mean).then_some(1)).ok_or(UndefinedReason::ZeroDenominator)
    }

    /// The covariates; of clusters without units nothing can be said.
    fn covariates(self, means: &[f64]) -> Result<Vec<Linear>, UndefinedReason> {
        let size = (self == Self::Clusters).then_some(2);
        (self.columns()..means.len())
            .map(|column| Linear::of(means, column, size).ok_or(UndefinedReason::ZeroDenominator))
            .collect()
    }
}

impl Linear {
    /// A column's mean, over that of another where there is one; none over zero.
    fn of(means: &[f64], column: usize, over: Option<usize>) -> Option<Self> {
        let mut weights = vec![0.0; means.len()];
        let Some(over) = over else {
            weights[column] = 1.0;
            return Some(Self { value: means[column], weights });
        };
        if means[over] == 0.0 {
            return None;
        }
        let value = means[column] / means[over];
        weights[column] += 1.0 / means[over];
        weights[over] -= value / means[over];
        Some(Self { value, weights })
    }
}

impl Slopes {
    /// The slopes of the outcome on each covariate, from what they have in common in `pooled`.
    pub(crate) fn within(pooled: &CoMomentMatrix, outcomes: OutcomeColumns) -> Result<Self, Reason> {
        if pooled.columns() < outcomes.columns() {
            return Err(Reason::ColumnsDiffer);
        }
        let count = pooled.columns() - outcomes.columns();
        Ok(match (outcomes.outcome(&pooled.means), outcomes.covariates(&pooled.means)) {
            (Ok(outcome), Ok(covariates)) if pooled.n > 0 => Self {
                outcomes,
                thetas: slopes(pooled, &outcome, &covariates),
                centres: covariates.iter().map(|covariate| covariate.value).collect(),
            },
            _ => Self { outcomes, thetas: vec![0.0; count], centres: vec![0.0; count] },
        })
    }

    /// The estimate of an arm with such means, less what the covariates explain, and as it is.
    pub(crate) fn estimate(&self, means: &[f64]) -> Result<[f64; 2], UndefinedReason> {
        let observed = self.outcomes.outcome(means)?.value;
        let covariates = self.outcomes.covariates(means)?;
        let explained = self.thetas.iter().zip(&self.centres).zip(&covariates);
        let adjusted = explained
            .fold(observed, |left, ((theta, centre), covariate)| left - theta * (covariate.value - centre));
        if adjusted.is_finite() { Ok([adjusted, observed]) } else { Err(UndefinedReason::NotFinite) }
    }

    /// The arm that its parts make, of two rows or more each, less what the covariates explain.
    pub(crate) fn arm(&self, parts: &[Part<'_>]) -> Arm {
        let n: u64 = parts.iter().map(|part| part.moments.n).sum();
        let columns = self.outcomes.columns() + self.thetas.len();
        let mean = |column: usize| {
            parts.iter().filter(|p| p.moments.n > 0).map(|p| p.weight * p.moments.means[column]).sum()
        };
        let means: Vec<f64> = (0..columns).map(mean).collect();
        if n == 0 {
            return Arm { variance: Err(UndefinedReason::NoUnits), ..Arm::new(n, 0.0, 1.0) };
        }
        let (plain, covariates) = match (self.outcomes.outcome(&means), self.outcomes.covariates(&means)) {
            (Ok(plain), Ok(_)) if n == 1 => {
                return Arm { variance: Err(UndefinedReason::OneUnit), ..Arm::new(n, plain.value, 1.0) };
            }
            (Ok(plain), Ok(covariates)) => (plain, covariates),
            (Err(reason), _) | (_, Err(reason)) => {
                return Arm { variance: Err(reason), ..Arm::new(n, 0.0, 1.0) };
            }
        };
        let mut adjusted = plain.weights.clone();
        let mut mean = plain.value;
        for ((theta, centre), covariate) in self.thetas.iter().zip(&self.centres).zip(&covariates) {
            mean -= theta * (covariate.value - centre);
            adjusted.iter_mut().zip(&covariate.weights).for_each(|(weight, own)| *weight -= theta * own);
        }
        // Per row of the whole arm: n times the covariance of the weighted sum of the parts' means.
        let covariance = |left: &[f64], right: &[f64]| -> f64 {
            let of = |part: &Part<'_>| match part.moments.form(left, right) {
                (sum, size) if sum.abs() <= 16.0 * f64::EPSILON * size => 0.0,
                (sum, _) => {
                    let share = n as f64 / part.moments.n as f64;
                    part.weight * part.weight * share * (sum / (part.moments.n - 1) as f64)
                }
            };
            parts.iter().map(of).sum()
        };
        let baseline = Baseline {
            mean: plain.value,
            variance: covariance(&plain.weights, &plain.weights),
            covariance: covariance(&plain.weights, &adjusted),
        };
        let variance = if mean.is_finite() {
            positive(n, covariance(&adjusted, &adjusted))
        } else {
            Err(UndefinedReason::NotFinite)
        };
        Arm { n, mean, variance, baseline }
    }
}

/// θ with S θ = s by Cholesky's decomposition S = L Lᵀ, leaving out covariates that add nothing.
fn slopes(moments: &CoMomentMatrix, outcome: &Linear, covariates: &[Linear]) -> Vec<f64> {
    let count = covariates.len();
    let form = |left: &Linear, right: &Linear| moments.form(&left.weights, &right.weights);
    let product = |left: &Linear, right: &Linear| form(left, right).0;
    let mut lower = vec![vec![0.0; count]; count];
    let mut kept = vec![false; count];
    let mut half = vec![0.0; count];
    for i in 0..count {
        let (own, size) = form(&covariates[i], &covariates[i]);
        for j in 0..i {
            if kept[j] {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                lower[i][j] = (product(&covariates[i], &covariates[j]) - known) / lower[j][j];
            }
        }
        let left = own - lower[i][..i].iter().map(|value| value * value).sum::<f64>();
        kept[i] = left.is_finite() && left > (LEAST_SHARE * own).max(64.0 * f64::EPSILON * size);
        if kept[i] {
            lower[i][i] = left.sqrt();
            let target = product(outcome, &covariates[i]);
            half[i] = (target - (0..i).map(|j| lower[i][j] * half[j]).sum::<f64>()) / lower[i][i];
        }
    }
    let mut thetas = vec![0.0; count];
    for i in (0..count).rev().filter(|i| kept[*i]) {
        let known: f64 = (i + 1..count).map(|j| lower[j][i] * thetas[j]).sum();
        thetas[i] = (half[i] - known) / lower[i][i];
    }
    thetas
}

#[cfg(test)]
#[path = "covariates_tests.rs"]
mod tests;

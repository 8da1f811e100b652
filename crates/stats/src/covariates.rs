//! CUPED with any number of covariates, for means and for ratios.

use crate::arm::positive;
use crate::{Arm, Baseline, CoMomentMatrix, Lack, Outcome, Reason};

/// What the first columns of a unit's row are; those after it are covariates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeColumns {
    /// One column: the value whose mean is compared.
    Mean,
    /// Two columns: the numerator and the denominator of a ratio of sums.
    Ratio,
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
    if pooled.columns() < outcomes.columns() {
        return Err(Reason::ColumnsDiffer);
    }
    let thetas = match outcomes.linearised(&pooled) {
        Ok(outcome) => slopes(&pooled, &outcome, outcomes.columns()),
        Err(_) => vec![0.0; pooled.columns() - outcomes.columns()],
    };
    let arm = |moments: &CoMomentMatrix| adjusted_arm(moments, &pooled, outcomes, &thetas);
    let (control, treatment) = (arm(control), arm(treatment));
    Ok(CovariateAdjusted { thetas, control, treatment })
}

impl OutcomeColumns {
    fn columns(self) -> usize {
        match self {
            Self::Mean => 1,
            Self::Ratio => 2,
        }
    }

    fn value(self, moments: &CoMomentMatrix) -> Result<f64, Lack> {
        match self {
            _ if moments.n == 0 => Err(Lack::NoUnits),
            Self::Mean => Ok(moments.means[0]),
            Self::Ratio if moments.means[1] == 0.0 => Err(Lack::ZeroDenominator),
            Self::Ratio => Ok(moments.means[0] / moments.means[1]),
        }
    }

    /// The outcome as a linear combination of the columns, up to a constant.
    fn linearised(self, moments: &CoMomentMatrix) -> Result<Vec<f64>, Lack> {
        let value = self.value(moments)?;
        let mut weights = vec![0.0; moments.columns()];
        match self {
            Self::Mean => weights[0] = 1.0,
            Self::Ratio => {
                weights[0] = 1.0 / moments.means[1];
                weights[1] = -value / moments.means[1];
            }
        }
        Ok(weights)
    }
}

fn adjusted_arm(moments: &CoMomentMatrix, pooled: &CoMomentMatrix, outcomes: OutcomeColumns, thetas: &[f64]) -> Arm {
    let first = outcomes.columns();
    let (observed, plain) = match (outcomes.value(moments), outcomes.linearised(moments)) {
        (Ok(observed), Ok(plain)) if moments.n > 1 => (observed, plain),
        (Ok(observed), _) => return Arm { variance: Err(Lack::OneUnit), ..Arm::new(moments.n, observed, 1.0) },
        (Err(lack), _) => return Arm { variance: Err(lack), ..Arm::new(moments.n, 0.0, 1.0) },
    };
    let mut adjusted = plain.clone();
    let mut mean = observed;
    for (place, theta) in thetas.iter().enumerate() {
        adjusted[first + place] = -theta;
        mean -= theta * (moments.means[first + place] - pooled.means[first + place]);
    }
    let degrees = (moments.n - 1) as f64;
    let covariance = |left: &[f64], right: &[f64]| match moments.form(left, right) {
        (sum, size) if sum.abs() <= 16.0 * f64::EPSILON * size => 0.0,
        (sum, _) => sum / degrees,
    };
    let baseline = Baseline { mean: observed, variance: covariance(&plain, &plain), covariance: covariance(&plain, &adjusted) };
    let variance = if mean.is_finite() { positive(moments.n, covariance(&adjusted, &adjusted)) } else { Err(Lack::NotFinite) };
    Arm { n: moments.n, mean, variance, baseline }
}

/// θ with S θ = s by Cholesky's decomposition S = L Lᵀ, leaving out covariates that add nothing.
fn slopes(moments: &CoMomentMatrix, outcome: &[f64], first: usize) -> Vec<f64> {
    let count = moments.columns() - first;
    let mut lower = vec![vec![0.0; count]; count];
    let mut kept = vec![false; count];
    let mut half = vec![0.0; count];
    for i in 0..count {
        let own = moments.product(first + i, first + i);
        for j in 0..i {
            if kept[j] {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                lower[i][j] = (moments.product(first + i, first + j) - known) / lower[j][j];
            }
        }
        let left = own - lower[i][..i].iter().map(|value| value * value).sum::<f64>();
        kept[i] = left.is_finite() && left > LEAST_SHARE * own;
        if kept[i] {
            lower[i][i] = left.sqrt();
            let target: f64 =
                outcome.iter().enumerate().map(|(column, weight)| weight * moments.product(column, first + i)).sum();
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

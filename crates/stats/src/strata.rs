//! Post-stratification: arms compared stratum by stratum, and put together with the same weights.

use crate::covariates::{Part, Slopes};
use crate::{Arm, CoMomentMatrix, Outcome, OutcomeColumns, Reason};

/// The units of one stratum, a row each: the outcome's columns, then any covariates. Strata are known before exposure and share no
/// units.
#[derive(Debug, Clone, PartialEq)]
pub struct Stratum {
    /// Its units in the control.
    pub control: CoMomentMatrix,
    /// Its units in the treatment.
    pub treatment: CoMomentMatrix,
}

/// Where the weights of strata come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StratumWeights<'a> {
    /// Each stratum's share of all units in both arms.
    Observed,
    /// Shares of the population, one per stratum, in any scale; none negative.
    Known(&'a [f64]),
}

/// Two arms as if their strata had been mixed alike.
#[derive(Debug, Clone, PartialEq)]
pub struct PostStratified {
    /// The weights, which sum to 1, in the order of the strata.
    pub weights: Vec<f64>,
    /// The slope on each covariate, as of [`CovariateAdjusted`](crate::CovariateAdjusted).
    pub thetas: Vec<f64>,
    /// The control.
    pub control: Arm,
    /// The treatment.
    pub treatment: Arm,
}

/// Weighs both arms' strata alike: an arm's means are Σ w x̄ₛ, and the variance of a mean is Σ w² s²ₛ / nₛ, given how many units of each
/// stratum came into the arm.
///
/// A ratio is that of the weighted means, R = Σ w x̄ₛ / Σ w ȳₛ, and its unit counts as (xᵢ - R yᵢ) / Σ w ȳₛ. Covariates are taken out as
/// by [`adjust_for_covariates`](crate::adjust_for_covariates), with one slope for all strata, from what outcome and covariates have
/// in common within them. One stratum gives what that function gives.
///
/// Undefined unless every stratum with a positive weight has two units in both arms, all rows have the same columns, and known
/// weights fit the strata. Source: Miratrix, Sekhon and Yu, Adjusting treatment effect estimates by post-stratification in randomized
/// experiments (2013).
///
/// ```
/// use tranche_stats::{CoMomentMatrix, OutcomeColumns, Stratum, StratumWeights, post_stratify};
/// let arm = |values: [f64; 2]| CoMomentMatrix::from_rows(values.iter().map(std::slice::from_ref)).value().unwrap_or_default();
/// let stratum = |control, treatment| Stratum { control: arm(control), treatment: arm(treatment) };
/// let strata = [stratum([1.0, 3.0], [2.0, 4.0]), stratum([10.0, 12.0], [12.0, 14.0])];
/// let arms = post_stratify(&strata, StratumWeights::Known(&[3.0, 1.0]), OutcomeColumns::Mean).value();
/// assert!(arms.is_some_and(|arms| arms.treatment.mean - arms.control.mean == 0.75 * 1.0 + 0.25 * 2.0));
/// ```
pub fn post_stratify(
    strata: &[Stratum],
    weights: StratumWeights<'_>,
    outcomes: OutcomeColumns,
) -> Outcome<PostStratified> {
    normalised(strata, weights).and_then(|weights| combine(strata, weights, outcomes)).into()
}

fn normalised(strata: &[Stratum], weights: StratumWeights<'_>) -> Result<Vec<f64>, Reason> {
    let weights: Vec<f64> = match weights {
        StratumWeights::Observed => {
            strata.iter().map(|stratum| (stratum.control.n + stratum.treatment.n) as f64).collect()
        }
        StratumWeights::Known(weights) => weights.to_vec(),
    };
    let total: f64 = weights.iter().sum();
    let fit = weights.len() == strata.len() && weights.iter().all(|weight| *weight >= 0.0);
    if !(fit && total > 0.0 && total.is_finite()) {
        return Err(Reason::WeightsDoNotFit);
    }
    Ok(weights.into_iter().map(|weight| weight / total).collect())
}

fn combine(
    strata: &[Stratum],
    weights: Vec<f64>,
    outcomes: OutcomeColumns,
) -> Result<PostStratified, Reason> {
    let slopes = slopes_within(strata, &weights, outcomes)?;
    let arm = |of: fn(&Stratum) -> &CoMomentMatrix| {
        let parts = counted(strata, &weights).map(|(stratum, weight)| Part { weight, moments: of(stratum) });
        slopes.arm(&parts.collect::<Vec<_>>())
    };
    let (control, treatment) = (arm(|stratum| &stratum.control), arm(|stratum| &stratum.treatment));
    Ok(PostStratified { weights, thetas: slopes.thetas, control, treatment })
}

/// The slopes from what outcome and covariates have in common within strata; `weights` sum to 1.
pub(crate) fn slopes_within(
    strata: &[Stratum],
    weights: &[f64],
    outcomes: OutcomeColumns,
) -> Result<Slopes, Reason> {
    let columns = strata.first().map_or(0, |stratum| stratum.control.columns());
    let mut within = CoMomentMatrix::new(columns);
    for (stratum, weight) in counted(strata, weights) {
        if stratum.control.n < 2 || stratum.treatment.n < 2 {
            return Err(Reason::StratumTooSmall);
        }
        let pooled = stratum.control.with(&stratum.treatment)?;
        if pooled.columns() != columns {
            return Err(Reason::ColumnsDiffer);
        }
        within.n += pooled.n;
        within.means.iter_mut().zip(&pooled.means).for_each(|(all, own)| *all += weight * own);
        within.products.iter_mut().zip(&pooled.products).for_each(|(all, own)| *all += own);
    }
    Slopes::within(&within, outcomes)
}

fn counted<'a>(strata: &'a [Stratum], weights: &'a [f64]) -> impl Iterator<Item = (&'a Stratum, f64)> {
    strata.iter().zip(weights.iter().copied()).filter(|(_, weight)| *weight > 0.0)
}

#[cfg(test)]
#[path = "strata_tests.rs"]
mod tests;

//! Post-stratification: arms compared stratum by stratum, and put together with the same weights.

use crate::{Arm, Moments, Outcome, Reason};

/// The units of one stratum. Strata are known before exposure and share no units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratum {
    /// Its units in the control.
    pub control: Moments,
    /// Its units in the treatment.
    pub treatment: Moments,
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
    /// The control.
    pub control: Arm,
    /// The treatment.
    pub treatment: Arm,
}

/// Weighs both arms' strata alike: an arm's mean is Σ w x̄ₛ and the variance of that Σ w² s²ₛ / nₛ, given how many units of each stratum
/// came into the arm.
///
/// Undefined unless every stratum with a positive weight has two units in both arms, and known weights fit the strata. Source:
/// Miratrix, Sekhon and Yu, Adjusting treatment effect estimates by post-stratification in randomized experiments (2013).
///
/// ```
/// use tranche_stats::{Moments, Stratum, StratumWeights, post_stratify};
/// let stratum = |control: [f64; 2], treatment: [f64; 2]| Stratum {
///     control: Moments::from_values(control),
///     treatment: Moments::from_values(treatment),
/// };
/// let strata = [stratum([1.0, 3.0], [2.0, 4.0]), stratum([10.0, 12.0], [12.0, 14.0])];
/// let arms = post_stratify(&strata, StratumWeights::Known(&[3.0, 1.0])).value();
/// assert!(arms.is_some_and(|arms| arms.treatment.mean - arms.control.mean == 0.75 * 1.0 + 0.25 * 2.0));
/// ```
pub fn post_stratify(strata: &[Stratum], weights: StratumWeights<'_>) -> Outcome<PostStratified> {
    normalised(strata, weights).and_then(|weights| combine(strata, weights)).into()
}

fn normalised(strata: &[Stratum], weights: StratumWeights<'_>) -> Result<Vec<f64>, Reason> {
    let weights: Vec<f64> = match weights {
        StratumWeights::Observed => strata.iter().map(|stratum| (stratum.control.n + stratum.treatment.n) as f64).collect(),
        StratumWeights::Known(weights) => weights.to_vec(),
    };
    let total: f64 = weights.iter().sum();
    let fit = weights.len() == strata.len() && weights.iter().all(|weight| *weight >= 0.0);
    if !(fit && total > 0.0 && total.is_finite()) {
        return Err(Reason::WeightsDoNotFit);
    }
    Ok(weights.into_iter().map(|weight| weight / total).collect())
}

fn combine(strata: &[Stratum], weights: Vec<f64>) -> Result<PostStratified, Reason> {
    let arm = |of: fn(&Stratum) -> &Moments| {
        let (mut n, mut mean, mut variance) = (0, 0.0, 0.0);
        for (moments, weight) in strata.iter().map(of).zip(&weights).filter(|(_, weight)| **weight > 0.0) {
            n += moments.n;
            mean += weight * moments.mean;
            variance += weight * weight * moments.variance().ok_or(Reason::StratumTooSmall)? / moments.n as f64;
        }
        Ok(Arm::new(n, mean, variance * n as f64))
    };
    let (control, treatment) = (arm(|stratum| &stratum.control)?, arm(|stratum| &stratum.treatment)?);
    Ok(PostStratified { weights, control, treatment })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generator, Options, compare};

    #[test]
    fn one_stratum_is_the_plain_arm() {
        let stratum =
            Stratum { control: Moments::from_values([1.0, 5.0, 3.0]), treatment: Moments::from_values([2.0, 4.0, 9.0]) };
        let found = post_stratify(&[stratum], StratumWeights::Observed).value();
        assert!(found.is_some_and(|found| found.control == Arm::mean(&stratum.control) && found.treatment.mean == 5.0));
    }

    /// Strata 0 and 100 apart, mixed differently in the arms: the plain difference is off by the mix, the stratified one is not.
    #[test]
    fn a_chance_difference_in_the_mix_is_taken_out() {
        let mut generator = Generator::seeded(9);
        let mut values = |n: usize, mean: f64| Moments::from_values((0..n).map(|_| mean + generator.normal()));
        let strata = [
            Stratum { control: values(600, 0.0), treatment: values(500, 1.0) },
            Stratum { control: values(400, 100.0), treatment: values(500, 101.0) },
        ];
        let Some(found) = post_stratify(&strata, StratumWeights::Observed).value() else { panic!("undefined") };
        assert!((found.weights[0] - 0.55).abs() < 1e-15);
        let estimate = compare(&found.control, &found.treatment, &Options::default()).absolute.value();
        assert!(estimate.is_some_and(|estimate| (estimate.effect - 1.0).abs() < 0.15 && estimate.se < 0.06), "{estimate:?}");
        // Σ w² (s²/n of both arms), as above, from the strata's own numbers.
        let variance: f64 = strata
            .iter()
            .zip([0.55, 0.45])
            .map(|(stratum, weight)| {
                let part = |moments: &Moments| moments.m2 / (moments.n - 1) as f64 / moments.n as f64;
                weight * weight * (part(&stratum.control) + part(&stratum.treatment))
            })
            .sum();
        assert!(estimate.is_some_and(|estimate| (estimate.se - variance.sqrt()).abs() < 1e-14));
    }

    #[test]
    fn what_cannot_be_weighed_has_a_reason() {
        let pair = Moments::from_values([1.0, 2.0]);
        let full = Stratum { control: pair, treatment: pair };
        let lonely = Stratum { control: pair, treatment: Moments::from_values([1.0]) };
        let reason = |strata: &[Stratum], weights| post_stratify(strata, weights).reason();
        assert_eq!(reason(&[full, lonely], StratumWeights::Observed), Some(Reason::StratumTooSmall));
        assert_eq!(reason(&[full, lonely], StratumWeights::Known(&[1.0, 0.0])), None);
        assert_eq!(reason(&[full], StratumWeights::Known(&[1.0, 1.0])), Some(Reason::WeightsDoNotFit));
        assert_eq!(reason(&[full], StratumWeights::Known(&[-1.0])), Some(Reason::WeightsDoNotFit));
        assert_eq!(reason(&[], StratumWeights::Observed), Some(Reason::WeightsDoNotFit));
    }
}

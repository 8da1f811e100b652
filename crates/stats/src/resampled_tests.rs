//! Resampled variances against formulas where there are some, and against numpy.

use super::*;

const VALUES: [f64; 20] = [0.2, 1.7, 0.4, 3.1, 0.9, 0.1, 5.6, 0.3, 1.1, 0.8, 2.4, 0.6, 0.05, 7.9, 1.3, 0.7, 0.2, 2.2, 1.9, 0.5];

fn ratio_rows() -> Vec<f64> {
    VALUES.iter().enumerate().flat_map(|(i, value)| [*value, (1 + i * 7 % 4) as f64]).collect()
}

fn arms(bootstrap: BootstrapVariance, strata: &[StratumRows], outcomes: OutcomeColumns) -> PostStratified {
    bootstrap.arms(strata, outcomes).value().unwrap_or_else(|| panic!("undefined"))
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found}, not {expected}");
}

/// A variance of 20,000 replicates has a standard error of 1 % of itself.
const MANY: BootstrapVariance = BootstrapVariance { replicates: 20_000, seed: 3 };

/// numpy: the variance of the ratio over two million draws of 19 of the 20 rows.
#[test]
fn a_ratio_has_the_variance_of_numpys_resamples() {
    let rows = StratumRows { columns: 2, control: ratio_rows(), treatment: ratio_rows() };
    let found = arms(MANY, &[rows], OutcomeColumns::Ratio);
    for arm in [found.control, found.treatment] {
        near(arm.mean, 0.639, 1e-12);
        near(arm.standard_error().unwrap_or_default(), 0.160_205_0, 0.02);
        near(arm.baseline.variance, arm.variance.unwrap_or_default(), 1e-9);
    }
}

/// The variance of an adjusted and stratified mean is linear, so that resampling finds what the formula says.
#[test]
fn a_mean_has_the_variance_of_the_formula() {
    let rows = |shift: f64, count: usize| -> Vec<f64> {
        (0..count).flat_map(|i| [VALUES[i] + shift, VALUES[(i * 3 + 1) % 20] + VALUES[i]]).collect()
    };
    let strata = [
        StratumRows { columns: 2, control: rows(0.0, 20), treatment: rows(1.0, 12) },
        StratumRows { columns: 2, control: rows(5.0, 7), treatment: rows(5.5, 14) },
    ];
    let moments: Vec<Stratum> = strata.iter().filter_map(|stratum| stratum.moments().ok()).collect();
    let formula = post_stratify(&moments, StratumWeights::Observed, OutcomeColumns::Mean).value();
    let Some(formula) = formula else { panic!("undefined") };
    let found = arms(MANY, &strata, OutcomeColumns::Mean);
    assert_eq!((&found.thetas, &found.weights), (&formula.thetas, &formula.weights));
    for (found, formula) in [(found.control, formula.control), (found.treatment, formula.treatment)] {
        assert_eq!(found.mean, formula.mean);
        near(found.variance.unwrap_or_default(), formula.variance.unwrap_or_default(), 0.04);
        near(found.baseline.variance, formula.baseline.variance, 0.04);
        near(found.baseline.covariance, formula.baseline.covariance, 0.06);
    }
}

#[test]
fn the_order_of_rows_does_not_matter_and_the_seed_does() {
    let backwards: Vec<f64> = ratio_rows().chunks(2).rev().flatten().copied().collect();
    let of = |treatment: Vec<f64>, seed| {
        let rows = StratumRows { columns: 2, control: ratio_rows(), treatment };
        arms(BootstrapVariance { replicates: 100, seed }, &[rows], OutcomeColumns::Ratio).treatment.variance
    };
    assert_eq!(of(ratio_rows(), 1), of(backwards, 1));
    assert_ne!(of(ratio_rows(), 1), of(ratio_rows(), 2));
}

#[test]
fn what_cannot_be_resampled_says_why() {
    let rows = StratumRows { columns: 1, control: vec![1.0, 2.0], treatment: vec![3.0] };
    let found = arms(BootstrapVariance::default(), std::slice::from_ref(&rows), OutcomeColumns::Mean);
    assert_eq!(found.treatment.variance, Err(Lack::OneUnit));
    let once = BootstrapVariance { replicates: 1, seed: 1 };
    assert_eq!(once.arms(&[rows], OutcomeColumns::Mean).reason(), Some(Reason::ParameterNotPositive));
    // With one denominator of two that is not zero, half of the resamples have none.
    let zeros = StratumRows { columns: 2, control: vec![1.0, 0.0, 2.0, 1.0], treatment: ratio_rows() };
    let found = BootstrapVariance::default().arms(&[zeros], OutcomeColumns::Ratio);
    assert_eq!(found.reason(), Some(Reason::ResamplesUndefined));
}

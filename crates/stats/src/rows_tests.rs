//! Arms of rows: variances against formulas where there are some, and against numpy.

use super::*;

const VALUES: [f64; 20] =
    [0.2, 1.7, 0.4, 3.1, 0.9, 0.1, 5.6, 0.3, 1.1, 0.8, 2.4, 0.6, 0.05, 7.9, 1.3, 0.7, 0.2, 2.2, 1.9, 0.5];

fn ratio_rows() -> Vec<f64> {
    VALUES.iter().enumerate().flat_map(|(i, value)| [*value, (1 + i * 7 % 4) as f64]).collect()
}

fn arms(
    strata: &[StratumRows],
    columns: usize,
    outcomes: OutcomeColumns,
    variance: VarianceMethod,
) -> ArmsOfRows {
    arms_of_rows(strata, columns, outcomes, variance).value().unwrap_or_else(|| panic!("undefined"))
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found}, not {expected}");
}

/// A variance of 20,000 replicates has a standard error of 1 % of itself.
const MANY: VarianceMethod = VarianceMethod::Bootstrap { replicates: 20_000, seed: 3 };

/// numpy: the variance of the ratio over two million draws of 19 of the 20 rows.
#[test]
fn a_ratio_has_the_variance_of_numpys_resamples() {
    let rows = StratumRows { control: ratio_rows(), treatment: ratio_rows() };
    let found = arms(&[rows], 2, OutcomeColumns::Ratio, MANY);
    for arm in [found.control, found.treatment] {
        near(arm.mean, 0.639, 1e-12);
        near(arm.standard_error().unwrap_or_default(), 0.160_205_0, 0.02);
        near(arm.baseline.variance, arm.variance.unwrap_or_default(), 1e-9);
    }
}

/// A value and a covariate, of the first `count` units.
fn pairs(shift: f64, count: usize) -> Vec<f64> {
    (0..count).flat_map(|i| [VALUES[i] + shift, VALUES[(i * 3 + 1) % 20] + VALUES[i]]).collect()
}

/// The variance of an adjusted and stratified mean is linear, so that resampling finds what the formula says.
#[test]
fn a_mean_has_the_variance_of_the_formula() {
    let strata = [
        StratumRows { control: pairs(0.0, 20), treatment: pairs(1.0, 12) },
        StratumRows { control: pairs(5.0, 7), treatment: pairs(5.5, 14) },
    ];
    let [formula, found] =
        [VarianceMethod::Formula, MANY].map(|variance| arms(&strata, 2, OutcomeColumns::Mean, variance));
    assert_eq!((found.thetas, found.strata, found.pooled), (formula.thetas, 2, 0));
    for (found, formula) in [(found.control, formula.control), (found.treatment, formula.treatment)] {
        assert_eq!(found.mean, formula.mean);
        near(found.variance.unwrap_or_default(), formula.variance.unwrap_or_default(), 0.04);
        near(found.baseline.variance, formula.baseline.variance, 0.04);
        near(found.baseline.covariance, formula.baseline.covariance, 0.06);
    }
}

#[test]
fn small_strata_are_put_together() {
    let stratum = |control: usize, treatment: usize| StratumRows {
        control: pairs(0.0, control),
        treatment: pairs(1.0, treatment),
    };
    let of = |strata: &[StratumRows]| {
        let found = arms(strata, 2, OutcomeColumns::Mean, VarianceMethod::Formula);
        (found.strata, found.pooled, found.control.n, found.treatment.n)
    };
    assert_eq!(of(&[stratum(9, 8), stratum(5, 5)]), (2, 0, 14, 13));
    // The two small ones make one; one alone joins the smallest of the others.
    assert_eq!(of(&[stratum(9, 8), stratum(1, 5), stratum(5, 0)]), (2, 2, 15, 13));
    assert_eq!(of(&[stratum(9, 8), stratum(5, 5), stratum(3, 0)]), (2, 1, 17, 13));
    assert_eq!(of(&[stratum(1, 8), stratum(1, 0)]), (1, 2, 2, 8));
    let joined = arms(
        &[stratum(9, 8), stratum(5, 5), stratum(3, 0)],
        2,
        OutcomeColumns::Mean,
        VarianceMethod::Formula,
    );
    let same = arms(
        &[stratum(9, 8), stratum(5, 5).with(stratum(3, 0))],
        2,
        OutcomeColumns::Mean,
        VarianceMethod::Formula,
    );
    assert_eq!((joined.control, joined.treatment), (same.control, same.treatment));
}

#[test]
fn the_order_of_rows_does_not_matter_and_the_seed_does() {
    let backwards: Vec<f64> = ratio_rows().chunks(2).rev().flatten().copied().collect();
    let of = |treatment: Vec<f64>, seed| {
        let rows = StratumRows { control: ratio_rows(), treatment };
        arms(&[rows], 2, OutcomeColumns::Ratio, VarianceMethod::Bootstrap { replicates: 100, seed })
            .treatment
            .variance
    };
    assert_eq!(of(ratio_rows(), 1), of(backwards, 1));
    assert_ne!(of(ratio_rows(), 1), of(ratio_rows(), 2));
}

#[test]
fn what_cannot_be_estimated_says_why() {
    let few = VarianceMethod::Bootstrap { replicates: 200, seed: 1 };
    let rows = StratumRows { control: vec![1.0, 2.0], treatment: vec![3.0] };
    let found = arms(std::slice::from_ref(&rows), 1, OutcomeColumns::Mean, few);
    assert_eq!(found.treatment.variance, Err(UndefinedReason::OneUnit));
    assert_eq!(arms(&[], 1, OutcomeColumns::Mean, few).control.variance, Err(UndefinedReason::NoUnits));
    let reason = |columns, replicates| {
        let variance = VarianceMethod::Bootstrap { replicates, seed: 1 };
        arms_of_rows(std::slice::from_ref(&rows), columns, OutcomeColumns::Mean, variance).reason()
    };
    assert_eq!(
        (reason(1, 1), reason(0, 2)),
        (Some(Reason::ParameterNotPositive), Some(Reason::ColumnsDiffer))
    );
    // With one denominator of two that is not zero, half of the resamples have none.
    let zeros = StratumRows { control: vec![1.0, 0.0, 2.0, 1.0], treatment: ratio_rows() };
    let found = arms(&[zeros], 2, OutcomeColumns::Ratio, few);
    assert_eq!(found.control.variance, Err(UndefinedReason::ResampleUndefined));
    assert!(found.treatment.variance.is_ok());
}

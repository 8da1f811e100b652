//! Strata against regressions of statsmodels 0.15.0 and sums of numpy, over 40 units per arm.

use super::*;
use crate::{Generator, Options, adjust_for_covariates, compare};

fn moments<const N: usize>(rows: impl IntoIterator<Item = [f64; N]>) -> CoMomentMatrix {
    let rows: Vec<[f64; N]> = rows.into_iter().collect();
    CoMomentMatrix::from_rows(rows.iter().map(|row| &row[..])).value().unwrap_or_default()
}

/// Outcome, denominator and two covariates of unit `i`, as in the tests of covariates.
fn row(i: usize, arm: usize) -> [f64; 4] {
    let (first, second) = ((i * 37 + arm * 5) % 23, (i * 53 + arm) % 17);
    let outcome = 0.7 * first as f64 - 0.4 * second as f64 + ((i * 29) % 13) as f64 + arm as f64 * 1.5;
    [outcome, (1 + (i * 31 + first) % 5) as f64, first as f64, second as f64]
}

/// The strata of all units, with `columns` of their rows.
fn strata<const N: usize>(columns: [usize; N]) -> Vec<Stratum> {
    let of = |arm: usize, stratum: usize| {
        let units = (0..40).filter(move |i| (i * i + i / 7 + arm) % 3 == stratum);
        moments(units.map(move |i| columns.map(|column| row(i, arm)[column])))
    };
    (0..3).map(|stratum| Stratum { control: of(0, stratum), treatment: of(1, stratum) }).collect()
}

fn near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-12, "{found}, not {expected}");
}

/// OLS on the treatment, centred strata and their products, `cov_type="HC2"`: its variance of a saturated regression is Σ w² s² / n.
#[test]
fn means_are_those_of_a_saturated_regression() {
    let Some(found) = post_stratify(&strata([0]), StratumWeights::Observed, OutcomeColumns::Mean).value()
    else {
        panic!("undefined")
    };
    let estimate = compare(&found.control, &found.treatment, &Options::default()).absolute.value();
    let Some(estimate) = estimate else { panic!("undefined") };
    near(estimate.effect, 1.767_946_428_571_433);
    near(estimate.se, 1.389_681_611_170_372);
    near(found.control.mean, 10.291_696_428_571_425);
    near(found.control.standard_error().unwrap_or_default(), 0.920_825_296_473_391_4);
}

/// numpy: slopes from the products within strata, Σ w² s² / n of the residuals.
#[test]
fn ratios_have_their_covariates_taken_out_within_strata() {
    let found = post_stratify(&strata([0, 1, 2, 3]), StratumWeights::Observed, OutcomeColumns::Ratio).value();
    let Some(found) = found else { panic!("undefined") };
    near(found.thetas[0], 0.250_823_001_250_502_83);
    near(found.thetas[1], -0.216_569_211_541_294_4);
    for (arm, mean, variance) in [
        (found.control, 3.619_917_113_881_536_7, 3.513_872_906_976_179),
        (found.treatment, 4.082_930_550_301_464, 4.742_864_489_307_919_5),
    ] {
        near(arm.mean, mean);
        near(arm.variance.unwrap_or_default(), variance);
    }
}

#[test]
fn one_stratum_is_what_it_would_be_without_strata() {
    for (columns, outcomes) in [(3, OutcomeColumns::Mean), (4, OutcomeColumns::Ratio)] {
        let of = |arm: usize| {
            let rows: Vec<Vec<f64>> = (0..40).map(|i| row(i, arm)[4 - columns..].to_vec()).collect();
            CoMomentMatrix::from_rows(rows.iter().map(Vec::as_slice)).value().unwrap_or_default()
        };
        let stratum = Stratum { control: of(0), treatment: of(1) };
        let plain = adjust_for_covariates(&stratum.control, &stratum.treatment, outcomes).value();
        let found = post_stratify(&[stratum], StratumWeights::Observed, outcomes).value();
        let Some((plain, found)) = plain.zip(found) else { panic!("undefined") };
        for (plain, found) in [(plain.control, found.control), (plain.treatment, found.treatment)] {
            near(found.mean, plain.mean);
            near(found.variance.unwrap_or_default(), plain.variance.unwrap_or_default());
            near(found.baseline.covariance, plain.baseline.covariance);
        }
    }
}

/// Strata 0 and 100 apart, mixed differently in the arms: the plain difference is off by the mix, the stratified one is not.
#[test]
fn a_chance_difference_in_the_mix_is_taken_out() {
    let mut generator = Generator::seeded(9);
    let mut values = |n: usize, mean: f64| moments((0..n).map(|_| [mean + generator.normal()]));
    let strata = [
        Stratum { control: values(600, 0.0), treatment: values(500, 1.0) },
        Stratum { control: values(400, 100.0), treatment: values(500, 101.0) },
    ];
    let found = post_stratify(&strata, StratumWeights::Observed, OutcomeColumns::Mean).value();
    let Some(found) = found else { panic!("undefined") };
    assert!((found.weights[0] - 0.55).abs() < 1e-15);
    let estimate = compare(&found.control, &found.treatment, &Options::default()).absolute.value();
    assert!(
        estimate.is_some_and(|estimate| (estimate.effect - 1.0).abs() < 0.15 && estimate.se < 0.06),
        "{estimate:?}"
    );
}

#[test]
fn what_cannot_be_weighed_has_a_reason() {
    let pair = || moments([[1.0], [2.0]]);
    let full = Stratum { control: pair(), treatment: pair() };
    let lonely = Stratum { control: pair(), treatment: moments([[1.0]]) };
    let wide =
        Stratum { control: moments([[1.0, 2.0], [2.0, 1.0]]), treatment: moments([[1.0, 2.0], [3.0, 1.0]]) };
    let reason = |strata: &[Stratum], weights| post_stratify(strata, weights, OutcomeColumns::Mean).reason();
    assert_eq!(
        reason(&[full.clone(), lonely.clone()], StratumWeights::Observed),
        Some(Reason::StratumTooSmall)
    );
    assert_eq!(reason(&[full.clone(), lonely], StratumWeights::Known(&[1.0, 0.0])), None);
    assert_eq!(reason(&[full.clone(), wide], StratumWeights::Observed), Some(Reason::ColumnsDiffer));
    assert_eq!(
        reason(std::slice::from_ref(&full), StratumWeights::Known(&[1.0, 1.0])),
        Some(Reason::WeightsDoNotFit)
    );
    assert_eq!(
        reason(std::slice::from_ref(&full), StratumWeights::Known(&[-1.0])),
        Some(Reason::WeightsDoNotFit)
    );
    assert_eq!(reason(&[], StratumWeights::Observed), Some(Reason::WeightsDoNotFit));
    let ratio = post_stratify(&[full], StratumWeights::Observed, OutcomeColumns::Ratio);
    assert_eq!(ratio.reason(), Some(Reason::ColumnsDiffer));
}

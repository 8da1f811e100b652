//! Adjustment against least squares of statsmodels 0.15.0: slopes by OLS on both arms, variances of the residuals within each arm.

use super::*;
use crate::{CoMoments, adjust};

/// Outcome, denominator and two covariates of 40 units.
fn rows(arm: usize) -> Vec<[f64; 4]> {
    let row = |i: usize| {
        let (first, second) = ((i * 37 + arm * 5) % 23, (i * 53 + arm) % 17);
        let outcome = 0.7 * first as f64 - 0.4 * second as f64 + ((i * 29) % 13) as f64 + arm as f64 * 1.5;
        [outcome, (1 + (i * 31 + first) % 5) as f64, first as f64, second as f64]
    };
    (0..40).map(row).collect()
}

fn moments(arm: usize, columns: &[usize]) -> CoMomentMatrix {
    let rows: Vec<Vec<f64>> =
        rows(arm).iter().map(|row| columns.iter().map(|column| row[*column]).collect()).collect();
    CoMomentMatrix::from_rows(rows.iter().map(Vec::as_slice)).value().unwrap_or_else(|| panic!("undefined"))
}

fn adjusted(columns: &[usize], outcomes: OutcomeColumns) -> CovariateAdjusted {
    let adjusted = adjust_for_covariates(&moments(0, columns), &moments(1, columns), outcomes);
    adjusted.value().unwrap_or_else(|| panic!("undefined"))
}

fn assert_near(found: &[f64], expected: &[f64]) {
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 5e-8), "{found:?}, not {expected:?}");
}

#[test]
fn a_mean() {
    let found = adjusted(&[0, 2, 3], OutcomeColumns::Mean);
    assert_near(&found.thetas, &[0.702_517_1, -0.289_772_76]);
    assert_near(
        &[found.control.mean, found.treatment.mean],
        &[10.508_770_462_161_703, 11.991_229_537_838_295],
    );
    let variances = [found.control, found.treatment].map(|arm| arm.variance.unwrap_or_default());
    assert_near(&variances, &[14.192_690_870_584_958, 15.058_906_047_398_104]);
}

#[test]
fn a_ratio() {
    let found = adjusted(&[0, 1, 2, 3], OutcomeColumns::Ratio);
    assert_near(&found.thetas, &[0.247_973_36, -0.213_500_09]);
    assert_near(
        &[found.control.mean, found.treatment.mean],
        &[3.585_718_916_620_323_6, 4.071_502_581_279_14],
    );
    let variances = [found.control, found.treatment].map(|arm| arm.variance.unwrap_or_default());
    assert_near(&variances, &[3.531_325_500_695_051, 4.700_165_173_207_676]);
    let Baseline { mean, variance, covariance } = found.control.baseline;
    assert_near(
        &[mean, variance, covariance],
        &[3.552_136_752_136_752, 6.512_210_122_527_012, 2.981_185_487_697_324],
    );
}

#[test]
fn one_covariate_is_cuped() {
    let pairs = |arm| CoMoments::from_pairs(rows(arm).into_iter().map(|row| (row[0], row[2])));
    let (one, several) = (adjust(&pairs(0), &pairs(1)), adjusted(&[0, 2], OutcomeColumns::Mean));
    assert!((one.theta - several.thetas[0]).abs() < 1e-14);
    for (one, several) in [(one.control, several.control), (one.treatment, several.treatment)] {
        assert!((one.mean - several.mean).abs() < 1e-12, "{one:?} {several:?}");
        assert!(
            (one.variance.unwrap_or_default() / several.variance.unwrap_or_default() - 1.0).abs() < 1e-12
        );
        assert!((one.baseline.covariance / several.baseline.covariance - 1.0).abs() < 1e-12);
    }
}

/// Sums over clusters: the numerator, the denominator (column 1) or the number of units, the number of units, and two covariates.
fn clusters(arm: usize, is_ratio: bool, of: impl Fn(usize) -> usize) -> CoMomentMatrix {
    let mut sums = std::collections::BTreeMap::<usize, [f64; 5]>::new();
    for (i, [outcome, denominator, first, second]) in rows(arm).into_iter().enumerate() {
        let row = [outcome, if is_ratio { denominator } else { 1.0 }, 1.0, first, second];
        sums.entry(of(i)).or_default().iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    CoMomentMatrix::from_rows(sums.values().map(|row| &row[..])).value().unwrap_or_default()
}

/// statsmodels: OLS of the clusters' linearised outcome on their linearised covariates for the slopes; then the units' outcome - θ ·
/// covariates on a constant with `cov_type="cluster"`.
#[test]
fn errors_of_clusters_are_the_cluster_robust_ones() {
    for (is_ratio, thetas, arms) in [
        (
            false,
            [0.502_198_400_392_912_7, -0.414_494_721_396_393_2],
            [
                [10.459_352_575_973_85, 0.543_284_378_660_861_9],
                [12.040_647_424_026_144, 0.427_303_033_754_254_2],
            ],
        ),
        (
            true,
            [0.268_194_085_493_572_93, -0.494_023_130_244_105_8],
            [
                [3.568_723_834_467_158_4, 0.235_402_100_635_655_34],
                [4.088_497_663_432_305, 0.388_998_585_711_143_2],
            ],
        ),
    ] {
        let of = |arm| clusters(arm, is_ratio, |i| (i * i + arm) % 17);
        let found = adjust_for_covariates(&of(0), &of(1), OutcomeColumns::Clusters);
        let found = found.value().unwrap_or_else(|| panic!("undefined"));
        let close = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-11, "{found}, not {expected}")
        };
        found.thetas.iter().zip(thetas).for_each(|(found, expected)| close(*found, expected));
        for (arm, [mean, se]) in [found.control, found.treatment].iter().zip(arms) {
            assert_eq!(arm.n, 9);
            close(arm.mean, mean);
            close(arm.standard_error().unwrap_or_default(), se);
        }
    }
}

#[test]
fn clusters_of_one_unit_are_units() {
    for (is_ratio, columns, outcomes) in
        [(false, vec![0, 2, 3], OutcomeColumns::Mean), (true, vec![0, 1, 2, 3], OutcomeColumns::Ratio)]
    {
        let of = |arm| clusters(arm, is_ratio, |i| i);
        let found = adjust_for_covariates(&of(0), &of(1), OutcomeColumns::Clusters);
        let (found, plain) =
            (found.value().unwrap_or_else(|| panic!("undefined")), adjusted(&columns, outcomes));
        for (found, plain) in [(found.control, plain.control), (found.treatment, plain.treatment)] {
            assert!((found.mean / plain.mean - 1.0).abs() < 1e-12);
            assert!(
                (found.variance.unwrap_or_default() / plain.variance.unwrap_or_default() - 1.0).abs() < 1e-12
            );
            assert!((found.baseline.covariance / plain.baseline.covariance - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn without_covariates_clusters_have_a_clustered_mean() {
    let with = clusters(0, false, |i| i * i % 17);
    let narrow = |moments: &CoMomentMatrix| CoMomentMatrix {
        n: moments.n,
        means: moments.means[..3].to_vec(),
        products: moments.products[..6].to_vec(),
    };
    let found = adjust_for_covariates(&narrow(&with), &narrow(&with), OutcomeColumns::Clusters);
    let found = found.value().unwrap_or_else(|| panic!("undefined")).control;
    // Of the same units by statsmodels.
    assert!((found.mean - 10.39).abs() < 1e-12);
    assert!((found.standard_error().unwrap_or_default() / 0.783_759_060_952_408_1 - 1.0).abs() < 1e-12);
}

#[test]
fn without_covariates_a_ratio_is_a_ratio() {
    let found = adjusted(&[0, 1], OutcomeColumns::Ratio);
    let plain = Arm::ratio(&CoMoments::from_pairs(rows(0).into_iter().map(|row| (row[0], row[1]))));
    assert!((found.control.mean - plain.mean).abs() < 1e-14);
    assert!(
        (found.control.variance.unwrap_or_default() / plain.variance.unwrap_or_default() - 1.0).abs() < 1e-12
    );
}

#[test]
fn a_covariate_given_twice_counts_once() {
    let (once, twice) =
        (adjusted(&[0, 2, 3], OutcomeColumns::Mean), adjusted(&[0, 2, 2, 3], OutcomeColumns::Mean));
    assert_eq!(twice.thetas[1], 0.0);
    assert!((once.treatment.mean - twice.treatment.mean).abs() < 1e-12);
}

#[test]
fn what_an_arm_lacks_it_says() {
    let arm = moments(0, &[0, 1, 2]);
    let with = |treatment: &CoMomentMatrix, outcomes| match adjust_for_covariates(&arm, treatment, outcomes) {
        Outcome::Defined(adjusted) => adjusted.treatment.variance.err(),
        Outcome::Undefined(reason) => panic!("{reason}"),
    };
    let of = |rows: &[&[f64]]| CoMomentMatrix::from_rows(rows.iter().copied()).value().unwrap_or_default();
    assert_eq!(with(&CoMomentMatrix::new(3), OutcomeColumns::Mean), Some(UndefinedReason::NoUnits));
    assert_eq!(with(&of(&[&[1.0, 2.0, 3.0]]), OutcomeColumns::Ratio), Some(UndefinedReason::OneUnit));
    assert_eq!(
        with(&of(&[&[1.0, 0.0, 3.0], &[2.0, 0.0, 3.0]]), OutcomeColumns::Ratio),
        Some(UndefinedReason::ZeroDenominator)
    );
    assert_eq!(
        with(&of(&[&[1.0, 1.0, 3.0], &[1.0, 1.0, 3.0]]), OutcomeColumns::Mean),
        Some(UndefinedReason::NoVariance)
    );
    let narrow = CoMomentMatrix::from_rows([&[1.0][..]]).value().unwrap_or_default();
    assert_eq!(
        adjust_for_covariates(&narrow, &narrow, OutcomeColumns::Ratio).reason(),
        Some(Reason::ColumnsDiffer)
    );
}

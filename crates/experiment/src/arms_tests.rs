//! Arms with and without what they take into account; figures are those of statsmodels and numpy, or of plain arms.

use super::*;

/// What 40 units did after and before; the second half is the treatment.
fn values() -> [Vec<f64>; 4] {
    let row = |i: usize| {
        let arm = i / 20;
        let (first, second) = ((i * 37 + arm * 5) % 23, (i * 53 + arm) % 17);
        let outcome = 0.7 * first as f64 - 0.4 * second as f64 + ((i * 29) % 13) as f64 + arm as f64 * 1.5;
        [outcome, (1 + (i * 31 + first) % 5) as f64, first as f64, second as f64]
    };
    std::array::from_fn(|column| (0..40).map(|i| row(i)[column]).collect())
}

fn halves() -> ([Vec<usize>; 2], [Vec<f64>; 4]) {
    ([(0..20).collect(), (20..40).collect()], values())
}

fn same(found: &Arm, expected: &Arm) {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
    assert_eq!(found.n, expected.n);
    assert!(close(found.mean, expected.mean), "{found:?}, not {expected:?}");
    let variances = (found.variance.unwrap_or_default(), expected.variance.unwrap_or_default());
    assert!(close(variances.0, variances.1), "{found:?}, not {expected:?}");
    assert!(close(found.baseline.covariance, expected.baseline.covariance), "{found:?}, not {expected:?}");
}

#[test]
fn one_covariate_is_cuped() {
    let ([control, treatment], [after, _, before, _]) = halves();
    let outcomes = Outcomes { covariates: vec![("visits", &before)], ..Outcomes::plain(Values::Single(&after)) };
    let found = outcomes.arms(&control, &treatment);
    let pairs = |units: &[usize]| CoMoments::from_pairs(units.iter().map(|&unit| (after[unit], before[unit])));
    let expected = tranche_stats::adjust(&pairs(&control), &pairs(&treatment));
    same(&found.control, &expected.control);
    same(&found.treatment, &expected.treatment);
    assert!((found.basis.cuped_thetas["visits"] - expected.theta).abs() < 1e-12);
}

#[test]
fn what_takes_nothing_into_account_is_plain() {
    let ([control, treatment], [after, below, ..]) = halves();
    let everyone = Strata::of(&["nobody/*"], &IndexMap::new(), 40);
    let clusters = Clusters::new((0..40).rev().collect());
    for values in [Values::Single(&after), Values::Ratio(&after, &below)] {
        let plain = Outcomes::plain(values);
        let expected = plain.arms(&control, &treatment);
        assert_eq!(expected.basis, Basis::default());
        let one_stratum = Outcomes { strata: Some(&everyone), ..plain.clone() }.arms(&control, &treatment);
        let of_one_unit = Outcomes { clusters: Some(&clusters), ..plain }.arms(&control, &treatment);
        for found in [&one_stratum, &of_one_unit] {
            same(&found.control, &expected.control);
            same(&found.treatment, &expected.treatment);
        }
        assert_eq!(one_stratum.basis.strata, Some(StrataNote { weighed: 1, pooled: 0 }));
        assert_eq!((of_one_unit.basis.clusters, of_one_unit.basis.control_clusters), (Some(20), Some(20)));
    }
}

/// statsmodels 0.15.0: OLS of the outcome less its slopes on a constant, `cov_type="cluster"`; slopes by OLS of the clusters' linearised
/// sums.
#[test]
fn clusters_have_cluster_robust_errors() {
    let ([control, treatment], [after, _, first, second]) = halves();
    let clusters = Clusters::new((0..40).map(|i| i / 20 * 7 + i * i % 7).collect());
    let covariates: Vec<(&str, &[f64])> = vec![("visits", &first), ("orders", &second)];
    let outcomes = Outcomes { clusters: Some(&clusters), covariates, ..Outcomes::plain(Values::Single(&after)) };
    let found = outcomes.arms(&control, &treatment);
    assert_eq!((found.basis.clusters, found.basis.control_clusters), (Some(4), Some(4)));
    for (arm, [mean, se]) in [(found.control, CONTROL), (found.treatment, TREATMENT)] {
        assert!((arm.mean / mean - 1.0).abs() < 1e-11, "{arm:?}");
        assert!((arm.standard_error().unwrap_or_default() / se - 1.0).abs() < 1e-11, "{arm:?}");
    }
}

const CONTROL: [f64; 2] = [10.301283734681732, 0.5150478030783067];
const TREATMENT: [f64; 2] = [12.198716265318264, 0.29041234155888707];

#[test]
fn a_bootstrap_says_so_and_repeats_itself() {
    let ([control, treatment], [after, below, ..]) = halves();
    let variance = VarianceMethod::Bootstrap { replicates: 2000, seed: 5 };
    let outcomes = Outcomes { variance, ..Outcomes::plain(Values::Ratio(&after, &below)) };
    let found = outcomes.arms(&control, &treatment);
    assert_eq!(found.basis.variance.as_deref(), Some("bootstrap"));
    assert_eq!(found.control, outcomes.arms(&control, &treatment).control);
    let formula = Outcomes::plain(Values::Ratio(&after, &below)).arms(&control, &treatment).control;
    assert_eq!(found.control.mean, formula.mean);
    let ratio = found.control.variance.unwrap_or_default() / formula.variance.unwrap_or_default();
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}: the delta method is near for twenty units");
}

#[test]
fn successes_are_counted_where_values_are_shares() {
    let values = [1.0, 0.0, 1.0, 1.0, 0.0];
    let outcomes = Outcomes { is_share: true, ..Outcomes::plain(Values::Single(&values)) };
    let found = outcomes.arms(&[0, 1, 4], &[2, 3]);
    assert_eq!(found.shares, Some([Proportion::from_counts(3, 1), Proportion::from_counts(2, 2)]));
    assert_eq!(Outcomes::plain(Values::Single(&values)).arms(&[0], &[1]).shares, None);
}

/// What is known of nothing leaves a quantile as it is, by unit and by event; a covariate narrows it.
#[test]
fn a_quantile_is_linearised() {
    let values: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 101) + f64::from(i / 200)).collect();
    let noise: Vec<f64> = (0..400).map(|i| f64::from(i * 53 % 7)).collect();
    let alike: Vec<f64> = values.iter().zip(&noise).map(|(value, noise)| value + noise).collect();
    let (control, treatment): (Vec<usize>, Vec<usize>) = ((0..200).collect(), (200..400).collect());
    let clusters = Clusters::new((0..400).collect());
    let everyone = Strata::of(&["nobody/*"], &IndexMap::new(), 400);
    let plain = Outcomes::plain(Values::Quantile(&values, 0.75));
    let expected = plain.arms(&control, &treatment);
    let of_one_unit = Outcomes { clusters: Some(&clusters), ..plain.clone() }.arms(&control, &treatment);
    let one_stratum = Outcomes { strata: Some(&everyone), ..plain.clone() }.arms(&control, &treatment);
    for found in [&of_one_unit, &one_stratum] {
        same(&found.control, &expected.control);
        same(&found.treatment, &expected.treatment);
    }
    let adjusted = Outcomes { covariates: vec![("before", &alike)], ..plain }.arms(&control, &treatment);
    let variance = |arms: &Arms| arms.treatment.variance.unwrap_or_default();
    assert!(variance(&adjusted) < 0.8 * variance(&expected), "{adjusted:?} {expected:?}");
    let few = Outcomes { clusters: Some(&clusters), ..Outcomes::plain(Values::Quantile(&values, 0.75)) }.arms(&[0, 1], &[2, 3]);
    assert_eq!(few.control.variance, Err(Lack::TooFewForQuantile));
}

#[test]
fn units_that_do_not_count_are_left_out() {
    let ([control, treatment], [after, _, before, _]) = halves();
    let counted = BooleanBuffer::collect_bool(40, |unit| unit % 4 != 0);
    let covariates: Vec<(&str, &[f64])> = vec![("visits", &before)];
    let outcomes = Outcomes { counted: Some(&counted), covariates, ..Outcomes::plain(Values::Single(&after)) };
    let found = outcomes.arms(&control, &treatment);
    let kept = |units: &[usize]| units.iter().copied().filter(|unit| unit % 4 != 0).collect::<Vec<_>>();
    let expected = Outcomes { counted: None, ..outcomes }.arms(&kept(&control), &kept(&treatment));
    assert_eq!((found.units, found.control), ([15, 15], expected.control));
}

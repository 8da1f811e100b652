//! Arms with and without what they take into account; figures are those of statsmodels and numpy, or of plain
//! arms.

use super::*;
use crate::definition::VariantIndex;
use crate::units::cells::{SegmentIndex, Side};

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

/// Everyone, the first units in control and as many in the treatment.
fn halves(each: usize) -> Cells {
    let variants: Vec<VariantIndex> = (0..2 * each).map(|unit| VariantIndex(unit / each)).collect();
    Cells::new(&variants, &[("all".to_owned(), (0..2 * each).collect())].into())
}

/// The arms of such halves.
fn arms(values: Values<'_>, taken: Adjustments<'_>, cells: &Cells) -> Arms {
    let [control, treatment] =
        [0, 1].map(|variant| cells.group(Side::In(SegmentIndex::EVERYONE), VariantIndex(variant)));
    Outcomes::new(values, taken, cells).arms(&control, &treatment)
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
    let (cells, [after, _, before, _]) = (halves(20), values());
    let taken = Adjustments { covariates: vec![("visits", &before)], ..Adjustments::default() };
    let found = arms(Values::Single(&after), taken, &cells);
    let pairs =
        |units: std::ops::Range<usize>| CoMoments::from_pairs(units.map(|unit| (after[unit], before[unit])));
    let expected = tranche_stats::adjust(&pairs(0..20), &pairs(20..40));
    same(&found.control, &expected.control);
    same(&found.treatment, &expected.treatment);
    assert!((found.basis.cuped_thetas["visits"] - expected.theta).abs() < 1e-12);
    assert_eq!(found.units, [20, 20]);
}

#[test]
fn moments_of_cells_say_what_rows_of_units_say() {
    let [after, below, first, second] = values();
    // Cells of two variants and three segments.
    let segments = [("all", 1), ("even", 2), ("third", 3)]
        .map(|(name, step)| (name.to_owned(), (0..40).step_by(step).collect::<Vec<usize>>()));
    let variants: Vec<VariantIndex> = (0..40).map(|unit| VariantIndex(unit * 7 % 5 % 2)).collect();
    let cells = Cells::new(&variants, &segments.into());
    let counted = BooleanBuffer::collect_bool(40, |unit| unit % 9 != 0);
    let covariates: Vec<(&str, &[f64])> = vec![("visits", &first), ("orders", &second)];
    for (values, covariates) in [
        (Values::Single(&after), Vec::new()),
        (Values::Ratio(&after, &below), Vec::new()),
        (Values::Single(&after), covariates.clone()),
        (Values::Ratio(&after, &below), covariates),
    ] {
        let taken = Adjustments { counted: Some(&counted), covariates, ..Adjustments::default() };
        let outcomes = Outcomes::new(values, taken, &cells);
        assert!(!matches!(outcomes.summed, Summed::Not));
        for (side, left_out) in [
            (Side::In(SegmentIndex(0)), None),
            (Side::In(SegmentIndex(1)), None),
            (Side::Out(SegmentIndex(2)), None),
            (Side::In(SegmentIndex(0)), Some(7)),
            (Side::Out(SegmentIndex(2)), Some(31)),
        ] {
            let outcomes = left_out.map_or_else(|| outcomes.clone(), |unit| outcomes.without(unit));
            let [control, treatment] = [0, 1].map(|variant| cells.group(side, VariantIndex(variant)));
            let found = outcomes.arms(&control, &treatment);
            let expected = outcomes.arms_of_units(&outcomes.units(&control), &outcomes.units(&treatment));
            same(&found.control, &expected.control);
            same(&found.treatment, &expected.treatment);
            assert_eq!(found.units, expected.units);
            assert_eq!(found.basis.cuped_thetas.len(), expected.basis.cuped_thetas.len());
        }
    }
}

#[test]
fn without_adjustments_an_estimate_is_plain() {
    let (cells, [after, below, ..]) = (halves(20), values());
    let everyone = Strata::of(&["nobody/*"], &IndexMap::new(), 40);
    let clusters = Clusters::new((0..40).rev().collect());
    for values in [Values::Single(&after), Values::Ratio(&after, &below)] {
        let expected = arms(values, Adjustments::default(), &cells);
        assert_eq!(expected.basis, Basis::default());
        let one_stratum = Adjustments { strata: Some(&everyone), ..Adjustments::default() };
        let of_one_unit = Adjustments { clusters: Some(&clusters), ..Adjustments::default() };
        let [one_stratum, of_one_unit] = [one_stratum, of_one_unit].map(|taken| arms(values, taken, &cells));
        for found in [&one_stratum, &of_one_unit] {
            same(&found.control, &expected.control);
            same(&found.treatment, &expected.treatment);
        }
        assert_eq!(one_stratum.basis.strata, Some(StrataNote { weighed: 1, pooled: 0 }));
        assert_eq!((of_one_unit.basis.clusters, of_one_unit.basis.control_clusters), (Some(20), Some(20)));
    }
}

/// statsmodels 0.15.0: OLS of the outcome less its slopes on a constant, `cov_type="cluster"`; slopes by OLS
/// of the clusters' linearised sums.
#[test]
fn clusters_have_cluster_robust_errors() {
    let (cells, [after, _, first, second]) = (halves(20), values());
    let clusters = Clusters::new((0..40).map(|i| i / 20 * 7 + i * i % 7).collect());
    let covariates: Vec<(&str, &[f64])> = vec![("visits", &first), ("orders", &second)];
    let taken = Adjustments { clusters: Some(&clusters), covariates, ..Adjustments::default() };
    let found = arms(Values::Single(&after), taken, &cells);
    assert_eq!((found.basis.clusters, found.basis.control_clusters), (Some(4), Some(4)));
    for (arm, [mean, se]) in [
        (found.control, [10.301_283_734_681_732, 0.515_047_803_078_306_7]),
        (found.treatment, [12.198_716_265_318_264, 0.290_412_341_558_887_07]),
    ] {
        assert!((arm.mean / mean - 1.0).abs() < 1e-11, "{arm:?}");
        assert!((arm.standard_error().unwrap_or_default() / se - 1.0).abs() < 1e-11, "{arm:?}");
    }
}

#[test]
fn a_bootstrap_says_so_and_repeats_itself() {
    let (cells, [after, below, ..]) = (halves(20), values());
    let variance = VarianceMethod::Bootstrap { replicates: 2000, seed: 5 };
    let resampled = || {
        let taken = Adjustments { variance, ..Adjustments::default() };
        arms(Values::Ratio(&after, &below), taken, &cells)
    };
    let found = resampled();
    assert_eq!(found.basis.variance_method.as_deref(), Some("bootstrap"));
    assert_eq!(found.control, resampled().control);
    let formula = arms(Values::Ratio(&after, &below), Adjustments::default(), &cells).control;
    assert!((found.control.mean - formula.mean).abs() < 1e-12);
    let ratio = found.control.variance.unwrap_or_default() / formula.variance.unwrap_or_default();
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}: the delta method is near for twenty units");
}

#[test]
fn successes_are_counted_where_values_are_shares() {
    let values = [1.0, 0.0, 1.0, 1.0];
    let taken = |successes| Adjustments { successes, ..Adjustments::default() };
    let found = arms(Values::Single(&values), taken(true), &halves(2));
    assert_eq!(found.shares, Some([Proportion::from_counts(2, 1), Proportion::from_counts(2, 2)]));
    assert_eq!(arms(Values::Single(&values), taken(false), &halves(2)).shares, None);
}

/// What is known of nothing leaves a quantile as it is; a covariate narrows it.
#[test]
fn a_quantile_is_linearised() {
    let values: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 101) + f64::from(i / 200)).collect();
    let noise = (0..400).map(|i| f64::from(i * 53 % 7));
    let alike: Vec<f64> = values.iter().zip(noise).map(|(value, noise)| value + noise).collect();
    let cells = halves(200);
    let clusters = Clusters::new((0..400).collect());
    let everyone = Strata::of(&["nobody/*"], &IndexMap::new(), 400);
    let quantile = |taken| arms(Values::Quantile(&values, 0.75), taken, &cells);
    let expected = quantile(Adjustments::default());
    for taken in [
        Adjustments { clusters: Some(&clusters), ..Adjustments::default() },
        Adjustments { strata: Some(&everyone), ..Adjustments::default() },
    ] {
        let found = quantile(taken);
        same(&found.control, &expected.control);
        same(&found.treatment, &expected.treatment);
    }
    let adjusted = quantile(Adjustments { covariates: vec![("before", &alike)], ..Adjustments::default() });
    let variance = |arms: &Arms| arms.treatment.variance.unwrap_or_default();
    assert!(variance(&adjusted) < 0.8 * variance(&expected), "{adjusted:?} {expected:?}");
    let few = Adjustments { clusters: Some(&clusters), ..Adjustments::default() };
    let few = arms(Values::Quantile(&values, 0.75), few, &halves(2));
    assert_eq!(few.control.variance, Err(UndefinedReason::TooFewForQuantile));
}

//! Arms with and without a unit that is too large; effects and p-values are those of SciPy's `ttest_ind(equal_var=False)`.

use super::*;
use crate::fixture::{cells, close, groups, measured, outcomes};

/// Twenty units an arm: 10 to 14 in control, 11 to 15 in the treatment, four of each; then changed.
fn audited(change: impl Fn(&mut [f64])) -> OutlierRow {
    let mut values: Vec<f64> = (0..40u32).map(|unit| f64::from(10 + unit % 5 + unit / 20)).collect();
    change(&mut values);
    let (control, treatment): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (20..40).collect());
    let (cells, (control, treatment)) = (cells(40, &control, &treatment), groups());
    let outcomes = outcomes(&values, &cells);
    audit(&measured(&outcomes), &outcomes, "a", (&control, &treatment)).unwrap()
}

fn assert_refit(refit: &Refit, effect: f64, p: f64, conclusion: Conclusion) {
    let found = refit.absolute.as_ref().unwrap();
    assert!(close(found.effect, effect) && found.p.is_some_and(|found| close(found, p)), "{refit:?}");
    assert_eq!(refit.conclusion, Some(conclusion));
}

#[test]
fn one_unit_turns_an_effect_round() {
    let row = audited(|values| values[19] = 60.0);
    assert_refit(&row.as_is, -1.3, 0.601_089_360_647_432_7, Conclusion::Unclear);
    assert_refit(
        &row.without_largest,
        1.105_263_157_894_736_7,
        0.020_925_083_820_754_004,
        Conclusion::Better,
    );
    assert!(row.cap.is_some_and(|cap| close(cap, 58.245)), "numpy.quantile(values, 0.999)");
    assert_refit(row.capped.as_ref().unwrap(), -1.212_25, 0.613_212_878_663_974_4, Conclusion::Unclear);
    assert_eq!(row.largest_in, "a");
    let arm = |variant: &str, total, largest, share| Concentration {
        variant: variant.to_owned(),
        n: 20,
        total,
        largest,
        largest_share: share,
        top_units: 1,
        top_share: share,
    };
    assert_eq!(row.arms, [arm("a", 286.0, 60.0, 60.0 / 286.0), arm("b", 260.0, 15.0, 15.0 / 260.0)]);
    let check = check(&row);
    assert_eq!((check.ok, check.severity, check.bars()), (false, Severity::Warning, false));
    assert_eq!(
        check.finding,
        "the effect of `b` on revenue hinges on a few units: it is -1.30000 (unclear), without the largest unit (60.00000, 21.0 % \
         of all in `a`) it is 1.10526 (better), with values capped at 58.24500 it is -1.21225 (unclear)"
    );
    assert!(check.advice.contains("`cap:`"));
}

#[test]
fn one_unit_hides_an_effect_or_makes_it() {
    let row = audited(|values| values[39] = 511.0);
    assert_refit(&row.as_is, 25.8, 0.313_313_729_103_346_5, Conclusion::Unclear);
    assert_refit(
        &row.without_largest,
        0.894_736_842_105_263_2,
        0.058_432_329_984_204_72,
        Conclusion::Unclear,
    );
    assert!(check(&row).ok, "it is unclear with and without: {row:?}");
    // 511 of 245 + 511; the effect moves by 24.9 of its 24.9, but its sign stays.
    assert!(close(row.arms[1].largest_share, 511.0 / 756.0));
    let row = audited(|_| {});
    assert_refit(&row.as_is, 1.0, 0.035_565_155_461_595_95, Conclusion::Better);
    assert_refit(
        &row.without_largest,
        0.894_736_842_105_263_2,
        0.058_432_329_984_204_72,
        Conclusion::Unclear,
    );
    assert!(!check(&row).ok);
}

#[test]
fn a_sign_counts_when_one_unit_moves_the_effect_by_more_than_half_its_error() {
    let refit = |effect: f64, se: f64| Refit {
        absolute: Some(Effect { se: Some(se), ..Effect::of(effect) }),
        conclusion: Some(Conclusion::Unclear),
    };
    assert!(hinges(&refit(0.3, 0.5), &refit(-0.1, 0.2)));
    assert!(!hinges(&refit(0.3, 0.9), &refit(-0.1, 0.2)), "noise around zero");
    assert!(!hinges(&refit(0.3, 0.5), &refit(0.0, 0.2)));
    assert!(
        hinges(&refit(0.3, 0.5), &Refit { absolute: None, conclusion: None }),
        "without it there is no effect at all"
    );
}

#[test]
fn the_largest_of_a_thousand_units_and_one_are_two() {
    let mut values: Vec<f64> = (0..999).map(|unit| f64::from(unit % 7) - 3.0).chain([-50.0, 40.0]).collect();
    let found = concentration("a", &mut values).unwrap();
    // 142 weeks of 3 + 2 + 1 + 0 + 1 + 2 + 3 = 12, five days more of 3, 2, 1, 0 and 1, and 90.
    assert_eq!((found.total, found.largest, found.top_units), (1801.0, -50.0, 2));
    assert_eq!((found.largest_share, found.top_share), (50.0 / 1801.0, 90.0 / 1801.0));
}

#[test]
fn shares_of_units_have_no_outliers() {
    let values: Vec<f64> = (0..40u32).map(|unit| f64::from(unit % 3 / 2)).collect();
    let (control, treatment): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (20..40).collect());
    let (cells, (control, treatment)) = (cells(40, &control, &treatment), groups());
    let outcomes = outcomes(&values, &cells);
    assert_eq!(audit(&measured(&outcomes), &outcomes, "a", (&control, &treatment)), None);
}

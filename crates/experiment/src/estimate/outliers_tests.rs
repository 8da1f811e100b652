//! Arms with and without a unit that is too large; effects and p-values are those of SciPy's
//! `ttest_ind(equal_var=False)`.

use tranche_scorecard::Conclusion;

use super::*;
use crate::fixture::{audited, cells, close, compared, groups, outcomes};

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
    assert_eq!(audit(&compared(&outcomes), &outcomes, "a", (&control, &treatment)), None);
}

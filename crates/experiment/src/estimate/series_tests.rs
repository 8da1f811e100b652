//! Three days of units, the second without any; effects are those of SciPy's `ttest_ind(equal_var=False)`.

use jiff::SignedDuration;

use super::*;
use crate::fixture::{cells, close, compared, outcomes};

fn at(day: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day + 9)
}

/// Units of variant 0 and 1, with the day of their exposure and their value.
const UNITS: [(usize, i64, f64); 11] = [
    (0, 0, 1.0),
    (1, 0, 2.0),
    (0, 2, 0.0),
    (0, 0, 2.0),
    (1, 2, 5.0),
    (1, 0, 4.0),
    (0, 2, 1.0),
    (0, 0, 3.0),
    (1, 0, 6.0),
    (1, 2, 7.0),
    (1, 3, 1000.0),
];

fn points(until: i64) -> Vec<SeriesPoint> {
    let values = UNITS.map(|(_, _, value)| value);
    let cells = cells(UNITS.len(), &[0, 3, 7], &[1, 5, 8]);
    let outcomes = outcomes(&values, &cells);
    let one = compared(&outcomes);
    let period = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * until));
    let cohorts = Cohorts::new(
        2,
        period,
        &TimeZone::UTC,
        UNITS.iter().map(|(variant, day, _)| (at(*day), VariantIndex(*variant))),
    );
    cohorts.points(&one, &outcomes.over(cohorts.cells()), (VariantIndex(0), VariantIndex(1)))
}

#[test]
fn each_day_has_its_own_effect_and_that_of_all_units_so_far() {
    let found = points(3);
    let shown: Vec<(String, SeriesSpan, u64, u64)> =
        found.iter().map(|point| (point.day.to_string(), point.span, point.control_n, point.n)).collect();
    let expected = [
        ("1970-01-01", SeriesSpan::Daily, 3, 3),
        ("1970-01-01", SeriesSpan::Cumulative, 3, 3),
        ("1970-01-02", SeriesSpan::Cumulative, 3, 3),
        ("1970-01-03", SeriesSpan::Daily, 2, 2),
        ("1970-01-03", SeriesSpan::Cumulative, 5, 5),
    ];
    assert_eq!(shown, expected.map(|(day, span, control_n, n)| (day.to_owned(), span, control_n, n)));
    let first = [
        2.0,
        1.290_994_448_735_805_6,
        -2.155_399_503_182_505,
        6.155_399_503_182_505,
        0.220_880_840_494_095_93,
    ];
    let third = [
        5.5,
        1.118_033_988_749_895,
        -1.418_522_830_071_063_7,
        12.418_522_830_071_064,
        0.069_286_173_343_953_18,
    ];
    let all = [3.4, 1.0, 0.998_157_109_261_355, 5.801_842_890_738_644, 0.012_807_967_380_157_286];
    for (point, expected) in found.iter().zip([first, first, first, third, all]) {
        let effect = point.absolute.as_ref().unwrap();
        let numbers = [Some(effect.effect), effect.se, effect.ci.low(), effect.ci.high(), effect.p];
        for (found, expected) in numbers.into_iter().zip(expected) {
            assert!(found.is_some_and(|found| close(found, expected)), "{point:?}: {expected}");
        }
    }
    assert_eq!((found[4].control_mean, found[4].mean), (Some(1.4), Some(4.8)));
    assert!(found[4].relative.as_ref().is_some_and(|lift| close(lift.effect, 3.4 / 1.4)));
}

#[test]
fn a_day_with_one_arm_has_units_and_no_effect() {
    let found = points(4);
    let last: Vec<_> = found.iter().filter(|point| point.day.to_string() == "1970-01-04").collect();
    let shown: Vec<_> =
        last.iter().map(|point| (point.span, point.control_n, point.n, point.absolute.is_some())).collect();
    assert_eq!(shown, [(SeriesSpan::Daily, 0, 1, false), (SeriesSpan::Cumulative, 5, 6, true)]);
    assert!(points(0).is_empty());
}

#[test]
fn only_intervals_that_hold_at_every_look_may_be_watched() {
    for (method, valid) in [
        (Method::Fixed, false),
        (Method::Sequential { tuning: 5000.0 }, true),
        (Method::Bayes { prior: tranche_stats::Prior::Flat, shares: None }, false),
    ] {
        let series = empty(&method);
        assert_eq!(
            (series.valid_at_every_day, series.inference.as_str()),
            (valid, method.name()),
            "{}",
            series.note
        );
    }
}

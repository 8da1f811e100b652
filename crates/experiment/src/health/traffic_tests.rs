//! Days of traffic whose checks can be worked out by hand.

use jiff::SignedDuration;

use super::*;

fn variants() -> IndexMap<String, f64> {
    IndexMap::from([("a".to_owned(), 0.5), ("b".to_owned(), 0.5)])
}

fn at(day: i64, hour: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day + hour)
}

/// The traffic of `days`, from the epoch on, with so many units in each variant at noon, seen at an hour of
/// the day after.
fn checks(days: &[[u64; 2]], hour: i64) -> Vec<HealthCheck> {
    let variants = variants();
    let of_day = |(day, counts): (usize, &[u64; 2])| {
        let noon = at(i64::try_from(day).unwrap(), 12);
        (0..2)
            .flat_map(|variant| {
                std::iter::repeat_n((noon, VariantIndex(variant)), usize::try_from(counts[variant]).unwrap())
            })
            .collect()
    };
    let exposures: Vec<(Timestamp, VariantIndex)> =
        days.iter().enumerate().flat_map::<Vec<_>, _>(of_day).collect();
    let until = at(i64::try_from(days.len()).unwrap(), hour);
    Traffic::new(&variants, (at(0, 0), until), &TimeZone::UTC, exposures.into_iter()).checks()
}

#[test]
fn every_day_of_the_period_so_far_has_a_row_for_each_variant() {
    let variants = variants();
    let exposures = [(at(0, 23), 0), (at(2, 0), 1), (at(2, 5), 1), (at(3, 0), 0)]
        .map(|(at, variant)| (at, VariantIndex(variant)));
    let traffic = Traffic::new(&variants, (at(0, 6), at(2, 12)), &TimeZone::UTC, exposures.into_iter());
    let rows: Vec<(String, String, u64)> =
        traffic.rows().into_iter().map(|row| (row.day.to_string(), row.variant, row.units)).collect();
    let expected =
        [("01", "a", 1), ("01", "b", 0), ("02", "a", 0), ("02", "b", 0), ("03", "a", 0), ("03", "b", 2)];
    assert_eq!(
        rows,
        expected.map(|(day, variant, units)| (format!("1970-01-{day}"), variant.to_owned(), units))
    );
    let whole: Vec<bool> = traffic.days.iter().map(|(_, _, whole)| *whole).collect();
    assert_eq!(whole, [false, true, false], "the period begins within a day, and as_of lies within another");
}

/// By SciPy's binomial distribution 40 of 120 has p = 3.3e-4, 30 of 90 has 2.1e-3.
#[test]
fn a_day_whose_split_departs_fails_below_its_share_of_the_threshold() {
    let one = checks(&[[40, 80]], 0);
    assert_eq!(
        (one[0].check.as_str(), one[0].severity, one[0].ok),
        ("daily_sample_ratio", Severity::Gate, false)
    );
    assert_eq!(one[0].threshold, Some(0.001));
    assert_eq!(
        one[0].finding,
        "units were not split as planned on 1 of 1 days: on 1970-01-01 40 in `a` and 80 in `b` (p = 3.30e-4)"
    );
    assert!(!one[0].advice.is_empty());
    let four = checks(&[[60, 60], [40, 80], [60, 60], [60, 60]], 0);
    assert_eq!((four[0].threshold, four[0].ok), (Some(0.000_25), true), "the same split is one of four");
    assert_eq!(four[0].finding, "units were split as planned on each of 4 days (least p = 3.30e-4)");
    assert!(four[0].advice.is_empty());
    assert!(checks(&[[30, 60]], 0)[0].ok);
    let few: Vec<String> = checks(&[[0, 9]], 0).into_iter().map(|check| check.check).collect();
    assert_eq!(few, ["traffic"], "with 4.5 expected units in a variant nothing is tested");
}

#[test]
fn a_day_without_units_is_reported_where_chance_does_not_explain_it() {
    let gaps = |days: &[[u64; 2]], hour: i64| {
        let found = checks(days, hour).into_iter().find(|check| check.check == "traffic");
        found.map(|check| (check.ok, check.severity, check.finding))
    };
    let steady = [[20, 20], [20, 20], [0, 0], [20, 20]];
    let said = |text: &str| text.to_owned();
    assert_eq!(
        gaps(&steady, 0),
        Some((false, Severity::Warning, said("no unit was exposed on 1 of 4 days: 1970-01-03")))
    );
    assert_eq!(
        gaps(&steady[..2], 0),
        Some((true, Severity::Warning, said("units were exposed on each of 2 days")))
    );
    assert_eq!(gaps(&steady[..2], 12), gaps(&steady[..2], 0), "a day that is not over may be empty");
    let rare = [[1, 1], [1, 0], [0, 0], [0, 1]];
    assert!(
        gaps(&rare, 0).is_some_and(|(ok, ..)| ok),
        "of four units in four days, exp(-1) of days are empty"
    );
    let waves = [[500, 500], [0, 0], [0, 0], [500, 500]];
    assert!(gaps(&waves, 0).is_some_and(|(ok, ..)| ok), "units that come in waves leave days out");
    assert_eq!(gaps(&[[0, 0], [0, 0]], 0), None, "without units there is nothing to say");
}

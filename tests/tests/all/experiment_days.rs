//! What a reader of an experiment sees beside its effects: units and estimates by day, what a few units do, and whether to believe it.

use serde_json::{Value, json};

use crate::lab::{Lab, Raw, estimate, number, texts};

/// Days of September with exposures; the period is ten days.
const DAYS: usize = 6;
/// Units a day, in turn a and b.
const UNITS: usize = 60;
const GOAL: &str = "conversion_window: 1 day\nmetrics: {goal: [revenue]}\n";

/// What unit `n` of a day spends: 10 to 16, and in b one more, and half a day's number.
fn spent(day: usize, n: usize) -> f64 {
    (10 + n / 2 * 3 % 7) as f64 + if n % 2 == 1 { 1.0 + 0.5 * day as f64 } else { 0.0 }
}

/// `UNITS` units on each day of `days`, without those that `is_lost` says.
fn raw(days: &[usize], is_lost: impl Fn(usize, usize) -> bool) -> Raw {
    let mut raw = Raw::default();
    for &day in days {
        for n in (0..UNITS).filter(|n| !is_lost(day, *n)) {
            let (unit, arm) = (format!("p{day}x{n}"), ["a", "b"][n % 2]);
            raw.people.push(format!("{unit},DE"));
            raw.exposures.push(format!("{unit},{arm},2026-09-{day:02}T{:02}:00:00Z", n % 24));
            raw.purchases.push(format!(
                "o{unit},{unit},2026-09-{day:02}T{:02}:30:00Z,{}",
                n % 24,
                spent(day, n)
            ));
        }
    }
    raw
}

fn everyone(_: usize, _: usize) -> bool {
    false
}

/// The mean of b less the mean of a, over the units of some days.
fn effect(days: impl IntoIterator<Item = usize> + Clone) -> f64 {
    let mean = |arm: usize| {
        let of_day = |day: usize| (0..UNITS).filter(move |n| n % 2 == arm).map(move |n| spent(day, n));
        let values: Vec<f64> = days.clone().into_iter().flat_map(of_day).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    mean(1) - mean(0)
}

fn check<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let checks = shown["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name}: {shown}"))
}

#[test]
fn estimates_are_stored_by_day_and_the_last_one_is_that_of_the_result() {
    let days: Vec<usize> = (1..=DAYS).collect();
    let lab = Lab::new(&raw(&days, everyone));
    lab.define("fixed", GOAL);
    lab.define("watched", &format!("{GOAL}statistics: {{inference: sequential, tuning: 300}}"));
    lab.measure("2026-09-20");
    lab.measure("2026-09-20");
    for (name, valid) in [("fixed", false), ("watched", true)] {
        let shown = lab.shown(name);
        assert_eq!(shown["series"]["valid_at_every_day"], valid, "{}", shown["series"]["note"]);
        let points = shown["series"]["points"].as_array().unwrap();
        // A day of its own for each day with units; all units so far on each of the ten days of the period.
        assert_eq!(points.len(), DAYS + 10);
        for point in points {
            let day: usize =
                point["day"].as_str().and_then(|day| day.rsplit('-').next()).unwrap().parse().unwrap();
            let (units, expected) = match point["span"].as_str() {
                Some("daily") => (UNITS / 2, effect([day])),
                _ => (UNITS / 2 * day.min(DAYS), effect(1..=day.min(DAYS))),
            };
            assert_eq!((&point["n"], &point["control_n"]), (&json!(units), &json!(units)), "{point}");
            assert!((number(point, "/absolute/effect") - expected).abs() < 1e-9, "{point}: {expected}");
        }
        let (last, whole) = (points.last().unwrap(), estimate(&shown, "revenue"));
        for pointer in [
            "/absolute/effect",
            "/absolute/se",
            "/absolute/ci/0",
            "/absolute/ci/1",
            "/absolute/p",
            "/relative/ci/1",
        ] {
            let (last, whole) = (number(last, pointer), number(whole, pointer));
            assert!((last - whole).abs() <= 1e-9 * whole.abs().max(1e-9), "{name} {pointer}: {last} {whole}");
        }
    }
    let query = "SELECT CAST(day AS VARCHAR) AS day, n, absolute_effect, trustworthy FROM estimate_series \
                 WHERE experiment = 'fixed' AND span = 'daily' ORDER BY day";
    let rows = lab.tranche(&["--format", "json", "sql", query]).expect_code(0).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), DAYS, "measured twice at one instant, kept once");
    for (row, day) in rows.iter().zip(1..) {
        assert_eq!((&row["day"], &row["trustworthy"]), (&json!(format!("2026-09-{day:02}")), &json!(true)));
        assert!((number(row, "/absolute_effect") - effect([day])).abs() < 1e-9, "{row}");
    }
}

#[test]
fn a_day_without_units_is_a_warning_and_a_day_that_lost_an_arm_is_a_gate() {
    // The last exposures of the period are there, so that only the 4th is missing.
    let paused = Lab::new(&raw(&[1, 2, 3, 5, 6, 7, 8, 9, 10], everyone));
    paused.define("paused", GOAL);
    paused.measure("2026-09-20");
    let shown = paused.shown("paused");
    assert_eq!((&shown["trustworthy"], &check(&shown, "traffic")["ok"]), (&json!(true), &json!(false)));
    assert_eq!(check(&shown, "traffic")["severity"], "warning");
    assert_eq!(check(&shown, "traffic")["finding"], "no unit was exposed on 1 of 10 days: 2026-09-04");
    assert!(
        texts(&shown["notes"])[0].starts_with("no unit was exposed on 1 of 10 days"),
        "{}",
        shown["notes"]
    );
    let traffic: Vec<_> =
        shown["traffic"].as_array().unwrap().iter().map(|row| row["units"].as_u64().unwrap()).collect();
    assert_eq!(traffic, [30, 30, 30, 30, 30, 30, 0, 0, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30]);
    let table = paused.tranche(&["experiment", "show", "paused"]).expect_code(0).stdout;
    assert!(table.contains("warnings: 1 of") && !table.contains("NOT TRUSTWORTHY"), "{table}");

    // On the 3rd b logs 2 of its 30 units, 28 fewer of 600: the whole still looks like chance.
    let lost = Lab::new(&raw(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], |day, n| day == 3 && n % 2 == 1 && n > 3));
    lost.define("lost", GOAL);
    lost.measure("2026-09-20");
    let shown = lost.shown("lost");
    assert_eq!(shown["srm"]["ok"], true);
    let split = check(&shown, "daily_sample_ratio");
    assert_eq!(
        (&split["ok"], &split["severity"], &shown["trustworthy"]),
        (&json!(false), &json!("gate"), &json!(false))
    );
    // 2 min(binom.cdf(2, 32, 0.5), ...) of SciPy.
    assert!((number(split, "/p") / 2.463_348_209_857_940_7e-7 - 1.0).abs() < 1e-8, "{split}");
    assert_eq!(shown["decision"]["action"], "investigate");
    let table = lost.tranche(&["experiment", "show", "lost"]).expect_code(0).stdout;
    assert!(table.contains("NOT TRUSTWORTHY: 1 of"), "{table}");
    let csv = lost.tranche(&["--format", "csv", "experiment", "show", "lost"]).expect_code(0).stdout;
    let mut lines = csv.lines();
    assert!(lines.next().is_some_and(|head| head.ends_with(",trustworthy")), "{csv}");
    assert!(lines.all(|line| line.ends_with(",false")), "{csv}");
    let listed = lost.tranche(&["--format", "json", "experiment", "list"]).expect_code(0).json();
    assert_eq!(listed[0]["trustworthy"], false);
    for table in ["estimates", "estimate_series"] {
        let query = format!("SELECT DISTINCT trustworthy FROM {table}");
        let rows = lost.tranche(&["--format", "json", "sql", &query]).expect_code(0).json();
        assert_eq!(rows, json!([{"trustworthy": false}]), "{table}");
    }
}

#[test]
fn one_large_purchase_is_reported_and_does_not_make_the_result_untrustworthy() {
    let days: Vec<usize> = (1..=DAYS).collect();
    let mut raw = raw(&days, everyone);
    raw.purchases.push("big,p1x0,2026-09-01T03:00:00Z,900000".to_owned());
    let lab = Lab::new(&raw);
    lab.define("skewed", GOAL);
    lab.measure("2026-09-20");
    let shown = lab.shown("skewed");
    let found = check(&shown, "outliers");
    assert_eq!(
        (&found["ok"], &found["severity"], &shown["trustworthy"]),
        (&json!(false), &json!("warning"), &json!(true))
    );
    assert!(found["advice"].as_str().is_some_and(|advice| advice.contains("`cap:`")), "{found}");
    let row = &shown["outliers"][0];
    assert_eq!((&row["largest_in"], &row["as_is"]["conclusion"]), (&json!("a"), &json!("unclear")));
    assert_eq!(row["without_largest"]["conclusion"], "better");
    // All of a without the purchase: six days of 30 units, of which p1x0 spent 10.
    let total: f64 = days.iter().flat_map(|day| (0..UNITS).step_by(2).map(|n| spent(*day, n))).sum();
    assert!((number(row, "/arms/0/largest_share") - 900_010.0 / (total + 900_000.0)).abs() < 1e-12, "{row}");
    assert_eq!((number(row, "/arms/0/largest"), &row["arms"][0]["top_units"]), (900_010.0, &json!(1)));
}

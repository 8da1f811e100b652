//! Metrics of every type, their windows and delays, who is left out of them, and caps: numbers that can be counted by hand.

use serde_json::Value;

use crate::lab::{Lab, Raw, estimate, number, texts};

/// A lab with these metrics beside its own, exposures and purchases, measured at an instant; all are goals of one experiment.
fn measured(metrics: &[(&str, &str)], exposures: &[&str], purchases: &[&str], as_of: &str) -> Value {
    let mut people: Vec<String> = exposures
        .iter()
        .filter_map(|row| row.split(',').next())
        .map(|person| format!("{person},DE"))
        .collect();
    people.dedup();
    let raw = Raw {
        people,
        exposures: exposures.iter().map(|row| (*row).to_owned()).collect(),
        purchases: purchases.iter().enumerate().map(|(n, row)| format!("o{n},{row}")).collect(),
    };
    let lab = Lab::new(&raw);
    for (metric, definition) in metrics {
        lab.write(
            &format!("pipelines/shop/metrics/{metric}.yaml"),
            &format!("version: 1\nmetric: {metric}\n{definition}\n"),
        );
    }
    let goals: Vec<&str> = metrics.iter().map(|(metric, _)| *metric).collect();
    lab.define("kinds", &format!("conversion_window: 2 days\nmetrics: {{goal: [{}]}}", goals.join(", ")));
    lab.measure(as_of);
    lab.shown("kinds")
}

/// Both arms' means.
fn means(shown: &Value, metric: &str) -> [f64; 2] {
    let row = estimate(shown, metric);
    [number(row, "/control_mean"), number(row, "/mean")]
}

#[test]
fn windows_and_delays_begin_and_end_to_the_microsecond() {
    let shown = measured(
        &[
            ("at_once", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}"),
            ("own", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\nwindow: 1 day"),
            ("later", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ndelay: 1 day"),
            (
                "between",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ndelay: 1 day\nwindow: 12 hours",
            ),
        ],
        &["p,a,2026-09-02T12:00:00Z", "q,b,2026-09-02T12:00:00Z"],
        &[
            "p,2026-09-02T11:59:59.999999Z,1",
            "p,2026-09-02T12:00:00Z,2",
            "p,2026-09-03T11:59:59.999999Z,4",
            "p,2026-09-03T12:00:00Z,8",
            "p,2026-09-03T23:59:59.999999Z,16",
            "p,2026-09-04T00:00:00Z,32",
            "p,2026-09-04T11:59:59.999999Z,64",
            "p,2026-09-04T12:00:00Z,128",
            "p,2026-09-05T11:59:59.999999Z,256",
            "p,2026-09-05T12:00:00Z,512",
        ],
        "2026-09-20",
    );
    assert_eq!(means(&shown, "at_once"), [126.0, 0.0]);
    assert_eq!(means(&shown, "own"), [6.0, 0.0]);
    assert_eq!(means(&shown, "later"), [504.0, 0.0], "two days that begin a day later");
    assert_eq!(means(&shown, "between"), [24.0, 0.0]);
}

#[test]
fn retention_judges_units_whose_window_is_over() {
    let shown = measured(
        &[("back", "type: retention\nfact: {table: purchases}\nwindow: {from: 7 days, to: 14 days}")],
        &[
            "kept,a,2026-09-01T12:00:00Z",
            "first,a,2026-09-01T12:00:00Z",
            "early,a,2026-09-01T12:00:00Z",
            "late,b,2026-09-01T12:00:00Z",
            "twice,b,2026-09-01T12:00:00Z",
            "just,b,2026-09-06T00:00:00Z",
            "open,b,2026-09-06T00:00:00.000001Z",
        ],
        &[
            "kept,2026-09-10T12:00:00Z,1",
            "first,2026-09-08T12:00:00Z,1",
            "early,2026-09-08T11:59:59.999999Z,1",
            "late,2026-09-15T12:00:00Z,1",
            "twice,2026-09-09T12:00:00Z,1",
            "twice,2026-09-11T12:00:00Z,1",
            "open,2026-09-14T12:00:00Z,1",
        ],
        "2026-09-20",
    );
    let row = estimate(&shown, "back");
    assert_eq!((&row["control_n"], &row["n"]), (&3.into(), &3.into()), "`open` is not judged: {row}");
    let [control, treatment] = means(&shown, "back");
    assert!((control - 2.0 / 3.0).abs() < 1e-12 && (treatment - 1.0 / 3.0).abs() < 1e-12, "{row}");
    assert_eq!(shown["metrics"][0]["open"], 1);
    assert!(
        texts(&shown["notes"]).contains(&"`back` leaves out 1 units whose window is not over yet"),
        "{}",
        shown["notes"]
    );
}

#[test]
fn a_funnel_counts_who_passes_its_steps_in_order() {
    let shown = measured(
        &[(
            "rising",
            "type: funnel\nsteps:\n  - {table: purchases, where: amount >= 10}\n  - {table: purchases, where: amount >= 20}\n  - \
             {table: exposures, where: \"arm = 'b'\"}\nwithin: 3 days",
        )],
        &[
            "p,a,2026-09-02T12:00:00Z",
            "q,a,2026-09-02T12:00:00Z",
            "r,b,2026-09-02T12:00:00Z",
            "r,b,2026-09-04T12:00:00Z",
        ],
        &[
            // One event is one step.
            "p,2026-09-02T13:00:00Z,25",
            // The second before the first is nothing.
            "q,2026-09-02T13:00:00Z,12",
            "q,2026-09-05T12:00:00Z,30",
            "r,2026-09-03T13:00:00Z,12",
            "r,2026-09-04T11:00:00Z,20",
        ],
        "2026-09-20",
    );
    assert_eq!(means(&shown, "rising"), [0.0, 1.0]);
    let steps = estimate(&shown, "rising")["steps"].clone();
    let shares: Vec<[f64; 2]> =
        (0..3).map(|step| [number(&steps[step], "/control_share"), number(&steps[step], "/share")]).collect();
    assert_eq!(shares, [[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]], "{steps}");
}

#[test]
fn quantiles_are_of_units_or_of_events() {
    let exposures: Vec<String> = (0..200)
        .map(|n| format!("p{n},{},2026-09-02T12:00:00Z", if n % 2 == 0 { "a" } else { "b" }))
        .collect();
    // Each unit has as many purchases as its number's remainder by 4 says, of its number; b's are dearer by 50.
    let purchases: Vec<String> = (0..200)
        .flat_map(|n| (0..n % 4).map(move |event| (n, event)))
        .map(|(n, event)| {
            format!("p{n},2026-09-02T{}:00:00Z,{}", 13 + event, n + if n % 2 == 1 { 50 } else { 0 })
        })
        .collect();
    let shown = measured(
        &[
            (
                "typical",
                "type: quantile\nquantile: 0.5\nfact: {table: purchases, value: amount, aggregate: sum}",
            ),
            ("dear", "type: quantile\nquantile: 0.75\nover: events\nfact: {table: purchases, value: amount}"),
        ],
        &exposures.iter().map(String::as_str).collect::<Vec<_>>(),
        &purchases.iter().map(String::as_str).collect::<Vec<_>>(),
        "2026-09-20",
    );
    // Control: 50 units of 0 and 2 * (2, 6, ... 198): the median lies between 0 and 4.
    // Treatment: n + 50 for 1, 5, ... and 3 (n + 50) for 3, 7, ...: ranked, the 50th and 51st of 100 are 219 and 223.
    let mut sums: Vec<f64> = (1..200).step_by(2).map(|n| f64::from(n % 4) * f64::from(n + 50)).collect();
    sums.sort_by(f64::total_cmp);
    assert_eq!(means(&shown, "typical"), [2.0, 0.5 * (sums[49] + sums[50])]);
    // Control's events: 2, 2, 6, 6, ... 198, 198. The 75th percentile of 100 values lies a quarter from the 75th to the 76th.
    let dear = means(&shown, "dear");
    assert_eq!(dear[0], 150.0, "{dear:?}");
    let row = estimate(&shown, "dear");
    assert_eq!((&row["n"], &row["control_n"]), (&100.into(), &100.into()), "units are clusters of events");
    assert!(number(row, "/absolute/se") > 0.0 && number(row, "/absolute/p") < 0.01, "{row}");
}

#[test]
fn units_without_a_fact_are_zero_or_left_out() {
    let shown = measured(
        &[
            ("all", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}"),
            (
                "buyers_only",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\nmissing: exclude",
            ),
        ],
        &[
            "p,a,2026-09-02T12:00:00Z",
            "q,a,2026-09-02T12:00:00Z",
            "r,b,2026-09-02T12:00:00Z",
            "s,b,2026-09-02T12:00:00Z",
        ],
        // A purchase of nothing is a fact.
        &["p,2026-09-02T13:00:00Z,10", "r,2026-09-02T13:00:00Z,0", "s,2026-09-02T13:00:00Z,8"],
        "2026-09-20",
    );
    assert_eq!(means(&shown, "all"), [5.0, 4.0]);
    assert_eq!(means(&shown, "buyers_only"), [10.0, 4.0]);
    let row = estimate(&shown, "buyers_only");
    assert_eq!((&row["control_n"], &row["n"]), (&1.into(), &2.into()));
    assert_eq!(shown["metrics"][1]["missing"], 1);
    let notes = texts(&shown["notes"]);
    assert!(
        notes.iter().any(|note| note.starts_with("`buyers_only` leaves out 1 units without a fact")),
        "{notes:?}"
    );
}

#[test]
fn a_cap_is_of_all_units_together_and_shown_beside_the_uncapped_value() {
    let exposures: Vec<String> = (0..40)
        .map(|n| format!("p{n},{},2026-09-02T12:00:00Z", if n % 2 == 0 { "a" } else { "b" }))
        .collect();
    let purchases: Vec<String> =
        (0..40).map(|n| format!("p{n},2026-09-02T13:00:00Z,{}", if n == 39 { 10_000 } else { n })).collect();
    let shown = measured(
        &[
            (
                "value",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ncap: {value: 30}",
            ),
            (
                "quantile",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ncap: {quantile: 0.5}",
            ),
            ("plain", "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}"),
        ],
        &exposures.iter().map(String::as_str).collect::<Vec<_>>(),
        &purchases.iter().map(String::as_str).collect::<Vec<_>>(),
        "2026-09-20",
    );
    let mean = |cap: f64, parity: usize| {
        (0..40).filter(|n| n % 2 == parity).map(|n| (n as f64).min(cap)).sum::<f64>() / 20.0
    };
    // The median of both arms together is 19.5.
    for (metric, cap) in [("value", 30.0), ("quantile", 19.5)] {
        let [control, treatment] = means(&shown, metric);
        assert!(
            (control - mean(cap, 0)).abs() < 1e-12 && (treatment - mean(cap, 1)).abs() < 1e-12,
            "{metric}: {shown}"
        );
    }
    let plain = estimate(&shown, "plain");
    for metric in ["value", "quantile"] {
        let uncapped = &estimate(&shown, metric)["uncapped"];
        assert_eq!(
            (&uncapped["absolute"], &uncapped["relative"]),
            (&plain["absolute"], &plain["relative"]),
            "{metric}"
        );
        assert_eq!(uncapped["mean"], plain["mean"]);
    }
    assert_eq!(plain["uncapped"], Value::Null);
}

#[test]
fn experiments_measured_together_are_those_measured_alone() {
    let exposures: Vec<String> = (0..60)
        .map(|n| {
            format!(
                "p{n},{},2026-09-{:02}T{:02}:00:00Z",
                if n % 2 == 0 { "a" } else { "b" },
                1 + n % 9,
                n % 24
            )
        })
        .collect();
    let raw = || Raw {
        people: (0..60).map(|n| format!("p{n},{}", ["DE", "AT", "CH"][n % 3])).collect(),
        exposures: exposures.clone(),
        purchases: (0..600)
            .map(|n| {
                format!("o{n},p{},2026-09-{:02}T{:02}:30:00Z,{}", n * 7 % 60, 1 + n % 18, n % 24, n % 97)
            })
            .collect(),
    };
    let definitions = [
        ("short", "conversion_window: 1 day\nmetrics: {goal: [revenue]}\nsegments: [country/*]"),
        (
            "long",
            "conversion_window: 9 days\nmetrics: {goal: [buyers, revenue]}\nstatistics: {cuped: {lookback: 5 days}}",
        ),
        ("part", "conversion_window: 3 days\nmetrics: {goal: [revenue, gifts]}\nsegments: [country/AT]"),
    ];
    let together = Lab::new(&raw());
    for (name, keys) in definitions {
        together.define(name, keys);
    }
    together.measure("2026-09-20");
    for (name, keys) in definitions {
        let alone = Lab::new(&raw());
        alone.define(name, keys);
        alone.measure("2026-09-20");
        let (alone, together) = (alone.shown(name), together.shown(name));
        for part in ["estimates", "heterogeneity", "srm", "checks", "notes"] {
            assert_eq!(alone[part], together[part], "{part} of {name}");
        }
    }
}

#[test]
fn a_key_that_means_nothing_for_a_type_is_an_error_at_its_place() {
    let fact = "fact: {table: purchases, value: amount, aggregate: sum}";
    for (definition, place, message) in [
        (format!("type: quantile\n{fact}"), "3:7", "a quantile needs `quantile:`"),
        (format!("type: quantile\nquantile: 1\n{fact}"), "4:11", "a quantile lies between 0 and 1"),
        (format!("type: mean\nquantile: 0.5\n{fact}"), "4:11", "only a quantile has a `quantile:`"),
        ("type: quantile\nquantile: 0.5\nfact: {table: purchases}".to_owned(), "5:7", "needs `aggregate:`"),
        (
            "type: quantile\nquantile: 0.5\nover: events\nfact: {table: purchases}".to_owned(),
            "6:7",
            "needs `value:`",
        ),
        ("type: retention\nfact: {table: purchases}".to_owned(), "3:7", "from when to when"),
        ("type: retention\nfact: {table: purchases}\nwindow: 7 days".to_owned(), "5:9", "from when to when"),
        (
            "type: retention\nfact: {table: purchases}\nwindow: {from: 9 days, to: 7 days}".to_owned(),
            "5:9",
            "ends before it begins",
        ),
        (format!("type: mean\n{fact}\nwindow: {{from: 1 day, to: 7 days}}"), "5:9", "only a retention"),
        (format!("type: mean\n{fact}\ndelay: soon"), "5:8", "`soon` is not a duration"),
        (format!("type: mean\n{fact}\nmissing: never"), "5:10", "never"),
        (
            "type: proportion\nfact: {table: purchases}\nmissing: exclude".to_owned(),
            "5:10",
            "`missing: exclude` has a meaning",
        ),
        ("type: funnel\nwithin: 7 days".to_owned(), "3:7", "a funnel needs `steps:`"),
        (
            "type: funnel\nwithin: 7 days\nsteps: [{table: carts}]".to_owned(),
            "5:17",
            "there is no table `carts`",
        ),
        (
            "type: funnel\nwithin: 7 days\nsteps: [{table: purchases, where: amont > 1}]".to_owned(),
            "5:35",
            "amont",
        ),
        (
            "type: mean\nfact: {table: purchases, value: purchase_id, aggregate: sum}".to_owned(),
            "4:33",
            "`value` is a number",
        ),
        (
            "type: ratio\nnumerator: revenue\ndenominator: buyers\ndelay: 1 day".to_owned(),
            "6:8",
            "a ratio has no delay",
        ),
    ] {
        let lab = Lab::new(&Raw::default());
        lab.write("pipelines/shop/metrics/own.yaml", &format!("version: 1\nmetric: own\n{definition}\n"));
        let ran = lab.tranche(&["check"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 2, "{definition}\n{said}");
        assert!(
            said.contains(&format!("own.yaml:{place}")) && said.contains(message),
            "{definition}\n{said}"
        );
    }
}

//! What happens before an experiment: power, and the assignment of variants.

use serde_json::Value;

use super::units::{UNITS, raw};
use crate::lab::{Lab, Raw, number};

#[test]
fn power_is_planned_from_what_people_did_before() {
    let mut raw = raw();
    // Ten days before the observed fortnight: partly what each will spend in it.
    let earlier = |n: usize| (n / 2 % 7 + n % 3) as f64;
    raw.purchases.extend((0..UNITS).map(|n| format!("z{n},p{n},2026-08-10T00:00:00Z,{}", earlier(n))));
    let lab = Lab::new(&raw);
    let goal = "conversion_window: 14 days\nmetrics: {goal: [revenue]}\n";
    lab.define("plain", goal);
    lab.define("cuped", &format!("{goal}statistics: {{cuped: {{lookback: 14 days}}}}"));
    lab.define("sequential", &format!("{goal}statistics: {{inference: sequential}}"));
    lab.measure("2026-09-20");
    let planned = |name: &str| {
        let asked = ["--effect", "5%", "--units-per-day", "100", "--as-of", "2026-09-01"];
        let all: Vec<&str> =
            ["--format", "json", "experiment", "power", name].into_iter().chain(asked).collect();
        lab.tranche(&all).expect_code(0).json()
    };

    let values: Vec<f64> = (0..UNITS).map(|n| (5 + n / 2 % 7) as f64).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / UNITS as f64;
    let centred = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value - mean(values)).collect() };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let spread = centred(&values);
    let variance = product(&spread, &spread) / (UNITS - 1) as f64;
    let units = |variance: f64| {
        2.0 * variance * ((1.959_963_984_540_054 + 0.841_621_233_572_914) / (0.05 * mean(&values))).powi(2)
    };

    let plain = planned("plain");
    let metric = &plain["metrics"][0];
    assert!(
        (number(metric, "/mean") - mean(&values)).abs() < 1e-9
            && (number(metric, "/variance") - variance).abs() < 1e-9
    );
    let row = &metric["sample_sizes"][0];
    assert!((number(row, "/control") - units(variance)).abs() <= 1.01, "{row}: {}", units(variance));
    assert_eq!(number(row, "/total"), 2.0 * number(row, "/control"));
    assert_eq!(number(row, "/days"), (number(row, "/total") / 100.0 + 14.0).ceil());
    assert_eq!(metric["detectable"].as_array().map(Vec::len), Some(4));
    let fortnight = &metric["detectable"][1];
    let least = (2.0 * variance / 700.0).sqrt() * (1.959_963_984_540_054 + 0.841_621_233_572_914);
    assert!((number(fortnight, "/effect") - least).abs() < 1e-6, "{fortnight}: {least}");

    let covariate = centred(&(0..UNITS).map(earlier).collect::<Vec<f64>>());
    let squared =
        product(&spread, &covariate).powi(2) / (product(&spread, &spread) * product(&covariate, &covariate));
    let cuped = planned("cuped");
    let reduction = number(&cuped, "/metrics/0/variance_reduction");
    assert!(squared > 0.5 && (reduction - squared).abs() < 1e-9, "{reduction} {squared}");
    assert!(
        (number(&cuped, "/metrics/0/sample_sizes/0/control") - units(variance * (1.0 - squared))).abs()
            <= 1.01
    );
    assert!(number(&planned("sequential"), "/metrics/0/sample_sizes/0/control") > number(row, "/control"));
    assert!(
        lab.tranche(&["experiment", "power", "plain", "--power", "0.01"])
            .expect_code(2)
            .stderr
            .contains("--power")
    );
}

/// Hashes computed by the growthbook package for Python, 4.0.0.
#[test]
fn units_are_assigned_as_growthbook_does() {
    let lab = Lab::new(&Raw::default());
    let metrics = "metrics: {goal: [revenue]}\n";
    lab.define("my-experiment", metrics);
    lab.define("other", &format!("{metrics}assignment: {{seed: my-experiment, coverage: 0.5}}"));
    lab.define(
        "spaced",
        &format!("{metrics}assignment: {{namespace: {{name: namespace1, from: 0, to: 0.4}}}}"),
    );
    let assigned = |name: &str, id: &str| {
        lab.tranche(&["--format", "json", "experiment", "assign", name, "--id", id]).expect_code(0).json()[0]
            .clone()
    };
    let found = assigned("my-experiment", "user-1");
    assert_eq!((number(&found, "/hash"), &found["variant"]), (0.8713, &"b".into()));
    // Half of b is [.5, .75).
    assert_eq!(assigned("other", "user-1")["variant"], Value::Null);
    let found = assigned("spaced", "1");
    assert_eq!((&found["in_namespace"], &found["variant"]), (&false.into(), &Value::Null));
}

//! `experiment validate`: promises held against a project's own data.

use serde_json::Value;

use crate::lab::{Lab, Raw};

/// People who see `a` or `b` in turn, one every five minutes, and spend what `amount` says an hour later.
fn lab(people: usize, amount: impl Fn(usize) -> f64) -> Lab {
    let mut raw = Raw::default();
    for n in 0..people {
        let minutes = n * 5;
        let day = |hour: usize| {
            format!(
                "2026-09-{:02}T{:02}:{:02}:00Z",
                1 + minutes / 1440,
                (minutes % 1440 / 60).min(22) + hour,
                minutes % 60
            )
        };
        raw.people.push(format!("p{n},DE"));
        raw.exposures.push(format!("p{n},{},{}", ["a", "b"][n % 2], day(0)));
        raw.purchases.push(format!("o{n},p{n},{},{:.2}", day(1), amount(n)));
    }
    let lab = Lab::new(&raw);
    lab.define("own", "conversion_window: 1 day\nmetrics: {goal: [revenue], secondary: [buyers]}");
    lab.measure("2026-10-01");
    lab
}

/// Like 10 dice.
fn even(n: usize) -> f64 {
    (0..10).map(|die| ((n * 7919 + die * 104_729) * 48_271 % 65_537 % 6) as f64).sum()
}

fn rows<'a>(found: &'a Value, check: &str) -> Vec<&'a Value> {
    let all = found["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|row| row["check"] == check && row["metric"] != "buyers").collect()
}

#[test]
fn promises_hold_on_values_without_a_tail() {
    let lab = lab(1200, even);
    let validate =
        ["--format", "json", "experiment", "validate", "own", "--as-of", "2026-10-01", "--iterations", "400"];
    let ran = lab.tranche(&validate).expect_code(0);
    assert!(ran.stderr.contains("draws of own: 400"), "{}", ran.stderr);
    let found = ran.json();
    assert_eq!(
        (&found["holds"], &found["units"], &found["iterations"]),
        (&true.into(), &1200.into(), &400.into())
    );
    assert_eq!(rows(&found, "false_positives").len(), 5);
    assert_eq!(rows(&found, "coverage").len(), 5);
    for row in ["false_positives", "coverage", "sample_ratio", "sequential_sample_ratio"]
        .iter()
        .flat_map(|check| rows(&found, check))
    {
        assert_eq!((&row["holds"], &row["draws"]), (&true.into(), &400.into()), "{row}");
    }
    // Everyone buys, so that there is nothing to say of buyers.
    let buyers = found["rows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|row| row["metric"] == "buyers");
    assert!(
        buyers.clone().count() > 0 && buyers.clone().all(|row| row["holds"].is_null() && row["draws"] == 0),
        "{found}"
    );

    assert_eq!(lab.tranche(&validate).expect_code(0).json(), found, "the same seed draws the same");
    let wanted = ["--metric", "revenue", "--inference", "fixed", "--inference", "bayes", "--seed", "2"];
    let other = lab.tranche(&[&validate[..], &wanted[..]].concat()).expect_code(0).json();
    let inferences: Vec<&Value> =
        rows(&other, "false_positives").iter().map(|row| &row["inference"]).collect();
    assert_eq!(inferences, ["fixed", "bayes"]);
    assert_ne!(rows(&other, "sample_ratio"), rows(&found, "sample_ratio"));
}

#[test]
fn a_long_tail_in_few_units_is_reported_and_exits_with_1() {
    let lab = lab(60, |n| if n % 20 == 0 { 50_000.0 } else { (n % 7) as f64 });
    let validate =
        ["--format", "csv", "experiment", "validate", "own", "--as-of", "2026-10-01", "--metric", "revenue"];
    let ran = lab.tranche(&validate).expect_code(1);
    assert!(
        ran.stdout.starts_with("check,metric,variant,inference,looks,draws,count,rate,"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.starts_with("false_positives,revenue,b,fixed") && line.contains(",false,")),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("Cap the metric") && ran.stderr.contains("rows do not hold"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_impossible_validation_says_why() {
    let lab = lab(20, even);
    for (arguments, part) in [
        (&["own", "--as-of", "2026-08-01"][..], "no unit was exposed"),
        (&["own", "--metric", "revenu"], "did you mean `revenue`"),
        (&["own", "--inference", "fix"], "fixed, sequential, mixture, group_sequential, bayes"),
        (&["own", "--iterations", "0"], "--iterations"),
        (&["other"], "there is no experiment `other`"),
    ] {
        let ran = lab.tranche(&[&["experiment", "validate"], arguments].concat()).expect_code(2);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
    }
}

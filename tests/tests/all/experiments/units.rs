//! Two thousand units whose spending is known, and what the statistics say of them.

use serde_json::{Value, json};
use tranche_tests::Sandbox;

use crate::lab::{Raw, number};

/// A unit is exposed every five minutes from 1 September on, 2000 in all, in turn to a and b.
pub(super) const UNITS: usize = 2000;

/// What unit `n` spends an hour after exposure; b adds 1.5, and the odd pairs of units, country AT, twice that.
fn spent(n: usize) -> f64 {
    let base = (10 + n * 37 % 11 + n / 2 % 7) as f64;
    base + if n % 2 == 1 { 1.5 * (1.0 + country(n) as f64) } else { 0.0 }
}

fn country(n: usize) -> usize {
    n / 2 % 2
}

fn seen_at(n: usize) -> String {
    let minutes = n * 5;
    format!("2026-09-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes % 1440 / 60, minutes % 60)
}

/// People, exposures and purchases.
pub(super) fn raw() -> Raw {
    let mut raw = Raw::default();
    for n in 0..UNITS {
        let (arm, country) = (["a", "b"][n % 2], ["DE", "AT"][country(n)]);
        raw.people.push(format!("p{n},{country}"));
        raw.exposures.push(format!("p{n},{arm},{}", seen_at(n)));
        raw.purchases.push(format!("o{n},p{n},{},{}", seen_at(n).replace(":00Z", ":30Z"), spent(n)));
        // Before exposure: what is left of the spending without the treatment, and alike in both arms.
        raw.purchases.push(format!("x{n},p{n},2026-08-20T00:00:00Z,{}", 5 + n / 2 % 7));
    }
    raw
}

/// The first `units` as `tranche stats` takes them.
fn case(units: usize, kind: &str) -> Value {
    let arm = |parity: usize| {
        let values: Vec<f64> = (0..units).filter(|n| n % 2 == parity).map(spent).collect();
        json!({
            "n": values.len(), "sum": values.iter().sum::<f64>(), "sum_squares": values.iter().map(|x| x * x).sum::<f64>(),
        })
    };
    json!({"cases": {"all": {"kind": kind, "a": arm(0), "b": arm(1)}}})
}

/// What `tranche stats` says of the first `units`.
pub(super) fn stats(units: usize, kind: &str, arguments: &[&str]) -> Value {
    let sandbox = Sandbox::new();
    sandbox.write("cases.json", case(units, kind).to_string());
    let all: Vec<&str> =
        ["--format", "json", "stats", "cases.json"].into_iter().chain(arguments.iter().copied()).collect();
    sandbox.run(&all).expect_code(0).json()["cases"]["all"]["results"].clone()
}

/// That two results have the same numbers under these names.
pub(super) fn assert_same(found: &Value, expected: &Value, names: &[&str]) {
    for name in names {
        let pointer = format!("/{name}");
        let (found, expected) = (number(found, &pointer), number(expected, &pointer));
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3),
            "{name} is {found}, expected {expected}"
        );
    }
}

/// The numbers of an effect.
pub(super) const INTERVAL: [&str; 5] = ["effect", "se", "ci/0", "ci/1", "p"];
/// Revenue as the goal, in the day after exposure.
pub(super) const GOAL: &str = "conversion_window: 1 day\nmetrics: {goal: [revenue]}\n";

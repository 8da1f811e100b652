//! Margins, decisions, failed checks, amended plans, and mistakes in their definitions.

use serde_json::{Value, json};

use super::units::{GOAL, UNITS, assert_same, raw, stats};
use crate::lab::{Lab, estimate, number, texts};

#[test]
fn margins_and_directions_are_tested_and_decided_upon() {
    let lab = Lab::new(&raw());
    let metrics = |margin: &str| {
        format!(
            "conversion_window: 1 day\nmetrics: {{goal: [revenue], guardrail: [{{metric: costs, margin: {margin}}}]}}\ndecision: {{}}\n"
        )
    };
    lab.define(
        "tolerant",
        &format!(
            "{}statistics: {{inference: sequential}}",
            metrics("40%").replace("decision: {}", "decision: {stop: never}")
        ),
    );
    lab.define("strict", &metrics("0.1"));
    lab.define("one_sided", &format!("{GOAL}statistics: {{alternative: better}}\ndecision: {{}}"));
    lab.define("undeclared", GOAL);
    lab.measure("2026-09-08");
    for (name, action, part) in [
        // One look was planned, and exposures continue.
        ("strict", "continue", "one look is planned"),
        ("one_sided", "continue", "one look is planned"),
        ("tolerant", "ship", "costs is not worse by its margin"),
        ("undeclared", "undecided", "no decision rule is declared"),
    ] {
        let shown = lab.shown(name);
        assert_eq!(shown["decision"]["action"], action, "{name}: {}", shown["decision"]);
        assert!(
            texts(&shown["decision"]["reasons"]).iter().any(|reason| reason.contains(part)),
            "{}",
            shown["decision"]
        );
    }
    lab.measure("2026-09-20");
    assert_eq!(lab.shown("strict")["decision"]["action"], "stop", "costs are worse");
    let shown = lab.shown("one_sided");
    assert_eq!(shown["decision"]["action"], "ship");
    let row = estimate(&shown, "revenue");
    assert_eq!((&row["alternative"], &row["absolute"]["ci"][1]), (&"greater".into(), &Value::Null));
    assert_same(
        &json!({"p": row["absolute"]["p"], "lo": row["absolute"]["ci"][0]}),
        &json!({"p": stats(UNITS, "mean", &["--alternative", "greater"])["freq_absolute"]["p"],
                "lo": stats(UNITS, "mean", &["--alternative", "greater"])["freq_absolute"]["ci"][0]}),
        &["p", "lo"],
    );
    let shown = lab.shown("strict");
    let guardrail = &estimate(&shown, "costs")["non_inferiority"];
    let expected = &stats(UNITS, "mean_lower_is_better", &["--margin", "0.1"])["freq_absolute"];
    assert_same(
        &json!({"p": guardrail["p"], "bound": guardrail["bound"]}),
        &json!({"p": expected["p"], "bound": expected["ci"][1]}),
        &["p", "bound"],
    );
    assert_eq!(guardrail["holds"], false);
    assert_eq!(estimate(&shown, "costs")["conclusion"], "worse");
}

#[test]
fn a_failed_check_is_shown_with_advice_wherever_the_result_is_shown() {
    let mut raw = raw();
    // Three of five exposures of b in AT are lost, b spent more before its exposure, and some of a see b later.
    raw.exposures = raw
        .exposures
        .into_iter()
        .enumerate()
        .filter(|(n, _)| ![3, 7, 11].contains(&(n % 20)))
        .map(|(_, row)| row)
        .collect();
    for n in (1..UNITS).step_by(2) {
        raw.purchases.push(format!("y{n},p{n},2026-08-21T00:00:00Z,4"));
    }
    for n in 0..60 {
        raw.exposures.push(format!("p{},b,2026-09-09T00:00:00Z", 2 * n));
    }
    let lab = Lab::new(&raw);
    lab.define(
        "broken",
        &format!("{GOAL}segments: [country/*]\nstatistics: {{cuped: {{lookback: 28 days}}}}\ndecision: {{}}"),
    );
    lab.measure("2026-09-20");
    let shown = lab.shown("broken");
    assert_eq!((&shown["trustworthy"], &shown["decision"]["action"]), (&false.into(), &"investigate".into()));
    let failed: Vec<(&str, &str)> = shown["checks"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| (check["check"].as_str().unwrap_or(""), check["segment"].as_str().unwrap_or("")))
        .collect();
    for expected in [
        ("sample_ratio", "all"),
        ("several_variants", "all"),
        ("sample_ratio", "country/AT"),
        ("pre_period", "all"),
    ] {
        assert!(failed.contains(&expected), "{expected:?} in {failed:?}");
    }
    assert!(!failed.contains(&("sample_ratio", "country/DE")), "{failed:?}");
    assert!(
        number(&shown, "/srm/sequential_p") > number(&shown, "/srm/p"),
        "looking at any time has its price: {}",
        shown["srm"]
    );
    let first = texts(&shown["notes"])[0];
    assert!(first.contains("find out why assignments change") || first.contains("look for"), "{first}");
    let listed = lab.tranche(&["--format", "json", "experiment", "list"]).expect_code(0).json();
    assert_eq!(listed[0]["trustworthy"], false);
    assert!(lab.tranche(&["experiment", "show", "broken"]).expect_code(0).stdout.contains("NOT TRUSTWORTHY"));
}

#[test]
fn a_plan_changed_after_the_first_exposure_is_amended() {
    let lab = Lab::new(&raw());
    lab.define("plan", GOAL);
    lab.measure("2026-08-31");
    assert_eq!(lab.shown("plan")["plan"], Value::Null, "no unit was exposed");
    lab.define("plan", &format!("{GOAL}statistics: {{alpha: 0.01}}"));
    lab.measure("2026-09-03");
    let registered = lab.shown("plan")["plan"].clone();
    assert_eq!(registered["amendments"], json!([]));
    assert_eq!(registered["registered_at"], "2026-09-03T00:00:00Z");
    assert_eq!(registered["first_exposure"], "2026-09-01T00:00:00Z");

    lab.define("plan", &format!("{GOAL}statistics: {{alpha: 0.1}}"));
    lab.measure("2026-09-04");
    lab.measure("2026-09-04");
    lab.measure("2026-09-05");
    let shown = lab.shown("plan");
    assert_eq!(shown["plan"]["hash"], registered["hash"]);
    let amendments = shown["plan"]["amendments"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(amendments.len(), 1, "{}", shown["plan"]);
    assert_eq!(amendments[0]["as_of"], "2026-09-04T00:00:00Z");
    let change = texts(&amendments[0]["changes"])[0];
    assert!(
        change.starts_with("statistics: ") && change.contains("0.01") && change.contains("0.1"),
        "{change}"
    );
    assert!(
        texts(&shown["notes"])
            .iter()
            .any(|note| note.contains("the plan was changed after the first exposure"))
    );
}

#[test]
fn mistakes_in_statistics_and_decisions_are_reported_at_their_place() {
    let lab = Lab::new(&raw());
    // Line 8 is the line of metrics, line 9 that of statistics or decision.
    for (keys, line, column, part) in [
        ("metrics: {goal: [revenue]}\nstatistics: {inference: bayes}", 9, 25, "needs `prior:`"),
        ("metrics: {goal: [revenue]}\nstatistics: {inference: mixture}", 9, 25, "needs `scale:`"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: mixture, scale: {buyers: 1}}",
            9,
            41,
            "metric `revenue`",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential}", 9, 25, "planned looks"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, looks: [0.5, 1]}",
            9,
            50,
            "`planned_units:`",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, planned_units: 9, looks: [0.5, 0.4, 1]}",
            9,
            74,
            "looks rise",
        ),
        ("metrics: {goal: [revenue]}\nstatistics: {scale: 3}", 9, 21, "only with `inference: mixture`"),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: bayes, prior: flat, adjust: holm}",
            9,
            53,
            "no p-value to adjust",
        ),
        (
            "metrics: {goal: [revenue]}\nstatistics: {inference: group_sequential, looks: [2026-09-01, 2026-09-10]}",
            9,
            50,
            "the first look is not after",
        ),
        (
            "metrics: {goal: [{metric: revenue, alternative: less}]}\nstatistics: {inference: bayes, prior: flat}",
            8,
            18,
            "both directions",
        ),
        ("metrics: {goal: [{metric: revenue, margin: 1}]}", 8, 18, "only for a guardrail"),
        ("metrics: {goal: [revenue], guardrail: [{metric: buyers, margin: x%}]}", 8, 40, "margin"),
        (
            "metrics: {goal: [revenue], guardrail: [buyers]}\ndecision: {}",
            8,
            40,
            "no margin to be non-inferior within",
        ),
        ("metrics: {guardrail: [{metric: buyers, margin: 0.1}]}\ndecision: {}", 9, 11, "needs a goal"),
    ] {
        lab.define("wrong", keys);
        let found = lab.tranche(&["check", "--format", "json"]).expect_code(2).json();
        let problem = &found["problems"][0];
        let place = (problem["line"].as_u64(), problem["column"].as_u64());
        assert_eq!(place, (Some(line), Some(column)), "{keys}: {problem}");
        assert!(
            problem["message"].as_str().is_some_and(|message| message.contains(part)),
            "{keys}: {problem}"
        );
    }
    lab.write("pipelines/shop/experiments/wrong.yaml", "");
}

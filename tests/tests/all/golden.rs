//! `tranche stats` against the reference answers of another engine, and on wrong input.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should panics")]

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tranche_tests::{Ran, Sandbox, ran, root};

/// Relative, on effects, standard errors, the ends of intervals, chances and risks.
const RELATIVE: f64 = 1e-9;
/// Absolute, on p-values: the reference takes 1 - cdf, and has no more digits.
const ABSOLUTE_P: f64 = 1e-12;

#[test]
fn a_file_agrees_with_the_reference() {
    let path = golden();
    let path_text = path.to_str().unwrap();
    let ours = Sandbox::new().run(&["stats", path_text, "--format", "json"]).expect_code(0).json();
    agree(&ours, &path);
}

#[test]
fn standard_input_agrees_with_the_reference() {
    let path = golden();
    let ours = stats(&std::fs::read(&path).unwrap()).expect_code(0).json();
    agree(&ours, &path);
}

#[test]
fn an_unknown_kind_is_refused() {
    refused(
        r#"{"cases": {"odd": {"kind": "meen", "a": {"n": 10, "sum": 1}, "b": {"n": 10, "sum": 1}}}}"#,
        "`meen`",
    );
}

#[test]
fn a_missing_sum_is_refused() {
    refused(
        r#"{"cases": {"odd": {"kind": "mean", "a": {"n": 10, "sum": 1}, "b": {"n": 10, "sum": 1}}}}"#,
        "`sum_squares`",
    );
}

#[test]
fn a_misspelt_input_is_refused() {
    refused(
        r#"{"cases": {"odd": {"kind": "proportion", "a": {"n": 10, "sum": 1}, "b": {"n": 10, "sums": 1}}}}"#,
        "sum",
    );
}

#[test]
fn a_good_case_does_not_hide_a_wrong_one() {
    let good = r#""good": {"kind": "proportion", "a": {"n": 10, "sum": 1}, "b": {"n": 10, "sum": 1}}"#;
    refused(
        &format!(r#"{{"cases": {{{good}, "odd": {{"kind": "none", "a": {{"n": 1}}, "b": {{"n": 1}}}}}}}}"#),
        "`none`",
    );
}

#[test]
fn an_invalid_document_is_refused() {
    for (document, part) in
        [("cases: []", "1:1"), (r#"{"cases": {"odd": {"a": {"n": 1}, "b": {"n": 1}}}}"#, "`kind`")]
    {
        let ran = stats(document.as_bytes()).expect_code(2);
        assert!(ran.stderr.contains(part), "`{}` lacks {part}", ran.stderr);
    }
}

/// The program leaves with 2 and says what is wrong with the case `odd`.
fn refused(document: &str, part: &str) {
    let ran = stats(document.as_bytes()).expect_code(2);
    assert!(
        ran.stderr.contains("`odd`") && ran.stderr.contains(part),
        "`{}` lacks `odd` or {part}",
        ran.stderr
    );
}

/// Every number of every reference case is in ours too.
fn agree(ours: &Value, path: &PathBuf) {
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = golden["cases"].as_object().unwrap();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for (name, case) in cases {
        differences(name, "", &case["results"], &ours["cases"][name]["results"], &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differences(place: &str, key: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match expected {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| {
                differences(&format!("{place}/{key}"), key, value, &found[key], wrong)
            });
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| differences(&format!("{place}/{i}"), key, value, &found[i], wrong));
        }
        _ => {
            let (Some(e), Some(f)) = (expected.as_f64(), found.as_f64()) else {
                if expected != found {
                    wrong.push(format!("{place}: {found}, expected {expected}"));
                }
                return;
            };
            let tolerance = if key == "p" { ABSOLUTE_P } else { RELATIVE * e.abs() };
            if (e - f).abs() > tolerance {
                wrong.push(format!("{place}: {f:e}, expected {e:e}"));
            }
        }
    }
}

/// `tranche stats -` with this on its standard input.
fn stats(input: &[u8]) -> Ran {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["stats", "-", "--format", "json"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    ran(child.wait_with_output().unwrap())
}

/// The reference answers: the file that `TRANCHE_TEST_GOLDEN` names, or those of the statistics' own tests.
fn golden() -> PathBuf {
    let own = || root().join("crates/stats/tests/golden/gbstats.json");
    std::env::var_os("TRANCHE_TEST_GOLDEN").map_or_else(own, PathBuf::from).canonicalize().unwrap()
}

//! What the document takes, gives and refuses; the numbers themselves are checked by `tests/golden.rs`.

use super::*;

fn evaluated(document: &str) -> Result<ResultsDocument, String> {
    let document: CasesDocument = serde_json::from_str(document).map_err(|error| error.to_string())?;
    evaluate(&document, &CasesOptions::default()).map_err(|error| error.to_string())
}

fn check(case: &str, expected: &str) {
    let problem = evaluated(&format!(r#"{{"cases": {{"first": {case}}}}}"#))
        .map(|_| "no problem".to_owned())
        .unwrap_or_else(|p| p);
    assert_eq!(problem, expected);
}

#[test]
fn problems_are_named() {
    check(
        r#"{"kind": "proportion", "a": {"n": 9, "sum": 3}, "b": {"n": 8.0, "sum": 4}, "note": 1}"#,
        "no problem",
    );
    check(
        r#"{"kind": "median", "a": {}, "b": {}}"#,
        "case `first` has the unknown kind `median`; known are proportion, mean, mean_lower_is_better, ratio, mean_cuped, quantile",
    );
    check(
        r#"{"kind": "mean", "a": {"n": 9, "sum": 3}, "b": {}}"#,
        "case `first` lacks `sum_squares` in arm `a`, which a mean needs",
    );
    check(
        r#"{"kind": "mean", "a": {}}"#,
        "case `first` has no arm `b`; `a` is the control, `b` the treatment",
    );
    check(
        r#"{"kind": "proportion", "a": {"n": 9.5, "sum": 3}, "b": {"n": 8, "sum": 4}}"#,
        "case `first` has 9.5 for `n` in arm `a`, where a whole number of units is meant",
    );
}

#[test]
fn both_forms_give_the_same_results() {
    let (flat, nested) = (
        evaluated(
            r#"{"cases": {"x": {"kind": "proportion", "a": {"n": 90, "sum": 30}, "b": {"n": 80, "sum": 40}}}}"#,
        ),
        evaluated(
            r#"{"cases": {"x": {"kind": "proportion", "inputs": {"a": {"n": 90, "sum": 30}, "b": {"n": 80, "sum": 40}}}}}"#,
        ),
    );
    assert_eq!(flat, nested);
    assert_eq!(flat.map(|document| document.cases["x"].results.len()), Ok(13));
}

#[test]
fn a_case_without_an_answer_says_why() {
    let document = evaluated(
        r#"{"cases": {"x": {"kind": "proportion", "a": {"n": 90, "sum": 0}, "b": {"n": 80, "sum": 40}}}}"#,
    );
    let json =
        document.map(|document| serde_json::to_value(document).unwrap_or_default()).unwrap_or_default();
    let reason = &json["cases"]["x"]["results"]["freq_absolute"];
    assert_eq!(reason, &serde_json::json!({"undefined": "the control arm has no variance"}));
}

#[test]
fn keys_follow_the_options() {
    let options = CasesOptions {
        alpha: 0.1,
        sequential_tunings: vec![250.0],
        priors: vec![Prior::Normal { mean: 0.05, sd: 1.0 }],
        ..CasesOptions::default()
    };
    let document = r#"{"cases": {"x": {"kind": "mean", "a": {"n": 9, "sum": 9, "sum_squares": 30}, "b": {"n": 8, "sum": 4, "sum_squares": 9}}}}"#;
    let Ok(document) = serde_json::from_str::<CasesDocument>(document) else { panic!("not a document") };
    let keys: Vec<String> = evaluate(&document, &options)
        .map(|results| results.cases["x"].results.keys().cloned().collect())
        .unwrap_or_default();
    let expected = [
        "bayes_n0.05_1_absolute",
        "bayes_n0.05_1_relative",
        "fieller_relative",
        "freq_absolute",
        "freq_relative",
        "seq250_absolute",
        "seq250_relative",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn looks_margins_and_directions_reach_the_estimates() {
    let document = r#"{"cases": {"more": {"kind": "mean", "a": {"n": 90, "sum": 90, "sum_squares": 300}, "b": {"n": 80, "sum": 80, "sum_squares": 300}},
        "less": {"kind": "mean_lower_is_better", "a": {"n": 90, "sum": 90, "sum_squares": 300}, "b": {"n": 80, "sum": 80, "sum_squares": 300}}}}"#;
    let Ok(document) = serde_json::from_str::<CasesDocument>(document) else { panic!("not a document") };
    let options = CasesOptions {
        inferences: vec![CaseInference::GroupSequential],
        margin: Some(crate::Margin::Absolute(0.5)),
        ..CasesOptions::default()
    };
    let json = evaluate(&document, &options)
        .map(|results| serde_json::to_value(results).unwrap_or_default())
        .unwrap_or_default();
    let (more, less) = (&json["cases"]["more"]["results"], &json["cases"]["less"]["results"]);
    assert_eq!(more["group_sequential_look"]["number"], 5);
    assert!(
        more["group_sequential_absolute"]["ci"][0].is_f64()
            && more["group_sequential_absolute"]["ci"][1].is_null(),
        "{more}"
    );
    assert!(
        less["group_sequential_absolute"]["ci"][0].is_null()
            && less["group_sequential_absolute"]["ci"][1].is_f64(),
        "{less}"
    );
    assert_eq!(more["group_sequential_relative"]["p"], more["group_sequential_absolute"]["p"]);
    assert_eq!(more.as_object().map(serde_json::Map::len), Some(3));
}

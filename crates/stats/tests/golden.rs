//! Every case of the golden file, recomputed from its inputs and held against its results.

use serde_json::Value;
use tranche_stats::cases::{CasesDocument, CasesOptions, evaluate};

/// Relative, for effects, standard errors, interval ends and risks.
const RELATIVE: f64 = 1e-9;
/// Absolute, for p-values and chances.
const ABSOLUTE: f64 = 1e-12;

/// Eight cases of gbstats 0.8.0, computed from the sufficient statistics that stand beside them.
const GOLDEN: &str = include_str!("golden/gbstats.json");

#[test]
fn every_golden_result() -> Result<(), Box<dyn std::error::Error>> {
    // Another file of the same form may be checked instead.
    let text = match std::env::var_os("TRANCHE_TEST_GOLDEN") {
        Some(path) => std::fs::read_to_string(path)?,
        None => GOLDEN.to_owned(),
    };
    let golden: Value = serde_json::from_str(&text)?;
    let document: CasesDocument = serde_json::from_str(&text)?;
    let ours = serde_json::to_value(evaluate(&document, &CasesOptions::default())?)?;

    let mut problems = Vec::new();
    let mut compared = 0;
    for (name, case) in golden["cases"].as_object().ok_or("no cases")? {
        for (key, expected) in case["results"].as_object().ok_or("no results")? {
            for (field, expected) in expected.as_object().ok_or("not a result")? {
                let result = &ours["cases"][name]["results"][key][field];
                let tolerance = if ["p", "chance_to_win"].contains(&field.as_str()) {
                    Err(ABSOLUTE)
                } else {
                    Ok(RELATIVE)
                };
                compared += 1;
                if !near(result, expected, tolerance) {
                    problems.push(format!("{name} {key} {field}: {result}, not {expected}"));
                }
            }
        }
        if let Some(theta) =
            case.get("theta").filter(|theta| !near(&ours["cases"][name]["theta"], theta, Ok(RELATIVE)))
        {
            problems.push(format!("{name} theta: {}, not {theta}", ours["cases"][name]["theta"]));
        }
    }
    assert!(compared > 0, "the golden file holds nothing to compare");
    assert!(problems.is_empty(), "{} of {compared} differ:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

/// `Ok` is a relative tolerance, `Err` an absolute one. Numbers below 1e-300 count as zero.
fn near(ours: &Value, expected: &Value, tolerance: Result<f64, f64>) -> bool {
    match (ours, expected) {
        (Value::Array(ours), Value::Array(expected)) => {
            ours.len() == expected.len()
                && ours.iter().zip(expected).all(|(ours, expected)| near(ours, expected, tolerance))
        }
        _ => match (ours.as_f64(), expected.as_f64()) {
            (Some(ours), Some(expected)) => {
                let allowed = match tolerance {
                    Ok(relative) => relative * expected.abs() + 1e-300,
                    Err(absolute) => absolute,
                };
                (ours - expected).abs() <= allowed
            }
            _ => false,
        },
    }
}

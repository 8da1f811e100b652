//! Two measurements of the same facts, value by value and number by number.

use serde_json::Value;
use tranche_metric::{MetricKind, MetricValues, UnitValues};
use tranche_scorecard::ExperimentResult;

use crate::context::MeasureContext;
use crate::units::collect::UnitData;

/// Holds what two ways found of each unit against each other; how many values there were.
pub(super) fn values(
    found: &UnitData<'_>,
    expected: &UnitData<'_>,
    context: &MeasureContext<'_>,
) -> Result<u64, String> {
    let mut values = 0;
    let experiment = found.observed.experiment;
    let chosen: Vec<&str> =
        experiment.chosen(context.metrics).into_iter().map(|(_, metric)| metric.name.as_str()).collect();
    let before: Vec<&str> =
        experiment.covariates(context.metrics).into_iter().map(|metric| metric.name.as_str()).collect();
    let windows = [("after", Some(&found.after), Some(&expected.after), chosen)];
    let windows =
        windows.into_iter().chain([("before", found.before.as_ref(), expected.before.as_ref(), before)]);
    for (when, found, expected, metrics) in windows {
        let (Some(found), Some(expected)) = (found, expected) else { continue };
        for metric in metrics {
            for (part, found, expected) in parts(metric, found, expected, context)? {
                values += of_metric(found, expected)
                    .map_err(|trouble| format!("{}: {part} {when}: {trouble}", experiment.name))?;
            }
        }
    }
    Ok(values)
}

/// What is known of the metrics that a metric is made of, both ways.
fn parts<'a>(
    name: &str,
    found: &'a UnitValues,
    expected: &'a UnitValues,
    context: &MeasureContext<'_>,
) -> Result<Vec<(String, &'a MetricValues, &'a MetricValues)>, String> {
    let metric = context.metrics.get(name).ok_or("no such metric")?;
    let names = match &metric.kind {
        MetricKind::Ratio { numerator, denominator } => {
            vec![numerator.value.as_str(), denominator.value.as_str()]
        }
        _ => vec![name],
    };
    let part = |name: &str| {
        let metric = context.metrics.get(name)?;
        Some((name.to_owned(), found.details(metric)?, expected.details(metric)?))
    };
    names.into_iter().map(|name| part(name).ok_or(format!("`{name}` was not measured"))).collect()
}

fn of_metric(found: &MetricValues, expected: &MetricValues) -> Result<u64, String> {
    let exactly = (&found.counted, found.missing, found.open, &found.reached)
        == (&expected.counted, expected.missing, expected.open, &expected.reached);
    let uncapped = |values: &MetricValues| values.uncapped.clone().unwrap_or_default();
    let (uncapped, expected_uncapped) = (uncapped(found), uncapped(expected));
    let pairs = [(&found.values, &expected.values), (&uncapped, &expected_uncapped)];
    let mut values = 0;
    for (found, expected) in pairs {
        let different = found.iter().zip(expected).position(|(a, b)| !is_close(*a, *b));
        if found.len() != expected.len() || different.is_some() {
            return Err(format!("unit {different:?}: {found:?}, not {expected:?}"));
        }
        values += found.len() as u64;
    }
    if found.events != expected.events || !exactly {
        return Err(format!("{found:?}, not {expected:?}"));
    }
    Ok(values)
}

/// Holds two results against each other; how many numbers there were.
pub(super) fn results(found: &ExperimentResult, expected: &ExperimentResult) -> Result<u64, String> {
    let value = |result: &ExperimentResult| serde_json::to_value(result).unwrap();
    same(&value(found), &value(expected), &found.experiment)
}

fn same(found: &Value, expected: &Value, path: &str) -> Result<u64, String> {
    match (found, expected) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().map(|(place, (a, b))| same(a, b, &format!("{path}[{place}]"))).sum()
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            let of = |(key, a): (&String, &Value)| {
                same(a, b.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"))
            };
            a.iter().map(of).sum()
        }
        (Value::Number(a), Value::Number(b))
            if a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| is_close(a, b)) =>
        {
            Ok(1)
        }
        _ if found == expected => Ok(0),
        _ => Err(format!("{path} is {found}, not {expected}")),
    }
}

/// Sums of floats depend on their order in the last digit, and what is made of them does a little more.
fn is_close(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

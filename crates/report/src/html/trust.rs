//! Whether an experiment's data can be trusted: what failed comes first, then what to know, then what passed.

use jiff::civil::Date;
use tranche_scorecard::{
    ExperimentResult, HealthCheck, SampleRatioCheck, Severity, TrafficRow, VariantCount,
};

use super::markup::{capitalised, escape, listed};
use super::reading::number;
use super::{moment, sparkline};
use crate::number::{compact, integer, p_value};

/// The gates that failed, each with what to do about it; nothing when all passed.
pub(super) fn failures(checks: &[HealthCheck]) -> String {
    let failed = failed(checks, Severity::Gate);
    if failed.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"small\">{} of {} checks of the data failed.</p>\n{}",
        failed.len(),
        checks.len(),
        list(&failed)
    )
}

/// What does not make it untrustworthy, and should be known.
pub(super) fn warnings(checks: &[HealthCheck]) -> String {
    let warned = failed(checks, Severity::Warning);
    if warned.is_empty() {
        return String::new();
    }
    format!("<p class=\"small\"><b>To be aware of</b></p>\n{}", list(&warned))
}

/// The split, how units came, and that all checks passed, if they did.
pub(super) fn facts(experiment: &ExperimentResult) -> String {
    let split = srm(&experiment.srm);
    let checks = &experiment.checks;
    let warned = failed(checks, Severity::Warning).len();
    let passed = match (checks.len(), failed(checks, Severity::Gate).len(), warned) {
        (0, ..) => String::new(),
        (_, some, _) if some > 0 => String::new(),
        (1, _, 0) => "<p class=\"small\">The one check of the data passed.</p>\n".to_owned(),
        (all, _, 0) => format!("<p class=\"small\">All {all} checks of the data passed.</p>\n"),
        (all, _, some) => {
            format!(
                "<p class=\"small\">{} of {all} checks of the data passed, {some} gave a warning.</p>\n",
                all - some
            )
        }
    };
    format!("{split}{}{passed}", traffic(&experiment.traffic))
}

/// Whether a note says no more than a check that is shown.
pub(super) fn is_told(note: &str, checks: &[HealthCheck]) -> bool {
    checks
        .iter()
        .filter(|check| !check.ok)
        .any(|check| note == format!("{}: {}", check.finding, check.advice))
}

fn failed(checks: &[HealthCheck], severity: Severity) -> Vec<&HealthCheck> {
    checks.iter().filter(|check| !check.ok && check.severity == severity).collect()
}

fn list(checks: &[&HealthCheck]) -> String {
    let item = |check: &&HealthCheck| {
        let advice = if check.advice.is_empty() {
            String::new()
        } else {
            format!(" {}.", escape(&capitalised(&check.advice)))
        };
        format!("<li><b>{}</b>.{advice}</li>", escape(&capitalised(&check.finding)))
    };
    format!("<ul class=\"notes\">{}</ul>\n", checks.iter().map(item).collect::<String>())
}

fn srm(srm: &SampleRatioCheck) -> String {
    let count = |variant: &VariantCount| {
        format!(
            "{} {} ({} expected)",
            escape(&variant.variant),
            integer(variant.count),
            expected(variant.expected)
        )
    };
    let counts = listed(&srm.observed.iter().map(count).collect::<Vec<_>>());
    let p = number(srm.p).map_or(String::new(), |p| format!("; {}", escape(&p_value(Some(p)))));
    let state = if srm.ok { "Split as planned" } else { "<b>Sample ratio mismatch</b>" };
    format!("<p class=\"small\">{state}: {counts}{p}.</p>\n")
}

fn expected(count: f64) -> String {
    if (0.0..1e15).contains(&count) { integer(count.round() as u64) } else { compact(count) }
}

/// Units of all variants by day, as a line.
fn traffic(rows: &[TrafficRow]) -> String {
    let mut days: Vec<(Date, u64)> = Vec::new();
    for row in rows {
        match days.last_mut() {
            Some((day, units)) if *day == row.day => *units = units.saturating_add(row.units),
            _ => days.push((row.day, row.units)),
        }
    }
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return String::new() };
    let units = || days.iter().map(|(_, units)| *units);
    let (least, most) = (units().min().unwrap_or(0), units().max().unwrap_or(0));
    let told = format!(
        "Units first exposed per day, {} to {}: {} to {}",
        moment::day(&first.0.to_string()),
        moment::day(&last.0.to_string()),
        integer(least),
        integer(most)
    );
    let values: Vec<f64> = units().map(|units| units as f64).collect();
    let drawing = sparkline::svg(&values, &told).unwrap_or_default();
    format!("<div class=\"small traffic\"><span>{}.</span>{drawing}</div>\n", escape(&told))
}

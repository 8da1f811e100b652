//! Whether an experiment's data can be trusted: what failed comes first, then what to know, then what passed.

use jiff::civil::Date;
use maud::{Markup, html};
use tranche_scorecard::{
    ExperimentResult, HealthCheck, SampleRatioCheck, Severity, TrafficRow, VariantCount,
};

use super::interpretation::number;
use super::wording::{capitalised, listed};
use super::{dates, sparkline};
use crate::number::{compact, integer, p_value};

/// The gates that failed, each with what to do about it; nothing when all passed.
pub(super) fn failures(checks: &[HealthCheck]) -> Markup {
    let failed = failed(checks, Severity::Gate);
    html! {
        @if !failed.is_empty() {
            p.small { (failed.len()) " of " (checks.len()) " checks of the data failed." } "\n"
            (list(&failed))
        }
    }
}

/// What does not make it untrustworthy, and should be known.
pub(super) fn warnings(checks: &[HealthCheck]) -> Markup {
    let warned = failed(checks, Severity::Warning);
    html! {
        @if !warned.is_empty() {
            p.small { b { "To be aware of" } } "\n"
            (list(&warned))
        }
    }
}

/// The split, how units came, and that all checks passed, if they did.
pub(super) fn facts(experiment: &ExperimentResult) -> Markup {
    let traffic = traffic(&experiment.traffic);
    html! {
        (srm(&experiment.srm)) "\n"
        @if let Some(traffic) = traffic { (traffic) "\n" }
        @if let Some(passed) = passed(&experiment.checks) { p.small { (passed) } "\n" }
    }
}

/// That all checks passed, if there are any and no gate failed.
fn passed(checks: &[HealthCheck]) -> Option<String> {
    let warned = failed(checks, Severity::Warning).len();
    if checks.is_empty() || !failed(checks, Severity::Gate).is_empty() {
        return None;
    }
    Some(match (checks.len(), warned) {
        (1, 0) => "The one check of the data passed.".to_owned(),
        (all, 0) => format!("All {all} checks of the data passed."),
        (all, some) => {
            format!("{} of {all} checks of the data passed, {some} gave a warning.", all - some)
        }
    })
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

fn list(checks: &[&HealthCheck]) -> Markup {
    html! {
        ul.notes {
            @for check in checks {
                li {
                    b { (capitalised(&check.finding)) } "."
                    @if !check.advice.is_empty() { " " (capitalised(&check.advice)) "." }
                }
            }
        }
        "\n"
    }
}

fn srm(srm: &SampleRatioCheck) -> Markup {
    let count = |variant: &VariantCount| {
        format!("{} {} ({} expected)", variant.variant, integer(variant.count), expected(variant.expected))
    };
    let counts = listed(&srm.observed.iter().map(count).collect::<Vec<_>>());
    html! {
        p.small {
            @if srm.ok { "Split as planned" } @else { b { "Sample ratio mismatch" } }
            ": " (counts) @if let Some(p) = number(srm.p) { "; " (p_value(Some(p))) } "."
        }
    }
}

fn expected(count: f64) -> String {
    if (0.0..1e15).contains(&count) { integer(count.round() as u64) } else { compact(count) }
}

/// Units of all variants by day, as a line.
fn traffic(rows: &[TrafficRow]) -> Option<Markup> {
    let mut days: Vec<(Date, u64)> = Vec::new();
    for row in rows {
        match days.last_mut() {
            Some((day, units)) if *day == row.day => *units = units.saturating_add(row.units),
            _ => days.push((row.day, row.units)),
        }
    }
    let (first, last) = (days.first()?, days.last()?);
    let units = || days.iter().map(|(_, units)| *units);
    let (least, most) = (units().min().unwrap_or(0), units().max().unwrap_or(0));
    let told = format!(
        "Units first exposed per day, {} to {}: {} to {}",
        dates::day(&first.0.to_string()),
        dates::day(&last.0.to_string()),
        integer(least),
        integer(most)
    );
    let values: Vec<f64> = units().map(|units| units as f64).collect();
    Some(html! {
        div class="small traffic" {
            span { (told) "." }
            @if let Some(drawing) = sparkline::svg(&values, &told) { (drawing) }
        }
    })
}

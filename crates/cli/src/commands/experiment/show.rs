//! `experiment show`: the decision, whether the data can be trusted, the goals, and then everything else.

use tranche_workspace::queries::experiments::{self, ExperimentResult, Severity};

use super::estimates::{Part, all, between, of, reasons};
use crate::app::App;
use crate::args::{AsOf, Format};
use crate::failure::Failure;
use crate::output::{Rows, View, paragraph, print_json, print_text, print_titled};

pub(super) async fn run(name: &str, as_of: &AsOf, app: &App) -> Result<(), Failure> {
    let result = experiments::show(&app.tranche, name, as_of.as_of.as_deref()).await?;
    match app.global.format {
        Format::Json => print_json(&result, Format::Json),
        Format::Table if !View::has_chosen_columns() => screen(&result),
        format => all(&result).print(format),
    }
}

fn screen(result: &ExperimentResult) -> Result<(), Failure> {
    print_text(&answer(result).join("\n"))?;
    let parts = [Part::Goals, Part::Others, Part::Segments];
    let tables: Vec<(&str, Rows)> = parts
        .into_iter()
        .map(|part| (part.title(), of(part, result)))
        .chain([("between segments", between(result))])
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    print_titled(&tables)?;
    print_text(&details(result).join("\n"))
}

/// The decision, and whether the result is trustworthy.
fn answer(result: &ExperimentResult) -> Vec<String> {
    let mut lines = vec![format!("{} as of {}", result.experiment, result.as_of)];
    lines.extend(result.hypothesis.as_deref().map(paragraph));
    lines.push(String::new());
    lines.push(paragraph(&format!(
        "decision: {} ({})",
        result.decision.action,
        result.decision.reasons.join("; ")
    )));
    lines.extend(checks(result));
    lines.push(String::new());
    lines
}

fn checks(result: &ExperimentResult) -> Vec<String> {
    let failed =
        |severity| result.checks.iter().filter(|check| !check.ok && check.severity == severity).count();
    let (gates, warnings, all) = (failed(Severity::Gate), failed(Severity::Warning), result.checks.len());
    let mut lines = Vec::new();
    if !result.trustworthy {
        lines.push(format!("NOT TRUSTWORTHY: {gates} of {all} checks of the data failed"));
    }
    if warnings > 0 {
        lines.push(format!("warnings: {warnings} of {all} checks of the data"));
    }
    if lines.is_empty() {
        lines.push(format!("checks: all {all} passed"));
    }
    let split: Vec<String> =
        result.srm.observed.iter().map(|v| format!("{} {}", v.variant, v.count)).collect();
    let p = result.srm.p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
    lines.push(paragraph(&format!("{}: {} (sample ratio p = {p})", result.srm.counted, split.join(", "))));
    for check in result.checks.iter().filter(|check| !check.ok) {
        let about = [Some(check.segment.as_str()), check.metric.as_deref(), check.variant.as_deref()];
        let about: Vec<&str> = about.into_iter().flatten().collect();
        lines.push(paragraph(&format!("- {} of {}: {}", check.check, about.join(" "), check.finding)));
    }
    lines
}

/// How the numbers were made, and what a reader must know.
fn details(result: &ExperimentResult) -> Vec<String> {
    let mut lines = reasons(result);
    lines.push(inference(result));
    let estimators = result.method.estimators.iter();
    lines.extend(estimators.map(|one| format!("{} {}: {}", one.estimator, one.parameters, one.formula)));
    lines.extend(result.method.families.iter().map(|family| {
        format!(
            "family {}: {} comparisons by {} ({})",
            family.family, family.comparisons, family.adjust, family.holds
        )
    }));
    if let Some(plan) = &result.plan {
        let hash = plan.hash.get(..12).unwrap_or(&plan.hash);
        lines.push(format!(
            "plan: {hash}, registered at {}, {} amendments since",
            plan.registered_at,
            plan.amendments.len()
        ));
    }
    lines.extend(result.notes.iter().map(|note| format!("note: {note}")));
    lines.iter().map(|line| paragraph(line)).collect()
}

fn inference(result: &ExperimentResult) -> String {
    let look = result.method.look.as_ref().map_or_else(String::new, |look| {
        format!(
            ", look {} of {} with {:.3} of the information, alpha spent {:.5}",
            look.number, look.planned, look.fraction, look.spent
        )
    });
    format!("inference: {}, alpha {}{look}: {}", result.inference, result.method.alpha, result.method.formula)
}

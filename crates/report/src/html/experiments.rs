//! Each experiment: its verdict in plain words, whether its data can be trusted, and its effects.

use maud::{Markup, Render, html};
use tranche_scorecard::{
    Amendment, Decision, ExperimentResult, HeterogeneityRow, MethodNote, Preregistration, VariantDecision,
};

use super::fragments::paragraph;
use super::section::Section;
use super::wording::{capitalised, counted, listed, words};
use super::{dates, effects, scorecard, series, trust, verdict};
use crate::document::{ExperimentSummary, KpiSummary, ReportDocument};
use crate::number::p_value;

/// The p-value from which on an effect is said to differ between segments.
const DIFFERS_AT: f64 = 0.05;

/// The section, if there are experiments.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    if document.experiments.is_empty() {
        return None;
    }
    let note = html! {
        "Variants against control. An effect is clear when its interval excludes zero: then its dot is filled. Segments are \
         those at first exposure; a pooled effect is that of a segment drawn towards the others of its set, by as much as they \
         do not differ. A dashed rule is a guardrail's margin."
    };
    let body = html! {
        @for (index, experiment) in document.experiments.iter().enumerate() {
            (article(experiment, &document.kpis, &format!("days-{index}")))
        }
    };
    Some(Section { id: "experiments", title: "Experiments", note, body })
}

fn article(experiment: &ExperimentSummary, kpis: &[KpiSummary], id: &str) -> Markup {
    let result = &experiment.result;
    let verdict = verdict::verdict(result, kpis);
    let class = if verdict.usable { "verdict" } else { "verdict stop" };
    let coverage = scorecard::coverage(Some(result.confidence));
    let series = series::html(result, kpis, &coverage, id);
    let effects = effects::html(result, kpis, &coverage);
    html! {
        article.experiment {
            "\n"
            h3 {
                (capitalised(&words(&result.experiment)))
                @if let Some(period) = &experiment.period { " " span.role { (dates::span_name(period)) } }
            }
            "\n"
            (paragraph("hypothesis", result.hypothesis.as_deref()))
            p class=(class) { (capitalised(&verdict.text)) } "\n"
            (trust::failures(&result.checks))
            (decision(&result.decision))
            (trust::warnings(&result.checks))
            (trust::facts(result))
            (method(&result.method))
            @if let Some(plan) = &result.plan { (self::plan(plan)) }
            (notes(result))
            @if verdict.usable {
                (series)
                @if let Some(between) = between(&result.heterogeneity) { p.small { (between) } "\n" }
                (effects)
            } @else {
                // They are there for those who look into why.
                details { summary { "Effects, not to be acted on" } "\n" (series) (effects) } "\n"
            }
        }
        "\n"
    }
}

/// What the declared rule says, with its reasons; nothing where none is declared and nothing failed.
fn decision(decision: &Decision) -> Markup {
    if decision.action == "undecided" && decision.reasons == ["no decision rule is declared"] {
        return Markup::default();
    }
    let action = html! { b { "Decision: " (decision.action) } };
    let of_variant = |one: &VariantDecision| {
        because(Some("small"), html! { b { (one.variant) ": " (one.action) } }, &one.reasons)
    };
    // What failed stands above already.
    if decision.action == "investigate" {
        because(None, action, &[])
    } else if decision.variants.len() > 1 {
        html! {
            (because(None, action, &[]))
            @for one in &decision.variants { (of_variant(one)) }
        }
    } else {
        because(None, action, &decision.reasons)
    }
}

/// A statement and its reasons: one beside it, several below it.
fn because(class: Option<&str>, statement: Markup, reasons: &[String]) -> Markup {
    html! {
        p class=[class] {
            (statement)
            @match reasons {
                [] => ".",
                [only] => { ". " (capitalised(only)) "." }
                _ => ", because:",
            }
        }
        "\n"
        @if reasons.len() > 1 { (list("notes", reasons.iter().map(|reason| capitalised(reason)))) }
    }
}

fn list(class: &str, items: impl Iterator<Item = impl Render>) -> Markup {
    html! {
        ul class=(class) { @for item in items { li { (item) } } } "\n"
    }
}

/// When the plan was registered, and what was changed since.
fn plan(plan: &Preregistration) -> Markup {
    let hash = plan.hash.get(..12).unwrap_or(&plan.hash);
    let count = plan.amendments.len();
    let amendment = |one: &Amendment| {
        format!("Seen {}: {}", dates::instant(&one.as_of.to_string()), one.changes.join("; "))
    };
    html! {
        p.small {
            "Plan " (hash) " registered " (dates::instant(&plan.registered_at.to_string())) ", "
            @if count == 0 {
                "not changed since."
            } @else {
                b { "changed " (counted(count, &count.to_string(), "time")) " after the first exposure" } ":"
            }
        }
        "\n"
        @if count > 0 { (list("notes small", plan.amendments.iter().map(amendment))) }
    }
}

fn method(method: &MethodNote) -> Markup {
    let look = method.look.as_ref().map_or(String::new(), |look| {
        format!(", look {} of {}, alpha spent {:.4}", look.number, look.planned, look.spent)
    });
    html! {
        @if !method.inference.is_empty() {
            p.small { "Inference: " (words(&method.inference)) (look) ": " (method.formula) "." } "\n"
        }
    }
}

/// Where effects differ between segments by more than chance.
fn between(tests: &[HeterogeneityRow]) -> Option<String> {
    let p_of = |test: &HeterogeneityRow| test.p_adjusted.unwrap_or(test.p);
    let clear: Vec<String> = tests
        .iter()
        .filter(|test| p_of(test) <= DIFFERS_AT)
        .map(|test| {
            let p = p_value(Some(p_of(test)));
            format!("the effect of {} on {} in {} ({p})", test.variant, words(&test.metric), test.set)
        })
        .collect();
    match (tests.len(), clear.len()) {
        (0, _) => None,
        (all, 0) => Some(format!("No effect differs clearly between segments, in {all} tests.")),
        (all, _) => Some(format!("Between segments differs {}, of {all} tests.", listed(&clear))),
    }
}

/// What is not told elsewhere.
fn notes(experiment: &ExperimentResult) -> Markup {
    let is_amendment = |note: &str| {
        let changes =
            experiment.plan.iter().flat_map(|plan| &plan.amendments).map(|one| one.changes.join("; "));
        changes.into_iter().any(|changes| note.ends_with(&changes))
    };
    let is_told = |note: &str| trust::is_told(note, &experiment.checks) || is_amendment(note);
    let own: Vec<&String> = experiment.notes.iter().filter(|note| !is_told(note)).collect();
    html! { @if !own.is_empty() { (list("notes", own.into_iter())) } }
}

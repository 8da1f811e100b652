//! Each experiment: its verdict in plain words, whether its data can be trusted, and its effects.

use super::markup::{Section, capitalised, escape, listed, paragraph, words};
use super::{effects, moment, reading, scorecard, verdict};
use crate::document::{
    CheckSummary, DecisionSummary, ExperimentSummary, HeterogeneitySummary, KpiSummary, MethodSummary, ReportDocument, Srm,
    VariantCount,
};
use crate::number::{compact, integer, p_value};

/// The p-value from which on an effect is said to differ between segments.
const DIFFERS_AT: f64 = 0.05;

/// The section, if there are experiments.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let body: String = document.experiments.iter().map(|experiment| article(experiment, &document.kpis)).collect();
    let note =
        "Variants against control. An effect is clear when its interval excludes zero: then its dot is filled. Segments are \
                those at first exposure."
            .to_owned();
    (!body.is_empty()).then_some(Section { id: "experiments", title: "Experiments", note, body })
}

fn article(experiment: &ExperimentSummary, kpis: &[KpiSummary]) -> String {
    let verdict = verdict::verdict(experiment, kpis);
    let class = if verdict.usable { "verdict" } else { "verdict stop" };
    let effects = effects::html(experiment, kpis, &scorecard::coverage(experiment.confidence));
    let period = experiment
        .period
        .as_ref()
        .map_or(String::new(), |period| format!(" <span class=\"role\">{}</span>", escape(&moment::span_name(period))));
    format!(
        "<article class=\"experiment\">\n<h3>{title}{period}</h3>\n{hypothesis}<p class=\"{class}\">{text}</p>\n{decision}{srm}{checks}{method}{notes}{between}{effects}</article>\n",
        title = escape(&capitalised(&words(&experiment.experiment))),
        hypothesis = paragraph("hypothesis", experiment.hypothesis.as_deref()),
        text = escape(&capitalised(&verdict.text)),
        decision = experiment.decision.as_ref().map_or(String::new(), decision),
        checks = checks(&experiment.checks),
        method = experiment.method.as_ref().map_or(String::new(), method),
        between = if verdict.usable { between(&experiment.heterogeneity) } else { String::new() },
        srm = experiment.srm.as_ref().map_or(String::new(), srm),
        notes = notes(&experiment.notes),
        effects = if verdict.usable { effects } else { folded(&effects) },
    )
}

/// Effects that must not be acted on are there for those who look into why.
fn folded(effects: &str) -> String {
    format!("<details><summary>Effects, not to be acted on</summary>\n{effects}</details>\n")
}

/// What the declared rule says; nothing where none is declared and nothing failed.
fn decision(decision: &DecisionSummary) -> String {
    if decision.action == "undecided" && decision.reasons == ["no decision rule is declared"] {
        return String::new();
    }
    let reasons = listed(&decision.reasons);
    format!("<p><b>Decision: {}</b>. {}.</p>\n", escape(&decision.action), escape(&capitalised(&reasons)))
}

/// How many checks passed, and those that failed.
fn checks(checks: &[CheckSummary]) -> String {
    let failed: Vec<&CheckSummary> = checks.iter().filter(|check| !check.ok).collect();
    let items: String = failed
        .iter()
        .map(|check| format!("<li><b>{}</b>: {}</li>", escape(&capitalised(&check.finding)), escape(&check.advice)))
        .collect();
    match (checks.len(), failed.len()) {
        (0, _) => String::new(),
        (1, 0) => "<p class=\"small\">The one check of the data passed.</p>\n".to_owned(),
        (all, 0) => format!("<p class=\"small\">All {all} checks of the data passed.</p>\n"),
        (all, some) => {
            format!("<p class=\"small\">{some} of {all} checks of the data failed.</p>\n<ul class=\"notes\">{items}</ul>\n")
        }
    }
}

fn method(method: &MethodSummary) -> String {
    if method.inference.is_empty() {
        return String::new();
    }
    let look = method
        .look
        .as_ref()
        .map_or(String::new(), |look| format!(", look {} of {}, alpha spent {:.4}", look.number, look.planned, look.spent));
    format!("<p class=\"small\">Inference: {}{look}: {}.</p>\n", escape(&words(&method.inference)), escape(&method.formula))
}

/// Where effects differ between segments by more than chance.
fn between(tests: &[HeterogeneitySummary]) -> String {
    let p_of = |test: &HeterogeneitySummary| test.p_adjusted.unwrap_or(test.p);
    let clear: Vec<String> = tests
        .iter()
        .filter(|test| p_of(test) <= DIFFERS_AT)
        .map(|test| {
            let p = p_value(Some(p_of(test)));
            format!("the effect of {} on {} in {} ({p})", test.variant, words(&test.metric), test.set)
        })
        .collect();
    match (tests.len(), clear.len()) {
        (0, _) => String::new(),
        (all, 0) => format!("<p class=\"small\">No effect differs clearly between segments, in {all} tests.</p>\n"),
        (all, _) => {
            format!("<p class=\"small\">Between segments differs {}, of {all} tests.</p>\n", escape(&listed(&clear)))
        }
    }
}

fn srm(srm: &Srm) -> String {
    let count = |variant: &VariantCount| {
        format!("{} {} ({} expected)", escape(&variant.variant), integer(variant.count), expected(variant.expected))
    };
    let counts = listed(&srm.observed.iter().map(count).collect::<Vec<_>>());
    let p = reading::number(srm.p).map_or(String::new(), |p| format!("; {}", escape(&p_value(Some(p)))));
    let state = if srm.ok { "Split as planned" } else { "<b>Sample ratio mismatch</b>" };
    format!("<p class=\"small\">{state}: {counts}{p}.</p>\n")
}

fn expected(count: f64) -> String {
    if (0.0..1e15).contains(&count) { integer(count.round() as u64) } else { compact(count) }
}

fn notes(notes: &[String]) -> String {
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    if items.is_empty() { items } else { format!("<ul class=\"notes\">{items}</ul>\n") }
}

//! Each experiment: its verdict in plain words, whether its data can be trusted, and its effects.

use super::markup::{Section, capitalised, escape, listed, paragraph, words};
use super::{effects, moment, reading, scorecard, verdict};
use crate::document::{ExperimentSummary, KpiSummary, ReportDocument, Srm, VariantCount};
use crate::number::{compact, integer, p_value};

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
        "<article class=\"experiment\">\n<h3>{title}{period}</h3>\n{hypothesis}<p class=\"{class}\">{text}</p>\n{srm}{notes}{effects}</article>\n",
        title = escape(&capitalised(&words(&experiment.experiment))),
        hypothesis = paragraph("hypothesis", experiment.hypothesis.as_deref()),
        text = escape(&capitalised(&verdict.text)),
        srm = experiment.srm.as_ref().map_or(String::new(), srm),
        notes = notes(&experiment.notes),
        effects = if verdict.usable { effects } else { folded(&effects) },
    )
}

/// Effects that must not be acted on are there for those who look into why.
fn folded(effects: &str) -> String {
    format!("<details><summary>Effects, not to be acted on</summary>\n{effects}</details>\n")
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

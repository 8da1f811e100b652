//! Each experiment: its verdict in plain words, whether its data can be trusted, and its effects.

use tranche_scorecard::{
    Amendment, Decision, ExperimentResult, HeterogeneityRow, MethodNote, Preregistration, VariantDecision,
};

use super::markup::{Section, capitalised, counted, escape, listed, paragraph, words};
use super::{effects, moment, scorecard, series, trust, verdict};
use crate::document::{ExperimentSummary, KpiSummary, ReportDocument};
use crate::number::p_value;

/// The p-value from which on an effect is said to differ between segments.
const DIFFERS_AT: f64 = 0.05;

/// The section, if there are experiments.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let articles = document.experiments.iter().enumerate();
    let body: String = articles
        .map(|(index, experiment)| article(experiment, &document.kpis, &format!("days-{index}")))
        .collect();
    let note =
        "Variants against control. An effect is clear when its interval excludes zero: then its dot is filled. Segments are \
         those at first exposure; a pooled effect is that of a segment drawn towards the others of its set, by as much as they do \
         not differ. A dashed rule is a guardrail's margin."
            .to_owned();
    (!body.is_empty()).then_some(Section { id: "experiments", title: "Experiments", note, body })
}

fn article(experiment: &ExperimentSummary, kpis: &[KpiSummary], id: &str) -> String {
    let result = &experiment.result;
    let verdict = verdict::verdict(result, kpis);
    let class = if verdict.usable { "verdict" } else { "verdict stop" };
    let coverage = scorecard::coverage(Some(result.confidence));
    let series = series::html(result, kpis, &coverage, id);
    let effects = effects::html(result, kpis, &coverage);
    let period = experiment.period.as_ref().map_or(String::new(), |period| {
        format!(" <span class=\"role\">{}</span>", escape(&moment::span_name(period)))
    });
    let found = if verdict.usable {
        format!("{series}{}{effects}", between(&result.heterogeneity))
    } else {
        folded(&format!("{series}{effects}"))
    };
    format!(
        "<article class=\"experiment\">\n<h3>{title}{period}</h3>\n{hypothesis}<p class=\"{class}\">{text}</p>\n\
         {failures}{decision}{warnings}{facts}{method}{plan}{notes}{found}</article>\n",
        title = escape(&capitalised(&words(&result.experiment))),
        hypothesis = paragraph("hypothesis", result.hypothesis.as_deref()),
        text = escape(&capitalised(&verdict.text)),
        failures = trust::failures(&result.checks),
        decision = self::decision(&result.decision),
        warnings = trust::warnings(&result.checks),
        facts = trust::facts(result),
        method = self::method(&result.method),
        plan = result.plan.as_ref().map_or(String::new(), plan),
        notes = notes(result),
    )
}

/// Effects that must not be acted on are there for those who look into why.
fn folded(effects: &str) -> String {
    format!("<details><summary>Effects, not to be acted on</summary>\n{effects}</details>\n")
}

/// What the declared rule says, with its reasons; nothing where none is declared and nothing failed.
fn decision(decision: &Decision) -> String {
    if decision.action == "undecided" && decision.reasons == ["no decision rule is declared"] {
        return String::new();
    }
    let action = format!("<b>Decision: {}</b>", escape(&decision.action));
    // What failed stands above already.
    if decision.action == "investigate" {
        return format!("<p>{action}.</p>\n");
    }
    if decision.variants.len() > 1 {
        let of_variant = |one: &VariantDecision| {
            because(
                "small",
                &format!("<b>{}: {}</b>", escape(&one.variant), escape(&one.action)),
                &one.reasons,
            )
        };
        return format!("<p>{action}.</p>\n{}", decision.variants.iter().map(of_variant).collect::<String>());
    }
    because("", &action, &decision.reasons)
}

/// A statement and its reasons: one beside it, several below it.
fn because(class: &str, statement: &str, reasons: &[String]) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    match reasons {
        [] => format!("<p{class}>{statement}.</p>\n"),
        [only] => format!("<p{class}>{statement}. {}.</p>\n", escape(&capitalised(only))),
        many => {
            let items: String =
                many.iter().map(|reason| format!("<li>{}</li>", escape(&capitalised(reason)))).collect();
            format!("<p{class}>{statement}, because:</p>\n<ul class=\"notes\">{items}</ul>\n")
        }
    }
}

/// When the plan was registered, and what was changed since.
fn plan(plan: &Preregistration) -> String {
    let hash = plan.hash.get(..12).unwrap_or(&plan.hash);
    let registered = format!(
        "Plan {} registered {}",
        escape(hash),
        escape(&moment::instant(&plan.registered_at.to_string()))
    );
    if plan.amendments.is_empty() {
        return format!("<p class=\"small\">{registered}, not changed since.</p>\n");
    }
    let amendment = |one: &Amendment| {
        format!(
            "<li>Seen {}: {}</li>",
            escape(&moment::instant(&one.as_of.to_string())),
            escape(&one.changes.join("; "))
        )
    };
    let items: String = plan.amendments.iter().map(amendment).collect();
    let changes = counted(plan.amendments.len(), &plan.amendments.len().to_string(), "time");
    format!(
        "<p class=\"small\">{registered}, <b>changed {changes} after the first exposure</b>:</p>\n<ul class=\"notes small\">{items}</ul>\n"
    )
}

fn method(method: &MethodNote) -> String {
    if method.inference.is_empty() {
        return String::new();
    }
    let look = method.look.as_ref().map_or(String::new(), |look| {
        format!(", look {} of {}, alpha spent {:.4}", look.number, look.planned, look.spent)
    });
    format!(
        "<p class=\"small\">Inference: {}{look}: {}.</p>\n",
        escape(&words(&method.inference)),
        escape(&method.formula)
    )
}

/// Where effects differ between segments by more than chance.
fn between(tests: &[HeterogeneityRow]) -> String {
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
        (0, _) => String::new(),
        (all, 0) => {
            format!("<p class=\"small\">No effect differs clearly between segments, in {all} tests.</p>\n")
        }
        (all, _) => {
            format!(
                "<p class=\"small\">Between segments differs {}, of {all} tests.</p>\n",
                escape(&listed(&clear))
            )
        }
    }
}

/// What is not told elsewhere.
fn notes(experiment: &ExperimentResult) -> String {
    let is_amendment = |note: &str| {
        let changes =
            experiment.plan.iter().flat_map(|plan| &plan.amendments).map(|one| one.changes.join("; "));
        changes.into_iter().any(|changes| note.ends_with(&changes))
    };
    let own = experiment
        .notes
        .iter()
        .filter(|note| !trust::is_told(note, &experiment.checks) && !is_amendment(note));
    let items: String = own.map(|note| format!("<li>{}</li>", escape(note))).collect();
    if items.is_empty() { items } else { format!("<ul class=\"notes\">{items}</ul>\n") }
}

//! The head of the page: what this is, for when, and what stands out.

use maud::{Markup, html};

use super::fragments::{fact, paragraph};
use super::wording::{capitalised, words};
use super::{dates, summary};
use crate::document::{ReportDocument, Span};

/// The title of the window.
pub(super) fn page_title(document: &ReportDocument) -> String {
    format!("{}: {}", title(document), dates::span_name(&document.period.span))
}

/// The head.
pub(super) fn html(document: &ReportDocument) -> Markup {
    let period = &document.period;
    html! {
        header.page {
            "\n"
            p.kicker { (dates::span_name(&period.span)) " · " (document.pipeline) } "\n"
            h1 { (title(document)) } "\n"
            p.summary { (summary::sentence(document)) } "\n"
            (paragraph("description", document.description.as_deref()))
            dl.facts {
                (fact(&capitalised(dates::unit_noun(period.unit)), dates::span_dates(&period.span)))
                @if let Some(previous) = &document.previous_period { (fact("Compared with", compared(previous))) }
                (fact("True as of", dates::instant(&document.as_of)))
                @if !document.time_zone.is_empty() { (fact("Time zone of periods", &document.time_zone)) }
                (fact("Run", run(&document.run_id)))
            }
            "\n"
        }
    }
}

fn title(document: &ReportDocument) -> String {
    document
        .title
        .clone()
        .filter(|title| !title.trim().is_empty())
        .unwrap_or_else(|| capitalised(&words(&document.report)))
}

/// What a period is called, and its dates where that is not all there is to say.
fn compared(previous: &Span) -> String {
    let name = dates::span_name(previous);
    match previous.label.trim() {
        "" => name,
        _ => format!("{name} ({})", dates::span_dates(previous)),
    }
}

fn run(run_id: &str) -> Markup {
    html! { abbr title=(run_id) { (short(run_id)) } }
}

/// Enough of a run's id to tell it from its neighbours: ids that begin with the time differ at their end.
fn short(run_id: &str) -> String {
    let characters: Vec<char> = run_id.chars().collect();
    match characters.len() {
        0..=14 => run_id.to_owned(),
        length => characters[..8].iter().chain(&['…']).chain(&characters[length - 4..]).collect(),
    }
}

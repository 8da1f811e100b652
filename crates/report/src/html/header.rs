//! The head of the page: what this is, for when, and what stands out.

use super::markup::{capitalised, escape, paragraph, words};
use super::{moment, summary};
use crate::document::ReportDocument;

/// The title of the window, escaped.
pub(super) fn page_title(document: &ReportDocument) -> String {
    escape(&format!("{}: {}", title(document), moment::span_name(&document.period.span)))
}

/// The head.
pub(super) fn html(document: &ReportDocument) -> String {
    let period = &document.period;
    let mut facts =
        vec![(capitalised(moment::unit_noun(period.unit)), escape(&moment::span_dates(&period.span)))];
    if let Some(previous) = &document.previous_period {
        let dates = if previous.label.trim().is_empty() {
            String::new()
        } else {
            format!(" ({})", moment::span_dates(previous))
        };
        facts.push(("Compared with".to_owned(), escape(&format!("{}{dates}", moment::span_name(previous)))));
    }
    facts.push(("True as of".to_owned(), escape(&moment::instant(&document.as_of))));
    if !document.time_zone.is_empty() {
        facts.push(("Time zone of periods".to_owned(), escape(&document.time_zone)));
    }
    let run =
        format!("<abbr title=\"{}\">{}</abbr>", escape(&document.run_id), escape(&short(&document.run_id)));
    facts.push(("Run".to_owned(), run));
    let facts: String =
        facts.iter().map(|(term, text)| format!("<div><dt>{term}</dt><dd>{text}</dd></div>")).collect();
    format!(
        "<header class=\"page\">\n<p class=\"kicker\">{kicker}</p>\n<h1>{title}</h1>\n<p class=\"summary\">{summary}</p>\n\
         {description}<dl class=\"facts\">{facts}</dl>\n</header>",
        kicker = escape(&format!("{} · {}", moment::span_name(&period.span), document.pipeline)),
        title = escape(&title(document)),
        summary = escape(&summary::sentence(document)),
        description = paragraph("description", document.description.as_deref()),
    )
}

fn title(document: &ReportDocument) -> String {
    document
        .title
        .clone()
        .filter(|title| !title.trim().is_empty())
        .unwrap_or_else(|| capitalised(&words(&document.report)))
}

/// Enough of a run's id to tell it from its neighbours: ids that begin with the time differ at their end.
fn short(run_id: &str) -> String {
    let characters: Vec<char> = run_id.chars().collect();
    match characters.len() {
        0..=14 => run_id.to_owned(),
        length => characters[..8].iter().chain(&['…']).chain(&characters[length - 4..]).collect(),
    }
}

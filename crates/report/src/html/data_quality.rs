//! What was read, what was rejected and why, and the ids that matched nobody.

use maud::{Markup, html};

use super::fragments::name;
use super::section::Section;
use super::table::{self, Column, Group};
use super::wording::separator;
use crate::document::{ReportDocument, SourceQuality, UnmatchedIds};
use crate::number::{compact, integer, percent};

/// The section, if anything is known of the data.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let quality = document.data_quality.as_ref()?;
    if quality.sources.is_empty() && quality.unmatched.is_empty() {
        return None;
    }
    let note = html! {
        "Rejected rows wait in quarantine with their reasons. Unmatched ids are unknown to the entity table; they are left \
         out and counted here."
    };
    let body = html! { (sources_html(&quality.sources)) p { (unmatched_html(&quality.unmatched)) } "\n" };
    Some(Section { id: "data-quality", title: "Data quality", note, body })
}

fn sources_html(sources: &[SourceQuality]) -> Markup {
    let columns = [
        Column::text("Source"),
        Column::number("Files"),
        Column::number("Rows read"),
        Column::number("Rejected"),
        Column::number("Share"),
        Column::text("Reasons"),
    ];
    let rows = [Group { heading: None, rows: sources.iter().map(cells).collect() }];
    html! {
        @if !sources.is_empty() {
            p { (sentence(sources)) } "\n"
            (table::html("Sources: rows read and rejected", "sources", &columns, &rows))
        }
    }
}

fn sentence(sources: &[SourceQuality]) -> String {
    let rows = sources.iter().map(|source| source.rows).fold(0, u64::saturating_add);
    let rejected = sources.iter().map(|source| source.rejected).fold(0, u64::saturating_add);
    match rejected {
        0 => format!("{} rows read, none rejected.", compact(rows as f64)),
        _ => format!(
            "{} rows read, {} rejected ({}).",
            compact(rows as f64),
            integer(rejected),
            percent(share(rejected, rows))
        ),
    }
}

fn cells(source: &SourceQuality) -> Vec<Markup> {
    let reasons = html! {
        @if source.reasons.is_empty() {
            "none"
        } @else {
            ul.plain {
                @for reason in &source.reasons { li { (integer(reason.count)) " × " (reason.reason) } }
            }
        }
    };
    vec![
        name(&source.source),
        html! { (integer(source.files)) },
        html! { (integer(source.rows)) },
        html! { (integer(source.rejected)) },
        html! { (percent(share(source.rejected, source.rows))) },
        reasons,
    ]
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn unmatched_html(unmatched: &[UnmatchedIds]) -> Markup {
    html! {
        @if unmatched.is_empty() {
            "Every id matched its entity table."
        } @else {
            "Unmatched ids: "
            @for (place, ids) in unmatched.iter().enumerate() {
                (separator(place, unmatched.len())) (integer(ids.count)) " in " (name(&ids.segment))
            }
            "."
        }
    }
}

//! What was read, what was rejected and why, and the ids that matched nobody.

use super::markup::{Section, escape, listed, name};
use super::table::{self, Column, Group};
use crate::document::{ReportDocument, SourceQuality, UnmatchedIds};
use crate::number::{compact, integer, percent};

/// The section, if anything is known of the data.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let sources = document.data_quality.as_ref().map_or(&[][..], |quality| &quality.sources);
    let unmatched = document.data_quality.as_ref().map_or(&[][..], |quality| &quality.unmatched);
    if sources.is_empty() && unmatched.is_empty() {
        return None;
    }
    let body = format!("{}{}", sources_html(sources), unmatched_html(unmatched));
    let note =
        "Rejected rows wait in quarantine with their reasons. Unmatched ids are unknown to the entity table; they are left \
                out and counted here."
            .to_owned();
    Some(Section { id: "data-quality", title: "Data quality", note, body })
}

fn sources_html(sources: &[SourceQuality]) -> String {
    if sources.is_empty() {
        return String::new();
    }
    let rows = sources.iter().map(|source| source.rows).fold(0, u64::saturating_add);
    let rejected = sources.iter().map(|source| source.rejected).fold(0, u64::saturating_add);
    let sentence = match rejected {
        0 => format!("{} rows read, none rejected.", compact(rows as f64)),
        _ => format!(
            "{} rows read, {} rejected ({}).",
            compact(rows as f64),
            integer(rejected),
            percent(share(rejected, rows))
        ),
    };
    let columns = [
        Column::text("Source"),
        Column::number("Files"),
        Column::number("Rows read"),
        Column::number("Rejected"),
        Column::number("Share"),
        Column::text("Reasons"),
    ];
    let rows = sources.iter().map(cells).collect();
    let table =
        table::html("Sources: rows read and rejected", "sources", &columns, &[Group { heading: None, rows }]);
    format!("<p>{sentence}</p>\n{table}")
}

fn cells(source: &SourceQuality) -> Vec<String> {
    let reasons: String = source
        .reasons
        .iter()
        .map(|reason| format!("<li>{} × {}</li>", integer(reason.count), escape(&reason.reason)))
        .collect();
    vec![
        name(&source.source),
        integer(source.files),
        integer(source.rows),
        integer(source.rejected),
        percent(share(source.rejected, source.rows)),
        if reasons.is_empty() { "none".to_owned() } else { format!("<ul class=\"plain\">{reasons}</ul>") },
    ]
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn unmatched_html(unmatched: &[UnmatchedIds]) -> String {
    if unmatched.is_empty() {
        return "<p>Every id matched its entity table.</p>\n".to_owned();
    }
    let item = |ids: &UnmatchedIds| format!("{} in {}", integer(ids.count), name(&ids.segment));
    format!("<p>Unmatched ids: {}.</p>\n", listed(&unmatched.iter().map(item).collect::<Vec<_>>()))
}

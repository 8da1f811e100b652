//! The foot of the page: what it takes to make the same report again.

use maud::{Markup, html};

use super::fragments::{fact, name};
use crate::document::{ReportDocument, TableVersion};
use crate::number::integer;

/// The foot.
pub(super) fn html(document: &ReportDocument) -> Markup {
    let facts = [
        ("Report", &document.report),
        ("Pipeline", &document.pipeline),
        ("Run", &document.run_id),
        ("As of", &document.as_of),
        ("Time zone", &document.time_zone),
    ];
    html! {
        footer {
            "\n"
            h2 { "Provenance" } "\n"
            p { "The same run on the same table versions gives the same numbers." } "\n"
            dl.facts { @for (term, text) in facts { @if !text.is_empty() { (fact(term, text)) } } } "\n"
            (tables(&document.tables)) "\n"
        }
    }
}

fn tables(tables: &[TableVersion]) -> Markup {
    html! {
        @if tables.is_empty() {
            p { "No table versions are recorded." }
        } @else {
            ul.tables aria-label="Table versions" { @for table in tables { (item(table)) } }
        }
    }
}

fn item(table: &TableVersion) -> Markup {
    html! {
        li {
            b { (name(&table.table)) } " version " (table.version)
            @if let Some(rows) = table.rows { ", " (integer(rows)) " rows" }
        }
    }
}

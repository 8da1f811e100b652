//! The foot of the page: what it takes to make the same report again.

use super::markup::{escape, name};
use crate::document::{ReportDocument, TableVersion};
use crate::number::integer;

/// The foot.
pub(super) fn html(document: &ReportDocument) -> String {
    let facts: String = [
        ("Report", &document.report),
        ("Pipeline", &document.pipeline),
        ("Run", &document.run_id),
        ("As of", &document.as_of),
        ("Time zone", &document.time_zone),
    ]
    .iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(term, text)| format!("<div><dt>{term}</dt><dd>{}</dd></div>", escape(text)))
    .collect();
    format!(
        "<footer>\n<h2>Provenance</h2>\n<p>The same run on the same table versions gives the same numbers.</p>\n\
         <dl class=\"facts\">{facts}</dl>\n{}</footer>",
        tables(&document.tables)
    )
}

fn tables(tables: &[TableVersion]) -> String {
    if tables.is_empty() {
        return "<p>No table versions are recorded.</p>\n".to_owned();
    }
    let items: String = tables.iter().map(item).collect();
    format!("<ul class=\"tables\" aria-label=\"Table versions\">{items}</ul>\n")
}

fn item(table: &TableVersion) -> String {
    let rows = table.rows.map_or(String::new(), |rows| format!(", {} rows", integer(rows)));
    format!("<li><b>{}</b> version {}{rows}</li>", name(&table.table), table.version)
}

//! Tables that become cards on a phone. Roles are written out, because a table laid out as a grid would lose them.

use super::markup::escape;

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Align {
    Text,
    Number,
    /// A drawing, which takes what width is left.
    Plot,
}

/// A column: its head, and its layout.
pub(super) struct Column {
    label: String,
    head: String,
    align: Align,
}

impl Column {
    pub(super) fn text(label: &str) -> Self {
        Self { label: label.to_owned(), head: escape(label), align: Align::Text }
    }

    pub(super) fn number(label: &str) -> Self {
        Self { align: Align::Number, ..Self::text(label) }
    }

    /// `axis` is the HTML shown above the drawings.
    pub(super) fn plot(label: &str, axis: &str) -> Self {
        Self {
            label: String::new(),
            head: format!("<span class=\"hidden\">{}</span>{axis}", escape(label)),
            align: Align::Plot,
        }
    }
}

/// Rows under a heading of their own, or under none. A row is HTML, cell by cell; its first cell names it.
pub(super) struct Group {
    pub(super) heading: Option<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The table; `caption` is for those who cannot see what surrounds it.
pub(super) fn html(caption: &str, class: &str, columns: &[Column], groups: &[Group]) -> String {
    let head: String = columns.iter().map(head_cell).collect();
    let bodies: String = groups.iter().map(|group| body(columns, group)).collect();
    format!(
        "<table role=\"table\" class=\"{class}\"><caption class=\"hidden\">{}</caption>\
         <thead role=\"rowgroup\"><tr role=\"row\">{head}</tr></thead>{bodies}</table>\n",
        escape(caption)
    )
}

fn head_cell(column: &Column) -> String {
    format!("<th role=\"columnheader\" scope=\"col\"{}>{}</th>", class(column.align), column.head)
}

fn body(columns: &[Column], group: &Group) -> String {
    let heading = group.heading.as_ref().map_or(String::new(), |heading| {
        format!(
            "<tr role=\"row\" class=\"group\"><th role=\"rowheader\" scope=\"rowgroup\" colspan=\"{}\">{heading}</th></tr>\n",
            columns.len()
        )
    });
    let rows: String = group.rows.iter().map(|cells| row(columns, cells)).collect();
    format!("<tbody role=\"rowgroup\">{heading}{rows}</tbody>")
}

fn row(columns: &[Column], cells: &[String]) -> String {
    let cells: String = columns
        .iter()
        .zip(cells)
        .enumerate()
        .map(|(index, (column, cell))| data_cell(column, cell, index))
        .collect();
    format!("<tr role=\"row\">{cells}</tr>\n")
}

fn data_cell(column: &Column, cell: &str, index: usize) -> String {
    let class = class(column.align);
    if index == 0 {
        return format!("<th role=\"rowheader\" scope=\"row\"{class}>{cell}</th>");
    }
    let label = if column.label.is_empty() {
        String::new()
    } else {
        format!(" data-label=\"{}\"", escape(&column.label))
    };
    format!("<td role=\"cell\"{class}{label}>{cell}</td>")
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Text => "",
        Align::Number => " class=\"number\"",
        Align::Plot => " class=\"plot\"",
    }
}

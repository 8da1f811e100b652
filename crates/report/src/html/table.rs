//! Tables that become cards on a phone. Roles are written out, because a table laid out as a grid would lose them.

use maud::{Markup, html};

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
    /// What stands beside a cell on a phone; a drawing speaks for itself.
    label: Option<String>,
    head: Markup,
    align: Align,
}

impl Column {
    pub(super) fn text(label: &str) -> Self {
        let head = html! { (label) };
        Self { label: Some(label.to_owned()).filter(|label| !label.is_empty()), head, align: Align::Text }
    }

    pub(super) fn number(label: &str) -> Self {
        Self { align: Align::Number, ..Self::text(label) }
    }

    /// `axis` is shown above the drawings.
    pub(super) fn plot(label: &str, axis: &Markup) -> Self {
        Self { label: None, head: html! { span.hidden { (label) } (axis) }, align: Align::Plot }
    }
}

/// Rows under a heading of their own, or under none. A row has a cell for each column; the first cell names it.
pub(super) struct Group {
    pub(super) heading: Option<Markup>,
    pub(super) rows: Vec<Vec<Markup>>,
}

/// The table; `caption` is for those who cannot see what surrounds it.
pub(super) fn html(caption: &str, class: &str, columns: &[Column], groups: &[Group]) -> Markup {
    html! {
        table role="table" class=(class) {
            caption.hidden { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th role="columnheader" scope="col" class=[column.align.class()] { (column.head) }
                    }
                }
            }
            @for group in groups { (body(columns, group)) }
        }
        "\n"
    }
}

fn body(columns: &[Column], group: &Group) -> Markup {
    html! {
        tbody role="rowgroup" {
            @if let Some(heading) = &group.heading {
                tr role="row" class="group" {
                    th role="rowheader" scope="rowgroup" colspan=(columns.len()) { (heading) }
                }
                "\n"
            }
            @for cells in &group.rows { (row(columns, cells)) "\n" }
        }
    }
}

fn row(columns: &[Column], cells: &[Markup]) -> Markup {
    html! {
        tr role="row" {
            @for (place, (column, cell)) in columns.iter().zip(cells).enumerate() {
                @if place == 0 {
                    th role="rowheader" scope="row" class=[column.align.class()] { (cell) }
                } @else {
                    td role="cell" class=[column.align.class()] data-label=[&column.label] { (cell) }
                }
            }
        }
    }
}

impl Align {
    fn class(self) -> Option<&'static str> {
        match self {
            Align::Text => None,
            Align::Number => Some("number"),
            Align::Plot => Some("plot"),
        }
    }
}

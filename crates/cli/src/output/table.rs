//! Rows as a table for people, on a terminal or in a document.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::Value;
use tranche_workspace::legible;

use super::cell::shown;
use super::column::{Column, Kind};
use super::fit::{Extent, Place, fit};
use super::shorten::{shorten, width, wrap};

/// A table with lines, no wider than `limit`, and the names of the columns that it has no room for.
pub(super) fn drawn<'a>(
    columns: &'a [Column],
    rows: &[Vec<Value>],
    limit: Option<usize>,
) -> (String, Vec<&'a str>) {
    let cells = cells(columns, rows);
    let extents: Vec<Extent> =
        columns.iter().enumerate().map(|(index, column)| extent(column, index, rows, &cells)).collect();
    let places = match limit {
        Some(limit) => fit(columns, &extents, limit),
        None => (0..columns.len()).map(|column| Place { column, width: extents[column].line }).collect(),
    };
    let mut table = comfy_table::Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(places.iter().map(|place| legible(&columns[place.column].name).into_owned()));
    for row in &cells {
        table.add_row(places.iter().map(|place| match columns[place.column].kind {
            Kind::Prose => wrap(&row[place.column], place.width),
            _ => shorten(&row[place.column], place.width),
        }));
    }
    for (place, column) in places.iter().zip(table.column_iter_mut()) {
        if extents[place.column].is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let is_shown = |index: usize| places.iter().any(|place| place.column == index);
    let left_out = (0..columns.len()).filter(|&index| !is_shown(index));
    (table.to_string(), left_out.map(|index| columns[index].name.as_str()).collect())
}

/// A table in Markdown, with every column.
pub(super) fn markdown(columns: &[Column], rows: &[Vec<Value>]) -> String {
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(&mut columns.iter().map(|column| column.name.replace('|', "\\|")));
    let rule = |index, column| if is_number(column, index, rows) { "---:" } else { "---" }.to_owned();
    line(&mut columns.iter().enumerate().map(|(index, column)| rule(index, column)));
    for row in cells(columns, rows) {
        line(&mut row.iter().map(|cell| cell.replace('|', "\\|")));
    }
    text
}

fn cells(columns: &[Column], rows: &[Vec<Value>]) -> Vec<Vec<String>> {
    let row =
        |row: &Vec<Value>| row.iter().zip(columns).map(|(value, column)| shown(value, column.kind)).collect();
    rows.iter().map(row).collect()
}

/// Whether the values of a column stand at its right.
fn is_number(column: &Column, index: usize, rows: &[Vec<Value>]) -> bool {
    match column.kind {
        Kind::Number | Kind::Estimate | Kind::Probability | Kind::Interval => true,
        Kind::Any => {
            let mut values =
                rows.iter().filter_map(|row| row.get(index)).filter(|value| !value.is_null()).peekable();
            values.peek().is_some() && values.all(Value::is_number)
        }
        Kind::Key | Kind::Text | Kind::Prose | Kind::Instant => false,
    }
}

fn extent(column: &Column, index: usize, rows: &[Vec<Value>], cells: &[Vec<String>]) -> Extent {
    let texts = || cells.iter().filter_map(|row| row.get(index)).chain(std::iter::once(&column.name));
    let words = texts().flat_map(|text| text.split_whitespace());
    Extent {
        line: texts().map(|text| width(text)).max().unwrap_or(0),
        word: words.map(width).max().unwrap_or(0),
        is_number: is_number(column, index, rows),
    }
}

//! Rows of named values: a table for people, objects for programs, CSV for spreadsheets.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::cell::{as_text, ends, in_spreadsheet, plain};
use super::column::{Column, Kind};
use super::table::{drawn, markdown};
use super::view::View;
use super::write::{note, paragraph, print_rows, print_text};
use crate::args::Format;
use crate::failure::Failure;

/// Rows of named values.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

/// What is printed of rows.
struct Printed {
    text: String,
    /// The names of columns that had no room.
    left_out: Vec<String>,
}

impl Rows {
    /// No rows yet, with these columns.
    pub(crate) fn new<C: Clone + Into<Column>>(columns: &[C]) -> Self {
        Self { columns: columns.iter().cloned().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row: a value for each column.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// An object for each row.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let names = || self.columns.iter().map(|column| column.name.clone());
        let object =
            |row: &Vec<Value>| Value::Object(names().zip(row.iter().cloned()).collect::<Map<_, _>>());
        self.rows.iter().map(object).collect()
    }

    /// Only the columns that `wanted` names.
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let places: Vec<usize> =
            (0..self.columns.len()).filter(|&place| wanted(&self.columns[place].name)).collect();
        self.chosen(&places)
    }

    /// The columns with these names, in this order, where there are such.
    pub(crate) fn in_order(&self, names: &[&str]) -> Self {
        let place = |name: &&str| self.columns.iter().position(|column| column.name == **name);
        self.chosen(&names.iter().filter_map(place).collect::<Vec<_>>())
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Without those of the columns `optional` that no row fills.
    pub(crate) fn without_empty(&self, optional: &[&str]) -> Self {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        let is_filled =
            |place: usize| self.rows.iter().any(|row| row.get(place).is_some_and(|v| !v.is_null()));
        self.only(|name| !optional.contains(&name) || place(name).is_some_and(is_filled))
    }

    /// Prints them on stdout; on stderr, which columns had no room.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        let printed = self.printed(format, &View::current())?;
        print_rows(printed.text.trim_end_matches('\n'), format)?;
        note_left_out(&printed.left_out)
    }

    /// Prints a table that stands beside the one whose columns can be chosen: nothing where they were.
    pub(crate) fn print_beside(&self, format: Format) -> Result<(), Failure> {
        if View::has_chosen_columns() { Ok(()) } else { self.print(format) }
    }

    fn printed(&self, format: Format, view: &View) -> Result<Printed, Failure> {
        let text = match format {
            Format::Json => Value::Array(self.objects()).to_string(),
            Format::Csv => self.choice(view)?.csv()?,
            Format::Markdown => {
                let chosen = self.choice(view)?;
                markdown(&chosen.columns, &chosen.rows)
            }
            Format::Table => {
                let chosen = self.choice(view)?;
                // Columns that were chosen by --columns are shown in full.
                let limit = view.width.filter(|_| view.columns.is_empty());
                let (text, left_out) = drawn(&chosen.columns, &chosen.rows, limit);
                return Ok(Printed { text, left_out: left_out.into_iter().map(str::to_owned).collect() });
            }
        };
        Ok(Printed { text, left_out: Vec::new() })
    }

    fn choice(&self, view: &View) -> Result<Self, Failure> {
        Ok(self.chosen(&self.places(&view.columns)?))
    }

    /// Where the columns with these names stand; all where none is named.
    fn places(&self, names: &[String]) -> Result<Vec<usize>, Failure> {
        if names.is_empty() {
            return Ok((0..self.columns.len()).collect());
        }
        let place = |name: &String| {
            self.columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
                Failure::definition(format!("there is no column `{name}`; there are {}", known.join(", ")))
            })
        };
        names.iter().map(place).collect()
    }

    fn chosen(&self, places: &[usize]) -> Self {
        let row = |row: &Vec<Value>| places.iter().filter_map(|&place| row.get(place).cloned()).collect();
        Self {
            columns: places.iter().map(|&place| self.columns[place].clone()).collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// Comma-separated, with a header; numbers in full, an interval as two columns.
    fn csv(&self) -> Result<String, Failure> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = self.columns.iter().flat_map(|column| match column.kind {
            Kind::Interval => vec![format!("{}_low", column.name), format!("{}_high", column.name)],
            _ => vec![as_text(&column.name)],
        });
        let mut written = csv.write_record(header);
        for row in &self.rows {
            let values = row.iter().zip(&self.columns).flat_map(|(value, column)| match column.kind {
                Kind::Interval => ends(value).iter().map(|end| plain(&json!(end))).collect::<Vec<_>>(),
                _ => vec![in_spreadsheet(value)],
            });
            written = written.and_then(|()| csv.write_record(values));
        }
        let internal = |error: &dyn std::fmt::Display| Failure::internal(error.to_string());
        written.map_err(|error| internal(&error))?;
        let bytes = csv.into_inner().map_err(|error| internal(&error))?;
        String::from_utf8(bytes).map_err(|error| internal(&error))
    }
}

/// Prints tables for people, each below its title, and once which columns had room in none.
pub(crate) fn print_titled(tables: &[(&str, Rows)]) -> Result<(), Failure> {
    let (mut shown, mut left_out) = (BTreeSet::new(), BTreeSet::new());
    for (title, rows) in tables {
        let printed = rows.printed(Format::Table, &View::current())?;
        print_text(&format!("{title}\n{}", printed.text))?;
        let names = rows.columns.iter().map(|column| column.name.clone());
        shown.extend(names.filter(|name| !printed.left_out.contains(name)));
        left_out.extend(printed.left_out);
    }
    note_left_out(&left_out.difference(&shown).cloned().collect::<Vec<_>>())
}

fn note_left_out(columns: &[String]) -> Result<(), Failure> {
    match columns {
        [] => Ok(()),
        names => note(&paragraph(&format!(
            "columns left out: {} (--wide shows all, --columns those you name)",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(&[
            Column::key("metric"),
            Column::estimate("effect").main(),
            Column::interval("ci"),
            Column::prose("note").detail(),
        ]);
        rows.push(vec![json!("revenue"), json!(1.0 / 3.0), json!([0.25, null]), json!("a|b, c")]);
        rows.push(vec![json!("orders"), Value::Null, Value::Null, Value::Null]);
        rows
    }

    fn printed(
        format: Format,
        columns: &[&str],
        width: Option<usize>,
    ) -> Result<(String, Vec<String>), Failure> {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        rows().printed(format, &View { columns, width }).map(|printed| (printed.text, printed.left_out))
    }

    #[test]
    fn csv_has_every_digit_and_every_name_once() {
        let (text, _) = printed(Format::Csv, &[], None).unwrap();
        assert_eq!(
            text,
            "metric,effect,ci_low,ci_high,note\nrevenue,0.3333333333333333,0.25,,\"a|b, c\"\norders,,,,\n"
        );
        assert_eq!(
            printed(Format::Csv, &["ci", "metric"], None).unwrap().0,
            "ci_low,ci_high,metric\n0.25,,revenue\n,,orders\n"
        );
    }

    #[test]
    fn markdown_has_numbers_at_the_right() {
        let (text, _) = printed(Format::Markdown, &["metric", "effect", "note"], None).unwrap();
        assert_eq!(
            text,
            "| metric | effect | note |\n| --- | ---: | --- |\n| revenue | 0.3333 | a\\|b, c |\n| orders |  |  |\n"
        );
    }

    #[test]
    fn a_table_says_what_it_has_no_room_for() {
        let (text, left_out) = printed(Format::Table, &[], Some(40)).unwrap();
        assert_eq!(
            text,
            "┌─────────┬────────┬───────────────┐\n\
             │ metric  ┆ effect ┆            ci │\n\
             ╞═════════╪════════╪═══════════════╡\n\
             │ revenue ┆ 0.3333 ┆ [0.2500, inf] │\n\
             │ orders  ┆        ┆               │\n\
             └─────────┴────────┴───────────────┘"
        );
        assert_eq!(left_out, ["note"]);
        assert!(printed(Format::Table, &[], None).unwrap().1.is_empty());
    }

    #[test]
    fn a_column_that_is_not_there_is_the_callers_mistake() {
        let failure = printed(Format::Csv, &["effects"], None).unwrap_err();
        assert_eq!(failure.message, "there is no column `effects`; there are metric, effect, ci, note");
    }
}

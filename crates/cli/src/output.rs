//! Results on stdout: as a table for people, JSON for programs, CSV for spreadsheets, Markdown for documents.
//!
//! [`Rows`] are values under [`Column`]s, each of which says what its values are and how much a reader would miss it; the
//! [`View`] of the process says what of them is shown.

mod cell;
mod column;
mod fit;
mod records;
mod rows;
mod shorten;
mod table;
mod view;
mod write;

pub(crate) use column::Column;
pub(crate) use records::{print_document, print_records, rows_of, rows_of_result};
pub(crate) use rows::{Rows, print_titled};
pub(crate) use view::View;
pub(crate) use write::{StandardError, note, paragraph, print_json, print_text};

//! Results on stdout: as a table for people, JSON for programs, CSV for spreadsheets, Markdown for documents.
//!
//! [`Rows`] are values under [`Column`]s, each of which says what its values are and how much a reader would miss it; the
//! [`View`] of the process says what of them is shown.

mod batches;
mod cell;
mod column;
mod fit;
mod rows;
mod shorten;
mod table;
mod view;
mod write;

pub(crate) use column::Column;
pub(crate) use rows::{Rows, print_titled};
pub(crate) use view::View;
pub(crate) use write::{StandardError, note, paragraph, print_json, print_text};

//! Reading what a source points to: a [`Reader`] for each format yields batches of raw rows with their
//! positions, and the rows that cannot be read at all.

mod csv;
mod formats;
mod input;
mod ndjson;
mod options;
mod parquet;
mod problem;
mod reader;
mod signature;
mod text;

pub use formats::Formats;
pub use input::{Input, Object, Origin};
pub use options::OptionsSpec;
pub use problem::InputProblem;
pub use reader::{BATCH_ROWS, Format, OptionProblems, RawColumns, RawRows, RawStream, Reader, UnreadableRow};
pub use text::{Parser, Sink, TextInput, TextReader};

//! Parquet files that a writer lays out itself, from batches ([`ParquetFile`]) or column by column
//! ([`ParquetColumns`]), and how all our files are encoded ([`parquet_options()`]).

mod parquet_file;
mod parquet_options;
mod run_length;
mod statistics;

pub use parquet_file::{ColumnValues, NewFile, ParquetColumns, ParquetFile};
pub use parquet_options::parquet_options;
pub use run_length::{RunLength, RunLengthValues};

//! Raw formats and row validity: from files as they are to rows that keep a contract.
//!
//! [`SourceSpec`] is a source as its author wrote it, [`Source`] what it means; [`load`] brings the files of a source that were not
//! loaded before into its table, in one commit. On the way a row is read ([`read`]), mapped by SQL, conformed to the contract's
//! types, checked, and deduplicated by key; a row that fails goes to quarantine with file, row, column and reason.
//!
//! Nothing is half-loaded: a file that cannot be read, or too many rejects, and the table stays as it was. This crate knows rows and
//! contracts, and nothing of segments or pipelines.

mod conform;
mod error;
mod keys;
mod load;
mod mapping;
mod newest;
mod quarantine;
pub mod read;
mod source;
mod stage;
mod upsert;

pub use error::IngestError;
pub use load::{LoadContext, LoadReport, check_evolution, load};
pub use mapping::check_mapping;
pub use newest::last_loads;
pub use quarantine::{Reject, table as quarantine_table};
pub use source::{Format, OnReject, Source, SourceSpec};

/// The folder of the table with one row for each raw file that was loaded.
pub const LOADS_TABLE: &str = tranche_schema::layout::LOADS.folder;

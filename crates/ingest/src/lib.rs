//! Raw formats and row validity: from files as they are to rows that satisfy a contract.
//!
//! [`SourceSpec`] is a source as its author wrote it, [`Source`] what it means; [`load`] brings the inputs of
//! a source that its table does not have yet into the table, in one commit. A row goes through these in turn:
//! a [`Reader`](read::Reader) of the source's format reads it, its values take the types that the source
//! declares, SQL maps it to the contract's columns, it is
//! conformed to their types and checked, the last row of each key stays, and the rest is staged and
//! committed. A row that fails is a [`Reject`]: it goes to quarantine with file, row, column and reason.
//!
//! Nothing is half-loaded: a file that cannot be read, or too many rejects, and the table stays as it was.
//! This crate knows rows and contracts, and nothing of segments or pipelines.
//!
//! ```
//! use tranche_ingest::{Formats, SourceSpec};
//! use tranche_project::{Problems, SourceFile, yaml};
//!
//! let text = "{version: 1, source: shop, into: orders, format: csv, path: data/*.csv, options: {delimiter: ;}}";
//! let (file, mut problems) = (SourceFile::new("shop.yaml", text), Problems::default());
//! let spec: SourceSpec = yaml::read(&file, &mut problems).unwrap();
//! let source = spec.validate(&Formats::default(), &file, &mut problems).unwrap();
//! assert_eq!((source.into.value.as_str(), source.reader.is_typed()), ("orders", false));
//! ```

mod accept;
mod bookkeeping;
mod change;
mod check;
mod conform;
mod context;
mod convert;
mod dedup;
mod digest;
mod discover;
mod error;
mod expression;
mod freshness;
mod json;
mod keys;
mod load;
mod mapping;
#[cfg(test)]
mod mapping_tests;
mod publish;
mod quarantine;
mod raw_types;
pub mod read;
mod reason;
mod rejects;
mod shown;
mod source;
mod stage;
mod upsert;
mod values;
mod versions;
mod withdrawn;
#[cfg(test)]
mod writers;

pub use check::{SampleFile, SourceCheck, check_mapping};
pub use context::LoadContext;
pub use error::IngestError;
pub use freshness::last_loads;
pub use load::{LoadReport, load};
pub use quarantine::Reject;
pub use read::Formats;
pub use reason::Reason;
pub use source::{DeclaredType, OnReject, Replace, Source, SourceSpec};

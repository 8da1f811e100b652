//! Which immutable files must be read again, what is saved of the others, and how that is verified.
//!
//! A table is a set of files that never change. [`classify`] says of each whether an earlier run read it
//! ([`FileClass`]). What that run computed is a [`SavedState`]: a [`Header`] of its owner, and parts as
//! Parquet files, below the folder that a [`StateStore`] names. State is only ever an older truth about
//! immutable files: it may be deleted at any time, and whatever cannot use it ([`Unusable`]) reads all files.
//! Values that continue from saved state are never trusted alone: the rows of a sample of the keys
//! ([`SampleRows`]) are kept, and what follows from them is compared; a difference is a [`Mismatch`].
//!
//! [`check_integrity`] finds state that is damaged, [`expire`] removes that of definitions which are gone.
//!
//! What is computed, over which windows, and how it is added up is for the caller to know.
//!
//! ```
//! use tranche_incremental::{FileClass, classify};
//! use tranche_sql::Source;
//! use tranche_store::DataFile;
//!
//! let file = |path: &str| DataFile {
//!     path: path.to_owned(),
//!     size_bytes: 1,
//!     rows: None,
//!     partition: Default::default(),
//! };
//! let now = [file("b"), file("c")].map(Source::File).to_vec();
//! let classed = classify(&[file("a"), file("b")], now);
//! let classes: Vec<FileClass> = classed.into_iter().map(|(class, _)| class).collect();
//! assert_eq!(classes, [FileClass::Kept, FileClass::Added, FileClass::Removed]);
//! ```

mod codec;
mod files;
mod integrity;
mod mismatch;
mod sample;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use codec::{decode_rows, reader};
pub use files::{FileClass, classify};
pub use integrity::{check_integrity, expire};
pub use mismatch::Mismatch;
pub use sample::{MOST_ROWS, SampleRows};
pub use state::{Header, NewState, Part, SavedState, Unusable};
pub use store::{StateStore, TableState};

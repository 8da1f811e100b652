//! Plain objects: where they are ([`Storage`], [`Location`]), which match a pattern ([`Matching`]), and how
//! one is created at most once ([`create_once()`])
//! or written over ([`write_document()`]), and how a page carries its checksum ([`PageFormat`]).

mod create_once;
mod envelope;
mod local_disk;
mod page;
mod pattern;
mod storage;
mod walk;

pub use create_once::{Creation, create_once, read_once};
pub use envelope::{read_document, write_document};
pub use page::PageFormat;
pub use pattern::{Matching, RawObject, check_pattern};
pub use storage::{Location, Storage};

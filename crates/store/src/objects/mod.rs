//! Plain objects: where they are ([`Storage`], [`Location`]), which match a pattern ([`list_matching`]), and how
//! one is created at most once ([`create_once()`]).

mod create_once;
mod pattern;
mod storage;

pub use create_once::{Creation, create_once, read_once};
pub use pattern::{RawObject, list_matching};
pub use storage::{Location, Storage};

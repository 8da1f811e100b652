//! A version of a table ([`Snapshot`]) and its files ([`DataFile`]).

mod files;
mod provider;
mod snapshot;
mod transactions;

pub use files::{DataFile, FileStatistics};
pub use snapshot::Snapshot;
pub(crate) use snapshot::read_through;
pub use transactions::Transactions;

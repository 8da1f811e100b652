//! An object store for tests: fails on demand, and records accesses.
//!
//! A [`FailingStore`] holds objects in memory and lets one chosen put fail, once, in one of two ways
//! ([`Failure`]): so a test can cut a writer short after each of its writes in turn, and look at what is left
//! and at what a second try makes of it. It records which objects are read and written ([`Accesses`]).
//!
//! ```
//! use tranche_faults::{FailingStore, Failure};
//! use object_store::{ObjectStoreExt, path::Path};
//! # async fn example() {
//! let store = FailingStore::new(Failure::Before);
//! store.fail_after(1);
//! assert!(store.put(&Path::from("a"), "first".into()).await.is_ok());
//! assert!(store.put(&Path::from("b"), "second".into()).await.is_err());
//! assert!(store.has_failed());
//! assert_eq!(store.take_accesses().written.len(), 2);
//! # }
//! ```

mod failing_store;

pub use failing_store::{Accesses, FailingStore, Failure};

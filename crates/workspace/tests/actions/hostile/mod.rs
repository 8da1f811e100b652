//! What comes from strangers, of any bytes: it is used, or refused with a message; it never panics, and no row gets lost.
//!
//! Each target takes bytes. A build plays the corpora that are kept; `fuzz/` looks for others.

mod definitions;
mod objects;
mod raw_files;

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Takes bytes.
pub(crate) type Target = fn(&[u8]);

/// What takes bytes of strangers, by the names of the corpora.
pub(crate) const TARGETS: [(&str, Target); 8] = [
    ("yaml", definitions::yaml),
    ("front_matter", definitions::front_matter),
    ("sql", definitions::sql),
    ("csv", raw_files::csv),
    ("ndjson", raw_files::ndjson),
    ("parquet", raw_files::parquet),
    ("state", objects::state),
    ("ledger", objects::ledger),
];

/// Runs something to its end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    RUNTIME.get_or_init(start).block_on(future)
}

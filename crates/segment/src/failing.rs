//! A lake in a store that fails on demand, for this crate's own tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tranche_faults::FailingStore;
use tranche_store::{Lake, Storage};

/// A lake that has all of a store to itself.
pub(crate) fn lake(store: &Arc<FailingStore>) -> Lake {
    let storage = Storage::new(BTreeMap::new());
    storage.register(&url::Url::parse("memory://lake/").unwrap(), store.objects());
    Lake::open(&storage, "memory://lake/", Path::new("/")).unwrap()
}

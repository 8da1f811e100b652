//! One committed version of a table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use deltalake_core::DeltaTable;
use futures::FutureExt;

use super::provider::StoredTable;
use crate::StoreError;

/// An immutable committed version of a table.
#[derive(Clone)]
pub struct Snapshot {
    name: String,
    delta: DeltaTable,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} at {})", self.name, self.version())
    }
}

/// Lets the engine read a table's files through the lake's own object store, which verifies them. The engine knows
/// the local disk of itself, and would keep to that.
pub(crate) fn read_through(delta: &DeltaTable, session: &dyn Session) {
    let log = delta.log_store();
    session.runtime_env().register_object_store(log.root_url(), log.root_object_store(None));
}

impl Snapshot {
    pub(crate) fn new(name: &str, delta: DeltaTable) -> Self {
        Self { name: name.to_owned(), delta }
    }

    /// The table's folder in the lake.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.name
    }

    /// The version, counted from 0.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// The table's rows as something that can be queried in `session`.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the version cannot be planned.
    pub async fn provider(&self, session: &dyn Session) -> Result<Arc<dyn TableProvider>, StoreError> {
        let failed = |error| StoreError::table(&self.name, error);
        read_through(&self.delta, session);
        let provider = self.delta.table_provider().await.map_err(|e| failed(e.into()))?;
        Ok(Arc::new(StoredTable(provider)))
    }

    /// The columns of the table, partition columns included.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the table has no schema.
    pub fn schema(&self) -> Result<SchemaRef, StoreError> {
        let state = self.delta.snapshot().map_err(|error| StoreError::table(&self.name, error))?;
        Ok(state.snapshot().arrow_schema())
    }

    /// Whether a commit up to this version carries the application transaction `id`.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the log cannot be read.
    pub async fn has_transaction(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.transaction_version(id).await?.is_some())
    }

    /// The version of the application transaction `id` in the latest commit up to this version that carries
    /// it.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the log cannot be read.
    pub async fn transaction_version(&self, id: &str) -> Result<Option<i64>, StoreError> {
        let failed = |error| StoreError::table(&self.name, error);
        let state = self.delta.snapshot().map_err(failed)?;
        let log_store = self.delta.log_store();
        let version = state.snapshot().transaction_version(log_store.as_ref(), id).boxed();
        version.await.map_err(failed)
    }

    /// Rows in the table, as its log says.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let Ok(state) = self.delta.snapshot() else { return 0 };
        state.log_data().iter().filter_map(|file| file.num_records()).map(|n| n as u64).sum()
    }

    pub(crate) fn delta(&self) -> &DeltaTable {
        &self.delta
    }
}

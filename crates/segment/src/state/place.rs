//! Where the measures of a table are saved.

use tokio::task::JoinHandle;
use tranche_incremental::{TableState, Unusable};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_store::Lake;

use super::codec::{self, StateHeader};
use super::saved::SavedMeasures;

/// Where the state of a table lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatePlace<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) entity: &'a str,
    pub(crate) table: &'a str,
}

/// Saved state, while it is read.
pub(crate) struct Reading(JoinHandle<Result<codec::Stored, Unusable>>);

impl Reading {
    /// The saved measures in the rows of `index`; keys that it lacks are added.
    ///
    /// # Errors
    /// [`Unusable`] when there are none to continue from.
    pub(crate) async fn done(self, index: &mut KeyIndex) -> Result<SavedMeasures, Unusable> {
        let stored = self.0.await.map_err(|error| SqlError::Engine(error.to_string()))??;
        Ok(codec::placed(stored, index)?)
    }
}

impl StatePlace<'_> {
    fn state(&self, lake: &Lake) -> TableState<StateHeader> {
        TableState::new(lake, self.pipeline, self.entity, self.table)
    }

    /// Begins to read the saved measures.
    pub(crate) fn read(&self, lake: &Lake) -> Reading {
        let state = self.state(lake);
        Reading(tokio::spawn(async move { state.read(codec::decode).await }))
    }

    /// The saved measures without their values.
    ///
    /// # Errors
    /// [`Unusable`] when there are none to continue from.
    pub(crate) async fn about(&self, lake: &Lake) -> Result<SavedMeasures, Unusable> {
        self.state(lake).header().await.map(codec::without_values)
    }

    /// Saves measures in the rows of `index`.
    pub(crate) async fn write(&self, lake: &Lake, kept: SavedMeasures, index: &KeyIndex) {
        self.state(lake).write(codec::new_state(kept, index)).await;
    }

    /// Deletes the saved measures.
    pub(crate) async fn forget(&self, lake: &Lake) {
        self.state(lake).forget().await;
    }
}

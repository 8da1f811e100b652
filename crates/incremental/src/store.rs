//! Where state is saved, by the owner and the table that it is of.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use tranche_schema::layout::state::State;
use tranche_sql::SqlError;
use tranche_sql::keys::Sample;
use tranche_store::Lake;

use crate::codec;
use crate::state::{Header, NewState, SavedState, Unusable, causes};

/// Where an owner saves state, and how far it is used.
#[derive(Debug, Clone, Copy)]
pub struct StateStore<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// The pipeline.
    pub pipeline: &'a str,
    /// The entity whose segments are refreshed, or the step that measures.
    pub owner: &'a str,
    /// Whether saved state is left aside, and replaced.
    pub full: bool,
    /// The keys whose values are recomputed from all events, where they continue from saved state.
    pub sample: Sample,
}

impl StateStore<'_> {
    /// The state of a table.
    #[must_use]
    pub fn table<H: Header>(&self, table: &str) -> TableState<H> {
        TableState::new(self.lake, self.pipeline, self.owner, table)
    }
}

/// Where the state of one table is saved.
#[derive(Debug, Clone)]
pub struct TableState<H> {
    objects: Arc<dyn ObjectStore>,
    folder: String,
    header: PhantomData<fn() -> H>,
}

impl<H: Header> TableState<H> {
    /// The state that an owner in a pipeline saves of a table.
    #[must_use]
    pub fn new(lake: &Lake, pipeline: &str, owner: &str, table: &str) -> Self {
        let state = State { kind: H::KIND, pipeline, owner, table };
        Self { objects: lake.objects(), folder: state.folder(), header: PhantomData }
    }

    /// The saved state, whose parts `decode` makes of their bytes, given the header and their places.
    ///
    /// # Errors
    /// [`Unusable`] when there is none to continue from.
    pub async fn read<P: Send + 'static>(
        &self,
        decode: impl Fn(&H, usize, Bytes) -> Result<P, SqlError> + Send + Sync + 'static,
    ) -> Result<SavedState<H, P>, Unusable>
    where
        H: Sync,
    {
        codec::read(&self.objects, &self.folder, decode).await
    }

    /// The saved state without its parts and sample.
    ///
    /// # Errors
    /// [`Unusable`] when there is none to continue from.
    pub async fn header(&self) -> Result<SavedState<H, ()>, Unusable> {
        codec::header(&*self.objects, &self.folder).await
    }

    /// Saves state in place of the present one. A failure is logged: what is shown does not rest on state, and the next run continues
    /// from an earlier one, or reads everything.
    pub async fn write(&self, state: NewState<H>) {
        if let Err(error) = codec::write(&self.objects, &self.folder, state).await {
            tracing::warn!(
                folder = self.folder,
                error = causes(&error),
                "state could not be saved; results are complete, and the next run reads more than it would need to"
            );
        }
    }

    /// Deletes the saved state. A failure is logged: the next run verifies what it finds.
    pub async fn forget(&self) {
        codec::forget(&*self.objects, &self.folder).await;
    }
}

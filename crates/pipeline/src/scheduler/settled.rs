//! Up to where all slots of a pipeline have come to their end: `_sys/settled/<pipeline>.json`, written over now and then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use crate::ledger::failed;
use crate::{Ledger, RunError};

/// What the storage keeps of what is settled. It may be older than the truth, never ahead of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Settled {
    /// Every slot up to here is decided, and its run has ended.
    pub(crate) slot: Timestamp,
    /// How many arrivals need not be read again.
    #[serde(default)]
    pub(super) arrivals: u64,
    /// How many events of each history were known.
    #[serde(default)]
    pub(super) known: BTreeMap<String, usize>,
}

fn settled_path(pipeline: &str) -> Path {
    Path::from(tranche_store::layout::system::WATERMARKS.path).join(format!("{pipeline}.json"))
}

/// What is settled of a pipeline, as the storage keeps it.
pub(crate) async fn read_settled(ledger: &Ledger, pipeline: &str) -> Result<Option<Settled>, RunError> {
    let path = settled_path(pipeline);
    let bytes = match ledger.objects.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|error| failed(&path, error))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    // What cannot be read is worked out again.
    Ok(serde_json::from_slice(&bytes).ok())
}

pub(super) async fn write_settled(
    ledger: &Ledger,
    pipeline: &str,
    settled: &Settled,
) -> Result<(), RunError> {
    let path = settled_path(pipeline);
    let bytes = serde_json::to_vec(settled).map_err(|error| RunError::damaged(&path, error))?;
    ledger.objects.put(&path, PutPayload::from(bytes)).await.map_err(|error| failed(&path, error))?;
    Ok(())
}

//! The watermark of a pipeline, up to which all its slots are closed: `_sys/settled/<pipeline>.json`, written
//! over now and then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use super::{Ledger, failed};
use crate::error::RunError;

/// A watermark as the storage has it. It may be behind the truth, never ahead of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Watermark {
    /// Every slot up to here is decided, and its run has ended.
    pub(crate) slot: Timestamp,
    /// How many arrivals need not be read again.
    #[serde(default)]
    pub(crate) arrivals: u64,
    /// How many events of each history were known.
    #[serde(default)]
    pub(crate) known: BTreeMap<String, usize>,
}

fn watermark_path(pipeline: &str) -> Path {
    Path::from(tranche_store::layout::system::WATERMARKS.path).join(format!("{pipeline}.json"))
}

/// The watermark of a pipeline, as the storage has it.
pub(crate) async fn read_watermark(ledger: &Ledger, pipeline: &str) -> Result<Option<Watermark>, RunError> {
    let path = watermark_path(pipeline);
    let bytes = match ledger.objects.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|error| failed(&path, error))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    // One that cannot be read is worked out again.
    Ok(serde_json::from_slice(&bytes).ok())
}

pub(crate) async fn write_watermark(
    ledger: &Ledger,
    pipeline: &str,
    watermark: &Watermark,
) -> Result<(), RunError> {
    let path = watermark_path(pipeline);
    let bytes = serde_json::to_vec(watermark).map_err(|error| RunError::damaged(&path, error))?;
    ledger.objects.put(&path, PutPayload::from(bytes)).await.map_err(|error| failed(&path, error))?;
    Ok(())
}

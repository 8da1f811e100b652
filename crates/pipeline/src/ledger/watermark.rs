//! The watermark of a pipeline, up to which all its slots are closed: `_sys/settled/<pipeline>.json`, written
//! over now and then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tranche_store::StoreError;
use tranche_store::objects::{read_document, write_document};

use super::Ledger;
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
    match read_document(ledger.objects.as_ref(), &path).await {
        Ok(found) => Ok(found.and_then(|body| serde_json::from_slice(&body).ok())),
        // One that cannot be read, or that an earlier version wrote, is worked out again.
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn write_watermark(
    ledger: &Ledger,
    pipeline: &str,
    watermark: &Watermark,
) -> Result<(), RunError> {
    let path = watermark_path(pipeline);
    let body = serde_json::to_string(watermark).map_err(|error| RunError::damaged(&path, error))?;
    Ok(write_document(ledger.objects.as_ref(), &path, &body).await?)
}

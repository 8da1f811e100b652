//! Objects of the lake: saved state, and the logs of runs and of slots.

use std::sync::Arc;

use jiff::Timestamp;
use tranche_pipeline::Ledger;
use tranche_store::object_store::memory::InMemory;
use tranche_store::object_store::path::Path;
use tranche_store::object_store::{ObjectStore, ObjectStoreExt};
use tranche_store::objects::create_once;

use super::block_on;

const MOST_ENTRIES: usize = 20;

/// The rows of saved state, once their checksum holds.
pub(super) fn state(data: &[u8]) {
    if let Ok((_, rows)) = tranche_incremental::reader(data.to_vec().into())
        && let Ok(decoded) = tranche_incremental::decode_rows(data.to_vec().into())
    {
        assert_eq!(decoded.num_rows(), rows);
    }
}

/// Entries of the logs of a run and of a slot, a line each: as documents with a checksum where they are JSON, else as they are.
pub(super) fn ledger(data: &[u8]) {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    block_on(async {
        for (sequence, line) in data.split(|byte| *byte == b'\n').take(MOST_ENTRIES).enumerate() {
            for folder in ["_sys/runs/r", "_sys/slots/p/19700101T000000Z"] {
                let path = Path::from(format!("{folder}/{sequence:08}.json"));
                let body = std::str::from_utf8(line).unwrap_or_default();
                if create_once(&*objects, &path, body).await.is_err() {
                    objects.put(&path, line.to_vec().into()).await.unwrap();
                }
            }
        }
        let ledger = Ledger::new(objects);
        if let Ok(record) = ledger.read("r").await {
            assert!((1..=MOST_ENTRIES).contains(&usize::try_from(record.events).unwrap()), "{record:?}");
        }
        if let Ok(entries) = ledger.slot("p", Timestamp::UNIX_EPOCH).await {
            assert!(entries.len() <= MOST_ENTRIES, "{entries:?}");
        }
        // Runs that cannot be read are left out of a list.
        assert!(ledger.list().await.is_ok_and(|runs| runs.len() <= 1));
    });
}

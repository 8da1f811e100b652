//! Leases, by which the owner of a run shows that it is alive: `_sys/leases/<run_id>.json`, written over and
//! over.
//!
//! A challenger watches this object on its own monotonic clock, and tries to take the run over when it has
//! not changed for a lease's length. That is an efficiency: the run's log decides, and the commits of its
//! steps are the safety.

use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::failed;

/// A sign of life of a run's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process that wrote it, by a random name.
    pub owner: String,
    /// How often it was written.
    pub counter: u64,
    /// How long its owner may be silent before other processes try to take the run over.
    pub milliseconds: u64,
    /// Whether the owner has released the run: any process may resume it at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

/// A challenger's observation of a run's lease.
#[derive(Debug, Clone)]
pub struct LeaseWatch {
    seen: Option<Lease>,
    since: Instant,
}

/// The result of a look at a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its owner may be alive.
    Unknown,
    /// It changed since the last look: its owner is alive.
    Alive,
    /// It has not changed for its length, or was released: another process should resume the run.
    Dead,
}

impl LeaseWatch {
    /// Begins to watch.
    #[must_use]
    pub fn begin() -> Self {
        Self { seen: None, since: Instant::now() }
    }

    /// Looks at a run's lease. `length` holds where its owner has not said another.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn look(&mut self, ledger: &Ledger, run_id: &str) -> Result<Liveness, RunError> {
        let found = ledger.lease(run_id).await?;
        if found.as_ref().is_some_and(|lease| lease.released) {
            return Ok(Liveness::Dead);
        }
        let is_first = self.seen.is_none();
        if found != self.seen {
            self.seen = found;
            self.since = Instant::now();
            return Ok(if is_first { Liveness::Unknown } else { Liveness::Alive });
        }
        let length =
            self.seen.as_ref().map_or(ledger.lease, |lease| Duration::from_millis(lease.milliseconds));
        Ok(if self.since.elapsed() >= length { Liveness::Dead } else { Liveness::Unknown })
    }
}

/// The owner's side of a lease.
#[derive(Debug)]
pub(crate) struct Heartbeat<'a> {
    ledger: &'a Ledger,
    run_id: &'a str,
    counter: u64,
}

impl<'a> Heartbeat<'a> {
    pub(crate) fn new(ledger: &'a Ledger, run_id: &'a str) -> Self {
        Self { ledger, run_id, counter: 0 }
    }

    /// Shows that the owner is alive.
    pub(crate) async fn beat(&mut self) -> Result<(), RunError> {
        self.counter += 1;
        self.ledger.write_lease(self.run_id, self.counter, false).await
    }

    /// How long to wait from one beat to the next.
    pub(crate) fn pause(&self) -> Duration {
        self.ledger.lease / 4
    }
}

impl Ledger {
    /// How long this process may be silent about a run before another takes it over.
    #[must_use]
    pub fn lease_length(&self) -> Duration {
        self.lease
    }

    /// The same ledger, with leases of this length.
    #[must_use]
    pub fn with_lease(mut self, length: Duration) -> Self {
        self.lease = length;
        self
    }

    /// The last sign of life of a run's owner.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn lease(&self, run_id: &str) -> Result<Option<Lease>, RunError> {
        let path = lease_path(run_id);
        let bytes = match self.objects.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| failed(&path, error))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        // One that cannot be read is a sign of nothing; its owner, if it is alive, writes the next.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Releases a run: any process may resume it at once.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails: another process resumes it when its lease has expired.
    pub async fn release(&self, run_id: &str) -> Result<(), RunError> {
        self.write_lease(run_id, 0, true).await
    }

    /// Removes the lease of a run that ended. One that stays does no harm.
    pub(crate) async fn forget_lease(&self, run_id: &str) {
        if let Err(error) = self.objects.delete(&lease_path(run_id)).await {
            tracing::debug!(run_id, %error, "the lease of a run that ended stays");
        }
    }

    async fn write_lease(&self, run_id: &str, counter: u64, released: bool) -> Result<(), RunError> {
        let path = lease_path(run_id);
        let milliseconds = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        let lease = Lease { owner: self.owner.to_string(), counter, milliseconds, released };
        let bytes = serde_json::to_vec(&lease).map_err(|error| RunError::damaged(&path, error))?;
        self.objects.put(&path, PutPayload::from(bytes)).await.map_err(|error| failed(&path, error))?;
        Ok(())
    }
}

pub(crate) const LEASES: &str = tranche_store::layout::system::LEASES.path;

fn lease_path(run_id: &str) -> Path {
    Path::from(LEASES).join(format!("{run_id}.json"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_owner_is_dead_when_it_was_silent_for_its_own_lease() {
        let objects = Arc::new(InMemory::new());
        let owner = Ledger::new(Arc::<InMemory>::clone(&objects)).with_lease(Duration::from_secs(60));
        let challenger = Ledger::new(objects).with_lease(Duration::from_secs(5));
        let mut heart = Heartbeat::new(&owner, "r1");
        heart.beat().await.unwrap();
        let mut watch = LeaseWatch::begin();
        assert_eq!(watch.look(&challenger, "r1").await.unwrap(), Liveness::Unknown);
        advance(Duration::from_secs(59)).await;
        assert_eq!(watch.look(&challenger, "r1").await.unwrap(), Liveness::Unknown);
        heart.beat().await.unwrap();
        assert_eq!(watch.look(&challenger, "r1").await.unwrap(), Liveness::Alive);
        advance(Duration::from_secs(60)).await;
        assert_eq!(watch.look(&challenger, "r1").await.unwrap(), Liveness::Dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_a_lease_is_dead_after_the_challengers_own() {
        let ledger = Ledger::new(Arc::new(InMemory::new())).with_lease(Duration::from_secs(5));
        let mut watch = LeaseWatch::begin();
        assert_eq!(watch.look(&ledger, "r1").await.unwrap(), Liveness::Unknown);
        advance(Duration::from_secs(5)).await;
        assert_eq!(watch.look(&ledger, "r1").await.unwrap(), Liveness::Dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_run_is_free_at_once() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        Heartbeat::new(&ledger, "r1").beat().await.unwrap();
        ledger.release("r1").await.unwrap();
        assert_eq!(LeaseWatch::begin().look(&ledger, "r1").await.unwrap(), Liveness::Dead);
    }
}

//! The storage's clock, which all machines share.
//!
//! A machine whose clock is wrong would claim slots before they come, or late. So its clock is held against
//! the storage's, by the date of an object that was just written, and corrected where they differ by more
//! than a little. It is compared with it again when it jumps, which the machine's monotonic clock shows, and
//! from time to time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::failed;

/// Dates of objects may be cut to seconds, and answers take their time: a smaller difference says nothing.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(3);

/// An answer that takes longer is too inaccurate a reading of the storage's clock.
const SLOWEST: Duration = Duration::from_secs(2);

/// How often the storage is asked in a row.
const ATTEMPTS: usize = 5;

/// How long a comparison holds.
const HOLDS: Duration = Duration::from_secs(600);

const CLOCK: &str = tranche_store::layout::system::CLOCK.path;

/// The local clock, corrected by the storage's.
pub struct StorageClock<'a> {
    ledger: &'a Ledger,
    local: &'a dyn Clock,
    compared: Option<Comparison>,
}

#[derive(Clone, Copy)]
struct Comparison {
    /// How far the storage's clock is ahead of the local one.
    offset: SignedDuration,
    local: Timestamp,
    at: Instant,
}

impl<'a> StorageClock<'a> {
    /// A clock that is compared when it is first asked.
    #[must_use]
    pub fn new(ledger: &'a Ledger, local: &'a dyn Clock) -> Self {
        Self { ledger, local, compared: None }
    }

    /// The present instant.
    ///
    /// # Errors
    /// [`RunError::Store`] when the clocks have to be compared and the storage fails, [`RunError::Clock`]
    /// when it is too slow.
    pub async fn now(&mut self) -> Result<Timestamp, RunError> {
        let compared = match self.compared {
            Some(compared) if self.holds(compared) => compared,
            _ => self.compare().await?,
        };
        Ok(self.local.now().saturating_add(compared.offset).unwrap_or(Timestamp::MAX))
    }

    /// How far the storage's clock was ahead of the local one at the last comparison.
    #[must_use]
    pub fn offset(&self) -> SignedDuration {
        self.compared.map_or(SignedDuration::ZERO, |compared| compared.offset)
    }

    /// How long `compared` ago is on the monotonic clock, and whether the local clock agrees.
    fn holds(&self, compared: Comparison) -> bool {
        let elapsed = compared.at.elapsed();
        let Ok(expected) = compared.local.checked_add(elapsed) else { return false };
        elapsed < HOLDS && self.local.now().duration_since(expected).abs() < SignedDuration::from_secs(1)
    }

    async fn compare(&mut self) -> Result<Comparison, RunError> {
        let mut took = Duration::ZERO;
        for _ in 0..ATTEMPTS {
            let compared = self.attempt().await?;
            took = compared.at.elapsed();
            if took <= SLOWEST {
                if compared.offset != self.offset() && !compared.offset.is_zero() {
                    let seconds = -compared.offset.as_secs();
                    tracing::warn!(
                        seconds,
                        "this machine's clock is ahead of the storage's; using the storage's clock for slots"
                    );
                }
                self.compared = Some(compared);
                return Ok(compared);
            }
        }
        Err(RunError::Clock { seconds: took.as_secs() })
    }

    async fn attempt(&self) -> Result<Comparison, RunError> {
        let path = Path::from(CLOCK);
        let (local, at) = (self.local.now(), Instant::now());
        let written = self.ledger.objects.put(&path, PutPayload::from_static(b"{}")).await;
        written.map_err(|error| failed(&path, error))?;
        let met = self.ledger.objects.head(&path).await.map_err(|error| failed(&path, error))?;
        let storage = Timestamp::from_millisecond(met.last_modified.timestamp_millis());
        let storage = storage.map_err(|error| RunError::damaged(&path, error))?;
        // The object was written at some instant between the two: the rest is the least by which the clocks
        // can differ.
        let (took, ahead) = (
            SignedDuration::try_from(at.elapsed()).unwrap_or(SignedDuration::MAX),
            storage.duration_since(local),
        );
        let least = if ahead > took { ahead.saturating_sub(took) } else { ahead.min(SignedDuration::ZERO) };
        let offset = if least.abs() <= TOLERANCE { SignedDuration::ZERO } else { least };
        Ok(Comparison { offset, local, at })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use object_store::memory::InMemory;

    use super::*;

    /// The in-memory store's clock, plus an offset.
    struct Ahead(Mutex<SignedDuration>);

    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            Timestamp::now() + *self.0.lock().unwrap()
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_wrong_is_corrected_and_one_that_jumps_is_compared_anew() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let local = Ahead(Mutex::new(SignedDuration::ZERO));
        let mut clock = StorageClock::new(&ledger, &local);
        for (ahead_seconds, corrected) in
            [(0, false), (1, false), (3_600, true), (-3_600, true), (2, false), (-10, true)]
        {
            let ahead = SignedDuration::from_secs(ahead_seconds);
            *local.0.lock().unwrap() = ahead;
            let off = clock.now().await.unwrap().duration_since(Timestamp::now());
            let expected = if corrected { SignedDuration::ZERO } else { ahead };
            assert!(
                (off - expected).abs() < SignedDuration::from_millis(900),
                "{ahead_seconds} s ahead: {off}"
            );
        }
    }
}

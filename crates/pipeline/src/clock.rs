//! The wall clock, passed in: it dates the log and decides nothing.

use jiff::Timestamp;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// An id for a new run. Ids sort by the instant at which they were made.
#[must_use]
pub fn new_run_id(clock: &dyn Clock) -> String {
    let now = clock.now();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(&'static str);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0.parse().unwrap()
        }
    }

    #[test]
    fn ids_are_different_and_sort_by_time() {
        let early = new_run_id(&At("2026-11-01T02:00:00Z"));
        let late = new_run_id(&At("2026-11-01T02:00:00.002Z"));
        assert!(early < late, "{early} {late}");
        assert_ne!(early, new_run_id(&At("2026-11-01T02:00:00Z")));
        assert_eq!(early.len(), 32);
    }
}

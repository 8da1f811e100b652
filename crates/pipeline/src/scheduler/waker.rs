//! What wakes the scheduler between two looks of its own.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::schedule::Calendar;

/// Wakes a scheduler around the slots of calendars. It decides nothing: a wake-up that is lost, doubled, late
/// or early costs at most the time until the scheduler looks by itself.
#[async_trait]
pub trait Waker: Send + Sync {
    /// Wakes at the slots of these calendars from now on, and at those of no others. Called at every tick of
    /// the scheduler, so it is cheap when nothing changed.
    async fn follow(&self, calendars: &[&Calendar], now: Timestamp);

    /// Completes at the next wake-up. Those that come while nothing waits for them count as one. The future
    /// may be dropped.
    async fn woken(&self);
}

/// Never wakes the scheduler.
#[async_trait]
impl Waker for () {
    async fn follow(&self, _: &[&Calendar], _: Timestamp) {}

    async fn woken(&self) {
        std::future::pending().await
    }
}

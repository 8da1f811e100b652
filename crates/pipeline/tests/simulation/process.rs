//! A process of a simulation: it can be killed or frozen at any point, and has a clock of its own.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tranche_pipeline::Clock;

use crate::world::World;

/// A process.
pub(crate) struct Process {
    world: Arc<World>,
    killed: CancellationToken,
    frozen_until: Mutex<Option<Instant>>,
    /// What its wall clock is ahead of true time.
    pub(crate) ahead: Mutex<SignedDuration>,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, ahead: SignedDuration) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            killed: CancellationToken::new(),
            frozen_until: Mutex::default(),
            ahead: Mutex::new(ahead),
        })
    }

    /// Called by the process: its last act.
    pub(crate) async fn kill(&self) {
        self.killed.cancel();
        std::future::pending::<()>().await;
    }

    /// Called by the process: nothing of it happens for so long.
    pub(crate) async fn freeze(&self, length: Duration) {
        *self.frozen_until.lock().unwrap() = Some(Instant::now() + length);
        tokio::task::yield_now().await;
    }

    /// Lives until `body` ends or the process is killed; says whether it ended by itself.
    pub(crate) async fn live<F: Future>(self: &Arc<Self>, body: F) -> Option<F::Output> {
        let frozen = Freezable { body: Box::pin(body), process: Arc::clone(self), thaw: None };
        tokio::select! {
            biased;
            () = self.killed.cancelled() => None,
            output = frozen => Some(output),
        }
    }
}

impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.world.now() + *self.ahead.lock().unwrap()
    }
}

/// A future that is not polled while its process is frozen.
struct Freezable<F> {
    body: Pin<Box<F>>,
    process: Arc<Process>,
    thaw: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Freezable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            let until = *self.process.frozen_until.lock().unwrap();
            let Some(until) = until else { break };
            let mut thaw = self.thaw.take().unwrap_or_else(|| Box::pin(sleep_until(until)));
            if thaw.as_mut().poll(cx).is_pending() {
                self.thaw = Some(thaw);
                return Poll::Pending;
            }
            *self.process.frozen_until.lock().unwrap() = None;
        }
        let polled = self.body.as_mut().poll(cx);
        if polled.is_pending() && self.process.frozen_until.lock().unwrap().is_some() {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

//! Messages that wait to be told, among a lake's objects: none is lost to a crash, and none is told again without saying so.
//!
//! `_sys/outbox/<message>/message.json` is created once for each message. Before a channel is tried,
//! `<channel>-try-<n>.json` is created: who creates it is the one who tries. After the channel took the message,
//! `<channel>-sent.json` is. Whoever crashes between the two leaves a try that nobody ended: the next one says that it may be a repetition, and
//! carries the same id.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tranche_store::StoreError;
use tranche_store::create_once::{Creation, create_once, read_once};

use crate::{Message, ObserveError, Sender};

pub(crate) const OUTBOX: &str = "_sys/outbox";
const MESSAGE: &str = "message.json";
const SENT: &str = "sent.json";

/// How long a try may be at work, and the first pause before another.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Pauses double up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);

/// Channels that are tried at the same time.
const CHANNELS: usize = 8;

/// The messages of a lake that are or were to be told.
#[derive(Debug, Clone)]
pub struct Outbox {
    objects: Arc<dyn ObjectStore>,
}

/// What became of the messages in an outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How often a channel took a message.
    pub sent: usize,
    /// How often one did not, so that it is tried again later.
    pub failed: usize,
    /// How often one was not tried: its pause is not over, another process is at it, or the channel has just failed.
    pub waiting: usize,
}

impl Delivery {
    fn and(self, other: Self) -> Self {
        let (sent, failed, waiting) =
            (self.sent + other.sent, self.failed + other.failed, self.waiting + other.waiting);
        Self { sent, failed, waiting }
    }
}

/// A message, what lies beside it, and the channels that have not taken it.
type Waiting<'a> = (Message, Vec<&'a ObjectMeta>, Vec<&'a Sender>);

/// What became of one message and one channel.
enum Tried {
    Sent,
    Failed,
    /// Its pause is not over, or another process is at it.
    Waits,
}

impl Outbox {
    /// The outbox among a lake's plain objects.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Puts a message in, unless it is there; says whether it was not.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn put(&self, message: &Message) -> Result<bool, ObserveError> {
        let path = folder(&message.id).join(MESSAGE);
        let failed = |error: serde_json::Error| StoreError::Read { reason: error.to_string() };
        let body = serde_json::to_string(message).map_err(failed)?;
        Ok(create_once(self.objects.as_ref(), &path, &body).await? == Creation::Won)
    }

    /// Sends every message that is not sent to every channel that wants it, to each in the order of what happened. A channel that fails
    /// is left alone until the next time, and keeps no other waiting. `now_millis` is the present instant, in milliseconds since 1970; it
    /// decides only how soon a channel that failed is tried again.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails. A channel that fails is no error: its message stays.
    pub async fn deliver(&self, senders: &[Sender], now_millis: i64) -> Result<Delivery, ObserveError> {
        let root = Path::from(OUTBOX);
        let listed = self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| StoreError::object(&root, e))?;
        let found: Vec<&ObjectMeta> = listed.iter().filter(|object| object.location.filename() == Some(MESSAGE)).collect();
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        for found in found {
            let folder = parent(&found.location);
            let beside: Vec<&ObjectMeta> = listed.iter().filter(|object| parent(&object.location) == folder).collect();
            let unsent: Vec<&Sender> =
                senders.iter().filter(|sender| !has(&beside, &format!("{}-{SENT}", sender.key()))).collect();
            if !unsent.is_empty()
                && let Some(message) = self.read(&found.location).await?
            {
                waiting.push((message, beside, unsent));
            }
        }
        waiting.sort_by(|(a, ..), (b, ..)| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let of = |sender: &Sender| {
            let is_for = |(message, _, unsent): &&Waiting<'_>| {
                unsent.iter().any(|found| std::ptr::eq(*found, sender)) && sender.wants(message)
            };
            waiting.iter().filter(is_for).map(|(message, beside, _)| (message, beside.as_slice())).collect::<Vec<_>>()
        };
        let rounds: Vec<_> = senders.iter().map(|sender| self.round(sender, of(sender), now_millis).boxed()).collect();
        let rounds: Vec<Delivery> = stream::iter(rounds).buffer_unordered(CHANNELS).try_collect().await?;
        Ok(rounds.into_iter().fold(Delivery::default(), Delivery::and))
    }

    /// Sends one channel what waits for it. The first message that it does not take ends the round: a receiver that is gone costs one
    /// patience, however much waits.
    async fn round(
        &self,
        sender: &Sender,
        messages: Vec<(&Message, &[&ObjectMeta])>,
        now_millis: i64,
    ) -> Result<Delivery, ObserveError> {
        let mut delivery = Delivery::default();
        for (index, (message, beside)) in messages.iter().enumerate() {
            match self.try_one(message, sender, beside, now_millis).await? {
                Tried::Sent => delivery.sent += 1,
                Tried::Waits => delivery.waiting += 1,
                Tried::Failed => {
                    delivery.failed += 1;
                    delivery.waiting += messages.len() - index - 1;
                    break;
                }
            }
        }
        Ok(delivery)
    }

    /// Removes messages that happened before an instant, whether they were sent or not, and returns how many.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn expire(&self, before_millis: i64) -> Result<u64, ObserveError> {
        let root = Path::from(OUTBOX);
        let listed = self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| StoreError::object(&root, e))?;
        let is_old = |object: &&ObjectMeta| {
            object.location.filename() == Some(MESSAGE) && object.last_modified.timestamp_millis() < before_millis
        };
        let old: Vec<&ObjectMeta> = listed.iter().filter(is_old).collect();
        for message in &old {
            let folder = parent(&message.location);
            // The message goes last: without it, what lies beside it would never be found.
            let mut all: Vec<&ObjectMeta> = listed.iter().filter(|object| parent(&object.location) == folder).collect();
            all.sort_by_key(|object| object.location == message.location);
            for object in all {
                match self.objects.delete(&object.location).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(StoreError::object(&object.location, error).into()),
                }
            }
        }
        Ok(old.len() as u64)
    }

    /// A message; one that cannot be read is left to `doctor`.
    async fn read(&self, path: &Path) -> Result<Option<Message>, ObserveError> {
        let body = match read_once(self.objects.as_ref(), path).await {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!(%path, %error, "a message in the outbox cannot be read");
                return Ok(None);
            }
        };
        Ok(serde_json::from_slice(&body).ok())
    }

    async fn try_one(
        &self,
        message: &Message,
        sender: &Sender,
        beside: &[&ObjectMeta],
        now_millis: i64,
    ) -> Result<Tried, ObserveError> {
        let prefix = format!("{}-try-", sender.key());
        let tries: Vec<&&ObjectMeta> =
            beside.iter().filter(|object| object.location.filename().is_some_and(|name| name.starts_with(&prefix))).collect();
        let last = tries.iter().map(|object| object.last_modified.timestamp_millis()).max();
        if last.is_some_and(|last| now_millis < last.saturating_add(pause_millis(tries.len()))) {
            return Ok(Tried::Waits);
        }
        let attempt = tries.len() + 1;
        let path = folder(&message.id).join(format!("{prefix}{attempt:04}.json"));
        if create_once(self.objects.as_ref(), &path, "{}").await? != Creation::Won {
            return Ok(Tried::Waits);
        }
        if let Err(error) = sender.send(message, attempt).await {
            tracing::warn!(message = message.id, channel = sender.key(), attempt, "not told yet: {error}");
            return Ok(Tried::Failed);
        }
        let sent = folder(&message.id).join(format!("{}-{SENT}", sender.key()));
        create_once(self.objects.as_ref(), &sent, "{}").await?;
        Ok(Tried::Sent)
    }
}

/// The pause after so many tries.
fn pause_millis(tries: usize) -> i64 {
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16));
    i64::try_from(doubled.min(LONGEST_PAUSE).as_millis()).unwrap_or(i64::MAX)
}

fn folder(id: &str) -> Path {
    Path::from(OUTBOX).join(id)
}

fn parent(path: &Path) -> &str {
    path.as_ref().rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn has(beside: &[&ObjectMeta], name: &str) -> bool {
    beside.iter().any(|object| object.location.filename() == Some(name))
}

#[cfg(test)]
mod tests;

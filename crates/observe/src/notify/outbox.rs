//! The outbox: messages that wait for delivery, among a lake's objects. None is lost to a crash, and a
//! repetition says that it is one.
//!
//! `_sys/outbox/<message>/message.json` is created once for each message. Before a channel is tried,
//! `<channel>-try-<n>.json` is created: the process that creates it makes the try. After the channel took the
//! message, `<channel>-sent.json` is created. A crash between the two leaves an open try: the next one says
//! that it may be a repetition, and has the same id.
//!
//! `_sys/outbox-channels/<channel>.json` says since when there is the channel: earlier events are not for it.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tranche_store::integrity::Finding;
use tranche_store::objects::{Creation, create_once, read_once, write_document};
use tranche_store::{StoreError, layout};

use super::message::Message;
use super::sender::Sender;
use crate::error::ObserveError;

pub(crate) const OUTBOX: &str = layout::system::OUTBOX.path;
const CHANNEL_FOLDER: &str = layout::system::OUTBOX_CHANNELS.path;
const MESSAGE: &str = "message.json";
const SENT: &str = "sent.json";

/// How long a try may take, and the first pause before another.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Pauses double up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);

/// A message that was put into the outbox so long before there was a channel is older than it, whatever the
/// clocks.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);
/// Channels that are tried at the same time.
const CHANNELS: usize = 8;

/// The outbox of a lake.
#[derive(Debug, Clone)]
pub struct Outbox {
    objects: Arc<dyn ObjectStore>,
}

/// The outcome of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How often a channel took a message.
    pub sent: usize,
    /// How often one did not, so that it is tried again later.
    pub failed: usize,
    /// How often one was not tried: its pause is not over, another process is trying, or the channel has just
    /// failed.
    pub waiting: usize,
}

impl Delivery {
    fn and(self, other: Self) -> Self {
        let (sent, failed, waiting) =
            (self.sent + other.sent, self.failed + other.failed, self.waiting + other.waiting);
        Self { sent, failed, waiting }
    }
}

/// Since when there is a channel.
#[derive(Debug, Serialize, Deserialize)]
struct Since {
    since: Timestamp,
}

/// A message, the objects beside it, and the channels that have not taken it.
type Waiting<'a> = (Message, Vec<&'a ObjectMeta>, Vec<&'a Sender>);

/// The outcome of one message for one channel.
enum Tried {
    Sent,
    Failed,
    /// Its pause is not over, or another process is trying.
    Waits,
}

impl Outbox {
    /// The outbox among a lake's plain objects.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Puts a message in, unless it is there; returns whether it was added.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn put(&self, message: &Message) -> Result<bool, ObserveError> {
        let path = folder(&message.id).join(MESSAGE);
        let failed = |error: serde_json::Error| StoreError::Read { reason: error.to_string() };
        let body = serde_json::to_string(message).map_err(failed)?;
        Ok(create_once(self.objects.as_ref(), &path, &body).await? == Creation::Won)
    }

    /// Registers channels that are seen for the first time: earlier events are not for them. To be called
    /// before the events that they are to be notified about.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn open(&self, senders: &[Sender], now_millis: i64) -> Result<(), ObserveError> {
        for sender in senders {
            self.since(sender, now_millis).await?;
        }
        Ok(())
    }

    /// Since when there is a channel: from now on, if it is seen for the first time, or that cannot be read any
    /// more. `None` where another version wrote it, which is left to `doctor`.
    async fn since(&self, sender: &Sender, now_millis: i64) -> Result<Option<Timestamp>, ObserveError> {
        let path = channel_path(sender.key());
        let since = Timestamp::from_millisecond(now_millis).unwrap_or(Timestamp::UNIX_EPOCH);
        let body = serde_json::json!(Since { since }).to_string();
        let objects = self.objects.as_ref();
        let found = match read_once(objects, &path).await {
            Ok(Some(found)) => found,
            Ok(None) => match create_once(objects, &path, &body).await? {
                Creation::Lost(theirs) => theirs,
                Creation::Won | Creation::Torn(_) => body.into(),
            },
            Err(StoreError::Damaged { reason, .. }) => {
                tracing::warn!(%path, reason, "a channel is notified from now on");
                write_document(objects, &path, &body).await?;
                body.into()
            }
            Err(error) => return Err(error.into()),
        };
        let parsed = serde_json::from_slice::<Since>(&found).map_err(|error| error.to_string());
        let parsed =
            parsed.inspect_err(|reason| tracing::warn!(%path, reason, "nothing is sent to a channel"));
        Ok(parsed.ok().map(|parsed| parsed.since))
    }

    /// Sends every undelivered message to every channel that wants it, to each in the order of the events. A
    /// channel that fails is left alone until the next time, and keeps no other waiting. `now_millis` is the
    /// present instant, in milliseconds since 1970; it decides only how soon a channel that failed is tried
    /// again.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails. A channel that fails is no error: its message stays.
    pub async fn deliver(&self, senders: &[Sender], now_millis: i64) -> Result<Delivery, ObserveError> {
        let root = Path::from(OUTBOX);
        let listed = self
            .objects
            .list(Some(&root))
            .try_collect::<Vec<_>>()
            .await
            .map_err(|e| StoreError::object(&root, e))?;
        let mut channels = Vec::new();
        for sender in senders {
            channels.extend(self.since(sender, now_millis).await?.map(|since| (sender, since)));
        }
        let found: Vec<&ObjectMeta> =
            listed.iter().filter(|object| object.location.filename() == Some(MESSAGE)).collect();
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        for found in found {
            let folder = parent(&found.location);
            let beside: Vec<&ObjectMeta> =
                listed.iter().filter(|object| parent(&object.location) == folder).collect();
            let is_unsent = |(sender, since): &&(&Sender, Timestamp)| {
                may_lie_after(found, *since) && !has(&beside, &format!("{}-{SENT}", sender.key()))
            };
            let unsent: Vec<(&Sender, Timestamp)> = channels.iter().filter(is_unsent).copied().collect();
            if !unsent.is_empty()
                && let Some(message) = self.read(&found.location).await?
            {
                let is_theirs = |(_, since): &(&Sender, Timestamp)| message.at >= *since;
                let unsent = unsent.into_iter().filter(is_theirs).map(|(sender, _)| sender).collect();
                waiting.push((message, beside, unsent));
            }
        }
        waiting.sort_by(|(a, ..), (b, ..)| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let of = |sender: &Sender| {
            let is_for = |(message, _, unsent): &&Waiting<'_>| {
                unsent.iter().any(|found| std::ptr::eq(*found, sender)) && sender.wants(message)
            };
            waiting
                .iter()
                .filter(is_for)
                .map(|(message, beside, _)| (message, beside.as_slice()))
                .collect::<Vec<_>>()
        };
        let rounds: Vec<_> =
            senders.iter().map(|sender| self.round(sender, of(sender), now_millis).boxed()).collect();
        let rounds: Vec<Delivery> = stream::iter(rounds).buffer_unordered(CHANNELS).try_collect().await?;
        Ok(rounds.into_iter().fold(Delivery::default(), Delivery::and))
    }

    /// Sends one channel its waiting messages. The first that it does not take ends the round: a receiver
    /// that is away costs one timeout, however many wait.
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

    /// Removes messages that are older than an instant, sent or not, and returns how many.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn expire(&self, before_millis: i64) -> Result<u64, ObserveError> {
        let root = Path::from(OUTBOX);
        let listed = self
            .objects
            .list(Some(&root))
            .try_collect::<Vec<_>>()
            .await
            .map_err(|e| StoreError::object(&root, e))?;
        let is_old = |object: &&ObjectMeta| {
            object.location.filename() == Some(MESSAGE)
                && object.last_modified.timestamp_millis() < before_millis
        };
        let old: Vec<&ObjectMeta> = listed.iter().filter(is_old).collect();
        for message in &old {
            let folder = parent(&message.location);
            // The message is removed last: without it, the objects beside it would never be found.
            let mut all: Vec<&ObjectMeta> =
                listed.iter().filter(|object| parent(&object.location) == folder).collect();
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

    /// Findings in the outbox: messages that cannot be read, and so are never sent, and channels.
    ///
    /// # Errors
    /// [`ObserveError::Store`] when the storage fails.
    pub async fn check_integrity(&self) -> Result<Vec<Finding>, ObserveError> {
        let mut findings = Vec::new();
        for root in [OUTBOX, CHANNEL_FOLDER].map(Path::from) {
            let listed = self
                .objects
                .list(Some(&root))
                .try_collect::<Vec<_>>()
                .await
                .map_err(|e| StoreError::object(&root, e))?;
            for path in listed.iter().map(|object| &object.location) {
                let is_channel = root.as_ref() == CHANNEL_FOLDER;
                if !is_channel && path.filename() != Some(MESSAGE) {
                    continue;
                }
                let problem = match read_once(self.objects.as_ref(), path).await {
                    Ok(None) => continue,
                    Ok(Some(body)) if is_channel => {
                        serde_json::from_slice::<Since>(&body).err().map(|error| error.to_string())
                    }
                    Ok(Some(body)) => {
                        serde_json::from_slice::<Message>(&body).err().map(|error| error.to_string())
                    }
                    Err(StoreError::Damaged { reason, .. }) => Some(reason),
                    Err(error) => return Err(error.into()),
                };
                let advice = match is_channel {
                    true => format!("remove `{path}`: then the channel is notified about later events"),
                    false => {
                        format!(
                            "remove `{}/`: `tranche runs` lists what it may have been about",
                            parent(path)
                        )
                    }
                };
                findings.extend(
                    problem.map(|reason| Finding::new(format!("`{path}` is damaged: {reason}"), advice)),
                );
            }
        }
        Ok(findings)
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
        let message = serde_json::from_slice(&body);
        Ok(message
            .inspect_err(|error| tracing::warn!(%path, %error, "a message in the outbox cannot be read"))
            .ok())
    }

    async fn try_one(
        &self,
        message: &Message,
        sender: &Sender,
        beside: &[&ObjectMeta],
        now_millis: i64,
    ) -> Result<Tried, ObserveError> {
        let prefix = format!("{}-try-", sender.key());
        let tries: Vec<&&ObjectMeta> = beside
            .iter()
            .filter(|object| object.location.filename().is_some_and(|name| name.starts_with(&prefix)))
            .collect();
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
            tracing::warn!(
                message = message.id,
                channel = sender.key(),
                attempt,
                "not delivered yet: {error}"
            );
            return Ok(Tried::Failed);
        }
        let sent = folder(&message.id).join(format!("{}-{SENT}", sender.key()));
        create_once(self.objects.as_ref(), &sent, "{}").await?;
        Ok(Tried::Sent)
    }
}

/// Whether a message may be of an instant after this one, as far as the date of its object says.
fn may_lie_after(object: &ObjectMeta, instant: Timestamp) -> bool {
    let differ = i64::try_from(CLOCKS_DIFFER.as_millis()).unwrap_or(i64::MAX);
    object.last_modified.timestamp_millis().saturating_add(differ) >= instant.as_millisecond()
}

/// The pause after so many tries.
fn pause_millis(tries: usize) -> i64 {
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16));
    i64::try_from(doubled.min(LONGEST_PAUSE).as_millis()).unwrap_or(i64::MAX)
}

fn folder(id: &str) -> Path {
    Path::from(OUTBOX).join(id)
}

fn channel_path(key: &str) -> Path {
    Path::from(CHANNEL_FOLDER).join(format!("{key}.json"))
}

fn parent(path: &Path) -> &str {
    path.as_ref().rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn has(beside: &[&ObjectMeta], name: &str) -> bool {
    beside.iter().any(|object| object.location.filename() == Some(name))
}

#[cfg(test)]
mod tests;

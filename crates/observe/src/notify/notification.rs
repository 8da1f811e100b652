//! `notifications:` of `tranche.yaml`: who is notified about which events, and by which channel.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tranche_project::{Problems, SourceFile, Spanned};

use crate::variables::variables;

/// One entry of `notifications:`, as its author wrote it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSpec {
    /// The kind of channel.
    #[schemars(with = "ChannelSpec")]
    pub to: Spanned<ChannelSpec>,
    /// Webhook: where a message is posted, as Slack takes it. Email: the server, `smtps://user:${PASSWORD}@mail.example.org` or
    /// `smtp://mail.example.org:587`. `${NAME}` stands for a variable of the environment, where secrets belong.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// Email: the sender.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<String>>,
    /// Email: who receives it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub recipients: Vec<Spanned<String>>,
    /// The events to notify about (default all).
    #[serde(default)]
    pub on: Option<BTreeSet<Occasion>>,
    /// Only these pipelines (default all); events of no pipeline, such as a table that is not fresh, are always sent.
    #[serde(default)]
    pub pipelines: Option<BTreeSet<String>>,
}

/// `to:` of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelSpec {
    /// A POST of JSON that Slack understands.
    Webhook,
    /// A mail.
    Email,
}

/// An event that people are notified about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A run failed.
    Failure,
    /// A run is done, and the one before it failed.
    Recovery,
    /// A run is done, but only after its next slot had come or after it was resumed.
    Late,
    /// A table or segment is older than its `freshness`.
    Freshness,
}

/// Who is notified about which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The way to the receiver.
    pub channel: Channel,
    /// The events to notify about; at least one.
    pub on: BTreeSet<Occasion>,
    /// The pipelines to notify about; `None` for all.
    pub pipelines: Option<BTreeSet<String>>,
}

/// A way to a receiver. A URL is as it was written, with the names of variables instead of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A POST of JSON that Slack understands.
    Webhook {
        /// The URL that is posted to.
        url: String,
    },
    /// A mail.
    Email {
        /// The server: `smtp://` or `smtps://`.
        url: String,
        /// The sender.
        from: String,
        /// Who receives it; at least one.
        recipients: Vec<String>,
    },
}

impl NotificationSpec {
    /// The notification that the author means, or `None` when a problem was reported.
    pub(crate) fn validate(self, file: &SourceFile, problems: &mut Problems) -> Option<Notification> {
        let before = problems.len();
        let schemes: &[&str] = match self.to.value {
            ChannelSpec::Webhook => &["http://", "https://"],
            ChannelSpec::Email => &["smtp://", "smtps://"],
        };
        // All of it may be a secret.
        if !self.url.value.starts_with("${")
            && !schemes.iter().any(|scheme| self.url.value.starts_with(scheme))
        {
            let message = format!("`{}` must begin with {}", self.url.value, schemes.join(" or "));
            problems.report(file, self.url.referenced, message);
        }
        if let Err(message) = variables(&self.url.value, |_| Some(String::new())) {
            problems.report(file, self.url.referenced, message);
        }
        let channel = match self.to.value {
            ChannelSpec::Webhook => {
                if let Some(at) = self.from.as_ref().or(self.recipients.first()) {
                    problems.report(
                        file,
                        at.referenced,
                        "`from` and `recipients` are for `to: email`; remove them",
                    );
                }
                Channel::Webhook { url: self.url.value }
            }
            ChannelSpec::Email => {
                if self.from.is_none() {
                    problems.report(
                        file,
                        self.to.referenced,
                        "a mail needs a sender: `from: tranche@example.org`",
                    );
                }
                if self.recipients.is_empty() {
                    problems.report(
                        file,
                        self.to.referenced,
                        "a mail needs `recipients: [someone@example.org]`",
                    );
                }
                for address in
                    self.from.iter().chain(&self.recipients).filter(|address| !address.value.contains('@'))
                {
                    problems.report(
                        file,
                        address.referenced,
                        format!("`{}` is not a mail address", address.value),
                    );
                }
                let recipients = self.recipients.into_iter().map(|address| address.value).collect();
                Channel::Email {
                    url: self.url.value,
                    from: self.from.map(|from| from.value).unwrap_or_default(),
                    recipients,
                }
            }
        };
        let on = self.on.unwrap_or_else(|| Occasion::ALL.into());
        (problems.len() == before).then_some(Notification { channel, on, pipelines: self.pipelines })
    }
}

impl Occasion {
    /// All events.
    pub const ALL: [Self; 4] = [Self::Failure, Self::Recovery, Self::Late, Self::Freshness];

    /// Its name in `tranche.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Late => "late",
            Self::Freshness => "freshness",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

//! The ways to deliver a message.

use std::collections::BTreeSet;

use serde_json::json;

use super::message::Message;
use super::notification::{Channel, Notification, Occasion};
use crate::email::Mailer;
use crate::error::ObserveError;
use crate::http::Poster;
use crate::variables::variables;

/// A receiver of messages, and the way to it.
#[derive(Debug, Clone)]
pub struct Sender {
    key: String,
    on: BTreeSet<Occasion>,
    pipelines: Option<BTreeSet<String>>,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Webhook(Poster),
    Email(Box<Mailer>),
}

impl Sender {
    /// The receivers of a notification of tranche.yaml: each recipient gets a mail of their own, so that one
    /// whom the server refuses does not keep it from the others. `value_of` looks up the variables of the
    /// environment.
    ///
    /// # Errors
    /// [`ObserveError::Place`] when nothing can be sent there, such as for a missing variable.
    pub fn of(
        notification: &Notification,
        value_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Self>, ObserveError> {
        let resolved = |url: &str| {
            variables(url, &value_of).map_err(|reason| ObserveError::place("a notification", reason))
        };
        // By what is written, not by the secret in it: a new password is no new receiver.
        let sender = |kind: &str, identity: &str, way| Self {
            key: format!("{kind}-{}", &blake3::hash(identity.as_bytes()).to_hex()[..12]),
            on: notification.on.clone(),
            pipelines: notification.pipelines.clone(),
            way,
        };
        match &notification.channel {
            Channel::Webhook { url } => {
                Ok(vec![sender("webhook", url, Way::Webhook(Poster::new(&resolved(url)?)?))])
            }
            Channel::Email { url, from, recipients } => {
                let server = resolved(url)?;
                let to = |recipient: &String| {
                    let mailer = Mailer::new(&server, from, recipient)?;
                    Ok(sender("email", &format!("{url}\n{recipient}"), Way::Email(Box::new(mailer))))
                };
                recipients.iter().map(to).collect()
            }
        }
    }

    /// Its identity in the outbox.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Whether it subscribes to this message.
    pub(crate) fn wants(&self, message: &Message) -> bool {
        let is_theirs = match (&self.pipelines, &message.pipeline) {
            (Some(pipelines), Some(pipeline)) => pipelines.contains(pipeline),
            _ => true,
        };
        is_theirs && self.on.contains(&message.occasion)
    }

    /// Sends a message; `attempt` counts from 1, and all but the first may be a repetition.
    pub(crate) async fn send(&self, message: &Message, attempt: usize) -> Result<(), ObserveError> {
        match &self.way {
            Way::Webhook(poster) => {
                let key = ("idempotency-key".to_owned(), message.id.clone());
                poster
                    .post("application/json", &[key], slack(message, attempt).to_string().into_bytes())
                    .await
            }
            Way::Email(mailer) => mailer.send(message, &footer(message, attempt)).await,
        }
    }
}

/// The line that lets a reader recognise a repetition.
fn footer(message: &Message, attempt: usize) -> String {
    match attempt {
        1 => format!("message {}", message.id),
        _ => format!("message {}, attempt {attempt}: you may have it already", message.id),
    }
}

/// A message as Slack's incoming webhooks take it.
fn slack(message: &Message, attempt: usize) -> serde_json::Value {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut blocks = vec![
        json!({"type": "section", "text": {"type": "mrkdwn", "text": format!("*{}*", escaped(&message.title))}}),
    ];
    if !message.text.is_empty() {
        // Slack refuses longer texts.
        let text = escaped(&message.text.chars().take(2_000).collect::<String>());
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    let footer = escaped(&footer(message, attempt));
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": footer}]}));
    json!({"text": escaped(&message.title), "blocks": blocks})
}

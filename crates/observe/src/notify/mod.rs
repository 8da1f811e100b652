//! Notifications: who is notified about which events, the messages about a run, an outbox that holds them
//! until they are delivered, and the ways to deliver them.

mod message;
mod notification;
mod outbox;
mod sender;

pub use message::{Background, Message, messages_of};
pub use notification::{Channel, ChannelSpec, Notification, NotificationSpec, Occasion};
pub use outbox::{Delivery, Outbox};
pub use sender::Sender;

//! Telling people: what there is to tell of a run, an outbox that holds it until it is told, and the ways to tell it.

mod message;
mod outbox;
mod sender;

pub use message::{Background, Message, messages_of};
pub use outbox::{Delivery, Outbox};
pub use sender::Sender;

//! How runs are seen from outside.
//!
//! People are told by a [`Message`], which an [`Outbox`] keeps until each [`Sender`] has taken it. Catalogues are told by a
//! [`LineageEvent`], in the form of OpenLineage. Monitoring reads [`Metrics`] from a port, and spans of `tracing` go to a collector
//! by [`Traces`].
//!
//! This crate looks at runs and changes none: what goes wrong here is logged, and no run fails for it. It knows nothing of SQL, segments or
//! tables but their names. No secret is kept in the lake: messages are, addresses are not.

mod email;
mod error;
mod http;
mod lineage;
mod metrics;
mod notify;
mod traces;

pub use error::ObserveError;
pub use lineage::{Dataset, EventType, Facets, Field, InputField, Lineage, LineageEvent, step_run_id};
pub use metrics::{Metrics, RunMeter, SlotEnd, serve};
pub use notify::{Background, Delivery, Message, Outbox, Sender, messages_of};
pub use traces::{TraceOptions, Traces};

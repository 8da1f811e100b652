//! Observability: how runs are seen from outside.
//!
//! People are notified by a [`Message`], which an [`Outbox`] holds until each [`Sender`] has delivered it.
//! Data catalogues receive a [`LineageEvent`], in the form of OpenLineage. Monitoring scrapes [`Metrics`] and
//! probes from [`Monitoring`], and spans of `tracing` go to a collector by [`Traces`].
//!
//! This crate observes runs and changes none: delivery errors are logged and fail no run. It knows nothing of
//! SQL or segments, and of tables only their names. No secret is stored in the lake: messages are, addresses
//! are not.
//!
//! ```
//! use jiff::Timestamp;
//! use tranche_observe::{Metrics, SlotEnd};
//!
//! let metrics = Metrics::default();
//! metrics.slot("shop", SlotEnd::Done);
//! let page = metrics.text(Timestamp::UNIX_EPOCH);
//! assert!(page.contains("tranche_slots_total{pipeline=\"shop\",fate=\"done\"} 1"));
//! ```

mod email;
mod error;
mod http;
mod lineage;
mod metrics;
mod monitoring;
mod notify;
mod settings;
mod traces;
mod variables;

pub use error::ObserveError;
pub use lineage::{Dataset, EventType, Facets, Field, InputField, Lineage, LineageEvent, step_run_id};
pub use metrics::{Metrics, RunMeter, SlotEnd};
pub use monitoring::{Monitoring, Readiness};
pub use notify::{
    Background, Channel, ChannelSpec, Delivery, Message, Notification, NotificationSpec, Occasion, Outbox,
    Sender, messages_of,
};
pub use settings::{LineageSpec, ObserveSettings, ObserveSpec};
pub use traces::Traces;

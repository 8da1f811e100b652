//! Who is measured, and over which stretch of time around each unit's instant.

use arrow::array::ArrayRef;
use jiff::{SignedDuration, Timestamp};

use crate::metrics::{Metric, MetricKind, Metrics};

/// The units to measure, each with the instant that its time is counted from.
#[derive(Debug)]
pub struct Population {
    /// What messages call it, and what is kept of it is found by: no other population has it.
    pub name: String,
    /// The entity that units are.
    pub entity: String,
    /// The keys, each once.
    pub keys: ArrayRef,
    /// The instant of each unit: its exposure, or the beginning of a period.
    pub at: Vec<Timestamp>,
    /// Facts from this instant on are not counted.
    pub until: Timestamp,
}

/// Over which stretch of time around a unit's instant its facts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From the instant on, for so long; until facts end without a length. A metric's own window and delay go before it.
    After(Option<SignedDuration>),
    /// As long before the instant: a covariate. A metric's own window and delay do not matter.
    Before(SignedDuration),
    /// From the instant on, for so long, whatever windows and delays metrics have: a period that is reported.
    Period(SignedDuration),
}

/// A stretch of time, in microseconds from a unit's instant: the first that counts, and the first that does not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Span {
    /// The window of a metric with facts of its own.
    pub(crate) fn window(self, metric: &Metric) -> Window {
        match (self, &metric.kind) {
            (Self::Before(length), _) => Window { from: -microseconds(length), to: 0 },
            (Self::Period(length), _) => Window { from: 0, to: microseconds(length) },
            (Self::After(_), MetricKind::Retention { from, to, .. }) => {
                Window { from: positive(*from), to: positive(*to) }
            }
            (Self::After(_), MetricKind::Funnel { within, .. }) => delayed(metric, Some(positive(*within))),
            (Self::After(length), _) => {
                delayed(metric, metric.window.map(positive).or(length.map(microseconds)))
            }
        }
    }
}

fn delayed(metric: &Metric, length: Option<i64>) -> Window {
    let from = positive(metric.delay);
    Window { from, to: length.map_or(i64::MAX, |length| from.saturating_add(length)) }
}

fn positive(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// A length in microseconds; one that is longer than time itself is as long as that.
fn microseconds(length: SignedDuration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

impl Metrics {
    /// How long after exposure a unit is observed for a metric; `None` when without end. `length` is what the metric's own window, if
    /// it has one, goes before.
    #[must_use]
    pub fn observed(&self, metric: &Metric, length: Option<SignedDuration>) -> Option<SignedDuration> {
        let ends = self.parts(metric).into_iter().map(|part| Span::After(length).window(part).to);
        let last = ends.max().or(length.map(microseconds)).filter(|last| *last < i64::MAX)?;
        Some(SignedDuration::from_micros(last))
    }
}

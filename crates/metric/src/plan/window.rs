//! The interval around each unit's instant in which its facts count.

use jiff::SignedDuration;

use crate::definition::{Metric, MetricKind, Metrics};

/// The interval around a unit's instant in which its facts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From the instant on, for so long; until facts end without a length. A metric's own window and delay
    /// take precedence.
    After(Option<SignedDuration>),
    /// As long before the instant: a covariate. A metric's own window and delay do not matter.
    Before(SignedDuration),
    /// From the instant on, for so long, whatever windows and delays metrics have: a period that is reported.
    Period(SignedDuration),
}

/// An interval in microseconds from a unit's instant: the first that counts, and the first that no longer
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Window {
    /// Whether another window is inside this one.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
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
    /// How long after exposure a unit is observed for a metric; `None` when without end. A metric's own
    /// window takes precedence over `length`.
    #[must_use]
    pub fn observed(&self, metric: &Metric, length: Option<SignedDuration>) -> Option<SignedDuration> {
        let ends = self.parts(metric).into_iter().map(|part| Span::After(length).window(part).to);
        let last = ends.max().or(length.map(microseconds)).filter(|last| *last < i64::MAX)?;
        Some(SignedDuration::from_micros(last))
    }
}

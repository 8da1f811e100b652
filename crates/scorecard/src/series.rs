//! Every estimate for everyone, day by day.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, MetricRole};

/// The estimates for everyone, day by day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// By what intervals are made, by name.
    pub inference: String,
    /// Whether all intervals of a line hold at once, so that it may be watched day by day and stopped when it
    /// is clear.
    pub valid_at_every_day: bool,
    /// How it is to be read.
    pub note: String,
    /// By metric, treatment and day, a day's own before the cumulative one.
    #[serde(default)]
    pub points: Vec<SeriesPoint>,
}

/// Which units a point is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesSpan {
    /// Those first exposed on the day.
    Daily,
    /// Those first exposed on the day or before.
    Cumulative,
}

impl SeriesSpan {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Cumulative => "cumulative",
        }
    }

    /// The span with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Daily, Self::Cumulative].into_iter().find(|span| span.name() == name)
    }
}

/// A treatment against control, by one metric, of the units of one day or of all days up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    /// The metric.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The treatment.
    pub variant: String,
    /// The day, in the project's time zone.
    #[schemars(with = "String")]
    pub day: Date,
    /// Which units it is about.
    pub span: SeriesSpan,
    /// Units in the treatment.
    pub n: u64,
    /// The treatment's mean.
    pub mean: Option<f64>,
    /// Units in control.
    pub control_n: u64,
    /// Control's mean.
    pub control_mean: Option<f64>,
    /// The difference; none where it is undefined.
    pub absolute: Option<Effect>,
    /// The lift; none where it is undefined.
    pub relative: Option<Effect>,
}

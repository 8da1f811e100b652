//! A report as data: the JSON form that is published, and the only input of the page.
//!
//! Everything the page shows stands in [`ReportDocument`]. Shares and ratios are fractions (0.12 means 12 %), dates are ISO
//! dates, instants RFC 3339. What could not be computed is `None`, never a made-up number; a section without content is left
//! out.

#![expect(
    missing_docs,
    reason = "every type is documented; a field whose name and type say it all goes without"
)]

mod experiment;
mod span;

use serde::{Deserialize, Serialize};

pub use experiment::ExperimentSummary;
pub use span::Span;
pub use tranche_scorecard::{Direction, Interval, ValueKind};

/// One report of one pipeline at one `as_of`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportDocument {
    /// The report's name, as in `reports/<report>.yaml`.
    pub report: String,
    /// What to call it on the page; its name if absent.
    pub title: Option<String>,
    /// What it is for, in a sentence.
    pub description: Option<String>,
    pub pipeline: String,
    pub run_id: String,
    /// The logical instant it is true for.
    pub as_of: String,
    /// The time zone in which periods begin and end.
    pub time_zone: String,
    pub period: Period,
    /// The period it is compared with.
    pub previous_period: Option<Span>,
    /// Coverage of the intervals of [`kpis`](Self::kpis): 0.95.
    pub confidence: Option<f64>,
    #[serde(default)]
    pub tables: Vec<TableVersion>,
    /// The segments shown, in the report's order; the members of a set stand together.
    #[serde(default)]
    pub segments: Vec<SegmentSummary>,
    #[serde(default)]
    pub kpis: Vec<KpiSummary>,
    #[serde(default)]
    pub experiments: Vec<ExperimentSummary>,
    pub data_quality: Option<DataQuality>,
}

/// The reported [`Span`] and its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Period {
    pub unit: PeriodUnit,
    #[serde(flatten)]
    pub span: Span,
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// A committed version of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableVersion {
    pub table: String,
    pub version: u64,
    pub rows: Option<u64>,
}

/// A segment at `as_of`: its size, and what changed since the refresh before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentSummary {
    /// Its full name: `lapsing_vip`, `lifecycle/new`.
    pub segment: String,
    pub description: Option<String>,
    /// The segment set it belongs to: `lifecycle`.
    pub set: Option<String>,
    pub size: u64,
    /// Members per entity of the universe.
    pub share: Option<f64>,
    pub entered: Option<u64>,
    pub exited: Option<u64>,
    /// Ids that its definition returns and the universe lacks; they are left out.
    pub unmatched: u64,
    /// Its size over time, oldest first.
    pub history: Vec<SizeAt>,
}

/// A segment's size at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeAt {
    pub as_of: String,
    pub size: u64,
}

/// A KPI: a metric with a goal, in the period and over time, for all and per segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiSummary {
    pub metric: String,
    pub description: Option<String>,
    /// The unit of its values: an ISO currency code or a word. None for a pure number.
    pub unit: Option<String>,
    pub direction: Direction,
    pub kind: ValueKind,
    /// The value aimed at, in the metric's unit.
    pub target: Option<f64>,
    pub benchmark: Option<Benchmark>,
    /// The period's values; the segment `all` is everyone.
    pub rows: Vec<KpiRow>,
    /// Values of `all` in the periods up to this one, oldest first.
    pub trend: Vec<TrendPoint>,
}

/// What others reach, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    pub value: f64,
    pub source: Option<String>,
}

/// A KPI of one segment in the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiRow {
    /// The segment, or `all`.
    pub segment: String,
    #[serde(flatten)]
    pub measured: Measurement,
    /// The same in the period compared with.
    pub previous: Option<Measurement>,
    /// Change against the previous value, as a ratio of it: 0.08 means 8 % more.
    pub change_ratio: Option<f64>,
    /// Whether the change is more than chance.
    pub change_significant: bool,
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Entities measured.
    pub n: u64,
    pub value: Option<f64>,
    pub interval: Option<Interval>,
}

/// A KPI of everyone in one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendPoint {
    #[serde(flatten)]
    pub span: Span,
    #[serde(flatten)]
    pub measured: Measurement,
    /// Whether the period is not over yet, or lacks data.
    pub incomplete: bool,
}

/// What was read for this report, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataQuality {
    /// What each source gave.
    pub sources: Vec<SourceQuality>,
    /// The report's segments whose definitions return ids that the universe lacks, in its order.
    pub unmatched: Vec<UnmatchedIds>,
}

/// What a source gave, and what of it was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceQuality {
    pub source: String,
    /// Files, or queries, read.
    pub files: u64,
    /// Rows read.
    pub rows: u64,
    /// Rows rejected into quarantine.
    pub rejected: u64,
    pub reasons: Vec<RejectReason>,
}

/// A reason for rejects, and how often it applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectReason {
    pub reason: String,
    pub count: u64,
}

/// Ids that a segment's definition returns and the universe lacks, so that they are no members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnmatchedIds {
    /// The segment's full name.
    pub segment: String,
    /// Distinct ids, at least one.
    pub count: u64,
}

//! A report as data: the JSON form that is published, and the only input of the page.
//!
//! Everything the page shows stands in [`ReportDocument`]. Shares and ratios are fractions (0.12 means 12 %), dates are ISO
//! dates, instants RFC 3339. What could not be computed is `None`, never a made-up number; a section without content is left
//! out.

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
    /// The pipeline that it belongs to.
    pub pipeline: String,
    /// The run that made it.
    pub run_id: String,
    /// The logical instant it is true for, RFC 3339 in UTC.
    pub as_of: String,
    /// The time zone in which periods begin and end, by its IANA name.
    pub time_zone: String,
    /// The period that it is about: the last that was complete at `as_of`.
    pub period: Period,
    /// The period it is compared with.
    pub previous_period: Option<Span>,
    /// Coverage of the intervals of [`kpis`](Self::kpis): 0.95.
    pub confidence: Option<f64>,
    /// The tables of contracts that there are, each in the version that was the latest when the report was made.
    #[serde(default)]
    pub tables: Vec<TableVersion>,
    /// The segments shown, in the report's order; the members of a set stand together.
    #[serde(default)]
    pub segments: Vec<SegmentSummary>,
    /// The KPIs, in the report's order.
    #[serde(default)]
    pub kpis: Vec<KpiSummary>,
    /// The pipeline's experiments, as they were measured last; one that was not measured yet is left out.
    #[serde(default)]
    pub experiments: Vec<ExperimentSummary>,
    /// What was read, and what of it could not be used.
    pub data_quality: Option<DataQuality>,
}

/// The reported [`Span`] and its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// How long it is.
    pub unit: PeriodUnit,
    /// Its days; in JSON they stand beside the unit.
    #[serde(flatten)]
    pub span: Span,
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// A day of the time zone: 23 to 25 hours.
    Day,
    /// Seven days from a Monday.
    Week,
    /// A month of the calendar.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// A year of the calendar.
    Year,
}

/// A committed version of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableVersion {
    /// Its folder in the lake: `tables/orders`.
    pub table: String,
    /// The number of the commit, from 0.
    pub version: u64,
    /// Rows in that version, as its log says; those after `as_of` are among them.
    pub rows: Option<u64>,
}

/// A segment at `as_of`: its size, and what changed since the refresh before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentSummary {
    /// Its full name: `lapsing_vip`, `lifecycle/new`.
    pub segment: String,
    /// Who its members are, as its definition says.
    pub description: Option<String>,
    /// The segment set it belongs to: `lifecycle`.
    pub set: Option<String>,
    /// Its members, computed at `as_of`.
    pub size: u64,
    /// Members per entity of the universe, in [0, 1].
    pub share: Option<f64>,
    /// Members that the refresh before did not have. None where no refresh at this `as_of` was published.
    pub entered: Option<u64>,
    /// Members of the refresh before that are none any more. None where no refresh at this `as_of` was published.
    pub exited: Option<u64>,
    /// Ids that its definition returns and the universe lacks; they are left out.
    pub unmatched: u64,
    /// Its size at every published refresh up to `as_of`, oldest first.
    pub history: Vec<SizeAt>,
}

/// A segment's size at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizeAt {
    /// The instant of the refresh, RFC 3339 in UTC.
    pub as_of: String,
    /// Members.
    pub size: u64,
}

/// A KPI: a metric with a goal, in the period and over time, for all and per segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiSummary {
    /// The metric's name: `average_order_value`.
    pub metric: String,
    /// What the metric measures, as its definition says.
    pub description: Option<String>,
    /// The unit of its values: an ISO currency code or a word. None for a pure number.
    pub unit: Option<String>,
    /// Which way is good.
    pub direction: Direction,
    /// How its values are to be read: a count is a total, everything else a value per entity or a ratio.
    pub kind: ValueKind,
    /// The value aimed at, in the metric's unit.
    pub target: Option<f64>,
    /// What others reach.
    pub benchmark: Option<Benchmark>,
    /// The period's values; the segment `all` is everyone.
    pub rows: Vec<KpiRow>,
    /// Values of everyone in the periods up to this one, oldest first; a period without a value is left out.
    pub trend: Vec<TrendPoint>,
}

/// What others reach, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// In the metric's unit.
    pub value: f64,
    /// Who says so.
    pub source: Option<String>,
}

/// A KPI of one segment in the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiRow {
    /// The segment, or `all`.
    pub segment: String,
    /// The value of those who were members when the period began; in JSON it stands beside the segment.
    #[serde(flatten)]
    pub measured: Measurement,
    /// The same in the period compared with, of those who were members when that one began.
    pub previous: Option<Measurement>,
    /// Change against the previous value, as a ratio of it: 0.08 means 8 % more.
    pub change_ratio: Option<f64>,
    /// Whether the change is more than chance, at the level that [`confidence`](ReportDocument::confidence) leaves: 5 %.
    pub change_significant: bool,
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Entities measured.
    pub n: u64,
    /// In the metric's unit; shares are fractions.
    pub value: Option<f64>,
    /// Where the true value lies with the document's [`confidence`](ReportDocument::confidence).
    pub interval: Option<Interval>,
}

/// A KPI of everyone in one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// The period's days; in JSON they stand beside the value.
    #[serde(flatten)]
    pub span: Span,
    /// The value of the entities that there were when the reported period began.
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
    /// The source's name, as in `sources/<source>.yaml`.
    pub source: String,
    /// Files that were loaded up to `as_of`.
    pub files: u64,
    /// Rows in them, those that were rejected included.
    pub rows: u64,
    /// Rows that were rejected into quarantine.
    pub rejected: u64,
    /// Why, the most frequent first; at most eight.
    pub reasons: Vec<RejectReason>,
}

/// A reason for rejects, and how often it applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectReason {
    /// The column and what is wrong with it, without the value.
    pub reason: String,
    /// Rejected rows.
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

//! A report, `reports/<report>.yaml`, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// A report: KPIs per segment over a period.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche report")]
pub struct ReportSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The report's name.
    #[schemars(with = "String")]
    pub report: Spanned<String>,
    /// What to call it on the page.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// day, week, month, quarter or year; the last complete one before as_of is reported.
    #[schemars(with = "PeriodSpec")]
    pub period: PeriodSpec,
    /// previous (the period before, the default) or last_year.
    #[serde(default)]
    pub compare: Option<CompareSpec>,
    /// The segments to show: `all`, names, `set/label`, `set/*`.
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
    /// The metrics to show, with what they should reach.
    #[serde(default)]
    #[schemars(with = "Vec<KpiSpec>")]
    pub kpis: Vec<KpiSpec>,
    /// What the page shows (default everything).
    #[serde(default)]
    pub sections: Option<Vec<SectionSpec>>,
    /// What is written beside the document, report.json (default html).
    #[serde(default)]
    pub formats: Option<Vec<FormatSpec>>,
}

/// `period:` of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodSpec {
    /// A day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months.
    Quarter,
    /// A calendar year.
    Year,
}

/// `compare:` of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareSpec {
    /// The period before.
    Previous,
    /// The same period of the year before.
    LastYear,
}

/// A KPI of a report.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KpiSpec {
    /// The metric.
    #[schemars(with = "String")]
    pub metric: Spanned<String>,
    /// The value aimed at.
    #[serde(default)]
    pub target: Option<f64>,
    /// What others reach.
    #[serde(default)]
    pub benchmark: Option<BenchmarkSpec>,
}

/// `benchmark:` of a KPI.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkSpec {
    /// The value.
    pub value: f64,
    /// Who says so.
    #[serde(default)]
    pub source: Option<String>,
}

/// A section of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SectionSpec {
    /// KPIs per segment.
    Scorecard,
    /// A line per KPI.
    Trends,
    /// Segment sizes with entered and exited.
    Flows,
    /// What experiments showed.
    Experiments,
    /// What was read and rejected.
    DataQuality,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatSpec {
    /// One self-contained page.
    Html,
    /// The document behind the page.
    Json,
}

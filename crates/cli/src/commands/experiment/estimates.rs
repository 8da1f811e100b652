//! The estimates of an experiment as tables: all of them, and by role and segment.

use serde_json::json;
use tranche_workspace::queries::experiments::{EstimateRow, ExperimentResult, MetricRole};
use tranche_workspace::queries::segments::EVERYONE;

use crate::output::{Column, Rows};

/// Which estimates a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Goals, for everyone.
    Goals,
    /// Secondary metrics and guardrails, for everyone.
    Others,
    /// Every metric, by segment.
    Segments,
}

impl Part {
    /// What stands above its table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Goals => "goals",
            Self::Others => "secondary metrics and guardrails",
            Self::Segments => "by segment",
        }
    }

    fn holds(self, row: &EstimateRow) -> bool {
        let (everyone, goal) = (row.segment == EVERYONE, row.role == MetricRole::Goal);
        match self {
            Self::Goals => everyone && goal,
            Self::Others => everyone && !goal,
            Self::Segments => !everyone,
        }
    }
}

/// The columns of every estimate, as programs read them.
fn columns() -> [Column; 24] {
    [
        Column::key("metric"),
        Column::text("role"),
        Column::key("segment"),
        Column::key("variant"),
        Column::number("n"),
        Column::estimate("mean"),
        Column::number("control_n"),
        Column::estimate("control_mean"),
        Column::number("clusters").detail(),
        Column::number("control_clusters").detail(),
        Column::estimate("absolute"),
        Column::interval("ci"),
        Column::estimate("relative").main(),
        Column::interval("relative_ci").main(),
        Column::probability("p"),
        Column::text("family").detail(),
        Column::probability("p_adjusted"),
        Column::interval("ci_adjusted").detail(),
        Column::probability("chance_to_win").main(),
        Column::estimate("risk"),
        Column::probability("margin_p"),
        Column::text("conclusion").main(),
        Column::prose("undefined"),
        Column::any("trustworthy").detail(),
    ]
}

/// Columns that only some results have.
const OPTIONAL: [&str; 10] = [
    "clusters",
    "control_clusters",
    "family",
    "p_adjusted",
    "ci_adjusted",
    "chance_to_win",
    "risk",
    "margin_p",
    "conclusion",
    "undefined",
];

/// The columns of a part, as people read them: what is concluded, the lift, how sure it is, and then the rest.
const SHOWN: [&str; 19] = [
    "metric",
    "role",
    "segment",
    "variant",
    "conclusion",
    "relative",
    "relative_ci",
    "p",
    "p_adjusted",
    "chance_to_win",
    "margin_p",
    "absolute",
    "ci",
    "control_mean",
    "mean",
    "control_n",
    "n",
    "ci_adjusted",
    "risk",
];

/// Every estimate.
pub(super) fn all(result: &ExperimentResult) -> Rows {
    rows(result, |_| true).without_empty(&OPTIONAL)
}

/// The estimates of a part.
pub(super) fn of(part: Part, result: &ExperimentResult) -> Rows {
    let rows = rows(result, |row| part.holds(row)).in_order(&SHOWN).without_empty(&OPTIONAL);
    match part {
        Part::Goals => rows.only(|name| !["role", "segment"].contains(&name)),
        Part::Others => rows.only(|name| name != "segment"),
        Part::Segments => rows,
    }
}

fn rows(result: &ExperimentResult, wanted: impl Fn(&EstimateRow) -> bool) -> Rows {
    let mut rows = Rows::new(&columns());
    for row in result.estimates.iter().filter(|row| wanted(row)) {
        let (absolute, relative) = (row.absolute.effect(), row.relative.effect());
        rows.push(vec![
            json!(row.metric),
            json!(row.role),
            json!(row.segment),
            json!(row.variant),
            json!(row.n),
            json!(row.mean),
            json!(row.control_n),
            json!(row.control_mean),
            json!(row.basis.clusters),
            json!(row.basis.control_clusters),
            json!(absolute.map(|effect| effect.effect)),
            json!(absolute.map(|effect| effect.ci)),
            json!(relative.map(|effect| effect.effect)),
            json!(relative.map(|effect| effect.ci)),
            json!(absolute.and_then(|effect| effect.p)),
            json!(row.family),
            json!(absolute.and_then(|effect| effect.p_adjusted)),
            json!(absolute.and_then(|effect| effect.ci_adjusted)),
            json!(absolute.and_then(|effect| effect.chance_to_win)),
            json!(absolute.and_then(|effect| effect.risk)),
            json!(row.non_inferiority.as_ref().and_then(|test| test.p)),
            json!(row.conclusion),
            json!(row.undefined),
            json!(result.trustworthy),
        ]);
    }
    rows
}

/// Why metrics have no effect, each reason once.
pub(super) fn reasons(result: &ExperimentResult) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for row in &result.estimates {
        let Some(reason) = &row.undefined else { continue };
        let line = format!("no effect on {}: {reason}", row.metric);
        if !reasons.contains(&line) {
            reasons.push(line);
        }
    }
    reasons
}

/// Whether effects differ between segments: a row for each segment of each test.
pub(super) fn between(result: &ExperimentResult) -> Rows {
    let mut rows = Rows::new(&[
        Column::key("set"),
        Column::key("metric"),
        Column::text("variant").main(),
        Column::estimate("q").detail(),
        Column::number("df").detail(),
        Column::probability("p").main(),
        Column::probability("p_adjusted"),
        Column::estimate("i_squared").detail(),
        Column::key("segment"),
        Column::estimate("effect"),
        Column::estimate("pooled").main(),
        Column::probability("p_rest"),
    ]);
    for test in &result.heterogeneity {
        for segment in &test.segments {
            rows.push(vec![
                json!(test.set),
                json!(test.metric),
                json!(test.variant),
                json!(test.q),
                json!(test.degrees_of_freedom),
                json!(test.p),
                json!(test.p_adjusted),
                json!(test.i_squared),
                json!(segment.segment),
                json!(segment.effect),
                json!(segment.pooled_effect),
                json!(segment.p),
            ]);
        }
    }
    rows.without_empty(&["p_adjusted"])
}

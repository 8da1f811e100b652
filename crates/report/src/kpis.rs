//! The KPIs of a report: each of its metrics by segment, in the current period and in the one that it is compared with.

use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_metric::{Metric, Metrics, UnitValues};
use tranche_stats::Arm;

use crate::definition::{KpiChoice, Report, Section};
use crate::document::{Direction, KpiRow, KpiSummary};
use crate::facts::{Measured, MeasuredPeriod};
use crate::measurement::{arm_of, differs, kind, measurement};
use crate::period::Periods;
use crate::segments::shown;
use crate::trends;

/// The KPIs in the report's order.
pub(crate) fn summaries(
    report: &Report,
    periods: &Periods,
    measured: &Measured,
    metrics: &Metrics,
) -> Vec<KpiSummary> {
    let (current, compared) =
        (BySegment::of(report, &measured.current), BySegment::of(report, &measured.compared));
    let trend = |metric: &Metric| match report.shows(Section::Trends) {
        true => trends::points(metric, periods, measured),
        false => Vec::new(),
    };
    let summary = |(choice, metric): (&KpiChoice, &Metric)| KpiSummary {
        metric: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        direction: match metric.direction {
            tranche_metric::Direction::Increase => Direction::Increase,
            tranche_metric::Direction::Decrease => Direction::Decrease,
        },
        kind: kind(metric),
        target: choice.target,
        benchmark: choice.benchmark.clone(),
        rows: rows(metric, &current, &compared),
        trend: trend(metric),
    };
    report.chosen(metrics).into_iter().map(summary).collect()
}

/// The members of segments when a period begins, and the values of everyone in it.
struct BySegment<'a> {
    members: IndexMap<&'a str, RoaringBitmap>,
    values: &'a UnitValues,
}

impl<'a> BySegment<'a> {
    fn of(report: &Report, period: &'a MeasuredPeriod) -> Self {
        Self { members: shown(report, &period.at_start), values: &period.values }
    }

    fn arm(&self, segment: &str, metric: &Metric) -> Option<Arm> {
        arm_of(self.values, metric, self.members.get(segment)?.iter().map(|number| number as usize))
    }
}

/// A metric in each segment of the current period.
fn rows(metric: &Metric, current: &BySegment<'_>, compared: &BySegment<'_>) -> Vec<KpiRow> {
    let kind = kind(metric);
    let row = |segment: &&str| {
        let arm = current.arm(segment, metric)?;
        let previous_arm = compared.arm(segment, metric);
        let measured = measurement(&arm, kind);
        let previous = previous_arm.as_ref().map(|arm| measurement(arm, kind));
        let both = measured.value.zip(previous.as_ref().and_then(|previous| previous.value));
        let change = both.filter(|(_, before)| *before != 0.0);
        Some(KpiRow {
            segment: (*segment).to_owned(),
            change_ratio: change.map(|(now, before)| (now - before) / before.abs()),
            change_significant: previous_arm.is_some_and(|previous| differs(&previous, &arm)),
            measured,
            previous,
        })
    };
    current.members.keys().filter_map(row).collect()
}

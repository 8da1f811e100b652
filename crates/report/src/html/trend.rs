//! How each KPI went, for everyone: one small chart per KPI, and its numbers below it.

use super::line_chart::{LineChart, Point, Rule};
use super::markup::{Section, bounds, escape, metric_heading, words};
use super::scale::extent;
use super::table::{self, Column, Group};
use super::{moment, reading};
use crate::document::{KpiSummary, PeriodUnit, ReportDocument, TrendPoint};
use crate::number::{ValueFormat, integer};

/// The section, if any KPI has a trend.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let unit = document.period.unit;
    let shown = document.kpis.iter().filter(|kpi| !kpi.trend.is_empty());
    let figures: String = shown.enumerate().map(|(index, kpi)| figure(kpi, unit, index)).collect();
    let note =
        "Everyone, period by period, with intervals as a band. Scales need not begin at zero; a dashed rule is the target."
            .to_owned();
    let body = format!("<div class=\"figures\">{figures}</div>\n");
    (!figures.is_empty()).then_some(Section { id: "trends", title: "Trends", note, body })
}

fn figure(kpi: &KpiSummary, unit: PeriodUnit, index: usize) -> String {
    let format = reading::format(kpi).terse();
    let measured: Vec<&TrendPoint> =
        kpi.trend.iter().filter(|point| reading::number(point.measured.value).is_some()).collect();
    let drawing = match measured.as_slice() {
        [] => format!("<p class=\"empty\">Not measured in any {} so far.</p>\n", moment::unit_noun(unit)),
        [only] => format!(
            "<p class=\"empty\">One {} measured so far ({}: {}); a line needs two.</p>\n",
            moment::unit_noun(unit),
            escape(&moment::span_name(&only.span)),
            escape(&format.value(only.measured.value))
        ),
        _ => format!(
            "{}{}{}",
            chart(kpi, &format, &format!("trend-{index}")),
            incomplete_note(kpi, unit),
            numbers(kpi, &format)
        ),
    };
    let measure = kpi
        .unit
        .as_ref()
        .map_or(String::new(), |unit| format!(" <span class=\"role\">{}</span>", escape(unit)));
    format!(
        "<figure>\n<figcaption><h3>{}{measure}</h3></figcaption>\n{drawing}</figure>\n",
        metric_heading(&kpi.metric)
    )
}

fn chart(kpi: &KpiSummary, format: &ValueFormat, id: &str) -> String {
    let point = |point: &TrendPoint| Point {
        label: moment::span_name(&point.span),
        value: point.measured.value,
        interval: point.measured.interval,
        incomplete: point.incomplete,
    };
    let target = reading::number(kpi.target);
    let target = target
        .map(|target| Rule { value: target, label: Some(format!("target {}", format.value(Some(target)))) });
    LineChart {
        title: format!("{} over time", words(&kpi.metric)),
        description: description(kpi, format),
        points: &kpi.trend.iter().map(point).collect::<Vec<_>>(),
        rules: target.as_slice(),
        value: &|value| format.value(Some(value)),
        tick: &|value, step| format.tick(value, step),
    }
    .svg(id)
}

fn description(kpi: &KpiSummary, format: &ValueFormat) -> String {
    let measured: Vec<&TrendPoint> =
        kpi.trend.iter().filter(|point| reading::number(point.measured.value).is_some()).collect();
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else { return String::new() };
    let range = extent(measured.iter().filter_map(|point| point.measured.value));
    format!(
        "From {} in {} to {} in {}, lowest {}, highest {}.",
        format.value(first.measured.value),
        moment::span_name(&first.span),
        format.value(last.measured.value),
        moment::span_name(&last.span),
        format.value(range.map(|(low, _)| low)),
        format.value(range.map(|(_, high)| high)),
    )
}

fn incomplete_note(kpi: &KpiSummary, unit: PeriodUnit) -> String {
    if kpi.trend.iter().any(|point| point.incomplete) {
        format!(
            "<p class=\"small\">A hollow dot is a {} that is not complete.</p>\n",
            moment::unit_noun(unit)
        )
    } else {
        String::new()
    }
}

fn numbers(kpi: &KpiSummary, format: &ValueFormat) -> String {
    let columns =
        [Column::text("Period"), Column::number("n"), Column::number("Value"), Column::number("Interval")];
    let rows = kpi.trend.iter().map(|point| cells(point, format)).collect();
    let table = table::html(
        &format!("{} over time", words(&kpi.metric)),
        "numbers",
        &columns,
        &[Group { heading: None, rows }],
    );
    format!("<details class=\"numbers\"><summary>Numbers</summary>\n{table}</details>\n")
}

fn cells(point: &TrendPoint, format: &ValueFormat) -> Vec<String> {
    let incomplete = if point.incomplete { " <span class=\"small\">incomplete</span>" } else { "" };
    vec![
        format!("{}{incomplete}", escape(&moment::span_name(&point.span))),
        integer(point.measured.n),
        escape(&format.value(point.measured.value)),
        format!("<span class=\"bounds\">{}</span>", bounds(&format.interval(point.measured.interval))),
    ]
}

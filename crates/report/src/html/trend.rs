//! How each KPI went, for everyone: one small chart per KPI, and its numbers below it.

use maud::{Markup, html};

use super::fragments::bounds;
use super::line_chart::{LineChart, Point, Rule};
use super::scale::extent;
use super::section::Section;
use super::table::{self, Column, Group};
use super::wording::{metric_heading, words};
use super::{dates, interpretation};
use crate::document::{KpiSummary, PeriodUnit, ReportDocument, TrendPoint};
use crate::number::{ValueFormat, integer};

/// The section, if any KPI has a trend.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let unit = document.period.unit;
    let shown: Vec<&KpiSummary> = document.kpis.iter().filter(|kpi| !kpi.trend.is_empty()).collect();
    if shown.is_empty() {
        return None;
    }
    let note = html! {
        "Everyone, period by period, with intervals as a band. Scales need not begin at zero; a dashed rule is the target."
    };
    let body = html! {
        div.figures { @for (index, kpi) in shown.into_iter().enumerate() { (figure(kpi, unit, index)) } } "\n"
    };
    Some(Section { id: "trends", title: "Trends", note, body })
}

fn figure(kpi: &KpiSummary, unit: PeriodUnit, index: usize) -> Markup {
    let format = interpretation::format(kpi).terse();
    let measured: Vec<&TrendPoint> =
        kpi.trend.iter().filter(|point| interpretation::number(point.measured.value).is_some()).collect();
    html! {
        figure {
            "\n"
            figcaption {
                h3 { (metric_heading(&kpi.metric)) @if let Some(unit) = &kpi.unit { " " span.role { (unit) } } }
            }
            "\n"
            @match measured.as_slice() {
                [] => { p.empty { "Not measured in any " (dates::unit_noun(unit)) " so far." } "\n" }
                [only] => {
                    p.empty {
                        "One " (dates::unit_noun(unit)) " measured so far (" (dates::span_name(&only.span)) ": "
                        (format.value(only.measured.value)) "); a line needs two."
                    }
                    "\n"
                }
                _ => {
                    @if let Some(chart) = chart(kpi, &format, &format!("trend-{index}")) { (chart) }
                    (incomplete_note(kpi, unit))
                    (numbers(kpi, &format))
                }
            }
        }
        "\n"
    }
}

fn chart(kpi: &KpiSummary, format: &ValueFormat, id: &str) -> Option<Markup> {
    let point = |point: &TrendPoint| Point {
        label: dates::span_name(&point.span),
        value: point.measured.value,
        interval: point.measured.interval,
        incomplete: point.incomplete,
    };
    let target = interpretation::number(kpi.target);
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
        kpi.trend.iter().filter(|point| interpretation::number(point.measured.value).is_some()).collect();
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else { return String::new() };
    let range = extent(measured.iter().filter_map(|point| point.measured.value));
    format!(
        "From {} in {} to {} in {}, lowest {}, highest {}.",
        format.value(first.measured.value),
        dates::span_name(&first.span),
        format.value(last.measured.value),
        dates::span_name(&last.span),
        format.value(range.map(|(low, _)| low)),
        format.value(range.map(|(_, high)| high)),
    )
}

fn incomplete_note(kpi: &KpiSummary, unit: PeriodUnit) -> Markup {
    html! {
        @if kpi.trend.iter().any(|point| point.incomplete) {
            p.small { "A hollow dot is a " (dates::unit_noun(unit)) " that is not complete." } "\n"
        }
    }
}

fn numbers(kpi: &KpiSummary, format: &ValueFormat) -> Markup {
    let columns =
        [Column::text("Period"), Column::number("n"), Column::number("Value"), Column::number("Interval")];
    let rows = kpi.trend.iter().map(|point| cells(point, format)).collect();
    let caption = format!("{} over time", words(&kpi.metric));
    html! {
        details.numbers {
            summary { "Numbers" } "\n"
            (table::html(&caption, "numbers", &columns, &[Group { heading: None, rows }]))
        }
        "\n"
    }
}

fn cells(point: &TrendPoint, format: &ValueFormat) -> Vec<Markup> {
    let period = html! {
        (dates::span_name(&point.span)) @if point.incomplete { " " span.small { "incomplete" } }
    };
    vec![
        period,
        html! { (integer(point.measured.n)) },
        html! { (format.value(point.measured.value)) },
        html! { span.bounds { (bounds(&format.interval(point.measured.interval))) } },
    ]
}

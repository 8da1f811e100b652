//! One card per KPI: its value for everyone, how it moved, and where it stands against target and benchmark.

use maud::{Markup, html};

use super::interpretation::{self, Attainment};
use super::section::Section;
use super::wording::metric_heading;
use super::{bullet, dates};
use crate::document::{Direction, KpiRow, KpiSummary, ReportDocument};
use crate::number::{ValueFormat, integer, percent};

/// The section, if there are KPIs.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    if document.kpis.is_empty() {
        return None;
    }
    let against = document.previous_period.as_ref().map(dates::span_name);
    let against = against.as_deref().unwrap_or("the period before");
    let note = html! {
        "Everyone, in this period. " em { "Within noise" }
        " means that chance alone could explain the change."
    };
    let body = html! {
        div.cards { @for kpi in &document.kpis { (card(kpi, document.confidence, against)) } } "\n"
    };
    Some(Section { id: "scorecard", title: "Scorecard", note, body })
}

fn card(kpi: &KpiSummary, confidence: Option<f64>, against: &str) -> Markup {
    html! {
        article.card {
            "\n"
            h3 { (metric_heading(&kpi.metric)) } "\n"
            @match interpretation::overall(kpi) {
                Some(row) => (numbers(kpi, row, confidence, against)),
                None => p.empty { "Not measured for everyone in this period." },
            }
        }
        "\n"
    }
}

fn numbers(kpi: &KpiSummary, row: &KpiRow, confidence: Option<f64>, against: &str) -> Markup {
    let format = interpretation::format(kpi);
    let value = format.terse().value(row.measured.value);
    let unit = kpi.unit.as_deref().filter(|_| format.value(row.measured.value) != value);
    html! {
        p.big { (value) @if let Some(unit) = unit { " " span.unit { (unit) } } } "\n"
        p.small { (interval(&format, row, confidence)) "n\u{a0}=\u{a0}" (integer(row.measured.n)) } "\n"
        (change(kpi, &format, row, against)) "\n"
        @if let Some(drawing) = bullet::svg(kpi, &row.measured, &format) { (drawing) }
        (goals(kpi, row, &format))
    }
}

fn interval(format: &ValueFormat, row: &KpiRow, confidence: Option<f64>) -> String {
    row.measured.interval.map_or(String::new(), |interval| {
        format!("{} {}, ", coverage(confidence), format.terse().interval(Some(interval)))
    })
}

/// "95 % interval"
pub(super) fn coverage(confidence: Option<f64>) -> String {
    match interpretation::number(confidence) {
        Some(confidence) => format!("{} interval", percent(Some(confidence)).replace(".0", "")),
        None => "interval".to_owned(),
    }
}

fn change(kpi: &KpiSummary, format: &ValueFormat, row: &KpiRow, against: &str) -> Markup {
    let previous = row.previous.as_ref().and_then(|previous| previous.value);
    html! {
        @match interpretation::change(kpi.direction, row) {
            Some(change) => p.move {
                (change.html(format)) br;
                span.small { "from " (format.value(previous)) " in " (against) }
            },
            None => p class="move small" { "No value in " (against) " to compare with." },
        }
    }
}

fn goals(kpi: &KpiSummary, row: &KpiRow, format: &ValueFormat) -> Markup {
    let target = interpretation::number(kpi.target);
    let bound = if kpi.direction == Direction::Decrease { "at most " } else { "" };
    html! {
        @if target.is_some() || kpi.benchmark.is_some() {
            ul.goals {
                @if let Some(target) = target {
                    li {
                        span class="mark target" {} "Target " (bound) (format.value(Some(target)))
                        @if let Some(attainment) = interpretation::attainment(kpi, &row.measured) {
                            ": " (attained(&attainment))
                        }
                    }
                }
                @if let Some(benchmark) = &kpi.benchmark {
                    li {
                        span class="mark benchmark" {} "Benchmark " (format.value(Some(benchmark.value)))
                        @if let Some(source) = &benchmark.source { " (" (source) ")" }
                    }
                }
            }
            "\n"
        }
    }
}

fn attained(attainment: &Attainment) -> Markup {
    let excess = attainment.excess_ratio.filter(|excess| *excess != 0.0);
    html! {
        b { (if attainment.met { "met" } else { "missed" }) }
        @if let Some(excess) = excess {
            ", " (percent(Some(excess.abs()))) " " (if excess > 0.0 { "above" } else { "below" })
        }
        @if attainment.close { ", too close to be sure" }
    }
}

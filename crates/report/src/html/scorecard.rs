//! One card per KPI: its value for everyone, how it moved, and where it stands against target and benchmark.

use super::markup::{Section, escape, metric_heading};
use super::reading::{self, Attainment};
use super::{bullet, moment};
use crate::document::{Direction, KpiRow, KpiSummary, ReportDocument};
use crate::number::{ValueFormat, integer, percent};

/// The section, if there are KPIs.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    if document.kpis.is_empty() {
        return None;
    }
    let against = document.previous_period.as_ref().map(moment::span_name);
    let cards: String =
        document.kpis.iter().map(|kpi| card(kpi, document.confidence, against.as_deref())).collect();
    let note =
        "Everyone, in this period. <em>Within noise</em> means that chance alone could explain the change."
            .to_owned();
    Some(Section {
        id: "scorecard",
        title: "Scorecard",
        note,
        body: format!("<div class=\"cards\">{cards}</div>\n"),
    })
}

fn card(kpi: &KpiSummary, confidence: Option<f64>, against: Option<&str>) -> String {
    let content = match reading::overall(kpi) {
        Some(row) => numbers(kpi, row, confidence, against),
        None => "<p class=\"empty\">Not measured for everyone in this period.</p>".to_owned(),
    };
    format!("<article class=\"card\">\n<h3>{}</h3>\n{content}</article>\n", metric_heading(&kpi.metric))
}

fn numbers(kpi: &KpiSummary, row: &KpiRow, confidence: Option<f64>, against: Option<&str>) -> String {
    let format = reading::format(kpi);
    let unit = kpi
        .unit
        .as_deref()
        .filter(|_| format.value(row.measured.value) != format.terse().value(row.measured.value));
    let unit = unit.map_or(String::new(), |unit| format!(" <span class=\"unit\">{}</span>", escape(unit)));
    format!(
        "<p class=\"big\">{value}{unit}</p>\n{interval}{change}{bullet}{goals}",
        value = escape(&format.terse().value(row.measured.value)),
        interval = interval(&format, row, confidence),
        change = change(kpi, &format, row, against),
        bullet = bullet::svg(kpi, &row.measured, &format),
        goals = goals(kpi, row, &format),
    )
}

fn interval(format: &ValueFormat, row: &KpiRow, confidence: Option<f64>) -> String {
    let interval = row.measured.interval.map(|interval| {
        format!("{} {}, ", coverage(confidence), escape(&format.terse().interval(Some(interval))))
    });
    format!(
        "<p class=\"small\">{}n\u{a0}=\u{a0}{}</p>\n",
        interval.unwrap_or_default(),
        integer(row.measured.n)
    )
}

/// "95 % interval"
pub(super) fn coverage(confidence: Option<f64>) -> String {
    match reading::number(confidence) {
        Some(confidence) => format!("{} interval", percent(Some(confidence)).replace(".0", "")),
        None => "interval".to_owned(),
    }
}

fn change(kpi: &KpiSummary, format: &ValueFormat, row: &KpiRow, against: Option<&str>) -> String {
    let against = escape(against.unwrap_or("the period before"));
    match reading::change(kpi.direction, row) {
        Some(change) => {
            let previous = format.value(row.previous.as_ref().and_then(|previous| previous.value));
            format!(
                "<p class=\"move\">{}<br><span class=\"small\">from {} in {against}</span></p>\n",
                change.html(format),
                escape(&previous)
            )
        }
        None => format!("<p class=\"move small\">No value in {against} to compare with.</p>\n"),
    }
}

fn goals(kpi: &KpiSummary, row: &KpiRow, format: &ValueFormat) -> String {
    let mut lines = Vec::new();
    if let Some(target) = reading::number(kpi.target) {
        let bound = if kpi.direction == Direction::Decrease { "at most " } else { "" };
        let state = reading::attainment(kpi, &row.measured)
            .map_or(String::new(), |attainment| format!(": {}", attained(&attainment)));
        lines.push(format!(
            "<li><span class=\"mark target\"></span>Target {bound}{}{state}</li>",
            escape(&format.value(Some(target)))
        ));
    }
    if let Some(benchmark) = &kpi.benchmark {
        let source =
            benchmark.source.as_ref().map_or(String::new(), |source| format!(" ({})", escape(source)));
        let value = escape(&format.value(Some(benchmark.value)));
        lines.push(format!("<li><span class=\"mark benchmark\"></span>Benchmark {value}{source}</li>"));
    }
    if lines.is_empty() { String::new() } else { format!("<ul class=\"goals\">{}</ul>\n", lines.concat()) }
}

fn attained(attainment: &Attainment) -> String {
    let state = if attainment.met { "<b>met</b>" } else { "<b>missed</b>" };
    let distance = match attainment.excess_ratio {
        Some(excess) if excess != 0.0 => {
            format!(", {} {}", percent(Some(excess.abs())), if excess > 0.0 { "above" } else { "below" })
        }
        _ => String::new(),
    };
    let close = if attainment.close { ", too close to be sure" } else { "" };
    format!("{state}{distance}{close}")
}

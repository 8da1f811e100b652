//! Each KPI by segment: value, interval, change, and the intervals drawn on one scale.

use super::markup::{Section, bounds, escape, metric_heading, name, paragraph};
use super::moment;
use super::range_plot::RangePlot;
use super::reading::{self, ALL, Judgement};
use super::table::{self, Column, Group};
use crate::document::{Direction, KpiRow, KpiSummary, ReportDocument};
use crate::number::{ValueFormat, integer};

/// More rows than this are folded away, after those that changed by more than chance.
const UNFOLDED_ROWS: usize = 16;

/// The section, if any KPI is measured in a segment.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let against = document.previous_period.as_ref().map_or("the period before".to_owned(), moment::span_name);
    let shown = document.kpis.iter().filter(|kpi| kpi.rows.iter().any(|row| row.segment != ALL));
    let body: String = shown.map(|kpi| article(kpi, &against)).collect();
    let note = "Segments as they were when the period began. Dots are values, lines their intervals; where a line runs off the scale it ends in an arrowhead. The solid rule \
                is everyone, the dashed one the target."
        .to_owned();
    (!body.is_empty()).then_some(Section { id: "by-segment", title: "By segment", note, body })
}

fn article(kpi: &KpiSummary, against: &str) -> String {
    let rows: Vec<&KpiRow> = ordered(kpi);
    let (shown, folded) = rows.split_at(rows.len().min(UNFOLDED_ROWS));
    let more = if folded.is_empty() {
        String::new()
    } else {
        let title = format!("{} more segments, none changed by more than chance", folded.len());
        let title = if folded.iter().any(|row| changed(kpi, row)) {
            format!("{} more segments", folded.len())
        } else {
            title
        };
        format!(
            "<details class=\"more\"><summary>{title}</summary>\n{}</details>\n",
            rows_table(kpi, folded, against)
        )
    };
    format!(
        "<article>\n<h3>{} <span class=\"role\">{}</span></h3>\n{}{}{more}</article>\n",
        metric_heading(&kpi.metric),
        better_words(kpi.direction),
        paragraph("small", kpi.description.as_deref()),
        rows_table(kpi, shown, against),
    )
}

/// "higher is better"
pub(super) fn better_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Increase => "higher is better",
        Direction::Decrease => "lower is better",
    }
}

/// The report's order; if some rows will be folded away, everyone and real changes come first.
fn ordered(kpi: &KpiSummary) -> Vec<&KpiRow> {
    let mut rows: Vec<&KpiRow> = kpi.rows.iter().collect();
    if rows.len() > UNFOLDED_ROWS {
        rows.sort_by_key(|row| (row.segment != ALL, !changed(kpi, row)));
    }
    rows
}

fn changed(kpi: &KpiSummary, row: &KpiRow) -> bool {
    reading::change(kpi.direction, row).is_some_and(|change| change.judgement != Judgement::Noise)
}

fn rows_table(kpi: &KpiSummary, rows: &[&KpiRow], against: &str) -> String {
    let format = reading::format(kpi).terse();
    let measured: Vec<_> = kpi.rows.iter().map(|row| (row.measured.value, row.measured.interval)).collect();
    let everyone = reading::overall(kpi)
        .and_then(|row| reading::number(row.measured.value))
        .map(|value| (value, "everyone"));
    let target = reading::number(kpi.target).map(|target| (target, "target"));
    let plot = RangePlot::new(&measured, [everyone, target].into_iter().flatten().collect());
    let axis = plot.as_ref().map_or(String::new(), |plot| plot.axis(|value, step| format.tick(value, step)));
    let value_head = kpi.unit.as_ref().map_or("Value".to_owned(), |unit| format!("Value, {unit}"));
    let columns = [
        Column::text("Segment"),
        Column::number("n"),
        Column::number(&value_head),
        Column::number("Interval"),
        Column::plot("Value and interval, drawn", &axis),
        Column::number(&format!("Change from {against}")),
    ];
    let rows = rows.iter().map(|row| cells(kpi, row, &format, plot.as_ref())).collect();
    let caption = format!("{} by segment", super::markup::words(&kpi.metric));
    table::html(&caption, "kpi", &columns, &[Group { heading: None, rows }])
}

fn cells(kpi: &KpiSummary, row: &KpiRow, format: &ValueFormat, plot: Option<&RangePlot>) -> Vec<String> {
    let change = reading::change(kpi.direction, row)
        .map_or("<span class=\"small\">nothing to compare</span>".to_owned(), |change| change.html(format));
    vec![
        if row.segment == ALL { "<b>Everyone</b>".to_owned() } else { name(&row.segment) },
        integer(row.measured.n),
        format!("<b class=\"n\">{}</b>", escape(&format.value(row.measured.value))),
        format!("<span class=\"bounds\">{}</span>", bounds(&format.interval(row.measured.interval))),
        plot.map_or(String::new(), |plot| plot.row(row.measured.value, row.measured.interval, true)),
        change,
    ]
}

//! Each KPI by segment: value, interval, change, and the intervals drawn on one scale.

use maud::{Markup, html};

use super::dates;
use super::fragments::{bounds, name, paragraph};
use super::interpretation::{self, ALL, Judgement};
use super::range_plot::RangePlot;
use super::section::Section;
use super::table::{self, Column, Group};
use super::wording::{metric_heading, words};
use crate::document::{Direction, KpiRow, KpiSummary, ReportDocument};
use crate::number::{ValueFormat, integer};

/// More rows than this are folded away, after those that changed by more than chance.
const UNFOLDED_ROWS: usize = 16;

/// The section, if any KPI is measured in a segment.
pub(super) fn section(document: &ReportDocument) -> Option<Section> {
    let shown = document.kpis.iter().filter(|kpi| kpi.rows.iter().any(|row| row.segment != ALL));
    let shown: Vec<&KpiSummary> = shown.collect();
    if shown.is_empty() {
        return None;
    }
    let against = document.previous_period.as_ref().map_or("the period before".to_owned(), dates::span_name);
    let note = html! {
        "Segments as they were when the period began. Dots are values, lines their intervals; where a line runs off the \
         scale it ends in an arrowhead. The solid rule is everyone, the dashed one the target."
    };
    let body = html! { @for kpi in shown { (article(kpi, &against)) } };
    Some(Section { id: "by-segment", title: "By segment", note, body })
}

fn article(kpi: &KpiSummary, against: &str) -> Markup {
    let rows: Vec<&KpiRow> = ordered(kpi);
    let (shown, folded) = rows.split_at(rows.len().min(UNFOLDED_ROWS));
    let none_changed = !folded.iter().any(|row| changed(kpi, row));
    html! {
        article {
            "\n"
            h3 { (metric_heading(&kpi.metric)) " " span.role { (better_words(kpi.direction)) } } "\n"
            (paragraph("small", kpi.description.as_deref()))
            (rows_table(kpi, shown, against))
            @if !folded.is_empty() {
                details.more {
                    summary {
                        (folded.len()) " more segments" @if none_changed { ", none changed by more than chance" }
                    }
                    "\n"
                    (rows_table(kpi, folded, against))
                }
                "\n"
            }
        }
        "\n"
    }
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
    interpretation::change(kpi.direction, row).is_some_and(|change| change.judgement != Judgement::Noise)
}

fn rows_table(kpi: &KpiSummary, rows: &[&KpiRow], against: &str) -> Markup {
    let format = interpretation::format(kpi).terse();
    let measured: Vec<_> = kpi.rows.iter().map(|row| (row.measured.value, row.measured.interval)).collect();
    let everyone = interpretation::overall(kpi)
        .and_then(|row| interpretation::number(row.measured.value))
        .map(|value| (value, "everyone"));
    let target = interpretation::number(kpi.target).map(|target| (target, "target"));
    let plot = RangePlot::new(&measured, [everyone, target].into_iter().flatten().collect());
    let axis = plot.as_ref().map(|plot| plot.axis(|value, step| format.tick(value, step)));
    let value_head = kpi.unit.as_ref().map_or("Value".to_owned(), |unit| format!("Value, {unit}"));
    let columns = [
        Column::text("Segment"),
        Column::number("n"),
        Column::number(&value_head),
        Column::number("Interval"),
        Column::plot("Value and interval, drawn", &axis.unwrap_or_default()),
        Column::number(&format!("Change from {against}")),
    ];
    let rows = rows.iter().map(|row| cells(kpi, row, &format, plot.as_ref())).collect();
    let caption = format!("{} by segment", words(&kpi.metric));
    table::html(&caption, "kpi", &columns, &[Group { heading: None, rows }])
}

fn cells(kpi: &KpiSummary, row: &KpiRow, format: &ValueFormat, plot: Option<&RangePlot>) -> Vec<Markup> {
    let drawing = plot.and_then(|plot| plot.row(row.measured.value, row.measured.interval, true));
    let change = match interpretation::change(kpi.direction, row) {
        Some(change) => change.html(format),
        None => html! { span.small { "nothing to compare" } },
    };
    vec![
        segment(&row.segment),
        html! { (integer(row.measured.n)) },
        html! { b.n { (format.value(row.measured.value)) } },
        html! { span.bounds { (bounds(&format.interval(row.measured.interval))) } },
        drawing.unwrap_or_default(),
        change,
    ]
}

/// The name of a segment in the first cell of a row.
pub(super) fn segment(segment: &str) -> Markup {
    html! { @if segment == ALL { b { "Everyone" } } @else { (name(segment)) } }
}

//! How the effects of an experiment went: for each metric a chart of all units so far, and its numbers by day below it.

use maud::{Markup, html};
use tranche_scorecard::{
    Direction, Effect, ExperimentResult, MetricNote, MetricRole, Series, SeriesPoint, SeriesSpan,
};

use super::dates;
use super::fragments::bounds;
use super::interpretation::number;
use super::line_chart::{LineChart, Point, Rule};
use super::table::{self, Column, Group};
use super::verdict::metric_of;
use super::wording::{metric_heading, words};
use crate::document::KpiSummary;
use crate::number::{ValueFormat, integer};

/// More charts than this are folded away.
const UNFOLDED: usize = 6;

/// The charts, if any effect is known on two days. `id` is unique in the page; `coverage` says what intervals are: "95 % interval".
pub(super) fn html(experiment: &ExperimentResult, kpis: &[KpiSummary], coverage: &str, id: &str) -> Markup {
    let series = &experiment.series;
    let figures = lines(series).into_iter().enumerate().map(|(index, line)| {
        line.figure(&metric_of(line.metric, experiment, kpis), coverage, &format!("{id}-{index}"))
    });
    let figures: Vec<Markup> = figures.collect();
    let (shown, folded) = figures.split_at(figures.len().min(UNFOLDED));
    html! {
        @if !shown.is_empty() {
            h4 { "Day by day" } "\n"
            (how_to_read(series))
            div class="figures days" { @for figure in shown { (figure) } } "\n"
        }
        @if !folded.is_empty() {
            details.more {
                summary { (folded.len()) " more" } "\n"
                div.figures { @for figure in folded { (figure) } }
            }
            "\n"
        }
    }
}

/// What may be read from the intervals, before anyone does.
fn how_to_read(series: &Series) -> Markup {
    let (class, head) = match series.valid_at_every_day {
        true => ("small", "Made to be watched"),
        false => ("small caution", "Not made to be watched"),
    };
    html! {
        p.small { "Each point is of all units exposed by that day, with what is known of them now." } "\n"
        p class=(class) { b { (head) } ": " (series.note.trim_end_matches('.')) "." } "\n"
    }
}

/// One treatment by one metric.
struct Line<'a> {
    metric: &'a str,
    variant: &'a str,
    role: MetricRole,
    cumulative: Vec<&'a SeriesPoint>,
    daily: Vec<&'a SeriesPoint>,
}

/// The lines with an effect on two days or more, goals first.
fn lines(series: &Series) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for point in &series.points {
        let own = |line: &Line<'_>| {
            line.metric == point.metric && line.variant == point.variant && line.role == point.role
        };
        let place = lines.iter().position(own).unwrap_or_else(|| {
            let (metric, variant) = (point.metric.as_str(), point.variant.as_str());
            lines.push(Line { metric, variant, role: point.role, cumulative: Vec::new(), daily: Vec::new() });
            lines.len() - 1
        });
        match point.span {
            SeriesSpan::Cumulative => lines[place].cumulative.push(point),
            SeriesSpan::Daily => lines[place].daily.push(point),
        }
    }
    lines.retain(|line| line.cumulative.iter().filter_map(|point| effect(point)).count() > 1);
    lines.sort_by_key(|line| line.role as u8);
    lines
}

impl Line<'_> {
    fn figure(&self, metric: &MetricNote, coverage: &str, id: &str) -> Markup {
        let largest = self.cumulative.last().and_then(|point| widest(point.absolute.as_ref()?));
        let format = ValueFormat::new(metric.kind, metric.unit.as_deref(), largest).terse();
        let point = |point: &&SeriesPoint| Point {
            label: day(point),
            value: effect(point),
            interval: point.absolute.as_ref().map(|effect| effect.ci),
            incomplete: false,
        };
        let margin = number(metric.margin).map(|margin| match metric.direction {
            Direction::Increase => -margin,
            Direction::Decrease => margin,
        });
        let margin = margin.map(|margin| {
            let label = format!("margin {}", format.difference(Some(margin)));
            Rule { value: margin, label: Some(label) }
        });
        let chart = LineChart {
            title: format!("Effect of {} on {}, all units so far", self.variant, words(self.metric)),
            description: self.description(&format, coverage),
            points: &self.cumulative.iter().map(point).collect::<Vec<_>>(),
            rules: &std::iter::once(Rule { value: 0.0, label: None }).chain(margin).collect::<Vec<_>>(),
            value: &|value| format.difference(Some(value)),
            tick: &|value, step| format.tick(value, step),
        };
        html! {
            figure {
                "\n"
                figcaption { h5 { (metric_heading(self.metric)) " " span.role { (self.variant) } } } "\n"
                @if let Some(drawing) = chart.svg(id) { (drawing) }
                (self.numbers(&format))
            }
            "\n"
        }
    }

    fn description(&self, format: &ValueFormat, coverage: &str) -> String {
        let known: Vec<&&SeriesPoint> =
            self.cumulative.iter().filter(|point| effect(point).is_some()).collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else { return String::new() };
        let told = |point: &SeriesPoint| {
            let interval = point.absolute.as_ref().map(|effect| effect.ci);
            format!(
                "{} on {} ({coverage} {})",
                format.difference(effect(point)),
                day(point),
                format.difference_interval(interval)
            )
        };
        format!("From {} to {}. The numbers of all days stand below.", told(first), told(last))
    }

    fn numbers(&self, format: &ValueFormat) -> Markup {
        let columns = [
            Column::text("Day"),
            Column::number("New units"),
            Column::number("Their effect"),
            Column::number("Units so far"),
            Column::number("Their effect"),
        ];
        let rows = self.cumulative.iter().map(|point| {
            let own = self.daily.iter().find(|daily| daily.day == point.day).copied();
            let label = html! { (day(point)) };
            std::iter::once(label).chain(cells(own, format)).chain(cells(Some(point), format)).collect()
        });
        let caption = format!("Effect of {} on {} by day", self.variant, words(self.metric));
        let rows = [Group { heading: None, rows: rows.collect() }];
        html! {
            details.numbers {
                summary { "Numbers" } "\n"
                (table::html(&caption, "numbers days", &columns, &rows))
            }
            "\n"
        }
    }
}

/// Units of both arms, and their effect with its interval.
fn cells(point: Option<&SeriesPoint>, format: &ValueFormat) -> [Markup; 2] {
    let Some(point) = point else { return [html! { "0" }, Markup::default()] };
    let interval = format.difference_interval(point.absolute.as_ref().map(|effect| effect.ci));
    let units = integer(point.n.saturating_add(point.control_n));
    [html! { (units) }, html! { (format.difference(effect(point))) span.under { (bounds(&interval)) } }]
}

fn effect(point: &SeriesPoint) -> Option<f64> {
    number(point.absolute.as_ref().map(|effect| effect.effect))
}

/// "5 Oct"
fn day(point: &SeriesPoint) -> String {
    dates::day(&point.day.to_string())
}

/// What decides on the decimals: the end of the interval that is farther from zero.
fn widest(effect: &Effect) -> Option<f64> {
    let ends = effect.ci.bounds().map(|(low, high)| f64::max(low.abs(), high.abs()));
    ends.or(Some(effect.effect))
}

//! The line chart of one KPI: band, line, dots, target, axes, and the last value written out.

use crate::document::{KpiSummary, TrendPoint};
use crate::html::markup::{escape, words};
use crate::html::moment;
use crate::html::reading::number;
use crate::html::scale::{Scale, extent, padded, robust_domain, ticks};
use crate::number::ValueFormat;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 200.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 172.0;
/// Width of a character of a label, in a wide font.
const CHARACTER: f64 = 7.5;
/// The same for the last value, which is bold.
const BOLD_CHARACTER: f64 = 9.0;
/// No x label is longer than this many characters.
const LONGEST_LABEL: usize = 12;

/// A point where it is drawn.
struct Place<'a> {
    point: &'a TrendPoint,
    x: f64,
    y: f64,
}

/// The chart of a trend with at least two values. `id` is unique in the page.
pub(super) fn svg(kpi: &KpiSummary, format: &ValueFormat, id: &str) -> String {
    let Some(domain) = domain(kpi) else { return String::new() };
    let (marks, step) = ticks(domain, 4);
    let labels: Vec<(f64, String)> = marks.iter().map(|mark| (*mark, format.tick(*mark, step))).collect();
    let left = margin(labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0), CHARACTER);
    let last = kpi.trend.iter().rev().find_map(|point| number(point.measured.value));
    let last_label = format.value(last);
    let right = WIDTH - margin(last_label.chars().count(), BOLD_CHARACTER);
    let vertical = Scale::new(domain, (BOTTOM, TOP));
    let step_x = (right - left) / (kpi.trend.len().max(2) - 1) as f64;
    let places: Vec<Option<Place>> = kpi
        .trend
        .iter()
        .enumerate()
        .map(|(index, point)| {
            number(point.measured.value).map(|value| Place { point, x: left + index as f64 * step_x, y: vertical.at(value) })
        })
        .collect();
    format!(
        "<svg class=\"trend\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{desc}</desc>{grid}{band}{target}{line}{dots}{x_labels}{last}</svg>\n",
        title = escape(&format!("{} over time", words(&kpi.metric))),
        desc = escape(&description(kpi, format)),
        grid = grid(&labels, &vertical, left, right),
        band = places
            .split(|place| place.as_ref().is_none_or(|place| bounds(place).is_none()))
            .map(|run| band(run, &vertical))
            .collect::<String>(),
        target = target(kpi, format, &vertical, left, right),
        line = lines(&places),
        dots = places
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, place)| dot(place, index + 1 == places.iter().flatten().count()))
            .collect::<String>(),
        x_labels = x_labels(&kpi.trend, left, step_x),
        last = places.iter().flatten().last().map_or(String::new(), |place| last_value(place, &last_label)),
    )
}

/// Values and intervals, and the target if it lies near.
fn domain(kpi: &KpiSummary) -> Option<(f64, f64)> {
    let values: Vec<f64> = kpi.trend.iter().filter_map(|point| number(point.measured.value)).collect();
    let intervals: Vec<(f64, f64)> = kpi.trend.iter().filter_map(|point| point.measured.interval?.bounds()).collect();
    let (low, high) = robust_domain(&values, &intervals)?;
    let all = extent(values.iter().copied().chain([low, high]))?;
    let near = all.1 - all.0;
    let target = number(kpi.target).filter(|target| (all.0 - near..=all.1 + near).contains(target));
    extent([Some(all.0), Some(all.1), target].into_iter().flatten()).map(|domain| padded(domain, 0.05))
}

fn margin(characters: usize, width: f64) -> f64 {
    (characters as f64 * width + 12.0).clamp(30.0, 110.0)
}

fn grid(labels: &[(f64, String)], vertical: &Scale, left: f64, right: f64) -> String {
    let mark = |(value, label): &(f64, String)| {
        let y = vertical.at(*value);
        format!(
            "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/><text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 8.0,
            y + 4.0,
            escape(label)
        )
    };
    labels.iter().map(mark).collect()
}

fn bounds(place: &Place) -> Option<(f64, f64)> {
    place.point.measured.interval?.bounds()
}

fn band(run: &[Option<Place>], vertical: &Scale) -> String {
    let edges: Vec<(f64, (f64, f64))> = run.iter().flatten().filter_map(|place| Some((place.x, bounds(place)?))).collect();
    if edges.len() < 2 {
        return String::new();
    }
    let upper = edges.iter().map(|(x, (_, high))| format!("{x:.1},{:.1}", vertical.at(*high)));
    let lower = edges.iter().rev().map(|(x, (low, _))| format!("{x:.1},{:.1}", vertical.at(*low)));
    format!("<polygon class=\"band\" points=\"{}\"/>", upper.chain(lower).collect::<Vec<_>>().join(" "))
}

/// The line, broken where values are missing, dashed towards what is incomplete.
fn lines(places: &[Option<Place>]) -> String {
    let stretch = |pair: &[Option<Place>]| {
        let [Some(from), Some(to)] = pair else { return None };
        let class = if to.point.incomplete { "line incomplete" } else { "line" };
        Some(format!("<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", from.x, from.y, to.x, to.y))
    };
    places.windows(2).filter_map(stretch).collect()
}

fn dot(place: &Place, last: bool) -> String {
    let class = if place.point.incomplete { "hollow" } else { "dot" };
    let radius = if last || place.point.incomplete { 4.0 } else { 2.0 };
    format!("<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>", place.x, place.y)
}

/// The target as a rule, with its label on the side of it where the line does not begin.
fn target(kpi: &KpiSummary, format: &ValueFormat, vertical: &Scale, left: f64, right: f64) -> String {
    let Some(target) = number(kpi.target).filter(|target| vertical.holds(*target)) else { return String::new() };
    let y = vertical.at(target);
    let begin = kpi.trend.iter().take(5).filter_map(|point| number(point.measured.value));
    let (above, below): (Vec<f64>, Vec<f64>) = begin.partition(|value| *value > target);
    let below = if above.len() == below.len() { y < (TOP + BOTTOM) / 2.0 } else { above.len() > below.len() };
    let below = if y < TOP + 14.0 { true } else { below && y < BOTTOM - 16.0 };
    format!(
        "<path class=\"target\" d=\"M{left:.1} {y:.1}H{right:.1}\"/><text class=\"halo\" x=\"{:.1}\" y=\"{:.1}\">target {}</text>",
        left + 2.0,
        if below { y + 14.0 } else { y - 5.0 },
        escape(&format.value(Some(target)))
    )
}

/// First, middle and last, as far as there is room.
fn x_labels(trend: &[TrendPoint], left: f64, step: f64) -> String {
    let last = trend.len().saturating_sub(1);
    let mut indices = vec![0, last];
    if trend.len() >= 5 {
        indices.insert(1, last / 2);
    }
    let label = |index: usize| {
        let name = shortened(&moment::span_name(&trend.get(index)?.span));
        let half = name.chars().count() as f64 * CHARACTER / 2.0;
        let x = (left + index as f64 * step).clamp(half, WIDTH - half);
        Some(format!("<text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", BOTTOM + 20.0, escape(&name)))
    };
    indices.into_iter().filter_map(label).collect()
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    label.chars().take(LONGEST_LABEL - 1).chain(['…']).collect()
}

fn last_value(place: &Place, label: &str) -> String {
    format!("<text class=\"last\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", place.x + 8.0, place.y + 4.5, escape(label))
}

fn description(kpi: &KpiSummary, format: &ValueFormat) -> String {
    let measured: Vec<&TrendPoint> = kpi.trend.iter().filter(|point| number(point.measured.value).is_some()).collect();
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

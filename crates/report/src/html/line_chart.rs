//! A line chart: band, line, dots, rules, axes, and the last value written out.

use super::markup::escape;
use super::reading::number;
use super::scale::{Scale, extent, padded, robust_domain, ticks};
use crate::document::Interval;

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

/// More points than this are a line without dots.
const MOST_DOTS: usize = 45;

/// A value with its interval, under its label on the axis below.
pub(super) struct Point {
    pub(super) label: String,
    pub(super) value: Option<f64>,
    pub(super) interval: Option<Interval>,
    /// Drawn hollow, with a dashed line towards it.
    pub(super) incomplete: bool,
}

/// A value that the line is held against: dashed with a label, or a thin rule without one. Shown where it lies near.
pub(super) struct Rule {
    pub(super) value: f64,
    pub(super) label: Option<String>,
}

/// What is drawn.
pub(super) struct LineChart<'a> {
    pub(super) title: String,
    /// For those who cannot see it.
    pub(super) description: String,
    pub(super) points: &'a [Point],
    pub(super) rules: &'a [Rule],
    /// How a value is written out.
    pub(super) value: &'a dyn Fn(f64) -> String,
    /// How a mark on the axis is written, given the step between two.
    pub(super) tick: &'a dyn Fn(f64, f64) -> String,
}

/// A point where it is drawn.
struct Place<'a> {
    point: &'a Point,
    x: f64,
    y: f64,
}

impl LineChart<'_> {
    /// The chart, nothing without a value. `id` is unique in the page.
    pub(super) fn svg(&self, id: &str) -> String {
        let last = self.points.iter().rev().find_map(|point| number(point.value));
        let Some((domain, last)) = self.domain().zip(last) else { return String::new() };
        let (marks, step) = ticks(domain, 4);
        let labels: Vec<(f64, String)> = marks.iter().map(|mark| (*mark, (self.tick)(*mark, step))).collect();
        let left =
            margin(labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0), CHARACTER);
        let last_label = (self.value)(last);
        let right = WIDTH - margin(last_label.chars().count(), BOLD_CHARACTER);
        let vertical = Scale::new(domain, (BOTTOM, TOP));
        let step_x = (right - left) / (self.points.len().max(2) - 1) as f64;
        let places: Vec<Option<Place>> = self
            .points
            .iter()
            .enumerate()
            .map(|(index, point)| {
                number(point.value).map(|value| Place {
                    point,
                    x: left + index as f64 * step_x,
                    y: vertical.at(value),
                })
            })
            .collect();
        let shown = places.iter().flatten().count();
        let has_dots = shown <= MOST_DOTS;
        format!(
            "<svg class=\"trend\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{desc}</desc>{grid}{band}{rules}{line}{dots}{x_labels}{last}</svg>\n",
            title = escape(&self.title),
            desc = escape(&self.description),
            grid = grid(&labels, &vertical, left, right),
            band = places
                .split(|place| place.as_ref().is_none_or(|place| bounds(place).is_none()))
                .map(|run| band(run, &vertical))
                .collect::<String>(),
            rules = self.rules.iter().map(|rule| self.rule(rule, &vertical, left, right)).collect::<String>(),
            line = lines(&places),
            dots = places
                .iter()
                .flatten()
                .enumerate()
                .filter(|(index, place)| has_dots || index + 1 == shown || place.point.incomplete)
                .map(|(index, place)| dot(place, index + 1 == shown))
                .collect::<String>(),
            x_labels = x_labels(self.points, left, step_x),
            last =
                places.iter().flatten().last().map_or(String::new(), |place| last_value(place, &last_label)),
        )
    }

    /// Values and intervals, and the rules that lie near.
    fn domain(&self) -> Option<(f64, f64)> {
        let values: Vec<f64> = self.points.iter().filter_map(|point| number(point.value)).collect();
        let intervals: Vec<(f64, f64)> =
            self.points.iter().filter_map(|point| point.interval?.bounds()).collect();
        let (low, high) = robust_domain(&values, &intervals)?;
        let all = extent(values.iter().copied().chain([low, high]))?;
        let near = all.1 - all.0;
        let rules = self
            .rules
            .iter()
            .map(|rule| rule.value)
            .filter(|rule| (all.0 - near..=all.1 + near).contains(rule));
        extent([all.0, all.1].into_iter().chain(rules)).map(|domain| padded(domain, 0.05))
    }

    /// A rule, its label on the side of it where the line does not begin.
    fn rule(&self, rule: &Rule, vertical: &Scale, left: f64, right: f64) -> String {
        if !vertical.holds(rule.value) {
            return String::new();
        }
        let y = vertical.at(rule.value);
        let Some(label) = &rule.label else {
            return format!("<path class=\"zero\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
        };
        let begin = self.points.iter().take(5).filter_map(|point| number(point.value));
        let (above, below): (Vec<f64>, Vec<f64>) = begin.partition(|value| *value > rule.value);
        let below =
            if above.len() == below.len() { y < (TOP + BOTTOM) / 2.0 } else { above.len() > below.len() };
        let below = if y < TOP + 14.0 { true } else { below && y < BOTTOM - 16.0 };
        format!(
            "<path class=\"target\" d=\"M{left:.1} {y:.1}H{right:.1}\"/><text class=\"halo\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + 2.0,
            if below { y + 14.0 } else { y - 5.0 },
            escape(label)
        )
    }
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
    place.point.interval?.bounds()
}

fn band(run: &[Option<Place>], vertical: &Scale) -> String {
    let edges: Vec<(f64, (f64, f64))> =
        run.iter().flatten().filter_map(|place| Some((place.x, bounds(place)?))).collect();
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

/// First, middle and last, as far as there is room.
fn x_labels(points: &[Point], left: f64, step: f64) -> String {
    let last = points.len().saturating_sub(1);
    let mut indices = vec![0, last];
    if points.len() >= 5 {
        indices.insert(1, last / 2);
    }
    let label = |index: usize| {
        let name = shortened(&points.get(index)?.label);
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
    format!(
        "<text class=\"last\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        place.x + 8.0,
        place.y + 4.5,
        escape(label)
    )
}

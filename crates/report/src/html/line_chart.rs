//! A line chart: band, line, dots, rules, axes, and the last value written out.

use maud::{Markup, html};

use super::interpretation::number;
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
    pub(super) fn svg(&self, id: &str) -> Option<Markup> {
        let last = self.points.iter().rev().find_map(|point| number(point.value))?;
        let domain = self.domain()?;
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
        Some(html! {
            svg.trend viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
                aria-labelledby=(format!("{id}-title {id}-desc")) {
                title id={ (id) "-title" } { (self.title) }
                desc id={ (id) "-desc" } { (self.description) }
                (grid(&labels, &vertical, left, right))
                @for run in places.split(|place| place.as_ref().is_none_or(|place| bounds(place).is_none())) {
                    (band(run, &vertical))
                }
                @for rule in self.rules { (self.rule(rule, &vertical, left, right)) }
                (lines(&places))
                (dots(&places))
                (x_labels(self.points, left, step_x))
                @if let Some(place) = places.iter().flatten().last() { (last_value(place, &last_label)) }
            }
            "\n"
        })
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
    fn rule(&self, rule: &Rule, vertical: &Scale, left: f64, right: f64) -> Markup {
        let y = vertical.at(rule.value);
        let along = format!("M{left:.1} {y:.1}H{right:.1}");
        let label_y = if self.is_label_below(rule, y) { y + 14.0 } else { y - 5.0 };
        html! {
            @if vertical.holds(rule.value) {
                @if let Some(label) = &rule.label {
                    path.target d=(along) {}
                    text.halo x=(tenths(left + 2.0)) y=(tenths(label_y)) { (label) }
                } @else {
                    path.zero d=(along) {}
                }
            }
        }
    }

    fn is_label_below(&self, rule: &Rule, y: f64) -> bool {
        let begin = self.points.iter().take(5).filter_map(|point| number(point.value));
        let (above, below): (Vec<f64>, Vec<f64>) = begin.partition(|value| *value > rule.value);
        let below =
            if above.len() == below.len() { y < (TOP + BOTTOM) / 2.0 } else { above.len() > below.len() };
        if y < TOP + 14.0 { true } else { below && y < BOTTOM - 16.0 }
    }
}

/// A position, to a tenth.
fn tenths(position: f64) -> String {
    format!("{position:.1}")
}

fn margin(characters: usize, width: f64) -> f64 {
    (characters as f64 * width + 12.0).clamp(30.0, 110.0)
}

fn grid(labels: &[(f64, String)], vertical: &Scale, left: f64, right: f64) -> Markup {
    html! {
        @for (value, label) in labels {
            @let y = vertical.at(*value);
            path.grid d=(format!("M{left:.1} {y:.1}H{right:.1}")) {}
            text.y x=(tenths(left - 8.0)) y=(tenths(y + 4.0)) { (label) }
        }
    }
}

fn bounds(place: &Place) -> Option<(f64, f64)> {
    place.point.interval?.bounds()
}

fn band(run: &[Option<Place>], vertical: &Scale) -> Markup {
    let edges: Vec<(f64, (f64, f64))> =
        run.iter().flatten().filter_map(|place| Some((place.x, bounds(place)?))).collect();
    let upper = edges.iter().map(|(x, (_, high))| format!("{x:.1},{:.1}", vertical.at(*high)));
    let lower = edges.iter().rev().map(|(x, (low, _))| format!("{x:.1},{:.1}", vertical.at(*low)));
    html! {
        @if edges.len() > 1 {
            polygon.band points=(upper.chain(lower).collect::<Vec<_>>().join(" ")) {}
        }
    }
}

/// The line, broken where values are missing, dashed towards what is incomplete.
fn lines(places: &[Option<Place>]) -> Markup {
    html! {
        @for pair in places.windows(2) {
            @if let [Some(from), Some(to)] = pair {
                path class=(if to.point.incomplete { "line incomplete" } else { "line" })
                    d=(format!("M{:.1} {:.1}L{:.1} {:.1}", from.x, from.y, to.x, to.y)) {}
            }
        }
    }
}

/// A dot for each value, or for the last alone where there are many; an incomplete one is hollow.
fn dots(places: &[Option<Place>]) -> Markup {
    let shown = places.iter().flatten().count();
    html! {
        @for (place, number) in places.iter().flatten().zip(1..) {
            @let stands_out = number == shown || place.point.incomplete;
            @if shown <= MOST_DOTS || stands_out {
                circle class=(if place.point.incomplete { "hollow" } else { "dot" })
                    cx=(tenths(place.x)) cy=(tenths(place.y)) r=(if stands_out { 4.0 } else { 2.0 }) {}
            }
        }
    }
}

/// First, middle and last, as far as there is room.
fn x_labels(points: &[Point], left: f64, step: f64) -> Markup {
    let last = points.len().saturating_sub(1);
    let mut indices = vec![0, last];
    if points.len() >= 5 {
        indices.insert(1, last / 2);
    }
    let label = |index: usize| {
        let name = shortened(&points.get(index)?.label);
        let half = name.chars().count() as f64 * CHARACTER / 2.0;
        Some(((left + index as f64 * step).clamp(half, WIDTH - half), name))
    };
    html! {
        @for (x, name) in indices.into_iter().filter_map(label) {
            text.x x=(tenths(x)) y=(tenths(BOTTOM + 20.0)) { (name) }
        }
    }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    label.chars().take(LONGEST_LABEL - 1).chain(['…']).collect()
}

fn last_value(place: &Place, label: &str) -> Markup {
    html! { text.last x=(tenths(place.x + 8.0)) y=(tenths(place.y + 4.5)) { (label) } }
}

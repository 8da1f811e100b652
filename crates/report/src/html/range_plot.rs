//! Values with their intervals on one common scale, one small drawing per table row.
//!
//! The drawings stand beside the numbers they show, so they are hidden from screen readers.

use maud::{Markup, html};

use super::interpretation::number;
use super::scale::{Scale, padded, robust_domain, ticks};
use crate::document::Interval;

/// About the width of a label's character, in percent of a usual column.
const CHARACTER_PERCENT: f64 = 3.2;

/// The scale that all rows of a table share, and the lines that run through them.
pub(super) struct RangePlot {
    scale: Scale,
    lines: Vec<(f64, &'static str)>,
}

impl RangePlot {
    /// A scale for `rows`, which also shows the `lines` (value and class) that lie near. None without any value.
    pub(super) fn new(
        rows: &[(Option<f64>, Option<Interval>)],
        lines: Vec<(f64, &'static str)>,
    ) -> Option<Self> {
        let values: Vec<f64> = rows.iter().filter_map(|(value, _)| number(*value)).collect();
        let intervals: Vec<(f64, f64)> =
            rows.iter().filter_map(|(_, interval)| interval.as_ref()?.bounds()).collect();
        let (low, high) = robust_domain(&values, &intervals)?;
        let near = high - low;
        let shown =
            lines.iter().map(|(value, _)| *value).filter(|value| (low - near..=high + near).contains(value));
        let (low, high) =
            shown.fold((low, high), |(low, high), value| (f64::min(low, value), f64::max(high, value)));
        Some(Self { scale: Scale::new(padded((low, high), 0.06), (0.0, 100.0)), lines })
    }

    /// The axis, for the column's head.
    pub(super) fn axis(&self, label: impl Fn(f64, f64) -> String) -> Markup {
        let (marks, step) = ticks(self.scale.domain(), 4);
        let mut free_from = 0.0;
        let mut labels: Vec<(f64, String)> = Vec::new();
        for mark in marks {
            let (position, label) = (self.scale.at(mark), label(mark, step));
            let half = label.chars().count() as f64 * CHARACTER_PERCENT / 2.0;
            if (4.0..=96.0).contains(&position) && (position - half >= free_from || labels.is_empty()) {
                free_from = position + half + CHARACTER_PERCENT;
                labels.push((position, label));
            }
        }
        html! {
            span.axis aria-hidden="true" {
                @for (position, label) in &labels { span style=(format!("left:{position:.1}%")) { (label) } }
            }
        }
    }

    /// The drawing of one row, if it has a value; a `sure` one has a filled dot.
    pub(super) fn row(&self, value: Option<f64>, interval: Option<Interval>, sure: bool) -> Option<Markup> {
        let value = number(value)?;
        let lines = self.lines.iter().filter(|(value, _)| self.scale.holds(*value));
        Some(html! {
            svg.range viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true" {
                @for (value, class) in lines {
                    path class=(class) d=(format!("M{:.2} 0V20", self.scale.at(*value))) {}
                }
                @if let Some(interval) = interval { (self.range(interval)) }
                @if self.scale.holds(value) { (self.dot(value, sure)) }
            }
        })
    }

    /// The interval; an arrowhead where it runs on beyond the scale.
    fn range(&self, interval: Interval) -> Markup {
        let low = interval.low().filter(|low| self.scale.holds(*low));
        let high = interval.high().filter(|high| self.scale.holds(*high));
        let outside = |bound: Option<f64>, below: bool| {
            bound.is_some_and(|bound| {
                if below { bound < self.scale.domain().0 } else { bound > self.scale.domain().1 }
            })
        };
        let (from, to) =
            (low.map_or(0.0, |low| self.scale.at(low)), high.map_or(100.0, |high| self.scale.at(high)));
        if outside(interval.low(), false) {
            return arrowhead(false);
        }
        if outside(interval.high(), true) {
            return arrowhead(true);
        }
        html! {
            path.interval d=(format!("M{from:.2} 10H{to:.2}")) {}
            @if low.is_none() { (arrowhead(true)) }
            @if high.is_none() { (arrowhead(false)) }
        }
    }

    /// A line of no length with round ends stays a circle, however the drawing is stretched.
    fn dot(&self, value: f64, sure: bool) -> Markup {
        let at = format!("M{:.2} 10h.01", self.scale.at(value));
        html! {
            path.dot d=(at) {}
            @if !sure { path.core d=(at) {} }
        }
    }
}

fn arrowhead(left: bool) -> Markup {
    html! { path.interval d=(if left { "M2 5L0 10L2 15" } else { "M98 5L100 10L98 15" }) {} }
}

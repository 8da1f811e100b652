//! Values with their intervals on one common scale, one small drawing per table row.
//!
//! The drawings stand beside the numbers they show, so they are hidden from screen readers.

use super::markup::escape;
use super::reading::number;
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

    /// The axis, for the column's head. HTML.
    pub(super) fn axis(&self, label: impl Fn(f64, f64) -> String) -> String {
        let (marks, step) = ticks(self.scale.domain(), 4);
        let mut free_from = 0.0;
        let mut labels = String::new();
        for mark in marks {
            let (position, label) = (self.scale.at(mark), label(mark, step));
            let half = label.chars().count() as f64 * CHARACTER_PERCENT / 2.0;
            if (4.0..=96.0).contains(&position) && (position - half >= free_from || labels.is_empty()) {
                labels.push_str(&format!("<span style=\"left:{position:.1}%\">{}</span>", escape(&label)));
                free_from = position + half + CHARACTER_PERCENT;
            }
        }
        format!("<span class=\"axis\" aria-hidden=\"true\">{labels}</span>")
    }

    /// The drawing of one row; a `sure` value has a filled dot. HTML.
    pub(super) fn row(&self, value: Option<f64>, interval: Option<Interval>, sure: bool) -> String {
        let Some(value) = number(value) else { return String::new() };
        let lines: String = self
            .lines
            .iter()
            .filter(|(value, _)| self.scale.holds(*value))
            .map(|(value, class)| {
                format!("<path class=\"{class}\" d=\"M{:.2} 0V20\"/>", self.scale.at(*value))
            })
            .collect();
        let range = interval.map_or(String::new(), |interval| self.range(interval));
        let dot = if self.scale.holds(value) { self.dot(value, sure) } else { String::new() };
        format!(
            "<svg class=\"range\" viewBox=\"0 0 100 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{lines}{range}{dot}</svg>"
        )
    }

    /// The interval; an arrowhead where it runs on beyond the scale.
    fn range(&self, interval: Interval) -> String {
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
        let left = if low.is_none() { arrowhead(true) } else { String::new() };
        let right = if high.is_none() { arrowhead(false) } else { String::new() };
        format!("<path class=\"interval\" d=\"M{from:.2} 10H{to:.2}\"/>{left}{right}")
    }

    /// A line of no length with round ends stays a circle, however the drawing is stretched.
    fn dot(&self, value: f64, sure: bool) -> String {
        let at = self.scale.at(value);
        let core = if sure { String::new() } else { format!("<path class=\"core\" d=\"M{at:.2} 10h.01\"/>") };
        format!("<path class=\"dot\" d=\"M{at:.2} 10h.01\"/>{core}")
    }
}

fn arrowhead(left: bool) -> String {
    let path = if left { "M2 5L0 10L2 15" } else { "M98 5L100 10L98 15" };
    format!("<path class=\"interval\" d=\"{path}\"/>")
}

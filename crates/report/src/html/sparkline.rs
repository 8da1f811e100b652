//! A line the height of a word.

use maud::{Markup, html};

use super::scale::{Scale, extent};

/// The drawing of `values`, oldest first; None for fewer than two, which make no line.
pub(super) fn svg(values: &[f64], description: &str) -> Option<Markup> {
    let [_, .., last] = values else { return None };
    let scale = Scale::new(extent(values.iter().copied())?, (21.0, 3.0));
    let step = 96.0 / (values.len() - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{:.1},{:.1}", index as f64 * step, scale.at(*value)))
        .collect();
    Some(html! {
        svg.spark viewBox="0 0 100 24" preserveAspectRatio="none" role="img" {
            title { (description) }
            polyline points=(points.join(" ")) {}
            path.dot d=(format!("M96 {:.1}h.01", scale.at(*last))) {}
        }
    })
}

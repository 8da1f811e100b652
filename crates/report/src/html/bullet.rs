//! A bar from zero to the value, its interval as a whisker, target and benchmark as marks.

use maud::{Markup, html};

use super::interpretation::number;
use super::scale::{Scale, extent};
use crate::document::{Interval, KpiSummary, Measurement};
use crate::number::ValueFormat;

/// The drawing; nothing where there is neither target nor benchmark to compare with.
pub(super) fn svg(kpi: &KpiSummary, measured: &Measurement, format: &ValueFormat) -> Option<Markup> {
    let benchmark = kpi.benchmark.as_ref().and_then(|benchmark| number(Some(benchmark.value)));
    let target = number(kpi.target);
    let value = number(measured.value).filter(|_| target.is_some() || benchmark.is_some())?;
    let (low, high) = extent([Some(0.0), Some(value), target, benchmark].into_iter().flatten())?;
    let scale = Scale::new((low * 1.12, high * 1.12), (0.0, 100.0));
    let (zero, end) = (scale.at(0.0), scale.at(value));
    let (x, width) = (format!("{:.2}", zero.min(end)), format!("{:.2}", (end - zero).abs()));
    Some(html! {
        svg.bullet viewBox="0 0 100 20" preserveAspectRatio="none" role="img" {
            title { (description(kpi, value, format)) }
            rect.track x="0" y="4" width="100" height="12" {}
            rect.fill x=(x) y="4" width=(width) height="12" {}
            @if let Some(interval) = measured.interval { path.whisker d=(whisker(interval, &scale)) {} }
            @if let Some(benchmark) = benchmark { path.benchmark d=(mark(benchmark, 2, 18, &scale)) {} }
            @if let Some(target) = target { path.target d=(mark(target, 0, 20, &scale)) {} }
        }
        "\n"
    })
}

fn whisker(interval: Interval, scale: &Scale) -> String {
    let from = interval.low().map_or(0.0, |low| scale.at(low));
    let to = interval.high().map_or(100.0, |high| scale.at(high));
    format!("M{from:.2} 10H{to:.2}")
}

fn mark(value: f64, top: u8, bottom: u8, scale: &Scale) -> String {
    format!("M{:.2} {top}V{bottom}", scale.at(value))
}

fn description(kpi: &KpiSummary, value: f64, format: &ValueFormat) -> String {
    let target =
        kpi.target.map_or(String::new(), |target| format!(", target {}", format.value(Some(target))));
    let benchmark = kpi
        .benchmark
        .as_ref()
        .map_or(String::new(), |other| format!(", benchmark {}", format.value(Some(other.value))));
    format!("Value {}{target}{benchmark}", format.value(Some(value)))
}

//! A bar from zero to the value, its interval as a whisker, target and benchmark as marks.

use super::markup::escape;
use super::reading::number;
use super::scale::{Scale, extent};
use crate::document::{KpiSummary, Measurement};
use crate::number::ValueFormat;

/// The drawing; nothing where there is neither target nor benchmark to compare with.
pub(super) fn svg(kpi: &KpiSummary, measured: &Measurement, format: &ValueFormat) -> String {
    let benchmark = kpi.benchmark.as_ref().and_then(|benchmark| number(Some(benchmark.value)));
    let target = number(kpi.target);
    let Some(value) = number(measured.value).filter(|_| target.is_some() || benchmark.is_some()) else {
        return String::new();
    };
    let Some((low, high)) = extent([Some(0.0), Some(value), target, benchmark].into_iter().flatten()) else {
        return String::new();
    };
    let scale = Scale::new((low * 1.12, high * 1.12), (0.0, 100.0));
    let (zero, end) = (scale.at(0.0), scale.at(value));
    let whisker = measured.interval.map_or(String::new(), |interval| {
        let from = interval.low().map_or(0.0, |low| scale.at(low));
        let to = interval.high().map_or(100.0, |high| scale.at(high));
        format!("<path class=\"whisker\" d=\"M{from:.2} 10H{to:.2}\"/>")
    });
    let mark = |class: &str, value: Option<f64>, top: u8, bottom: u8| {
        value.map_or(String::new(), |value| {
            format!("<path class=\"{class}\" d=\"M{:.2} {top}V{bottom}\"/>", scale.at(value))
        })
    };
    format!(
        "<svg class=\"bullet\" viewBox=\"0 0 100 20\" preserveAspectRatio=\"none\" role=\"img\"><title>{title}</title>\
         <rect class=\"track\" x=\"0\" y=\"4\" width=\"100\" height=\"12\"/>\
         <rect class=\"fill\" x=\"{x:.2}\" y=\"4\" width=\"{width:.2}\" height=\"12\"/>{whisker}{benchmark}{target}</svg>\n",
        title = escape(&description(kpi, value, format)),
        x = zero.min(end),
        width = (end - zero).abs(),
        benchmark = mark("benchmark", benchmark, 2, 18),
        target = mark("target", target, 0, 20),
    )
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

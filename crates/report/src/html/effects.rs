//! The effects of an experiment, one table per metric: a row per segment and variant, drawn as a forest plot.

use super::breakdown::better_words;
use super::markup::{bounds, escape, metric_heading, name, words};
use super::range_plot::RangePlot;
use super::reading::{ALL, number};
use super::table::{self, Column, Group};
use super::verdict::{is_clear, metric_of};
use crate::document::{Effect, EstimateSummary, ExperimentMetric, ExperimentSummary, KpiSummary, MetricRole};
use crate::number::{ValueFormat, integer, p_value, percent, signed_percent, signed_percent_interval};

/// The tables, goals first. `coverage` says what the intervals are: "95 % interval".
pub(super) fn html(experiment: &ExperimentSummary, kpis: &[KpiSummary], coverage: &str) -> String {
    if experiment.estimates.is_empty() {
        return "<p class=\"empty\">No effects have been measured yet.</p>\n".to_owned();
    }
    let mut metrics: Vec<(MetricRole, &str)> = Vec::new();
    for estimate in &experiment.estimates {
        if !metrics.contains(&(estimate.role, estimate.metric.as_str())) {
            metrics.push((estimate.role, &estimate.metric));
        }
    }
    metrics.sort_by_key(|(role, _)| *role as u8);
    let of = |role, metric: &str| -> Vec<&EstimateSummary> {
        experiment.estimates.iter().filter(|estimate| estimate.role == role && estimate.metric == metric).collect()
    };
    let tables = metrics
        .iter()
        .map(|(role, metric)| MetricEffects::new(*role, metric_of(metric, experiment, kpis), of(*role, metric)).html(coverage));
    tables.collect()
}

/// What one table shows.
struct MetricEffects<'a> {
    role: MetricRole,
    metric: ExperimentMetric,
    estimates: Vec<&'a EstimateSummary>,
    means: ValueFormat,
    differences: ValueFormat,
    /// Whether the drawing shows relative effects; absolute ones where there are none.
    relative: bool,
}

impl<'a> MetricEffects<'a> {
    fn new(role: MetricRole, metric: ExperimentMetric, estimates: Vec<&'a EstimateSummary>) -> Self {
        let unit = metric.unit.as_deref();
        let mean = estimates.iter().find_map(|estimate| estimate.control_mean);
        let difference = estimates.iter().find_map(|estimate| largest_bound(estimate.absolute.as_ref()?));
        let means = ValueFormat::new(metric.kind, unit, mean).terse();
        let differences = ValueFormat::new(metric.kind, unit, difference).terse();
        let relative = estimates.iter().any(|estimate| estimate.relative.as_ref().is_some_and(|effect| effect.ci.is_some()));
        Self { role, metric, estimates, means, differences, relative }
    }

    fn html(&self, coverage: &str) -> String {
        let rows: Vec<_> = self.estimates.iter().map(|estimate| self.drawn(estimate)).collect();
        let rows: Vec<_> =
            rows.iter().map(|effect| (effect.and_then(|effect| effect.effect), effect.and_then(|effect| effect.ci))).collect();
        let plot = RangePlot::new(&rows, vec![(0.0, "zero")]);
        let axis = plot.as_ref().map_or(String::new(), |plot| plot.axis(|value, step| self.tick(value, step)));
        let drawn = format!("{} effect and {coverage}, drawn", if self.relative { "Relative" } else { "Absolute" });
        let columns = [
            Column::text("Segment"),
            Column::text("Variant"),
            Column::number("Control mean"),
            Column::number("Variant mean"),
            Column::number("Difference"),
            Column::number("Relative"),
            Column::number("p"),
            Column::plot(&drawn, &axis),
        ];
        let rows = self.estimates.iter().map(|estimate| self.cells(estimate, plot.as_ref())).collect();
        let caption = format!("Effects on {} by segment and variant, with {coverage}s", words(&self.metric.metric));
        format!(
            "<h4>{} <span class=\"role\">{}, {}{}</span></h4>\n{}{}",
            metric_heading(&self.metric.metric),
            role_word(self.role),
            better_words(self.metric.direction),
            self.margin(),
            self.clear_segments(),
            table::html(&caption, "effects", &columns, &[Group { heading: None, rows }])
        )
    }

    fn margin(&self) -> String {
        let format =
            ValueFormat::new(self.metric.kind, self.metric.unit.as_deref(), self.metric.margin.map(|margin| 10.0 * margin));
        let margin = self.metric.margin.map(|margin| format.difference(Some(margin)).trim_start_matches('+').to_owned());
        margin.map_or(String::new(), |margin| format!(", margin {}", escape(&margin)))
    }

    /// For whom the effect is clear: how many segments of those measured.
    fn clear_segments(&self) -> String {
        let segments: Vec<_> = self.estimates.iter().filter(|estimate| estimate.segment != ALL).collect();
        let clear = segments.iter().filter(|estimate| estimate.absolute.as_ref().is_some_and(is_clear)).count();
        match segments.len() {
            0 => String::new(),
            1 => format!(
                "<p class=\"small\">{} in the one segment measured.</p>\n",
                if clear == 1 { "Clear" } else { "Not clear" }
            ),
            all => format!("<p class=\"small\">Clear in {clear} of {all} comparisons by segment.</p>\n"),
        }
    }

    fn drawn<'e>(&self, estimate: &'e EstimateSummary) -> Option<&'e Effect> {
        if self.relative { estimate.relative.as_ref() } else { estimate.absolute.as_ref() }
    }

    fn tick(&self, value: f64, step: f64) -> String {
        if self.relative { percent(Some(value)).replace(".0", "") } else { self.differences.tick(value, step) }
    }

    fn cells(&self, estimate: &EstimateSummary, plot: Option<&RangePlot>) -> Vec<String> {
        let drawing = plot.zip(self.drawn(estimate)).map(|(plot, effect)| plot.row(effect.effect, effect.ci, is_clear(effect)));
        vec![
            if estimate.segment == ALL { "<b>Everyone</b>".to_owned() } else { name(&estimate.segment) },
            name(&estimate.variant),
            self.mean(estimate.control_mean, estimate.control_n),
            self.mean(estimate.mean, estimate.n),
            self.difference(estimate),
            relative(estimate),
            estimate.absolute.as_ref().and_then(|effect| number(effect.p)).map_or(String::new(), |p| bare_p_value(Some(p))),
            drawing.unwrap_or_default(),
        ]
    }

    fn mean(&self, mean: Option<f64>, n: u64) -> String {
        format!("{}<span class=\"under n\">n\u{a0}=\u{a0}{}</span>", escape(&self.means.value(mean)), integer(n))
    }

    fn difference(&self, estimate: &EstimateSummary) -> String {
        match (&estimate.absolute, &estimate.undefined) {
            (Some(effect), _) => {
                effect_html(&self.differences.difference(effect.effect), &self.differences.difference_interval(effect.ci), effect)
            }
            (None, Some(reason)) => format!("<span class=\"under\">not computable: {}</span>", escape(reason)),
            (None, None) => "<span class=\"under\">not computed</span>".to_owned(),
        }
    }
}

fn relative(estimate: &EstimateSummary) -> String {
    match estimate.relative.as_ref().filter(|relative| number(relative.effect).is_some()) {
        Some(effect) => {
            let cell = effect_html(&signed_percent(effect.effect), &signed_percent_interval(effect.ci), effect);
            let p = |effect: &Effect| number(effect.p).map(|p| p_value(Some(p)));
            match p(effect).filter(|text| estimate.absolute.as_ref().and_then(p).as_ref() != Some(text)) {
                Some(other) => format!("{cell}<span class=\"under\">{}</span>", escape(&other)),
                None => cell,
            }
        }
        None if estimate.absolute.is_some() => "<span class=\"under\">no relative effect</span>".to_owned(),
        None => String::new(),
    }
}

fn effect_html(amount: &str, interval: &str, effect: &Effect) -> String {
    let amount = if is_clear(effect) { format!("<b>{}</b>", escape(amount)) } else { escape(amount) };
    format!("{amount}<span class=\"under\">{}</span>", bounds(interval))
}

/// "0.0123", for a column whose head says p.
fn bare_p_value(p: Option<f64>) -> String {
    escape(p_value(p).trim_start_matches(['p', '=', '\u{a0}']))
}

/// What decides on the decimals of an effect and its interval.
fn largest_bound(effect: &Effect) -> Option<f64> {
    let bounds = effect.ci.and_then(|interval| interval.bounds()).map(|(low, high)| f64::max(low.abs(), high.abs()));
    bounds.or(effect.effect)
}

fn role_word(role: MetricRole) -> &'static str {
    match role {
        MetricRole::Goal => "goal",
        MetricRole::Secondary => "secondary",
        MetricRole::Guardrail => "guardrail",
    }
}

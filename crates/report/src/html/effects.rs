//! The effects of an experiment, one table per metric: a row per segment and variant, drawn as a forest plot.

use maud::{Markup, html};
use tranche_scorecard::{
    Direction, Effect, EstimateRow, ExperimentResult, HeterogeneityRow, MetricNote, MetricRole,
    SegmentContrast,
};

use super::breakdown::{better_words, segment};
use super::fragments::{bounds, name};
use super::interpretation::{ALL, number};
use super::range_plot::RangePlot;
use super::table::{self, Column, Group};
use super::verdict::{is_clear, metric_of};
use super::wording::{metric_heading, words};
use crate::document::KpiSummary;
use crate::number::{ValueFormat, integer, p_value, percent, signed_percent, signed_percent_interval};

/// The tables, goals first. `coverage` says what the intervals are: "95 % interval".
pub(super) fn html(experiment: &ExperimentResult, kpis: &[KpiSummary], coverage: &str) -> Markup {
    if experiment.estimates.is_empty() {
        return html! { p.empty { "No effects have been measured yet." } "\n" };
    }
    let mut metrics: Vec<(MetricRole, &str)> = Vec::new();
    for estimate in &experiment.estimates {
        if !metrics.contains(&(estimate.role, estimate.metric.as_str())) {
            metrics.push((estimate.role, &estimate.metric));
        }
    }
    metrics.sort_by_key(|(role, _)| *role as u8);
    let of = |role, metric: &str| -> Vec<&EstimateRow> {
        experiment
            .estimates
            .iter()
            .filter(|estimate| estimate.role == role && estimate.metric == metric)
            .collect()
    };
    let pooled = |metric: &str| -> Vec<&HeterogeneityRow> {
        experiment.heterogeneity.iter().filter(|test| test.metric == metric).collect()
    };
    let effects = |(role, metric): (MetricRole, &str)| {
        MetricEffects::new(role, metric_of(metric, experiment, kpis), of(role, metric), pooled(metric))
    };
    html! { @for effects in metrics.into_iter().map(effects) { (effects.html(coverage)) } }
}

/// What one table shows.
struct MetricEffects<'a> {
    role: MetricRole,
    metric: MetricNote,
    estimates: Vec<&'a EstimateRow>,
    means: ValueFormat,
    differences: ValueFormat,
    /// Whether the drawing shows relative effects; absolute ones where there are none, or where they stand beside a margin.
    relative: bool,
    /// The tests between segments, with partially pooled effects.
    between: Vec<&'a HeterogeneityRow>,
    /// Whether beliefs are shown instead of p-values.
    bayes: bool,
}

impl<'a> MetricEffects<'a> {
    fn new(
        role: MetricRole,
        metric: MetricNote,
        estimates: Vec<&'a EstimateRow>,
        between: Vec<&'a HeterogeneityRow>,
    ) -> Self {
        let unit = metric.unit.as_deref();
        let mean = estimates.iter().find_map(|estimate| estimate.control_mean);
        let difference = estimates.iter().find_map(|estimate| largest_bound(estimate.absolute.effect()?));
        let means = ValueFormat::new(metric.kind, unit, mean).terse();
        let differences = ValueFormat::new(metric.kind, unit, difference).terse();
        let has_relative = estimates.iter().any(|estimate| estimate.relative.effect().is_some());
        let relative = has_relative && number(metric.margin).is_none();
        let bayes = estimates
            .iter()
            .filter_map(|estimate| estimate.absolute.effect())
            .any(|effect| effect.chance_to_win.is_some());
        Self { role, metric, estimates, means, differences, relative, between, bayes }
    }

    fn html(&self, coverage: &str) -> Markup {
        let rows: Vec<_> = self.estimates.iter().map(|estimate| self.drawn(estimate)).collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|effect| (effect.map(|effect| effect.effect), effect.map(|effect| effect.ci)))
            .collect();
        let margin = if self.relative { self.metric.margin_ratio } else { self.metric.margin };
        let margin = number(margin).map(|margin| match self.metric.direction {
            Direction::Increase => (-margin, "target"),
            Direction::Decrease => (margin, "target"),
        });
        let plot = RangePlot::new(&rows, std::iter::once((0.0, "zero")).chain(margin).collect());
        let axis = plot.as_ref().map(|plot| plot.axis(|value, step| self.tick(value, step)));
        let drawn =
            format!("{} effect and {coverage}, drawn", if self.relative { "Relative" } else { "Absolute" });
        let has_pooled = self.estimates.iter().any(|estimate| self.pooled(estimate).is_some());
        let columns: Vec<Column> = [
            Some(Column::text("Segment")),
            Some(Column::text("Variant")),
            Some(Column::number("Control mean")),
            Some(Column::number("Variant mean")),
            Some(Column::number("Difference")),
            has_pooled.then(|| Column::number("Pooled")),
            Some(Column::number("Relative")),
            Some(Column::number(if self.bayes { "Chance to win" } else { "p" })),
            Some(Column::plot(&drawn, &axis.unwrap_or_default())),
        ]
        .into_iter()
        .flatten()
        .collect();
        let rows =
            self.estimates.iter().map(|estimate| self.cells(estimate, plot.as_ref(), has_pooled)).collect();
        let caption =
            format!("Effects on {} by segment and variant, with {coverage}s", words(&self.metric.metric));
        let class = if has_pooled { "effects pooled" } else { "effects" };
        html! {
            h4 {
                (metric_heading(&self.metric.metric)) " "
                span.role { (role_word(self.role)) ", " (better_words(self.metric.direction)) (self.margin()) }
            }
            "\n"
            @if let Some(clear) = self.clear_segments() { p.small { (clear) } "\n" }
            (table::html(&caption, class, &columns, &[Group { heading: None, rows }]))
        }
    }

    /// The effect of a segment, drawn towards the others of its set by as much as they do not differ.
    fn pooled(&self, estimate: &EstimateRow) -> Option<&'a SegmentContrast> {
        let own = self.between.iter().filter(|test| test.variant == estimate.variant);
        own.flat_map(|test| &test.segments).find(|effect| effect.segment == estimate.segment)
    }

    fn margin(&self) -> String {
        let format = ValueFormat::new(
            self.metric.kind,
            self.metric.unit.as_deref(),
            self.metric.margin.map(|margin| 10.0 * margin),
        );
        let absolute = number(self.metric.margin)
            .map(|margin| format.difference(Some(margin)).trim_start_matches('+').to_owned());
        let relative =
            number(self.metric.margin_ratio).map(|ratio| format!("{} of control", percent(Some(ratio))));
        absolute.or(relative).map_or(String::new(), |margin| format!(", margin {margin}"))
    }

    /// For whom the effect is clear: how many segments of those measured.
    fn clear_segments(&self) -> Option<String> {
        let segments: Vec<_> = self.estimates.iter().filter(|estimate| estimate.segment != ALL).collect();
        let clear =
            segments.iter().filter(|estimate| estimate.absolute.effect().is_some_and(is_clear)).count();
        match segments.len() {
            0 => None,
            1 if clear == 1 => Some("Clear in the one segment measured.".to_owned()),
            1 => Some("Not clear in the one segment measured.".to_owned()),
            all => Some(format!("Clear in {clear} of {all} comparisons by segment.")),
        }
    }

    fn drawn<'e>(&self, estimate: &'e EstimateRow) -> Option<&'e Effect> {
        if self.relative { estimate.relative.effect() } else { estimate.absolute.effect() }
    }

    fn tick(&self, value: f64, step: f64) -> String {
        if self.relative {
            percent(Some(value)).replace(".0", "")
        } else {
            self.differences.tick(value, step)
        }
    }

    fn cells(&self, estimate: &EstimateRow, plot: Option<&RangePlot>, has_pooled: bool) -> Vec<Markup> {
        let drawing = plot
            .zip(self.drawn(estimate))
            .and_then(|(plot, effect)| plot.row(Some(effect.effect), Some(effect.ci), is_clear(effect)));
        let pooled = html! { @if let Some(effect) = self.pooled(estimate) { (self.pooled_html(effect)) } };
        let cells = [
            Some(segment(&estimate.segment)),
            Some(name(&estimate.variant)),
            Some(self.mean(estimate.control_mean, estimate.control_n)),
            Some(self.mean(estimate.mean, estimate.n)),
            Some(self.difference(estimate)),
            has_pooled.then_some(pooled),
            Some(relative(estimate)),
            Some(self.certainty(estimate)),
            Some(drawing.unwrap_or_default()),
        ];
        cells.into_iter().flatten().collect()
    }

    fn pooled_html(&self, effect: &SegmentContrast) -> Markup {
        let amount = self.differences.difference(number(Some(effect.pooled_effect)));
        let se = self.differences.difference(number(Some(effect.pooled_se)));
        html! { (amount) span.under { "se " (se.trim_start_matches('+')) } }
    }

    /// How sure the effect is: its p-value, or what to believe of it; and what a guardrail's margin comes to.
    fn certainty(&self, estimate: &EstimateRow) -> Markup {
        let effect = estimate.absolute.effect();
        let of = |value: fn(&Effect) -> Option<f64>| effect.and_then(|effect| number(value(effect)));
        html! {
            @if let Some(chance) = of(|effect| effect.chance_to_win) {
                (percent(Some(chance)))
                @if let Some(risk) = of(|effect| effect.risk) {
                    span.under { "expected loss " (self.loss(risk)) }
                }
            } @else if let Some(p) = of(|effect| effect.p) {
                (bare_p_value(p))
            }
            @if let Some(test) = &estimate.non_inferiority {
                span.under {
                    (if test.holds { "within margin" } else { "margin not ruled out" })
                    @if let Some(p) = number(test.p) { ", " (p_value(Some(p))) }
                }
            }
        }
    }

    fn loss(&self, risk: f64) -> String {
        let format = ValueFormat::new(self.metric.kind, self.metric.unit.as_deref(), Some(risk)).terse();
        format.difference(Some(risk.abs())).trim_start_matches('+').to_owned()
    }

    fn mean(&self, mean: Option<f64>, n: u64) -> Markup {
        html! { (self.means.value(mean)) span class="under n" { "n\u{a0}=\u{a0}" (integer(n)) } }
    }

    fn difference(&self, estimate: &EstimateRow) -> Markup {
        match (estimate.absolute.effect(), &estimate.undefined) {
            (Some(effect), _) => effect_html(
                &self.differences.difference(Some(effect.effect)),
                &self.differences.difference_interval(Some(effect.ci)),
                effect,
            ),
            (None, Some(reason)) => html! { span.under { "not computable: " (reason) } },
            (None, None) => html! { span.under { "not computed" } },
        }
    }
}

fn relative(estimate: &EstimateRow) -> Markup {
    let absolute = estimate.absolute.effect();
    let Some(effect) = estimate.relative.effect().filter(|relative| relative.effect.is_finite()) else {
        return html! { @if absolute.is_some() { span.under { "no relative effect" } } };
    };
    let amount = signed_percent(Some(effect.effect));
    let interval = signed_percent_interval(Some(effect.ci));
    let p = |effect: &Effect| number(effect.p).map(|p| p_value(Some(p)));
    let other_p = p(effect).filter(|text| absolute.and_then(p).as_ref() != Some(text));
    html! {
        (effect_html(&amount, &interval, effect))
        @if let Some(p) = other_p { span.under { (p) } }
    }
}

fn effect_html(amount: &str, interval: &str, effect: &Effect) -> Markup {
    html! {
        @if is_clear(effect) { b { (amount) } } @else { (amount) }
        span.under { (bounds(interval)) }
    }
}

/// "0.0123", for a column whose head says p.
fn bare_p_value(p: f64) -> String {
    p_value(Some(p)).trim_start_matches(['p', '=', '\u{a0}']).to_owned()
}

/// What decides on the decimals of an effect and its interval.
fn largest_bound(effect: &Effect) -> Option<f64> {
    let bounds = effect.ci.bounds().map(|(low, high)| f64::max(low.abs(), high.abs()));
    bounds.or(Some(effect.effect))
}

fn role_word(role: MetricRole) -> &'static str {
    match role {
        MetricRole::Goal => "goal",
        MetricRole::Secondary => "secondary",
        MetricRole::Guardrail => "guardrail",
    }
}

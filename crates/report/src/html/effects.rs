//! The effects of an experiment, one table per metric: a row per segment and variant, drawn as a forest plot.

use tranche_scorecard::{
    Direction, Effect, EstimateRow, ExperimentResult, HeterogeneityRow, MetricNote, MetricRole,
    SegmentContrast,
};

use super::breakdown::better_words;
use super::markup::{bounds, escape, metric_heading, name, words};
use super::range_plot::RangePlot;
use super::reading::{ALL, number};
use super::table::{self, Column, Group};
use super::verdict::{is_clear, metric_of};
use crate::document::KpiSummary;
use crate::number::{ValueFormat, integer, p_value, percent, signed_percent, signed_percent_interval};

/// The tables, goals first. `coverage` says what the intervals are: "95 % interval".
pub(super) fn html(experiment: &ExperimentResult, kpis: &[KpiSummary], coverage: &str) -> String {
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
    let tables = metrics.iter().map(|(role, metric)| {
        MetricEffects::new(*role, metric_of(metric, experiment, kpis), of(*role, metric), pooled(metric))
            .html(coverage)
    });
    tables.collect()
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

    fn html(&self, coverage: &str) -> String {
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
        let axis =
            plot.as_ref().map_or(String::new(), |plot| plot.axis(|value, step| self.tick(value, step)));
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
            Some(Column::plot(&drawn, &axis)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let rows =
            self.estimates.iter().map(|estimate| self.cells(estimate, plot.as_ref(), has_pooled)).collect();
        let caption =
            format!("Effects on {} by segment and variant, with {coverage}s", words(&self.metric.metric));
        format!(
            "<h4>{} <span class=\"role\">{}, {}{}</span></h4>\n{}{}",
            metric_heading(&self.metric.metric),
            role_word(self.role),
            better_words(self.metric.direction),
            self.margin(),
            self.clear_segments(),
            table::html(
                &caption,
                if has_pooled { "effects pooled" } else { "effects" },
                &columns,
                &[Group { heading: None, rows }]
            )
        )
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
        absolute.or(relative).map_or(String::new(), |margin| format!(", margin {}", escape(&margin)))
    }

    /// For whom the effect is clear: how many segments of those measured.
    fn clear_segments(&self) -> String {
        let segments: Vec<_> = self.estimates.iter().filter(|estimate| estimate.segment != ALL).collect();
        let clear =
            segments.iter().filter(|estimate| estimate.absolute.effect().is_some_and(is_clear)).count();
        match segments.len() {
            0 => String::new(),
            1 => format!(
                "<p class=\"small\">{} in the one segment measured.</p>\n",
                if clear == 1 { "Clear" } else { "Not clear" }
            ),
            all => format!("<p class=\"small\">Clear in {clear} of {all} comparisons by segment.</p>\n"),
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

    fn cells(&self, estimate: &EstimateRow, plot: Option<&RangePlot>, has_pooled: bool) -> Vec<String> {
        let drawing = plot
            .zip(self.drawn(estimate))
            .map(|(plot, effect)| plot.row(Some(effect.effect), Some(effect.ci), is_clear(effect)));
        let pooled = has_pooled
            .then(|| self.pooled(estimate).map_or(String::new(), |effect| self.pooled_html(effect)));
        let cells = [
            Some(if estimate.segment == ALL {
                "<b>Everyone</b>".to_owned()
            } else {
                name(&estimate.segment)
            }),
            Some(name(&estimate.variant)),
            Some(self.mean(estimate.control_mean, estimate.control_n)),
            Some(self.mean(estimate.mean, estimate.n)),
            Some(self.difference(estimate)),
            pooled,
            Some(relative(estimate)),
            Some(self.certainty(estimate)),
            Some(drawing.unwrap_or_default()),
        ];
        cells.into_iter().flatten().collect()
    }

    fn pooled_html(&self, effect: &SegmentContrast) -> String {
        let se = self.differences.difference(number(Some(effect.pooled_se)));
        format!(
            "{}<span class=\"under\">se {}</span>",
            escape(&self.differences.difference(number(Some(effect.pooled_effect)))),
            escape(se.trim_start_matches('+'))
        )
    }

    /// How sure the effect is: its p-value, or what to believe of it; and what a guardrail's margin comes to.
    fn certainty(&self, estimate: &EstimateRow) -> String {
        let effect = estimate.absolute.effect();
        let sure = match effect.and_then(|effect| number(effect.chance_to_win)) {
            Some(chance) => {
                let loss = effect.and_then(|effect| number(effect.risk)).map_or(String::new(), |risk| {
                    let format =
                        ValueFormat::new(self.metric.kind, self.metric.unit.as_deref(), Some(risk)).terse();
                    let size = format.difference(Some(risk.abs()));
                    format!(
                        "<span class=\"under\">expected loss {}</span>",
                        escape(size.trim_start_matches('+'))
                    )
                });
                format!("{}{loss}", escape(&percent(Some(chance))))
            }
            None => {
                effect.and_then(|effect| number(effect.p)).map_or(String::new(), |p| bare_p_value(Some(p)))
            }
        };
        let margin = estimate.non_inferiority.as_ref().map_or(String::new(), |test| {
            let state = if test.holds { "within margin" } else { "margin not ruled out" };
            let p = number(test.p).map_or(String::new(), |p| format!(", {}", p_value(Some(p))));
            format!("<span class=\"under\">{}</span>", escape(&format!("{state}{p}")))
        });
        format!("{sure}{margin}")
    }

    fn mean(&self, mean: Option<f64>, n: u64) -> String {
        format!(
            "{}<span class=\"under n\">n\u{a0}=\u{a0}{}</span>",
            escape(&self.means.value(mean)),
            integer(n)
        )
    }

    fn difference(&self, estimate: &EstimateRow) -> String {
        match (estimate.absolute.effect(), &estimate.undefined) {
            (Some(effect), _) => effect_html(
                &self.differences.difference(Some(effect.effect)),
                &self.differences.difference_interval(Some(effect.ci)),
                effect,
            ),
            (None, Some(reason)) => {
                format!("<span class=\"under\">not computable: {}</span>", escape(reason))
            }
            (None, None) => "<span class=\"under\">not computed</span>".to_owned(),
        }
    }
}

fn relative(estimate: &EstimateRow) -> String {
    match estimate.relative.effect().filter(|relative| relative.effect.is_finite()) {
        Some(effect) => {
            let cell = effect_html(
                &signed_percent(Some(effect.effect)),
                &signed_percent_interval(Some(effect.ci)),
                effect,
            );
            let p = |effect: &Effect| number(effect.p).map(|p| p_value(Some(p)));
            match p(effect).filter(|text| estimate.absolute.effect().and_then(p).as_ref() != Some(text)) {
                Some(other) => format!("{cell}<span class=\"under\">{}</span>", escape(&other)),
                None => cell,
            }
        }
        None if estimate.absolute.effect().is_some() => {
            "<span class=\"under\">no relative effect</span>".to_owned()
        }
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

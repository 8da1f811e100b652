//! What an experiment says, in plain words. Nothing is claimed that an interval does not exclude.

use tranche_scorecard::{
    Direction, Effect, EstimateRow, ExperimentResult, Interval, MetricNote, MetricRole, Severity, ValueKind,
};

use super::interpretation::{self, ALL, Judgement};
use super::wording::{listed, words};
use crate::document::KpiSummary;
use crate::number::{ValueFormat, percent, signed_percent_interval};

/// The verdict: what a reader may do with it, and the words.
pub(super) struct Verdict {
    pub(super) usable: bool,
    /// Plain text.
    pub(super) text: String,
}

/// How `metric` is to be read: as the experiment says, else as the KPI of the same name, else a mean to increase.
pub(super) fn metric_of(metric: &str, experiment: &ExperimentResult, kpis: &[KpiSummary]) -> MetricNote {
    if let Some(known) = experiment.metrics.iter().find(|known| known.metric == metric) {
        return known.clone();
    }
    let kpi = kpis.iter().find(|kpi| kpi.metric == metric);
    MetricNote {
        metric: metric.to_owned(),
        description: kpi.and_then(|kpi| kpi.description.clone()),
        unit: kpi.and_then(|kpi| kpi.unit.clone()),
        direction: kpi.map_or(Direction::Increase, |kpi| kpi.direction),
        kind: kpi.map_or(ValueKind::Mean, |kpi| kpi.kind),
        margin: None,
        margin_ratio: None,
        missing: 0,
        open: 0,
    }
}

/// Whether the interval excludes no effect.
pub(super) fn is_clear(effect: &Effect) -> bool {
    !effect.ci.contains(0.0)
}

/// The verdict over all segments.
pub(super) fn verdict(experiment: &ExperimentResult, kpis: &[KpiSummary]) -> Verdict {
    if let Some(text) = distrust(experiment) {
        return Verdict { usable: false, text };
    }
    let goals = told(experiment, kpis, MetricRole::Goal, goal);
    let guardrails = told(experiment, kpis, MetricRole::Guardrail, guardrail);
    let goals = if goals.is_empty() {
        "No effect on a goal can be computed yet.".to_owned()
    } else {
        goals.join(" ")
    };
    let guardrails = match guardrails.as_slice() {
        [] if overall(experiment, MetricRole::Guardrail).next().is_some() => " Guardrails hold.".to_owned(),
        [] => String::new(),
        harmed => format!(" {}", harmed.join(" ")),
    };
    Verdict { usable: true, text: format!("{goals}{guardrails}") }
}

/// A clause for the head of the page, if there is something to say.
pub(super) fn short(experiment: &ExperimentResult, kpis: &[KpiSummary]) -> Option<String> {
    let title = words(&experiment.experiment);
    if distrust(experiment).is_some() {
        return Some(format!("the results of {title} cannot be trusted"));
    }
    let clear: Vec<String> = overall(experiment, MetricRole::Goal)
        .filter_map(|estimate| clear_goal(estimate, &metric_of(&estimate.metric, experiment, kpis)))
        .collect();
    (!clear.is_empty()).then(|| format!("in the experiment {title}, {}", listed(&clear)))
}

fn distrust(experiment: &ExperimentResult) -> Option<String> {
    if !experiment.srm.ok {
        return Some(
            "Do not act on these effects: units were not split as planned, so the variants cannot be compared.".to_owned(),
        );
    }
    let failed = experiment.checks.iter().find(|check| !check.ok && check.severity == Severity::Gate);
    let reason = failed.map_or("a check of its data failed", |check| check.finding.as_str());
    (!experiment.trustworthy)
        .then(|| format!("Do not act on these effects yet: {}.", reason.trim_end_matches('.')))
}

fn overall(experiment: &ExperimentResult, role: MetricRole) -> impl Iterator<Item = &EstimateRow> {
    experiment.estimates.iter().filter(move |estimate| estimate.segment == ALL && estimate.role == role)
}

fn told(
    experiment: &ExperimentResult,
    kpis: &[KpiSummary],
    role: MetricRole,
    tell: fn(&EstimateRow, &MetricNote) -> Option<String>,
) -> Vec<String> {
    overall(experiment, role)
        .filter_map(|estimate| tell(estimate, &metric_of(&estimate.metric, experiment, kpis)))
        .collect()
}

fn goal(estimate: &EstimateRow, metric: &MetricNote) -> Option<String> {
    let effect = estimate.absolute.effect()?;
    interpretation::number(Some(effect.effect))?;
    let range = range(estimate, metric);
    let belief = interpretation::number(effect.chance_to_win);
    let belief = belief.map_or(String::new(), |chance| {
        format!(", and is better with a chance of {}", percent(Some(chance)))
    });
    Some(match clear_goal(estimate, metric) {
        Some(clear) => format!("{clear}{range}{belief}."),
        None => {
            format!("{} has no clear effect on {}{range}{belief}.", estimate.variant, words(&metric.metric))
        }
    })
}

fn clear_goal(estimate: &EstimateRow, metric: &MetricNote) -> Option<String> {
    let effect = estimate.absolute.effect().filter(|effect| is_clear(effect))?;
    let amount = interpretation::number(Some(effect.effect))?;
    let verb = if amount > 0.0 { "raises" } else { "lowers" };
    let meaning = if interpretation::judgement(metric.direction, amount, true) == Judgement::Worse {
        ", which is worse"
    } else {
        ""
    };
    Some(format!(
        "{} {verb} {} by {}{meaning}",
        estimate.variant,
        words(&metric.metric),
        size(estimate, metric, amount)
    ))
}

fn size(estimate: &EstimateRow, metric: &MetricNote, amount: f64) -> String {
    match estimate.relative.effect().and_then(|relative| interpretation::number(Some(relative.effect))) {
        Some(ratio) => percent(Some(ratio.abs())),
        None => {
            let format = ValueFormat::new(metric.kind, metric.unit.as_deref(), Some(amount));
            format.difference(Some(amount.abs())).trim_start_matches('+').to_owned()
        }
    }
}

fn range(estimate: &EstimateRow, metric: &MetricNote) -> String {
    let relative = estimate
        .relative
        .effect()
        .map(|effect| effect.ci)
        .filter(is_bounded)
        .map(|ci| signed_percent_interval(Some(ci)));
    let absolute = || {
        let effect = estimate.absolute.effect()?;
        let format = ValueFormat::new(metric.kind, metric.unit.as_deref(), Some(effect.effect));
        is_bounded(&effect.ci).then(|| format.difference_interval(Some(effect.ci)))
    };
    relative.or_else(absolute).map_or(String::new(), |range| format!(" ({range})"))
}

fn is_bounded(interval: &Interval) -> bool {
    interval.low().is_some() || interval.high().is_some()
}

/// What is wrong with a guardrail; None if it holds.
fn guardrail(estimate: &EstimateRow, metric: &MetricNote) -> Option<String> {
    let name = words(&metric.metric);
    let Some(effect) = estimate.absolute.effect() else {
        return Some(format!("Guardrail {name} cannot be judged for {}.", estimate.variant));
    };
    let worst = match metric.direction {
        Direction::Increase => effect.ci.low().map(|low| -low),
        Direction::Decrease => effect.ci.high(),
    };
    let margin = interpretation::number(metric.margin).unwrap_or(0.0);
    let worse = is_clear(effect)
        && interpretation::judgement(metric.direction, effect.effect, true) == Judgement::Worse;
    let within = match &estimate.non_inferiority {
        Some(test) => test.holds,
        None => metric.margin.is_some() && worst.is_some_and(|worst| worst <= margin),
    };
    match () {
        () if within => None,
        () if worse => {
            Some(format!("Guardrail {name} got worse with {}{}.", estimate.variant, range(estimate, metric)))
        }
        () if metric.margin.is_some() || estimate.non_inferiority.is_some() => Some(format!(
            "For guardrail {name}, harm by {} beyond its margin cannot be ruled out.",
            estimate.variant
        )),
        () => None,
    }
}

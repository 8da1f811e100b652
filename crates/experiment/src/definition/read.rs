//! Experiments from the files of a pipeline; without any input or output.

mod families;
mod inference;
mod metrics;
mod statistics;

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_project::{
    DefinitionKind, Named, Problems, Project, SourceFile, Spanned, check_version, duration, instant,
    is_hidden, legible, yaml,
};

use super::assignment;
use super::experiment::Experiment;
use super::looks::{Design, PlannedLooks};
use super::spec::{DecisionSpec, ExperimentSpec, GuardrailsSpec, MetricChoiceSpec};
use super::statistics::{Method, Scale, Statistics, TestDirection};

/// Reads the experiments of a pipeline; problems are reported, and unsound experiments are left out.
pub fn read(
    project: &Project,
    pipeline: &str,
    zone: &TimeZone,
    problems: &mut Problems,
) -> IndexMap<String, Experiment> {
    let mut experiments = Named::new("experiment");
    for file in project.definitions(pipeline, DefinitionKind::Experiment) {
        let Some(spec) = yaml::read::<ExperimentSpec>(file, problems) else { continue };
        let at = spec.experiment.referenced;
        let Some(experiment) = validate(spec, file, zone, problems) else { continue };
        experiments.add(&experiment.name.clone(), experiment, file, at, problems);
    }
    experiments.into_definitions().collect()
}

fn validate(
    spec: ExperimentSpec,
    file: &SourceFile,
    zone: &TimeZone,
    problems: &mut Problems,
) -> Option<Experiment> {
    check_version(&spec.version, file, problems);
    let variants = validate_variants(&spec, file, problems);
    let at = |text: &Spanned<String>, problems: &mut Problems| {
        instant::parse(&text.value, zone)
            .map_err(|message| problems.report(file, text.referenced, message))
            .ok()
    };
    let (from, to) = (at(&spec.period.from, problems), at(&spec.period.to, problems));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        problems.report(file, spec.period.to.referenced, "the period ends before it begins");
    }
    let length = |text: &Spanned<String>, problems: &mut Problems| {
        duration::parse(&text.value).map_err(|message| problems.report(file, text.referenced, message)).ok()
    };
    let conversion_window = match &spec.conversion_window {
        Some(text) => Some(length(text, problems)?),
        None => None,
    };
    let statistics = statistics::validate(&spec, zone, file, problems);
    if let (Some(statistics), Some(from)) = (&statistics, from) {
        check_statistics(statistics, &spec, from, file, problems);
    }
    if let Some(decision) = &spec.decision {
        check_decision(decision, &spec, file, problems);
    }
    let choices = metrics::validate(spec.metrics, file, problems);
    let assignment = assignment::validate(spec.assignment.as_ref(), &spec.experiment.value, file, problems);
    Some(Experiment {
        assignment,
        name: spec.experiment.value,
        hypothesis: spec.hypothesis,
        entity: spec.entity.value,
        cluster: spec.cluster,
        table: spec.exposure.table,
        filter: spec.exposure.filter,
        variant: spec.exposure.variant,
        at: spec.exposure.at,
        variants: variants?,
        control: spec.control.value,
        from: from?,
        to: to?,
        zone: zone.clone(),
        conversion_window,
        metrics: choices,
        segments: spec.segments,
        statistics: statistics?,
        decision: spec.decision.map(|decision| decision.value),
        file: file.clone(),
    })
}

/// Checks the parts of `statistics:` that depend on the metrics and on the period.
fn check_statistics(
    statistics: &Statistics,
    spec: &ExperimentSpec,
    from: Timestamp,
    file: &SourceFile,
    problems: &mut Problems,
) {
    let metrics = spec.metrics.goal.iter().chain(&spec.metrics.secondary).chain(&spec.metrics.guardrail);
    match &statistics.method {
        Method::Mixture { scale: Scale::Each(scales) } => {
            let at =
                spec.statistics.scale.as_ref().map_or(spec.experiment.referenced, |scale| scale.referenced);
            for choice in metrics.filter(|choice| !scales.contains_key(&choice.value.metric)) {
                let message = format!(
                    "`scale` has no number for metric `{}`; give every metric one",
                    choice.value.metric
                );
                problems.report(file, at, message);
            }
        }
        Method::GroupSequential(Design { looks: PlannedLooks::Instants { instants, .. }, .. }) => {
            let at =
                spec.statistics.looks.as_ref().map_or(spec.experiment.referenced, |looks| looks.referenced);
            if instants.first().is_some_and(|first| *first <= from) {
                problems.report(
                    file,
                    at,
                    "the first look is not after the beginning of the period, when no unit was exposed",
                );
            }
        }
        Method::Bayes { .. } => {
            let one_sided = |choice: &&Spanned<MetricChoiceSpec>| {
                choice
                    .value
                    .alternative
                    .is_some_and(|alternative| TestDirection::from(alternative) != TestDirection::TwoSided)
            };
            for choice in metrics.filter(one_sided) {
                let message = "a posterior covers both directions; leave `alternative` out, or choose another inference";
                problems.report(file, choice.referenced, message);
            }
        }
        _ => {}
    }
}

fn check_decision(
    decision: &Spanned<DecisionSpec>,
    spec: &ExperimentSpec,
    file: &SourceFile,
    problems: &mut Problems,
) {
    if spec.metrics.goal.is_empty() {
        problems.report(
            file,
            decision.referenced,
            "a decision needs a goal; name a metric under `metrics: {goal: [...]}`",
        );
    }
    if decision.value.ship.guardrails == GuardrailsSpec::NonInferior {
        for guardrail in spec.metrics.guardrail.iter().filter(|guardrail| guardrail.value.margin.is_none()) {
            let name = &guardrail.value.metric;
            let message = format!(
                "guardrail `{name}` has no margin to be non-inferior within; write `{{metric: {name}, margin: ...}}`, or \
                 `ship: {{guardrails: not_harmed}}` in the decision"
            );
            problems.report(file, guardrail.referenced, message);
        }
    }
}

fn validate_variants(
    spec: &ExperimentSpec,
    file: &SourceFile,
    problems: &mut Problems,
) -> Option<IndexMap<String, f64>> {
    let shares = &spec.variants.value;
    let total: f64 = shares.values().sum();
    if shares.len() < 2 || shares.values().any(|share| !share.is_finite() || *share <= 0.0) {
        problems.report(
            file,
            spec.variants.referenced,
            "an experiment has at least two variants, each with a positive share",
        );
        return None;
    }
    if let Some(variant) = shares.keys().find(|variant| variant.chars().any(is_hidden)) {
        let message = format!("variant `{}` has characters that are not seen", legible(variant));
        problems.report(file, spec.variants.referenced, message);
        return None;
    }
    if !shares.contains_key(&spec.control.value) {
        let known: Vec<&str> = shares.keys().map(String::as_str).collect();
        let message =
            format!("control `{}` is not one of the variants {}", spec.control.value, known.join(", "));
        problems.report(file, spec.control.referenced, message);
        return None;
    }
    Some(shares.iter().map(|(variant, share)| (variant.clone(), share / total)).collect())
}

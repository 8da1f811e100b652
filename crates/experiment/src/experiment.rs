//! An experiment that holds together: validated, and checked against contracts, metrics and segments.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tranche_metric::Metrics;
use tranche_project::{
    DefinitionKind, Position, Problems, Project, SourceFile, Spanned, duration, instant, yaml,
};
use tranche_schema::Contract;
use tranche_scorecard::MetricRole;
use tranche_segment::{Definitions, EVERYONE};
use tranche_sql::Session;
use tranche_stats::{Margin, VarianceMethod};

use crate::assignment::{self, Assignment};
use crate::looks::{Design, PlannedLooks};
use crate::spec::{DecisionSpec, ExperimentSpec, GuardrailsSpec, MetricChoiceSpec};
use crate::statistics::{self, Method, Scale, Statistics, TestDirection};

/// Who was exposed to what, and what is measured of it.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// What it is meant to show.
    pub hypothesis: Option<String>,
    /// What is measured, and randomised unless there is a cluster.
    pub entity: String,
    /// The column with what is randomised, where that is coarser than the entity: of the exposures, or else of the entity.
    pub cluster: Option<Spanned<String>>,
    /// The event table of exposures.
    pub table: Spanned<String>,
    /// Which of its events are exposures, as SQL.
    pub filter: Option<Spanned<String>>,
    /// The column with the variant.
    pub variant: Spanned<String>,
    /// The column with the instant, when not the table's event time.
    pub at: Option<Spanned<String>>,
    /// The variants and their planned shares, which add up to 1.
    pub variants: IndexMap<String, f64>,
    /// The variant that others are compared with.
    pub control: String,
    /// How units are assigned, by whoever does it.
    pub assignment: Assignment,
    /// The first instant of exposures that count.
    pub from: Timestamp,
    /// The first instant that does not any more.
    pub to: Timestamp,
    /// The time zone that its days are of.
    pub zone: TimeZone,
    /// How long after its first exposure a unit's facts count; up to as_of when `None`.
    pub conversion_window: Option<Duration>,
    /// What is measured, goals first.
    pub metrics: Vec<MetricChoice>,
    /// Segments to break results down by, as written.
    pub segments: Vec<Spanned<String>>,
    /// How effects are estimated.
    pub statistics: Statistics,
    /// What follows from the result, if anything is declared.
    pub decision: Option<DecisionSpec>,
    /// Where it is defined.
    pub file: SourceFile,
}

/// A metric with its role.
#[derive(Debug, Clone)]
pub struct MetricChoice {
    /// The metric, with its place in the file.
    pub metric: Spanned<String>,
    /// Its role.
    pub role: MetricRole,
    /// The loss that a guardrail tolerates.
    pub margin: Option<Margin>,
    /// The direction of its test, when not that of the experiment.
    pub direction: Option<TestDirection>,
    /// Where its variance comes from, when not as for the experiment.
    pub variance: Option<VarianceMethod>,
}

impl Experiment {
    /// The variants other than control, in the author's order.
    pub fn treatments(&self) -> impl Iterator<Item = &str> {
        self.variants.keys().map(String::as_str).filter(|variant| *variant != self.control)
    }

    /// How long a unit is observed after its exposure, until the windows of all metrics are over; `None` when without end.
    #[must_use]
    pub fn observed(&self, metrics: &Metrics) -> Option<SignedDuration> {
        let window = self.conversion_window.and_then(|window| SignedDuration::try_from(window).ok());
        let chosen = self.metrics.iter().filter_map(|choice| metrics.get(&choice.metric.value));
        let mut longest = window;
        for metric in chosen {
            longest = longest.max(Some(metrics.observed(metric, window)?));
        }
        longest
    }
}

/// Reads the experiments of a pipeline; problems are reported and what is unsound is left out.
pub fn read(
    project: &Project,
    pipeline: &str,
    zone: &TimeZone,
    problems: &mut Problems,
) -> IndexMap<String, Experiment> {
    let mut experiments: IndexMap<String, Experiment> = IndexMap::new();
    for file in project.definitions(pipeline, DefinitionKind::Experiment) {
        let Some(spec) = yaml::read::<ExperimentSpec>(file, problems) else { continue };
        let at = spec.experiment.referenced;
        let Some(experiment) = validate(spec, file, zone, problems) else { continue };
        if let Some(other) = experiments.get(&experiment.name) {
            let message =
                format!("experiment `{}` is already defined in {}", experiment.name, other.file.path());
            problems.report(file, at, message);
            continue;
        }
        experiments.insert(experiment.name.clone(), experiment);
    }
    experiments
}

fn validate(
    spec: ExperimentSpec,
    file: &SourceFile,
    zone: &TimeZone,
    problems: &mut Problems,
) -> Option<Experiment> {
    if spec.version.value != 1 {
        problems.report(
            file,
            spec.version.referenced,
            format!("version {} is not known; write `version: 1`", spec.version.value),
        );
    }
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
    let metrics = [
        (MetricRole::Goal, spec.metrics.goal),
        (MetricRole::Secondary, spec.metrics.secondary),
        (MetricRole::Guardrail, spec.metrics.guardrail),
    ];
    let mut choices = Vec::new();
    for (role, written) in metrics {
        choices.extend(written.into_iter().map(|choice| metric_choice(role, choice, file, problems)));
    }
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

fn metric_choice(
    role: MetricRole,
    spec: Spanned<MetricChoiceSpec>,
    file: &SourceFile,
    problems: &mut Problems,
) -> MetricChoice {
    let Spanned { value: MetricChoiceSpec { metric, margin, alternative, variance }, referenced, defined } =
        spec;
    if role != MetricRole::Guardrail && margin.is_some() {
        problems.report(file, referenced, "a margin has a meaning only for a guardrail");
    }
    if margin.is_some() && alternative.is_some() {
        problems.report(
            file,
            referenced,
            "a margin is tested in the metric's own direction; leave `alternative` out",
        );
    }
    let margin = margin.and_then(|margin| {
        statistics::margin(&margin).map_err(|message| problems.report(file, referenced, message)).ok()
    });
    let variance = variance.and_then(|written| {
        statistics::variance(written).map_err(|message| problems.report(file, referenced, message)).ok()
    });
    MetricChoice {
        metric: Spanned { value: metric, referenced, defined },
        role,
        margin,
        direction: alternative.map(TestDirection::from),
        variance,
    }
}

/// What of `statistics:` depends on the metrics and on the period.
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
                    "the first look is not after the beginning of the period, when nobody was exposed",
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
                let message = "a posterior speaks of both directions; leave `alternative` out, or choose another inference";
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
    if !shares.contains_key(&spec.control.value) {
        let known: Vec<&str> = shares.keys().map(String::as_str).collect();
        let message =
            format!("control `{}` is not one of the variants {}", spec.control.value, known.join(", "));
        problems.report(file, spec.control.referenced, message);
        return None;
    }
    Some(shares.iter().map(|(variant, share)| (variant.clone(), share / total)).collect())
}

/// Checks experiments against contracts, metrics and segments; reports every problem.
pub fn check(
    experiments: &IndexMap<String, Experiment>,
    definitions: &Definitions,
    metrics: &Metrics,
    session: &Session,
    problems: &mut Problems,
) {
    for experiment in experiments.values() {
        let file = &experiment.file;
        if definitions.entity_contract(&experiment.entity).is_none() {
            let message = format!("no contract defines the entity `{}`", experiment.entity);
            problems.report(file, Position::START, message);
        }
        match definitions.contracts.get(&experiment.table.value) {
            None => problems.report(
                file,
                experiment.table.referenced,
                format!("there is no table `{}`", experiment.table.value),
            ),
            Some(contract) => check_exposure(experiment, contract, session, problems),
        }
        for choice in &experiment.metrics {
            if metrics.get(&choice.metric.value).is_none() {
                problems.report(file, choice.metric.referenced, metrics.unknown(&choice.metric.value));
            }
        }
        statistics::check(experiment, definitions, metrics, problems);
        for segment in experiment.segments.iter().chain(&experiment.statistics.strata) {
            if segment.value != EVERYONE && definitions.definition_of(&segment.value).is_none() {
                problems.report(file, segment.referenced, format!("there is no segment `{}`", segment.value));
            }
        }
    }
}

fn check_exposure(experiment: &Experiment, contract: &Contract, session: &Session, problems: &mut Problems) {
    let file = &experiment.file;
    if contract.event_time().is_none() {
        problems.report(
            file,
            experiment.table.referenced,
            format!("`{}` is not an event table", contract.table),
        );
    }
    if contract.entity_column(&experiment.entity).is_none() {
        let message =
            format!("table `{}` does not say which column names a `{}`", contract.table, experiment.entity);
        problems.report(file, experiment.table.referenced, message);
    }
    for column in std::iter::once(&experiment.variant).chain(&experiment.at) {
        if contract.column(&column.value).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!(
                "table `{}` has no column `{}`; it has {}",
                contract.table,
                column.value,
                known.join(", ")
            );
            problems.report(file, column.referenced, message);
        }
    }
    if let Some(filter) = &experiment.filter
        && let Err(problem) = crate::exposure::filter_expression(&filter.value, contract, session)
    {
        let mut diagnostic = file.problem(file.inside(filter, problem.position), problem.message);
        diagnostic.help = problem.help;
        problems.push(diagnostic);
    }
    if let Some(at) = &experiment.at
        && contract
            .column(&at.value)
            .is_some_and(|c| !matches!(c.data_type, arrow::datatypes::DataType::Timestamp(..)))
    {
        problems.report(file, at.referenced, format!("`{}` is not a timestamp", at.value));
    }
}

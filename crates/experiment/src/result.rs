//! The result of an experiment from its findings, with the notes for its readers.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Metric, MetricKind, Metrics, UnitValues};
use tranche_scorecard::{
    Direction, EstimateRow, ExperimentResult, FamilyNote, HealthCheck, MetricNote, Period, Preregistration,
    Series, ValueKind,
};
use tranche_segment::EVERYONE;
use tranche_stats::Margin;

use crate::decision::{Evidence, decide};
use crate::definition::{Experiment, Method, MetricChoice};
use crate::estimate::metric::MetricEstimates;
use crate::estimate::series;
use crate::health::Health;
use crate::method;
use crate::units::collect::UnitData;

/// The findings of a measurement of an experiment.
pub(crate) struct Findings<'a> {
    pub(crate) as_of: Timestamp,
    pub(crate) estimates: MetricEstimates,
    pub(crate) families: Vec<FamilyNote>,
    pub(crate) health: Health,
    pub(crate) plan: Option<Preregistration>,
    pub(crate) metrics: &'a Metrics,
}

/// Units that a metric leaves out.
struct LeftOut {
    metric: String,
    missing: u64,
    open: u64,
}

impl LeftOut {
    /// What a metric leaves out, if anything.
    fn of(metric: &Metric, values: &UnitValues) -> Option<Self> {
        let details = values.details(metric)?;
        let (missing, open) = (details.missing, details.open);
        (missing + open > 0).then(|| Self { metric: metric.name.clone(), missing, open })
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let Self { metric, missing, open } = self;
        let missing = (*missing > 0).then(|| {
            format!(
                "`{metric}` leaves out {missing} units without a fact, as it declares: whether a unit has one may depend on its \
                 variant, and then the remaining units are not comparable"
            )
        });
        let open =
            (*open > 0).then(|| format!("`{metric}` leaves out {open} units whose window is not over yet"));
        missing.into_iter().chain(open)
    }
}

/// The result of an experiment.
pub(crate) fn result(data: &UnitData<'_>, found: Findings<'_>) -> ExperimentResult {
    let observed = &data.observed;
    let experiment = observed.experiment;
    let chosen = experiment.chosen(found.metrics);
    let left_out: Vec<LeftOut> =
        chosen.iter().filter_map(|(_, metric)| LeftOut::of(metric, &data.after)).collect();
    let failed: Vec<&HealthCheck> = found.health.checks.iter().filter(|check| check.bars()).collect();
    let trustworthy = failed.is_empty();
    let notes = notes(data, &found, &failed, &left_out);
    let estimates: Vec<EstimateRow> = found.estimates.compared.into_iter().map(|one| one.row).collect();
    let decision = decide(
        experiment.decision.as_ref(),
        &Evidence {
            treatments: experiment.treatments().collect(),
            everyone: estimates.iter().filter(|row| row.segment == EVERYONE).collect(),
            failed: failed.iter().map(|check| check.finding.clone()).collect(),
            alpha: experiment.statistics.alpha,
            stage: observed.stage.clone(),
        },
    );
    ExperimentResult {
        experiment: experiment.name.clone(),
        as_of: found.as_of,
        hypothesis: experiment.hypothesis.clone(),
        control: experiment.control.clone(),
        period: Period { from: experiment.from, label: String::new(), to: experiment.to },
        confidence: 1.0 - experiment.statistics.alpha,
        inference: experiment.statistics.method.name().to_owned(),
        method: method::note(experiment, observed.taken.as_ref(), found.families),
        adjust: experiment.statistics.adjust.name().to_owned(),
        srm: found.health.srm,
        metrics: chosen.iter().map(|(choice, metric)| metric_note(choice, metric, &left_out)).collect(),
        estimates,
        heterogeneity: found.estimates.heterogeneity,
        checks: found.health.checks,
        traffic: found.health.traffic,
        outliers: found.estimates.outliers,
        series: Series { points: found.estimates.points, ..series::empty(&experiment.statistics.method) },
        trustworthy,
        plan: found.plan,
        notes,
        decision,
    }
}

/// What makes the result untrustworthy comes first, then warnings.
fn notes(
    data: &UnitData<'_>,
    found: &Findings<'_>,
    failed: &[&HealthCheck],
    left_out: &[LeftOut],
) -> Vec<String> {
    let (experiment, units) = (data.observed.experiment, &data.observed.all);
    let warnings = found.health.checks.iter().filter(|check| !check.ok && !check.bars());
    let mut notes: Vec<String> = failed
        .iter()
        .copied()
        .chain(warnings)
        .map(|check| format!("{}: {}", check.finding, check.advice))
        .collect();
    if let Method::GroupSequential(design) = &experiment.statistics.method {
        notes.push(match &data.observed.taken {
            Some(taken) => format!(
                "look {} of {} planned ones, taken at {}: later exposures and facts count at the next",
                taken.number,
                design.planned(),
                taken.at
            ),
            None => format!("no planned look has been reached: the first is {}", design.first_look()),
        });
    }
    for amendment in found.plan.iter().flat_map(|plan| &plan.amendments) {
        notes.push(format!(
            "the plan was changed after the first exposure, seen at {}: {}",
            amendment.as_of,
            amendment.changes.join("; ")
        ));
    }
    for count in found.health.srm.observed.iter().filter(|variant| variant.count == 0) {
        notes.push(format!("variant `{}` has no {}", count.variant, found.health.srm.counted));
    }
    if units.several_variants > 0 {
        notes.push(format!("{} units saw several variants and are left out", units.several_variants));
    }
    let losses = units.cluster_losses;
    if losses.mixed > 0 {
        notes.push(format!(
            "{} clusters have several variants and are left out, with {} units that saw one variant only",
            losses.mixed, losses.mixed_units
        ));
    }
    if losses.without > 0 {
        notes.push(format!("the cluster of {} units is not known, and they are left out", losses.without));
    }
    if units.unmatched > 0 {
        notes.push(format!("{} exposed units are not in the entity table and are left out", units.unmatched));
    }
    notes.extend(unknown_variants(&units.unknown_variants));
    let open = units.at.iter().filter(|at| window_is_open(experiment, **at, found.as_of)).count();
    if open > 0 {
        notes.push(format!("the conversion window of {open} units is still open"));
    }
    notes.extend(left_out.iter().flat_map(LeftOut::notes));
    notes
}

/// Variants that the experiment does not have; so many that they are no variants are not named, because they are something else.
fn unknown_variants(found: &BTreeMap<String, u64>) -> Vec<String> {
    const NAMED: usize = 5;
    if found.len() > NAMED {
        let (variants, exposures) = (found.len(), found.values().sum::<u64>());
        return vec![format!(
            "{exposures} exposures have one of {variants} variants that the experiment does not have, and are left out: is the column of the variant right?"
        )];
    }
    let note = |(variant, count): (&String, &u64)| {
        format!(
            "{count} exposures have the variant `{variant}`, which the experiment does not have, and are left out"
        )
    };
    found.iter().map(note).collect()
}

fn window_is_open(experiment: &Experiment, at: Timestamp, as_of: Timestamp) -> bool {
    let length = experiment.conversion_window.and_then(|length| SignedDuration::try_from(length).ok());
    length.and_then(|length| at.checked_add(length).ok()).is_some_and(|end| end > as_of)
}

fn metric_note(choice: &MetricChoice, metric: &Metric, left_out: &[LeftOut]) -> MetricNote {
    let left_out = left_out.iter().find(|left_out| left_out.metric == metric.name);
    let (margin, margin_ratio) = match choice.margin {
        Some(Margin::Absolute(size)) => (Some(size), None),
        Some(Margin::Relative(size)) => (None, Some(size)),
        None => (None, None),
    };
    MetricNote {
        description: metric.description.clone(),
        direction: match metric.direction {
            tranche_metric::Direction::Increase => Direction::Increase,
            tranche_metric::Direction::Decrease => Direction::Decrease,
        },
        kind: match metric.kind {
            MetricKind::Mean(_) | MetricKind::Count(_) => ValueKind::Mean,
            MetricKind::Proportion(_) | MetricKind::Retention { .. } | MetricKind::Funnel { .. } => {
                ValueKind::Proportion
            }
            MetricKind::Quantile { .. } => ValueKind::Quantile,
            MetricKind::Ratio { .. } => ValueKind::Ratio,
        },
        margin,
        margin_ratio,
        metric: metric.name.clone(),
        missing: left_out.map_or(0, |left_out| left_out.missing),
        open: left_out.map_or(0, |left_out| left_out.open),
        unit: metric.unit.clone(),
    }
}

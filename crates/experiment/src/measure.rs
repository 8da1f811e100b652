//! Measuring: exposures x segments before exposure x facts after it -> moments -> estimates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tranche_metric::{Direction, Metric, MetricKind, Metrics, Population, UnitValues, unit_values};
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::{Definitions, EVERYONE, Scope};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Engine, Session, Tables};
use tranche_stats::{Adjustment, Inference, adjusted, sample_ratio};

use crate::arms::{Compared, Outcomes, compared};
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::{Exposed, exposed};
use crate::result::{Decision, EstimateRow, ExperimentResult, SampleRatioCheck, VariantCount};

/// A split that is less probable than this, if all is well, makes a result untrustworthy.
const SRM_THRESHOLD: f64 = 0.001;

/// What a measurement works with.
pub struct MeasureContext<'a> {
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine, for sessions at the instants of exposure.
    pub engine: &'a Engine,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline's traits and segments.
    pub definitions: &'a Definitions,
    /// The pipeline's metrics.
    pub metrics: &'a Metrics,
}

/// Measures an experiment; returns what it showed and the rows that were read for it.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub async fn measure(experiment: &Experiment, context: &MeasureContext<'_>) -> Result<(ExperimentResult, u64), ExperimentError> {
    let as_of = context.session.as_of();
    let mut universe = universe(experiment, context).await?;
    let contract = context.definitions.contracts.get(&experiment.table.value).ok_or_else(|| ExperimentError::Exposure {
        experiment: experiment.name.clone(),
        reason: format!("there is no table `{}`", experiment.table.value),
    })?;
    let units = exposed(experiment, contract, context.session, &mut universe).await?;
    let (segments, segment_rows) = segments_at_exposure(experiment, &units, context).await?;
    let choices: Vec<(&MetricChoice, &Metric)> =
        experiment.metrics.iter().filter_map(|choice| Some((choice, context.metrics.get(&choice.metric.value)?))).collect();
    let wanted: Vec<&Metric> = choices.iter().map(|(_, metric)| *metric).collect();
    let after = window(experiment, &units, as_of);
    let after = values(experiment, &wanted, &after, context).await?;
    let before = match experiment.cuped {
        Some(cuped) => {
            let lookback = SignedDuration::try_from(cuped.lookback).unwrap_or(SignedDuration::MAX);
            let from = units.at.iter().map(|at| at.checked_sub(lookback).unwrap_or(Timestamp::MIN)).collect();
            let population =
                Population { entity: experiment.entity.clone(), keys: Arc::clone(&units.keys), from, to: units.at.clone() };
            Some(values(experiment, &wanted, &population, context).await?)
        }
        None => None,
    };
    let mut estimates = Vec::new();
    for (choice, metric) in &choices {
        let Some(outcomes) = after.of(metric) else { continue };
        let outcomes = Outcomes { after: outcomes, before: before.as_ref().and_then(|b| b.of(metric)) };
        for (segment, members) in &segments {
            estimates.extend(rows(experiment, choice, segment, members, &units, outcomes));
        }
    }
    adjust_family(&mut estimates, experiment.adjust);
    let rows_read = units.rows_read + segment_rows + after.rows_read + before.map_or(0, |b| b.rows_read);
    Ok((result(experiment, as_of, &units, &choices, estimates), rows_read))
}

/// The keys of everyone who counts as an entity, so that others can be told.
async fn universe(experiment: &Experiment, context: &MeasureContext<'_>) -> Result<KeyIndex, ExperimentError> {
    let scope = Scope::universe(&experiment.entity);
    let everyone = evaluate(context.definitions, &scope, context.tables, context.session, Sharing::Shared).await;
    everyone
        .map(|found| Arc::unwrap_or_clone(found.index))
        .map_err(|source| ExperimentError::Segment { experiment: experiment.name.clone(), source: Box::new(source) })
}

/// Which units were in each segment just before their first exposure: the segments are replayed at the beginning of each day on
/// which somebody was first exposed, so that nothing that the treatment did can leak into them.
async fn segments_at_exposure(
    experiment: &Experiment,
    units: &Exposed,
    context: &MeasureContext<'_>,
) -> Result<(IndexMap<String, Vec<usize>>, u64), ExperimentError> {
    let mut segments = IndexMap::from([(EVERYONE.to_owned(), (0..units.at.len()).collect::<Vec<_>>())]);
    let wanted: Vec<String> = experiment.segments.iter().map(|s| s.value.clone()).filter(|s| s != EVERYONE).collect();
    if wanted.is_empty() {
        return Ok((segments, 0));
    }
    let mut by_day: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (unit, at) in units.at.iter().enumerate() {
        by_day.entry(at.as_second().div_euclid(86_400)).or_default().push(unit);
    }
    let scope = Scope::of(context.definitions, &experiment.entity, &wanted, context.session).await?;
    let read = scope.tables(context.definitions);
    let tables = context.tables.cached(context.engine, |table| read.contains(table)).await?;
    let mut rows_read = tables.cached_rows();
    for (day, members) in by_day {
        let mut evaluation = replay(experiment, &scope, day, &tables, context).await?;
        rows_read += evaluation.rows_read;
        let numbers = Arc::make_mut(&mut evaluation.index).insert(&units.keys)?;
        for (name, found) in &evaluation.segments {
            if !wanted.iter().any(|pattern| matches(pattern, name)) {
                continue;
            }
            let own = members.iter().filter(|&&unit| numbers[unit].is_some_and(|number| found.entities.contains(number)));
            segments.entry(name.clone()).or_default().extend(own);
        }
    }
    // Everyone first, then in the order that the author gave.
    let place = |name: &str| wanted.iter().position(|pattern| matches(pattern, name)).map_or(0, |place| place + 1);
    segments.sort_by(|a, _, b, _| (place(a), a).cmp(&(place(b), b)));
    Ok((segments, rows_read))
}

async fn replay(
    experiment: &Experiment,
    scope: &Scope,
    day: i64,
    tables: &Tables,
    context: &MeasureContext<'_>,
) -> Result<Evaluation, ExperimentError> {
    let at = Timestamp::from_second(day * 86_400).unwrap_or(Timestamp::UNIX_EPOCH);
    let session = context.engine.session_over(tables, at).await?;
    let replayed = evaluate(context.definitions, scope, tables, &session, Sharing::Shared).await;
    replayed.map_err(|source| ExperimentError::Segment { experiment: experiment.name.clone(), source: Box::new(source) })
}

fn matches(pattern: &str, segment: &str) -> bool {
    pattern == segment || pattern.strip_suffix("/*").is_some_and(|set| segment.split('/').next() == Some(set))
}

/// The window of each unit: from its first exposure, as long as the author says, but not beyond `as_of`.
fn window(experiment: &Experiment, units: &Exposed, as_of: Timestamp) -> Population {
    let end = |at: &Timestamp| match experiment.conversion_window.map(SignedDuration::try_from) {
        Some(Ok(length)) => at.checked_add(length).unwrap_or(as_of).min(as_of),
        _ => as_of,
    };
    Population {
        entity: experiment.entity.clone(),
        keys: Arc::clone(&units.keys),
        from: units.at.clone(),
        to: units.at.iter().map(end).collect(),
    }
}

async fn values(
    experiment: &Experiment,
    wanted: &[&Metric],
    population: &Population,
    context: &MeasureContext<'_>,
) -> Result<UnitValues, ExperimentError> {
    let found = unit_values(context.metrics, wanted, &context.definitions.contracts, context.session, population).await;
    found.map_err(|source| ExperimentError::Metric { experiment: experiment.name.clone(), source })
}

fn rows(
    experiment: &Experiment,
    choice: &MetricChoice,
    segment: &str,
    members: &[usize],
    units: &Exposed,
    outcomes: Outcomes<'_>,
) -> Vec<EstimateRow> {
    let arm = |variant: &str| -> Vec<usize> {
        let place = experiment.variants.get_index_of(variant);
        members.iter().copied().filter(|&unit| Some(units.variants[unit]) == place).collect()
    };
    let control = arm(&experiment.control);
    let treatments = experiment.variants.keys().filter(|variant| **variant != experiment.control);
    treatments
        .map(|variant| {
            let Compared { control, treatment, comparison, theta } =
                compared(outcomes, &control, &arm(variant), &experiment.options);
            let mean = |arm: &tranche_stats::Arm| (arm.n > 0 && arm.mean.is_finite()).then_some(arm.mean);
            EstimateRow {
                metric: choice.metric.value.clone(),
                role: choice.role,
                segment: segment.to_owned(),
                variant: variant.clone(),
                n: treatment.n,
                mean: mean(&treatment),
                control_n: control.n,
                control_mean: mean(&control),
                absolute: json!(comparison.absolute),
                relative: json!(comparison.relative),
                cuped_theta: theta,
                undefined: comparison.absolute.reason().map(|reason| reason.to_string()),
            }
        })
        .collect()
}

/// Adjusts the p-values of each role's family: all metrics, variants and segments of that role.
fn adjust_family(estimates: &mut [EstimateRow], method: Adjustment) {
    if method == Adjustment::None {
        return;
    }
    let roles: BTreeSet<_> = estimates.iter().map(|row| row.role).collect();
    for role in roles {
        let family: Vec<usize> = (0..estimates.len())
            .filter(|&row| estimates[row].role == role && EstimateRow::number(&estimates[row].absolute, "p").is_some())
            .collect();
        let p: Vec<f64> = family.iter().filter_map(|&row| EstimateRow::number(&estimates[row].absolute, "p")).collect();
        for (&row, p) in family.iter().zip(adjusted(&p, method)) {
            for effect in [&mut estimates[row].absolute, &mut estimates[row].relative] {
                if let Value::Object(fields) = effect
                    && fields.contains_key("p")
                {
                    fields.insert("p_adjusted".to_owned(), json!(p));
                }
            }
        }
    }
}

fn result(
    experiment: &Experiment,
    as_of: Timestamp,
    units: &Exposed,
    choices: &[(&MetricChoice, &Metric)],
    estimates: Vec<EstimateRow>,
) -> ExperimentResult {
    let srm = sample_ratio_check(experiment, units);
    let mut notes = Vec::new();
    if !srm.ok {
        notes.push("units were not split as planned: look for exposures that are lost or logged twice in one variant".to_owned());
    }
    if units.several_variants > 0 {
        notes.push(format!("{} units saw several variants and are left out", units.several_variants));
    }
    if units.unmatched > 0 {
        notes.push(format!("{} exposed units are not in the entity table and are left out", units.unmatched));
    }
    for (variant, count) in &units.unknown_variants {
        notes.push(format!(
            "{count} exposures have the variant `{variant}`, which the experiment does not have, and are left out"
        ));
    }
    let open = units.at.iter().filter(|at| window_is_open(experiment, **at, as_of)).count();
    if open > 0 {
        notes.push(format!("the conversion window of {open} units is still open"));
    }
    let action = if srm.ok { "undecided" } else { "investigate" };
    let reason = if srm.ok { "no decision rule is declared" } else { "the sample ratio does not match the plan" };
    ExperimentResult {
        experiment: experiment.name.clone(),
        as_of,
        hypothesis: experiment.hypothesis.clone(),
        control: experiment.control.clone(),
        period: json!({"from": experiment.from, "to": experiment.to, "label": ""}),
        confidence: 1.0 - experiment.options.alpha,
        inference: match experiment.options.inference {
            Inference::Fixed => "fixed".to_owned(),
            Inference::Sequential { .. } | Inference::Mixture { .. } => "sequential".to_owned(),
            Inference::GroupSequential(_) => "group_sequential".to_owned(),
        },
        adjust: experiment.adjust.name().to_owned(),
        trustworthy: srm.ok,
        srm,
        metrics: choices.iter().map(|(choice, metric)| metric_notes(choice, metric)).collect(),
        estimates,
        notes,
        decision: Decision { action: action.to_owned(), reasons: vec![reason.to_owned()] },
    }
}

fn window_is_open(experiment: &Experiment, at: Timestamp, as_of: Timestamp) -> bool {
    let length = experiment.conversion_window.and_then(|length| SignedDuration::try_from(length).ok());
    length.and_then(|length| at.checked_add(length).ok()).is_some_and(|end| end > as_of)
}

fn metric_notes(choice: &MetricChoice, metric: &Metric) -> Value {
    let kind = match metric.kind {
        MetricKind::Mean(_) | MetricKind::Count(_) => "mean",
        MetricKind::Proportion(_) => "proportion",
        MetricKind::Ratio { .. } => "ratio",
    };
    let direction = match metric.direction {
        Direction::Increase => "increase",
        Direction::Decrease => "decrease",
    };
    json!({
        "metric": metric.name, "description": metric.description, "unit": metric.unit,
        "direction": direction, "kind": kind, "margin": choice.margin,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn sample_ratio_check(experiment: &Experiment, units: &Exposed) -> SampleRatioCheck {
    let mut observed = vec![0u64; experiment.variants.len()];
    for &variant in &units.variants {
        observed[variant] += 1;
    }
    let shares: Vec<f64> = experiment.variants.values().copied().collect();
    let ratio = sample_ratio(&observed, &shares).value();
    let total = units.variants.len() as f64;
    SampleRatioCheck {
        chi_squared: ratio.as_ref().map(|r| r.chi_squared),
        p: ratio.as_ref().map(|r| r.p),
        ok: ratio.as_ref().is_none_or(|r| r.p >= SRM_THRESHOLD),
        observed: experiment
            .variants
            .iter()
            .zip(observed)
            .map(|((variant, share), count)| VariantCount { variant: variant.clone(), count, expected: share * total })
            .collect(),
    }
}

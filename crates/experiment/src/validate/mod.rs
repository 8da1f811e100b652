//! Validation of the statistics on an experiment's own data (A/A tests by re-randomisation).
//!
//! Units keep what they did and get new variants, drawn by the declared shares, some thousand times. Nothing
//! is done to them by that, so that the true effect is known: none, or the one that is put in. How often a
//! draw raises an alarm, and how often intervals miss the truth, is held against what the inference promises.

mod checks;
mod columns;
mod counts;
mod draws;
mod inference_kind;
mod lift;
mod members;
mod report;
mod rows;
mod sums;
mod tally;
mod trials;
mod verdict;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use tranche_metric::Metric;
use tranche_sql::parallel::Threads;

use crate::context::MeasureContext;
use crate::definition::{Experiment, MetricChoice};
use crate::error::ExperimentError;
use crate::estimate::arms::Adjustments;
use crate::units::collect::collect;
use crate::units::status::EarlierLooks;
use draws::Draws;
pub use inference_kind::InferenceKind;
pub use report::{Validation, ValidationRequest, ValidationRow};
use rows::Rows;
use sums::BATCH;
use tally::Tally;
use trials::{Draw, Observed, Subject, Trials};

/// The chance that a row of a validation is found not to hold though all of them do.
const FALSE_ALARM: f64 = 0.01;

/// Draws new variants for an experiment's units and holds the statistics against what they promise. `done` is
/// called with how many draws are done, from several threads.
///
/// # Errors
/// [`ExperimentError`] with who is at fault; also when no unit was exposed.
pub async fn validate(
    experiment: &Experiment,
    request: &ValidationRequest,
    context: &MeasureContext<'_>,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Validation, ExperimentError> {
    let collected = collect(&[experiment], &EarlierLooks::new(), context).await?.data;
    let Some(data) = collected.first() else {
        return Err(ExperimentError::Unknown(experiment.name.clone()));
    };
    let exposed = &data.observed.units;
    let units = exposed.at.len();
    if units == 0 {
        let reason = "no unit was exposed yet; give a later `as_of`".to_owned();
        return Err(ExperimentError::Exposure { experiment: experiment.name.clone(), reason });
    }
    let mut order: Vec<usize> = (0..units).collect();
    order.sort_by_key(|unit| exposed.at[*unit]);
    let rows = Rows::of(order, exposed.clusters.as_ref());
    let wanted =
        |choice: &MetricChoice| request.metrics.is_empty() || request.metrics.contains(&choice.metric.value);
    let chosen: Vec<(&MetricChoice, &Metric)> =
        experiment.chosen(context.metrics).into_iter().filter(|(choice, _)| wanted(choice)).collect();
    let subjects: Vec<Subject<'_>> = chosen
        .iter()
        .filter_map(|(choice, metric)| {
            let adjustments = Adjustments::declared(data, (choice, metric), context.metrics);
            let observed =
                Observed { values: data.after.of(metric)?, adjustments, cells: &data.divided.cells };
            Some(Subject::of(experiment, (choice, metric), &observed, &rows, &request.inferences))
        })
        .collect();
    let trials = Trials::new(experiment, subjects, rows.count());
    let draws =
        Draws::new(experiment.variants.values().copied(), request.seed, request.iterations, rows.count());
    let tally = run(&trials, &draws, context.engine.threads(), done);
    let rows = verdict::rows(experiment, &trials, &tally, FALSE_ALARM);
    Ok(Validation {
        experiment: experiment.name.clone(),
        as_of: context.session.as_of(),
        iterations: request.iterations,
        seed: request.seed,
        units,
        alpha: experiment.statistics.alpha,
        lift: lift::LIFT,
        confidence: 1.0 - FALSE_ALARM,
        holds: rows.iter().all(|row| row.holds != Some(false)),
        rows,
    })
}

/// Every draw. The tally is the same however many threads there are.
fn run(trials: &Trials<'_>, draws: &Draws, threads: Threads, done: &(dyn Fn(usize) + Sync)) -> Tally {
    let summing = trials.summing();
    let all = draws.iterations();
    let batches: Vec<Range<usize>> =
        (0..all).step_by(BATCH).map(|first| first..all.min(first + BATCH)).collect();
    let finished = AtomicUsize::new(0);
    let tallies = threads.map_borrowed(&batches, |batch| {
        let drawn: Vec<Vec<u16>> = batch.clone().map(|iteration| draws.draw(iteration)).collect();
        let sums = summing.of(&drawn);
        let mut tally = Tally::of(trials);
        for (place, variants) in drawn.iter().enumerate() {
            tally.add(trials, Draw { sums: &sums, place, variants });
        }
        done(finished.fetch_add(batch.len(), Ordering::Relaxed) + batch.len());
        tally
    });
    let mut whole = Tally::of(trials);
    tallies.iter().for_each(|tally| whole.merge(tally));
    whole
}

#[cfg(test)]
mod tests;

//! Self-certification: whether the statistics keep their promises on an experiment's own data.
//!
//! Units keep what they did and get new variants, drawn by the declared shares, some thousand times. Nothing is done to them by that, so
//! that the true effect is known: none, or the one that is put in. How often a draw raises an alarm, and how often intervals miss the
//! truth, is held against what the inference promises.

mod asks;
mod columns;
mod draws;
mod members;
mod rows;
mod sums;
mod tally;
mod trials;
mod verdict;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Serialize;
use tranche_metric::Metric;

use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::gather::{choices, gather};
use crate::measure::MeasureContext;
use crate::parallel::on_all_cores;
pub use asks::InferenceKind;
use draws::Draws;
use rows::Rows;
use sums::{BATCH, Summing};
use tally::Tally;
use trials::{Draw, Observed, Subject, Trials};

/// The chance that a row of a validation is found not to hold though all of them do.
const FALSE_ALARM: f64 = 0.01;

/// What is to be validated, and how thoroughly.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationRequest {
    /// How often variants are drawn anew; at least 1.
    pub iterations: usize,
    /// Where the random numbers begin: the same seed gives the same rows.
    pub seed: u64,
    /// The metrics; all of the experiment when empty.
    pub metrics: Vec<String>,
    /// The inferences; all when empty.
    pub inferences: Vec<InferenceKind>,
}

/// Whether the statistics keep their promises on an experiment's own data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// The experiment.
    pub experiment: String,
    /// The instant before which the data lies.
    pub as_of: Timestamp,
    /// How often variants were drawn.
    pub iterations: usize,
    /// Where the random numbers began.
    pub seed: u64,
    /// The units that variants were drawn for.
    pub units: usize,
    /// The chance of a false alarm that is promised.
    pub alpha: f64,
    /// The lift that was put into the treatment for rows of `coverage`.
    pub lift: f64,
    /// The chance that the bounds of all rows hold at once.
    pub confidence: f64,
    /// Whether every row holds of which it can be said.
    pub holds: bool,
    /// What was promised, and what was found.
    pub rows: Vec<ValidationRow>,
}

/// A promise, and how often it was broken or kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationRow {
    /// `false_positives`: the difference's interval leaves out 0, at any look. `coverage`: the lift's interval holds the lift that was put
    /// in, at every look. `sample_ratio`, `sequential_sample_ratio`: the check rejects a split that is as declared.
    pub check: &'static str,
    /// The metric, of the first two.
    pub metric: Option<String>,
    /// The treatment that is compared with control.
    pub variant: Option<String>,
    /// The inference.
    pub inference: Option<&'static str>,
    /// How often each draw is looked at.
    pub looks: usize,
    /// Draws that have an answer.
    pub draws: u64,
    /// Those of them in which it happened.
    pub count: u64,
    /// Their share.
    pub rate: Option<f64>,
    /// The share that is promised, if one is.
    pub expected: Option<f64>,
    /// How the rate shall stand to `expected`: `equal`, `at_most` or `at_least`.
    pub relation: &'static str,
    /// The bounds of the true rate by the draws: exact ones of a binomial share.
    pub bounds: Option<[f64; 2]>,
    /// Whether the bounds leave it possible that the promise is kept; none where nothing is promised or no draw has an answer.
    pub holds: Option<bool>,
    /// What a row that does not hold means, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// Draws new variants for an experiment's units and holds the statistics against what they promise. `done` is told how many draws are
/// done, from several threads.
///
/// # Errors
/// [`ExperimentError`] with who is at fault; nobody was exposed is one.
pub async fn validate(
    experiment: &Experiment,
    request: &ValidationRequest,
    context: &MeasureContext<'_>,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Validation, ExperimentError> {
    let gathered = gather(&[experiment], context).await?.gathered;
    let Some(gathered) = gathered.first() else {
        return Err(ExperimentError::Unknown(experiment.name.clone()));
    };
    let units = gathered.units.at.len();
    if units == 0 {
        let reason = "nobody was exposed yet; give an `as_of` at which somebody was".to_owned();
        return Err(ExperimentError::Exposure { experiment: experiment.name.clone(), reason });
    }
    let mut order: Vec<usize> = (0..units).collect();
    order.sort_by_key(|unit| gathered.units.at[*unit]);
    let rows = Rows::of(order, gathered.units.clusters.as_ref());
    let wanted =
        |choice: &MetricChoice| request.metrics.is_empty() || request.metrics.contains(&choice.metric.value);
    let chosen: Vec<(&MetricChoice, &Metric)> =
        choices(experiment, context).into_iter().filter(|(choice, _)| wanted(choice)).collect();
    let subjects: Vec<Subject<'_>> = chosen
        .iter()
        .filter_map(|(choice, metric)| {
            let taken = gathered.taken_into_account(experiment, (choice, metric), context);
            let observed = Observed { values: gathered.after.of(metric)?, taken, cells: &gathered.cells };
            Some(Subject::of(experiment, (choice, metric), &observed, &rows, &request.inferences))
        })
        .collect();
    let trials = Trials::new(experiment, subjects, rows.count());
    let draws =
        Draws::new(experiment.variants.values().copied(), request.seed, request.iterations, rows.count());
    let tally = run(&trials, &draws, done);
    let rows = verdict::rows(experiment, &trials, &tally, FALSE_ALARM);
    Ok(Validation {
        experiment: experiment.name.clone(),
        as_of: context.session.as_of(),
        iterations: request.iterations,
        seed: request.seed,
        units,
        alpha: experiment.statistics.alpha,
        lift: asks::LIFT,
        confidence: 1.0 - FALSE_ALARM,
        holds: rows.iter().all(|row| row.holds != Some(false)),
        rows,
    })
}

/// Every draw, on all cores. The tally is the same however many there are.
fn run(trials: &Trials<'_>, draws: &Draws, done: &(dyn Fn(usize) + Sync)) -> Tally {
    let summing = Summing::new(trials);
    let all = draws.iterations();
    let batches: Vec<Range<usize>> =
        (0..all).step_by(BATCH).map(|first| first..all.min(first + BATCH)).collect();
    let finished = AtomicUsize::new(0);
    let tallies = on_all_cores(&batches, |batch| {
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
#[path = "validate/tests.rs"]
mod tests;

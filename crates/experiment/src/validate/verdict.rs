//! The verdict on each promised rate, and advice where it does not hold.

use tranche_stats::{RelativeMethod, binomial_interval};

use super::checks::Relation;
use super::columns::Columns;
use super::inference_kind::InferenceKind;
use super::report::ValidationRow;
use super::tally::{Count, Tally};
use super::trials::{Subject, Trials};
use crate::counts::as_number;
use crate::definition::Experiment;

/// A mean of skewed values is near normal from so many units per variant on, times the squared skewness.
/// Source: Kohavi, Deng, Longbotham and Xu, Seven rules of thumb for web site experimenters (2014).
const UNITS_PER_SQUARED_SKEWNESS: f64 = 355.0;

/// One row for each promise. All bounds hold at once with a chance of 1 - `false_alarm`.
pub(super) fn rows(
    experiment: &Experiment,
    trials: &Trials<'_>,
    tally: &Tally,
    false_alarm: f64,
) -> Vec<ValidationRow> {
    let names: Vec<&String> = experiment.variants.keys().collect();
    let mut rows = Vec::new();
    let mut counts = tally.outcomes.iter();
    for subject in &trials.subjects {
        for treatment in trials.treatments() {
            for (check, [alarms, misses]) in subject.checks.iter().zip(counts.by_ref()) {
                let row = |name, count: Count| ValidationRow {
                    metric: Some(subject.metric.to_owned()),
                    variant: names.get(treatment).map(|name| (*name).clone()),
                    inference: Some(check.kind.name()),
                    looks: check.count(),
                    ..counted(name, count)
                };
                rows.push(promised(row("false_positives", *alarms), check.relation, trials.alpha));
                if check.covers {
                    let covered = Count { happened: misses.draws - misses.happened, ..*misses };
                    let mut row = promised(row("coverage", covered), check.relation, 1.0 - trials.alpha);
                    if check.relation == Relation::AtMost {
                        row.relation = "at_least";
                    }
                    rows.push(row);
                }
            }
        }
    }
    rows.push(promised(counted("sample_ratio", tally.ratio), Relation::Equal, trials.alpha));
    let sequential = ValidationRow {
        looks: trials.even.len(),
        ..counted("sequential_sample_ratio", tally.sequential_ratio)
    };
    rows.push(promised(sequential, Relation::AtMost, trials.alpha));
    let alpha = false_alarm / as_number(rows.len() as u64);
    for row in &mut rows {
        judge(row, alpha);
        if row.holds != Some(true) {
            row.advice = advice(row, experiment, trials);
        }
    }
    rows
}

fn counted(check: &'static str, count: Count) -> ValidationRow {
    ValidationRow {
        check,
        metric: None,
        variant: None,
        inference: None,
        looks: 1,
        draws: count.draws,
        count: count.happened,
        rate: (count.draws > 0).then(|| as_number(count.happened) / as_number(count.draws)),
        expected: None,
        relation: "free",
        bounds: None,
        holds: None,
        advice: None,
    }
}

fn promised(row: ValidationRow, relation: Relation, expected: f64) -> ValidationRow {
    match relation {
        Relation::Equal => ValidationRow { expected: Some(expected), relation: "equal", ..row },
        Relation::AtMost => ValidationRow { expected: Some(expected), relation: "at_most", ..row },
        Relation::Free => row,
    }
}

fn judge(row: &mut ValidationRow, alpha: f64) {
    row.bounds = binomial_interval(row.count, row.draws, alpha).value();
    let (Some([low, high]), Some(expected)) = (row.bounds, row.expected) else { return };
    row.holds = Some(match row.relation {
        "at_most" => low <= expected,
        "at_least" => expected <= high,
        _ => low <= expected && expected <= high,
    });
}

fn advice(row: &ValidationRow, experiment: &Experiment, trials: &Trials<'_>) -> Option<String> {
    if row.draws == 0 {
        return Some(
            "no draw has an answer: the metric is the same for every unit, or a variant has no units"
                .to_owned(),
        );
    }
    if row.holds.is_none() {
        return Some("no rate is guaranteed: the prior favours an effect".to_owned());
    }
    let Some(subject) = trials.subjects.iter().find(|subject| Some(subject.metric) == row.metric.as_deref())
    else {
        return Some(
            "the counts of a variant are too small for this test: ignore the check until there are more"
                .to_owned(),
        );
    };
    let effect = match (row.check, row.rate.unwrap_or(0.0) > row.expected.unwrap_or(0.0)) {
        ("coverage", false) => "intervals miss the truth more often than they say",
        ("coverage", true) => "intervals are wider than necessary, and effects harder to detect",
        (_, true) => "there are more false alarms than alpha allows",
        (_, false) => "alarms are rarer than alpha allows, and effects harder to detect",
    };
    Some(format!("{effect}: {}", cause(row, subject, experiment, trials)))
}

fn cause(row: &ValidationRow, subject: &Subject<'_>, experiment: &Experiment, trials: &Trials<'_>) -> String {
    let metric = subject.metric;
    let rows = as_number(trials.looks.last().copied().unwrap_or(0) as u64);
    let fewest = trials.shares.iter().copied().fold(1.0, f64::min) * rows;
    // A quantile asks nothing of the tails.
    let skewness = subject.columns().map_or(0.0, Columns::skewness);
    let needed = UNITS_PER_SQUARED_SKEWNESS * skewness * skewness;
    if fewest < needed {
        return format!(
            "values of `{metric}` are skewed ({skewness:.1}), so that a mean needs some {needed:.0} units per variant to be near normal, of \
             which the smallest has {fewest:.0}. Cap the metric (`cap: {{quantile: 0.99}}`), take a proportion, or wait for more units"
        );
    }
    let is_lift = row.check == "coverage";
    if is_lift
        && (experiment.statistics.relative == RelativeMethod::Delta
            || row.inference == Some(InferenceKind::Bayes.name()))
    {
        return "intervals of lifts by the delta method are symmetric, which a ratio is not. Use `relative: fieller` and a frequentist \
                inference, or read the difference instead"
            .to_owned();
    }
    "units that are randomised together (those of a household or a company) are not independent; declare their `cluster`. If \
     they are independent, draw more often (`--iterations`) and with another `--seed`"
        .to_owned()
}

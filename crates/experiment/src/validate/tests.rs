//! Data whose truth is known: what must hold does, and what is wrong is found.

use arrow::buffer::BooleanBuffer;
use jiff::tz::TimeZone;
use tranche_metric::{Metrics, Values};
use tranche_project::{Problems, Project};
use tranche_stats::{Arm, Generator, OutcomeColumns};

use super::columns::Columns;
use super::trials::Data;
use super::*;
use crate::estimate::arms::{Adjustments, Outcomes};
use crate::units::cells::Cells;
use crate::units::clusters::Clusters;

const METRICS: [(&str, &str); 2] = [
    ("value", "type: mean\nfact: {table: t, value: v, aggregate: sum}"),
    ("share", "type: ratio\nnumerator: value\ndenominator: value"),
];

/// An experiment on `metric`, with more of its keys.
fn experiment(metric: &str, variants: &str, statistics: &str) -> (Experiment, Metrics) {
    let own = format!(
        "version: 1\nexperiment: own\nentity: unit\nexposure: {{table: t, variant: arm}}\nvariants: {variants}\ncontrol: a\n\
         period: {{from: 2026-09-01, to: 2026-10-01}}\nmetrics: {{goal: [{metric}]}}\nstatistics: {statistics}\n"
    );
    let metrics = METRICS.map(|(name, made)| {
        (
            format!("pipelines/p/metrics/{name}.yaml"),
            format!("version: 1\nmetric: {name}\n{made}\ndirection: increase\n"),
        )
    });
    let files = [
        ("tranche.yaml".to_owned(), "version: 1\nlake: ./lake\n".to_owned()),
        ("pipelines/p/pipeline.yaml".to_owned(), "version: 1\npipeline: p\nsteps: []\n".to_owned()),
        ("pipelines/p/experiments/own.yaml".to_owned(), own),
    ];
    let project = Project::from_files(files.into_iter().chain(metrics));
    let mut problems = Problems::default();
    let experiments = crate::definition::read(&project, "p", &TimeZone::UTC, &mut problems);
    let metrics = Metrics::read(&project, "p", &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    (experiments["own"].clone(), metrics)
}

/// What is validated of the first metric of an experiment.
struct Case {
    experiment: Experiment,
    metrics: Metrics,
    outcomes: OutcomeColumns,
    values: Vec<Vec<f64>>,
    /// Rows with one number are drawn as one.
    together: Option<Vec<usize>>,
    inferences: Vec<InferenceKind>,
    iterations: usize,
}

impl Case {
    fn new(outcomes: OutcomeColumns, values: Vec<Vec<f64>>) -> Self {
        let metric = if outcomes == OutcomeColumns::Mean { "value" } else { "share" };
        let (experiment, metrics) = experiment(metric, "{a: 0.5, b: 0.5}", "{alpha: 0.05}");
        Self {
            experiment,
            metrics,
            outcomes,
            values,
            together: None,
            inferences: Vec::new(),
            iterations: 1000,
        }
    }

    fn rows(&self, seed: u64) -> Vec<ValidationRow> {
        let choice = &self.experiment.metrics[0];
        let metric = self.metrics.get(&choice.metric.value).unwrap();
        let columns = Columns::new(self.outcomes, self.values.clone(), None);
        let subject = Subject::new(&self.experiment, choice, metric, Data::Sums(columns), &self.inferences);
        let units = self.values[0].len();
        let trials = Trials::new(&self.experiment, vec![subject], units);
        let mut draws = Draws::new(self.experiment.variants.values().copied(), seed, self.iterations, units);
        if let Some(numbers) = &self.together {
            draws = draws.together(numbers.clone());
        }
        verdict::rows(&self.experiment, &trials, &run(&trials, &draws, Threads::new(2), &|_| ()), FALSE_ALARM)
    }
}

fn row<'a>(rows: &'a [ValidationRow], check: &str, inference: &str) -> &'a ValidationRow {
    rows.iter().find(|row| row.check == check && row.inference == Some(inference)).unwrap()
}

fn broken(rows: &[ValidationRow]) -> Vec<&ValidationRow> {
    rows.iter().filter(|row| row.holds == Some(false)).collect()
}

fn normal(units: usize, seed: u64) -> Vec<f64> {
    let mut generator = Generator::seeded(seed);
    (0..units).map(|_| 10.0 + 3.0 * generator.normal()).collect()
}

#[test]
fn normal_values_keep_every_promise_of_every_inference() {
    let (before, noise) = (normal(1500, 1), normal(1500, 2));
    let after: Vec<f64> = before.iter().zip(&noise).map(|(before, noise)| before + noise).collect();
    let rows = Case::new(OutcomeColumns::Mean, vec![after, before]).rows(7);
    assert_eq!(rows.len(), 2 * InferenceKind::ALL.len() + 2);
    assert!(rows.iter().all(|row| row.holds == Some(true) && row.draws == 1000), "{rows:#?}");
    for kind in ["fixed", "group_sequential", "bayes"] {
        let rate = row(&rows, "false_positives", kind).rate.unwrap();
        assert!((0.03..0.07).contains(&rate), "{kind}: {rate}");
    }
    // Ten looks are not all that there could be.
    assert!(row(&rows, "false_positives", "sequential").rate.unwrap() < 0.05);
}

#[test]
fn units_in_clusters_have_more_alarms_unless_clusters_are_compared() {
    // Two hundred clusters of eight, alike within.
    let (shared, own) = (normal(200, 3), normal(1600, 4));
    let values: Vec<f64> = own.iter().enumerate().map(|(unit, own)| own + shared[unit / 8]).collect();
    let sums: Vec<f64> = values.chunks(8).map(|cluster| cluster.iter().sum()).collect();
    let fixed = vec![InferenceKind::Fixed, InferenceKind::Sequential];
    let by_unit = Case {
        together: Some((0..1600).map(|unit| unit / 8).collect()),
        inferences: fixed.clone(),
        iterations: 600,
        ..Case::new(OutcomeColumns::Mean, vec![values])
    };
    let rows = by_unit.rows(7);
    let found = row(&rows, "false_positives", "fixed");
    // The design effect is 1 + 7 / 2, so that 1.96 errors are 0.92 of the true ones.
    assert!(found.rate.unwrap() > 0.3 && found.holds == Some(false), "{found:?}");
    assert!(found.advice.as_ref().unwrap().contains("household"), "{found:?}");
    assert_eq!(row(&rows, "coverage", "fixed").holds, Some(false));
    let split = rows.iter().find(|row| row.check == "sample_ratio").unwrap();
    assert_eq!(split.holds, Some(false), "a split of clusters varies more than one of units: {split:?}");

    let by_cluster = Case {
        inferences: fixed,
        iterations: 600,
        ..Case::new(OutcomeColumns::Ratio, vec![sums, vec![8.0; 200]])
    };
    assert!(broken(&by_cluster.rows(7)).is_empty(), "{:#?}", by_cluster.rows(7));
}

#[test]
fn a_few_units_with_a_long_tail_are_found_out() {
    // Log-normal values, and a tenth of 300 units in the treatment: their mean is low where their spread is.
    let mut generator = Generator::seeded(11);
    let long: Vec<f64> = (0..300).map(|_| (2.0 * generator.normal()).exp()).collect();
    // One in twenty of 60 units has nearly everything, so that a spread that holds one of them is as wide as
    // the effect.
    let giants: Vec<f64> =
        (0..60).map(|unit| if unit % 20 == 0 { 1000.0 } else { f64::from(unit % 7) }).collect();
    for (values, alarms) in [(long, 0.08..1.0), (giants, 0.0..0.02)] {
        let (experiment, metrics) = experiment("value", "{a: 0.9, b: 0.1}", "{alpha: 0.05}");
        let inferences = vec![InferenceKind::Fixed];
        let case = Case { experiment, metrics, inferences, ..Case::new(OutcomeColumns::Mean, vec![values]) };
        let rows = case.rows(7);
        let found = row(&rows, "false_positives", "fixed");
        assert!(found.holds == Some(false) && alarms.contains(&found.rate.unwrap()), "{found:?}");
        assert!(found.advice.as_ref().unwrap().contains("Cap the metric"), "{found:?}");
    }
}

#[test]
fn a_metric_that_never_varies_says_nothing() {
    let case = Case { iterations: 50, ..Case::new(OutcomeColumns::Mean, vec![vec![3.7; 100]]) };
    let rows = case.rows(7);
    for row in rows.iter().filter(|row| row.metric.is_some()) {
        assert_eq!((row.draws, row.holds, row.bounds), (0, None, None));
        assert!(row.advice.is_some(), "{row:?}");
    }
}

#[test]
fn a_prior_draws_towards_no_effect_and_promises_no_coverage() {
    let (experiment, metrics) =
        experiment("value", "{a: 0.5, b: 0.5}", "{inference: bayes, prior: {relative: {mean: 0, sd: 0.01}}}");
    let inferences = vec![InferenceKind::Bayes];
    let case =
        Case { experiment, metrics, inferences, ..Case::new(OutcomeColumns::Mean, vec![normal(500, 5)]) };
    let rows = case.rows(7);
    let found = row(&rows, "false_positives", "bayes");
    assert_eq!((found.relation, found.holds), ("at_most", Some(true)));
    assert!(found.rate.unwrap() < 0.01 && !rows.iter().any(|row| row.check == "coverage"), "{rows:?}");
}

#[test]
fn the_seed_alone_determines_the_draws() {
    let case = Case {
        iterations: 200,
        inferences: vec![InferenceKind::Fixed],
        ..Case::new(OutcomeColumns::Mean, vec![normal(300, 6)])
    };
    let (one, again, other) = (case.rows(1), case.rows(1), case.rows(2));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

fn observed<'a>(
    values: Values<'a>,
    adjustments: &Adjustments<'a>,
    covariates: &[(&'a str, &'a [f64])],
    cells: &'a Cells,
) -> Observed<'a> {
    let adjustments = Adjustments { covariates: covariates.to_vec(), ..adjustments.clone() };
    Observed { values, adjustments, cells }
}

/// The arms of a draw are those that a measurement has of the same units.
#[test]
fn sums_give_the_arms_of_a_measurement() {
    let (after, before, other) = (normal(2500, 8), normal(2500, 9), normal(2500, 10));
    let (experiment, metrics) = experiment("value", "{a: 0.4, b: 0.35, c: 0.25}", "{alpha: 0.05}");
    let metric = metrics.get("value").unwrap();
    let some: BooleanBuffer = (0..2500).map(|unit| unit % 3 > 0).collect();
    let clusters = Clusters::new((0..2500).map(|unit| unit % 700).collect());
    let cells = Cells::given(vec![0; 2500], 1);
    let own = ("before", before.as_slice());
    let two = [own, ("other", other.as_slice())];
    let (single, ratio, quantile) =
        (Values::Single(&after), Values::Ratio(&after, &before), Values::Quantile(&after, 0.8));
    let none = Adjustments::default();
    let counted = Adjustments { counted: Some(&some), ..none.clone() };
    let clustered = Adjustments { clusters: Some(&clusters), ..none.clone() };
    for observed in [
        observed(single, &none, &[], &cells),
        observed(single, &none, &[own], &cells),
        observed(single, &counted, &two, &cells),
        observed(ratio, &counted, &two[1..], &cells),
        observed(single, &clustered, &two, &cells),
        observed(quantile, &clustered, &[], &cells),
        observed(quantile, &counted, &[], &cells),
        observed(ratio, &counted, &[], &cells),
    ] {
        let rows = Rows::of((0..after.len()).rev().collect(), observed.adjustments.clusters);
        let outcomes = Outcomes::new(observed.values, observed.adjustments.clone(), &cells);
        let counts = |unit: &usize| observed.adjustments.counted.is_none_or(|counted| counted.value(*unit));
        let choice = &experiment.metrics[0];
        let subject = Subject::of(&experiment, (choice, metric), &observed, &rows, &[]);
        let trials = Trials::new(&experiment, vec![subject], rows.count());
        let draws = Draws::new(experiment.variants.values().copied(), 3, BATCH, rows.count());
        let variants: Vec<Vec<u16>> = (0..BATCH).map(|draw| draws.draw(draw)).collect();
        let sums = trials.summing().of(&variants);
        for (place, drawn) in variants.iter().enumerate() {
            for (look, end) in trials.looks.iter().enumerate() {
                let members = |variant: u16| -> Vec<usize> {
                    let own = rows.of_units().filter(|(row, _)| row < end && drawn[*row] == variant);
                    own.map(|(_, unit)| unit).filter(counts).collect()
                };
                let expected = outcomes.arms_of_units(&members(0), &members(2));
                let draw = Draw { sums: &sums, place, variants: drawn };
                let [(control, treatment), _] = trials.subjects[0].arms(&trials, draw, look, 2).unwrap();
                let numbers =
                    |arm: &Arm| [arm.mean, arm.variance.unwrap(), arm.baseline.mean, arm.baseline.covariance];
                for (found, expected) in
                    [control, treatment].into_iter().zip([expected.control, expected.treatment])
                {
                    assert_eq!(found.n, expected.n);
                    let pairs = numbers(&found).into_iter().zip(numbers(&expected));
                    pairs.for_each(|(found, expected)| {
                        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}")
                    });
                }
            }
        }
    }
}

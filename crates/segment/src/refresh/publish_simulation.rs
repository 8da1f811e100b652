//! Refreshes of two pipelines at once, of which some are cut short and tried again: in the end, each has left what it found.
//!
//! A seed is a case; how others are asked for, [`Seeds`] tells.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::future::join_all;

use super::*;
use crate::definition::elsewhere::Elsewhere;
use crate::property::Seeds;
use crate::property::random::Random;

/// As many cases as a build plays.
const CASES: u64 = 20;

/// A pipeline with its segment and its trait.
struct Own {
    pipeline: &'static str,
    segment: &'static str,
    column: &'static str,
}

const PIPELINES: [Own; 2] = [
    Own { pipeline: "shop", segment: "vip", column: "spent" },
    Own { pipeline: "mail", segment: "readers", column: "opened" },
];

/// What a pipeline finds at an instant.
#[derive(Debug, Clone)]
struct Planned {
    pipeline: usize,
    as_of: i64,
    members: Vec<i64>,
    /// How often a run of it begins.
    runs: usize,
    /// Whether these runs are of the same transaction: one was taken for dead, another goes on in its place.
    is_taken_over: bool,
}

fn planned(seed: u64) -> Vec<Planned> {
    let mut random = Random::new(seed, 1);
    let mut all = Vec::new();
    for pipeline in 0..PIPELINES.len() {
        for as_of in 1..=3 {
            if random.chance(70) {
                let members = (1..=6).filter(|_| random.chance(50)).collect();
                let runs = 1 + usize::from(random.chance(30));
                all.push(Planned { pipeline, as_of, members, runs, is_taken_over: random.chance(50) });
            }
        }
    }
    all
}

/// The wide table of everyone, in which a pipeline's trait is the instant.
fn traits(column: &str, as_of: i64) -> RecordBatch {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=6));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values((1..=6).map(|key| as_of * 10 + key)));
    RecordBatch::try_from_iter_with_nullable([("id", keys, false), (column, values, true)]).unwrap()
}

impl World {
    /// Publishes as a step with retries does.
    async fn publish_until_done(&self, planned: &Planned, run: usize) {
        let Own { pipeline, segment, column } = PIPELINES[planned.pipeline];
        let definitions = [(segment, "{not_empty: false}")];
        let members = [(segment, planned.members.as_slice())];
        let run = if planned.is_taken_over { 0 } else { run };
        let transaction = format!("{pipeline}/{}/{run}", planned.as_of);
        let step = Step {
            pipeline,
            traits: Some(traits(column, planned.as_of)),
            elsewhere: Elsewhere::with_trait(ENTITY, PIPELINES[1 - planned.pipeline].column),
            ..Step::new(&definitions, planned.as_of, &members, &transaction)
        };
        for attempt in 1.. {
            match self.publish(&step).await {
                Ok(_) => break,
                Err(error) => assert!(attempt < 4, "{planned:?}: {error}"),
            }
        }
    }

    /// The wide table: key, then the value of each trait that is there.
    async fn wide(&self) -> Vec<(i64, BTreeMap<String, Option<i64>>)> {
        let Some((_, batches)) = self.rows(&crate::store::traits_table(ENTITY)).await else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for batch in batches {
            let column =
                |name: &str| column_i64(std::slice::from_ref(&batch), batch.schema().index_of(name).unwrap());
            let keys = column("id").unwrap();
            let schema = batch.schema();
            let names = schema.fields().iter().map(|field| field.name()).filter(|name| *name != "id");
            let columns: Vec<(&String, Vec<Option<i64>>)> =
                names.map(|name| (name, column(name).unwrap())).collect();
            for (row, key) in keys.into_iter().enumerate() {
                let values = columns.iter().map(|(name, values)| ((*name).clone(), values[row]));
                rows.push((key.unwrap(), values.collect()));
            }
        }
        rows.sort();
        rows
    }
}

/// The wide table that the last refresh of each pipeline leaves.
fn expected_wide(planned: &[Planned]) -> Vec<(i64, BTreeMap<String, Option<i64>>)> {
    let last = |pipeline| planned.iter().filter(|p| p.pipeline == pipeline).map(|p| p.as_of).max();
    let latest: Vec<(&str, i64)> =
        (0..2).filter_map(|pipeline| Some((PIPELINES[pipeline].column, last(pipeline)?))).collect();
    let row = |key: i64| {
        let values = latest.iter().map(|(column, as_of)| ((*column).to_owned(), Some(as_of * 10 + key)));
        (key, values.collect())
    };
    (1..=6).filter(|_| !latest.is_empty()).map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_at_once_with_faults_leave_what_they_found() {
    let Seeds { first, count } = Seeds::asked(CASES);
    for seed in first..first + count {
        let planned = planned(seed);
        let in_order = World::new();
        for one in &planned {
            in_order.publish_until_done(one, 0).await;
        }
        let mut random = Random::new(seed, 2);
        let failure = if random.chance(50) { Failure::Before } else { Failure::After };
        let store = FailingStore::new(failure);
        let world = World::over(&store);
        let mut runs: Vec<(&Planned, usize)> =
            planned.iter().flat_map(|one| (0..one.runs).map(move |run| (one, run))).collect();
        for at in (1..runs.len()).rev() {
            runs.swap(at, random.below(at + 1));
        }
        store.fail_after(random.between(0, 30));
        join_all(runs.iter().map(|(one, run)| world.publish_until_done(one, *run))).await;
        store.fail_after(i64::MAX);
        assert_eq!(world.seen().await, in_order.seen().await, "seed {seed}: {runs:?}");
        assert_eq!(world.wide().await, expected_wide(&planned), "seed {seed}: {runs:?}");
    }
}

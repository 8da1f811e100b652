//! Refreshes of two pipelines at once, backfills of all their instants and maintenance of their tables beside them, of which some are cut
//! short and tried again: in the end, each has left what it found.
//!
//! A seed is a case; how others are asked for, [`Seeds`] tells.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::future::join_all;
use tranche_store::maintenance::Retention;

use super::*;
use crate::definition::elsewhere::Elsewhere;
use crate::property::Seeds;
use crate::property::random::Random;
use crate::store::traits_table;

/// As many cases as a build plays.
const CASES: u64 = 8;

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

/// The instants that a backfill publishes at once; refreshes are as of some of them.
const INSTANTS: std::ops::RangeInclusive<i64> = 1..=3;

/// What is done at once.
#[derive(Debug)]
enum Work {
    /// A refresh, and which of the runs of it this is.
    Refresh(Planned, usize),
    /// A backfill of all instants of a pipeline.
    Backfill(usize),
    /// Maintenance of all tables.
    Maintenance,
}

/// What a pipeline finds at an instant, whoever asks.
fn members(seed: u64, pipeline: usize, as_of: i64) -> Vec<i64> {
    let mut random = Random::new(seed, 10 + 10 * pipeline as u64 + as_of.unsigned_abs());
    (1..=6).filter(|_| random.chance(50)).collect()
}

/// A refresh of a pipeline as of an instant.
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
        for as_of in INSTANTS {
            if random.chance(70) {
                let members = members(seed, pipeline, as_of);
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
    /// Does a piece of work as a step with retries does.
    async fn until_done(&self, seed: u64, work: &Work) {
        match work {
            Work::Refresh(planned, run) => self.publish_until_done(planned, *run).await,
            Work::Backfill(pipeline) => self.backfill_until_done(seed, *pipeline).await,
            Work::Maintenance => {
                let tables = [HISTORY_TABLE.to_owned(), memberships_table(ENTITY), traits_table(ENTITY)];
                for table in tables {
                    let (state, size) = (self.session().shared_state(), NonZeroU64::new(1 << 20).unwrap());
                    // What fails is left for the next time.
                    let _ = self
                        .lake
                        .maintain(state, &table, size, Retention::AtLeastADay(std::time::Duration::ZERO))
                        .await;
                }
            }
        }
    }

    /// Publishes all instants of a pipeline's segment at once.
    async fn backfill_until_done(&self, seed: u64, pipeline: usize) {
        let Own { pipeline: name, segment, .. } = PIPELINES[pipeline];
        let definitions = [(segment, "{not_empty: false}")];
        let of = |as_of| (as_of, members(seed, pipeline, as_of));
        let (before, last) = (INSTANTS.take(2).map(of).collect::<Vec<_>>(), *INSTANTS.end());
        let (_, last_members) = of(last);
        let transaction = format!("{name}/backfill");
        let members = [(segment, last_members.as_slice())];
        let step = Step {
            pipeline: name,
            wanted: Some(&[segment]),
            before: &before,
            ..Step::new(&definitions, last, &members, &transaction)
        };
        for attempt in 1.. {
            match self.publish(&step).await {
                Ok(_) => break,
                Err(error) => assert!(attempt < 4, "backfill of {name}: {error}"),
            }
        }
    }

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
        let Some((_, batches)) = self.rows(&traits_table(ENTITY)).await else {
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
        let mut random = Random::new(seed, 2);
        let backfills: Vec<usize> = (0..PIPELINES.len()).filter(|_| random.chance(30)).collect();
        let in_order = World::new();
        for one in &planned {
            in_order.publish_until_done(one, 0).await;
        }
        for pipeline in &backfills {
            in_order.backfill_until_done(seed, *pipeline).await;
        }
        let failure = if random.chance(50) { Failure::Before } else { Failure::After };
        let store = FailingStore::new(failure);
        let world = World::over(&store);
        let refreshes =
            planned.iter().flat_map(|one| (0..one.runs).map(|run| Work::Refresh(one.clone(), run)));
        let mut works: Vec<Work> = refreshes.chain(backfills.iter().copied().map(Work::Backfill)).collect();
        works.extend((0..random.below(3)).map(|_| Work::Maintenance));
        for at in (1..works.len()).rev() {
            works.swap(at, random.below(at + 1));
        }
        store.fail_after(random.between(0, 30));
        join_all(works.iter().map(|work| world.until_done(seed, work))).await;
        store.fail_after(i64::MAX);
        assert_eq!(world.seen().await, in_order.seen().await, "seed {seed}: {works:?}");
        assert_eq!(world.wide().await, expected_wide(&planned), "seed {seed}: {works:?}");
    }
}

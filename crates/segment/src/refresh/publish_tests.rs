//! What publishing leaves in the lake, whatever happens on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use tranche_faults::{FailingStore, Failure};
use tranche_project::{Problems, Project, yaml};
use tranche_schema::ContractSpec;
use tranche_sql::{Engine, EngineOptions, Session, Tables, column_i64, column_text};
use tranche_store::Snapshot;

use super::*;
use crate::definition::elsewhere::Elsewhere;
use crate::failing::lake;
use crate::refresh::{OnFailure, RefreshContext};
use crate::store::{HISTORY_TABLE, history, latest};

#[path = "publish_simulation.rs"]
mod simulation;

const ENTITY: &str = "customer";

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(n * 86_400).unwrap()
}

/// Definitions of segments by name, `name/` for a set, each with what it expects.
fn definitions(segments: &[(&str, &str)]) -> Definitions {
    let files = segments.iter().map(|(name, expect)| {
        let (kind, name) = match name.strip_suffix('/') {
            Some(set) => ("segment_set", set),
            None => ("segment", *name),
        };
        let text = format!("/*---\n{kind}: {name}\nentity: {ENTITY}\nexpect: {expect}\n---*/\nSELECT 1\n");
        (format!("pipelines/shop/segments/{name}.sql"), text)
    });
    let contract = "version: 1\ntable: customers\nkind: entity\nentity: customer\nkey: [id]\ncolumns:\n\
                    - {name: id, type: int64, nullable: false}\n";
    let project =
        Project::from_files(files.chain([("schemas/customers.yaml".to_owned(), contract.to_owned())]));
    let mut problems = Problems::default();
    let spec = yaml::read::<ContractSpec>(project.schemas().next().unwrap(), &mut problems).unwrap();
    let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
    let contracts = IndexMap::from([(contract.table.clone(), contract)]);
    let definitions = Definitions::read(&project, "shop", &contracts, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    definitions
}

struct World {
    lake: Lake,
    engine: Engine,
}

/// One refresh.
#[derive(Clone)]
struct Step<'a> {
    pipeline: &'a str,
    definitions: &'a [(&'a str, &'a str)],
    as_of: i64,
    members: &'a [(&'a str, &'a [i64])],
    wanted: Option<&'a [&'a str]>,
    full: bool,
    /// Instants before with their own members, which a backfill publishes together with this one.
    before: &'a [(i64, Vec<i64>)],
    transaction: &'a str,
    traits: Option<RecordBatch>,
    elsewhere: Elsewhere,
}

const NOTHING: &str = "{}";

impl<'a> Step<'a> {
    fn new(
        definitions: &'a [(&'a str, &'a str)],
        as_of: i64,
        members: &'a [(&'a str, &'a [i64])],
        transaction: &'a str,
    ) -> Self {
        Self {
            pipeline: "shop",
            definitions,
            as_of,
            members,
            wanted: None,
            full: false,
            before: &[],
            transaction,
            traits: None,
            elsewhere: Elsewhere::default(),
        }
    }
}

/// What who reads the lake sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    /// Each published row: day, segment, size, entered, exited.
    history: Vec<(i64, String, u64, u64, u64)>,
    /// Each membership: segment, key, day of entry, day of exit.
    memberships: Vec<(String, i64, i64, Option<i64>)>,
}

impl World {
    fn over(store: &Arc<FailingStore>) -> Self {
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        Self { lake: lake(store), engine: Engine::new(&options).unwrap() }
    }

    fn new() -> Self {
        Self::over(&FailingStore::new(Failure::Before))
    }

    async fn publish(&self, step: &Step<'_>) -> Result<Vec<SegmentReport>, SegmentError> {
        let session = self.engine.session(day(step.as_of));
        let policy = match (step.full, step.before) {
            (true, _) => HistoryPolicy::Rebuilt,
            (false, []) => HistoryPolicy::Grows,
            (false, _) => HistoryPolicy::FilledIn { rebuild: true },
        };
        let Step { pipeline, transaction, .. } = *step;
        let elsewhere = &step.elsewhere;
        let to =
            Destination { lake: &self.lake, session: &session, pipeline, policy, transaction, elsewhere };
        let mut index = KeyIndex::new(&DataType::Int64);
        let mut members_of = |keys: &[i64]| {
            let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
            let entities = index.insert(&keys).unwrap().into_iter().flatten().collect();
            Members { entities, ..Members::default() }
        };
        let mut instants = Vec::new();
        for (as_of, keys) in step.before {
            instants.push((*as_of, IndexMap::from([(step.members[0].0.to_owned(), members_of(keys))])));
        }
        let last = step.members.iter().map(|(segment, keys)| ((*segment).to_owned(), members_of(keys)));
        instants.push((step.as_of, last.collect()));
        let key = Key { name: "id".to_owned(), data_type: DataType::Int64 };
        let universe = index.len();
        let findings =
            instants.into_iter().map(|(as_of, segments)| Findings { as_of: day(as_of), universe, segments });
        let findings = findings.collect();
        let mut publication = Publication {
            entity: ENTITY.to_owned(),
            key,
            index: index.into(),
            findings,
            traits: step.traits.clone(),
            copy_of: None,
            failed: BTreeSet::new(),
            inputs: UNKNOWN_INPUTS,
        };
        let wanted: Option<Vec<String>> =
            step.wanted.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        publish(&definitions(step.definitions), wanted.as_deref(), &mut publication, &to).await
    }

    fn session(&self) -> Session {
        self.engine.session(day(1000))
    }

    async fn rows(&self, table: &str) -> Option<(Snapshot, Vec<arrow::array::RecordBatch>)> {
        let snapshot = self.lake.snapshot(table).await.unwrap()?;
        let session = self.session();
        let found = session.collect_frame(session.read(&snapshot).await.unwrap()).await.unwrap();
        Some((snapshot, found.batches))
    }

    async fn seen(&self) -> Seen {
        let days = |micros: i64| micros / 86_400_000_000;
        let stored = history(&self.lake, &self.session()).await.unwrap();
        let history: Vec<_> = stored
            .iter()
            .map(|r| (days(r.as_of.as_microsecond()), r.segment.clone(), r.size, r.entered, r.exited))
            .collect();
        let mut memberships = Vec::new();
        if let Some((_, batches)) = self.rows(&memberships_table(ENTITY)).await {
            let number = |column| column_i64(&batches, column).unwrap();
            let rows =
                column_text(&batches, 0).unwrap().into_iter().zip(number(1)).zip(number(2)).zip(number(3));
            memberships.extend(rows.map(|(((segment, key), from), to)| {
                (segment.unwrap(), key.unwrap(), days(from.unwrap()), to.map(days))
            }));
            memberships.sort();
        }
        // Whatever is seen belongs together.
        for row in latest(&stored) {
            let open = memberships.iter().filter(|m| m.0 == row.segment && m.3.is_none()).count();
            assert_eq!(row.size, open as u64, "the size of {} is not that of its memberships", row.segment);
        }
        Seen { history, memberships }
    }

    /// Rows of the history's table, those that do not count included.
    async fn stored_history(&self) -> usize {
        self.rows(HISTORY_TABLE)
            .await
            .map_or(0, |(_, batches)| batches.iter().map(|batch| batch.num_rows()).sum())
    }

    async fn version(&self) -> Option<u64> {
        self.lake.snapshot(&memberships_table(ENTITY)).await.unwrap().map(|snapshot| snapshot.version())
    }
}

const VIP: &[(&str, &str)] = &[("vip", NOTHING), ("life/", NOTHING)];

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_recorded_once_and_a_repeated_one_changes_nothing() {
    let world = World::new();
    let first = Step::new(VIP, 1, &[("vip", &[1, 2]), ("life/new", &[1]), ("life/old", &[2])], "run1");
    let reports = world.publish(&first).await.unwrap();
    assert_eq!(
        reports.iter().map(|r| (r.segment.as_str(), r.size)).collect::<Vec<_>>(),
        [("vip", 2), ("life/new", 1), ("life/old", 1)]
    );
    let seen = world.seen().await;
    // A label that no entity has any more is a segment without members.
    let second = Step::new(VIP, 2, &[("vip", &[2, 3]), ("life/new", &[1, 2, 3])], "run2");
    let reports = world.publish(&second).await.unwrap();
    assert_eq!(
        reports.iter().map(|r| (r.segment.as_str(), r.size)).collect::<Vec<_>>(),
        [("vip", 2), ("life/new", 3), ("life/old", 0)]
    );
    let after = world.seen().await;
    assert_eq!(after.history.len(), 6);
    assert!(after.history.starts_with(&seen.history));
    let version = world.version().await;
    for transaction in ["run2", "run3"] {
        let again = Step { transaction, ..Step::new(VIP, 2, second.members, "") };
        assert_eq!(world.publish(&again).await.unwrap(), reports, "{transaction}");
        assert_eq!((world.seen().await, world.version().await), (after.clone(), version), "{transaction}");
    }
    let marks = world.lake.snapshot(&memberships_table(ENTITY)).await.unwrap().unwrap();
    assert_eq!(marks.transaction_version("refresh/shop").await.unwrap(), Some(day(2).as_microsecond()));

    // A refresh that changes no membership is recorded all the same.
    world.publish(&Step::new(VIP, 3, second.members, "run4")).await.unwrap();
    assert_eq!(world.seen().await.history.len(), 9);
    assert_eq!(world.stored_history().await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_instant_takes_its_place_and_later_ones_are_rebuilt_only_when_asked() {
    let world = World::new();
    world.publish(&Step::new(VIP, 1, &[("vip", &[1])], "run1")).await.unwrap();
    let seen = world.seen().await;
    world.publish(&Step::new(VIP, 5, &[("vip", &[1, 2])], "run2")).await.unwrap();
    world.publish(&Step::new(VIP, 3, &[("vip", &[2])], "run3")).await.unwrap();
    let between = world.seen().await;
    let row = |day, size, entered, exited| (day, "vip".to_owned(), size, entered, exited);
    assert_eq!(between.history, [row(1, 1, 1, 0), row(3, 1, 1, 1), row(5, 2, 1, 0)]);
    let member = |key, from, to| ("vip".to_owned(), key, from, to);
    assert_eq!(between.memberships, [member(1, 1, Some(3)), member(1, 5, None), member(2, 3, None)]);
    assert_eq!(world.stored_history().await, 3, "what no longer counts is removed");

    let rebuilt = Step { full: true, ..Step::new(VIP, 2, &[("vip", &[1, 5])], "run4") };
    world.publish(&rebuilt).await.unwrap();
    let after = world.seen().await;
    let history = [seen.history[0].clone(), row(2, 2, 1, 0)];
    assert_eq!(after.history, history);
    assert_eq!(after.memberships, [member(1, 1, None), member(5, 2, None)]);
    assert_eq!(world.stored_history().await, 2, "what no longer counts is removed");
    world.publish(&Step::new(VIP, 3, &[("vip", &[5])], "run5")).await.unwrap();
    assert_eq!(world.seen().await.history.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_only_an_earlier_instant_has_ends_at_the_next() {
    let days = [
        (1, &[("life/new", &[1, 2][..])][..]),
        (2, &[("life/new", &[1]), ("life/lost", &[2])]),
        (3, &[("life/new", &[1, 2])]),
        (4, &[("life/new", &[2]), ("life/lost", &[1])]),
    ];
    let publish = async |order: [usize; 4]| {
        let world = World::new();
        for at in order {
            let (as_of, members) = days[at];
            world.publish(&Step::new(VIP, as_of, members, &format!("run{as_of}"))).await.unwrap();
        }
        world.seen().await
    };
    let in_order = publish([0, 1, 2, 3]).await;
    for order in [[0, 2, 1, 3], [2, 0, 1, 3], [0, 1, 3, 2], [2, 1, 0, 3], [0, 2, 3, 1]] {
        assert_eq!(publish(order).await, in_order, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_at_once_end_as_one_after_the_other() {
    let days: [(i64, &[i64]); 4] = [(1, &[1, 2]), (2, &[2, 3]), (3, &[]), (4, &[3, 4, 5])];
    let in_order = World::new();
    for (as_of, keys) in days {
        let transaction = format!("run{as_of}");
        in_order.publish(&Step::new(NEVER_EMPTY, as_of, &[("vip", keys)], &transaction)).await.unwrap();
    }
    let expected = in_order.seen().await;
    for round in 0..3 {
        let world = World::new();
        let publish = async |(as_of, keys): (i64, &[i64])| {
            let transaction = format!("run{as_of}");
            world.publish(&Step::new(NEVER_EMPTY, as_of, &[("vip", keys)], &transaction)).await.unwrap();
        };
        // The last two are there twice: by a run that was taken for dead and its successor.
        let all = days.into_iter().chain(days[2..].iter().copied());
        futures::future::join_all(all.map(publish)).await;
        assert_eq!(world.seen().await, expected, "round {round}");
        let leftovers = world.stored_history().await - expected.history.len();
        assert_eq!(leftovers, 0, "round {round}: rows that do not count");
    }
}

const NEVER_EMPTY: &[(&str, &str)] = &[("vip", "{not_empty: false}")];

#[tokio::test(flavor = "multi_thread")]
async fn only_requested_segments_are_published_and_pipelines_share_a_table() {
    let world = World::new();
    world.publish(&Step::new(VIP, 1, &[("vip", &[1]), ("life/new", &[1])], "run1")).await.unwrap();
    let other =
        Step { pipeline: "other", ..Step::new(&[("theirs", NOTHING)], 5, &[("theirs", &[7])], "run2") };
    world.publish(&other).await.unwrap();
    let vip =
        Step { wanted: Some(&["vip"]), ..Step::new(VIP, 2, &[("vip", &[2]), ("life/new", &[2])], "run3") };
    assert_eq!(world.publish(&vip).await.unwrap().len(), 1);
    let life = Step { wanted: Some(&["life"]), ..Step::new(VIP, 2, &[("life/old", &[2])], "run4") };
    assert_eq!(world.publish(&life).await.unwrap().len(), 2);
    let row = |segment: &str, key, from, to| (segment.to_owned(), key, from, to);
    let expected = [
        row("life/new", 1, 1, Some(2)),
        row("life/old", 2, 2, None),
        row("theirs", 7, 5, None),
        row("vip", 1, 1, Some(2)),
        row("vip", 2, 2, None),
    ];
    assert_eq!(world.seen().await.memberships, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_of_a_segment_that_is_no_longer_defined_end() {
    let world = World::new();
    world.publish(&Step::new(VIP, 1, &[("vip", &[1, 2]), ("life/new", &[1])], "run1")).await.unwrap();
    let other =
        Step { pipeline: "other", ..Step::new(&[("theirs", NOTHING)], 1, &[("theirs", &[7])], "run2") };
    world.publish(&other).await.unwrap();
    let without: &[(&str, &str)] = &[("life/", NOTHING)];
    let partly = Step { wanted: Some(&["life"]), ..Step::new(without, 2, &[("life/new", &[1])], "run3") };
    assert_eq!(world.publish(&partly).await.unwrap().len(), 1);
    for (as_of, transaction, rows) in [(3, "run4", 2), (3, "run5", 2), (4, "run6", 1)] {
        let step = Step::new(without, as_of, &[("life/new", &[1])], transaction);
        let reports = world.publish(&step).await.unwrap();
        assert_eq!(reports.len(), rows, "{transaction}");
    }
    let seen = world.seen().await;
    let row = |segment: &str, key, from, to| (segment.to_owned(), key, from, to);
    let expected = [
        row("life/new", 1, 1, None),
        row("theirs", 7, 1, None),
        row("vip", 1, 1, Some(3)),
        row("vip", 2, 1, Some(3)),
    ];
    assert_eq!(seen.memberships, expected);
    assert!(seen.history.contains(&(3, "vip".to_owned(), 0, 0, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_is_no_longer_defined_is_in_no_segment() {
    let world = World::new();
    world.publish(&Step::new(VIP, 1, &[("vip", &[1, 2])], "run1")).await.unwrap();
    let session = world.engine.session(day(2));
    let tables = Tables::default();
    let context = RefreshContext {
        lake: &world.lake,
        tables: &tables,
        session: &session,
        pipeline: "shop",
        full: false,
        transaction: "run2",
        on_failure: OnFailure::Stop,
        elsewhere: &Elsewhere::default(),
    };
    let report = crate::refresh::refresh(&Definitions::default(), None, &context).await.unwrap();
    assert_eq!(report.rows_written, 2);
    assert!(world.seen().await.memberships.iter().all(|row| row.3 == Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_expectation_publishes_nothing() {
    for (expect, members, broken) in [
        ("{}", &[][..], Some("segment `vip` has no members and had 2")),
        ("{not_empty: false}", &[], None),
        ("{not_empty: true}", &[], Some("segment `vip` has 0 members, expected at least 1")),
        ("{min_size: 2}", &[1], Some("expected at least 2")),
        ("{max_size: 2}", &[1, 2, 3], Some("expected at most 2")),
        ("{max_turnover: 0.4}", &[1], Some("changed by 0.5000")),
        ("{max_turnover: 0.5}", &[1], None),
    ] {
        let world = World::new();
        let definitions = [("vip", expect)];
        world.publish(&Step::new(&definitions, 1, &[("vip", &[1, 2])], "run1")).await.unwrap();
        let seen = world.seen().await;
        let members = [("vip", members)];
        let outcome = world.publish(&Step::new(&definitions, 2, &members, "run2")).await;
        match (broken, outcome) {
            (Some(reason), Err(SegmentError::Expectation(found))) => {
                assert!(found[0].contains(reason), "{found:?}")
            }
            (None, Ok(_)) => assert_ne!(world.seen().await, seen),
            (_, outcome) => panic!("{expect}: {outcome:?}"),
        }
        if broken.is_some() {
            assert_eq!(world.seen().await, seen, "{expect}");
        }
    }
    // A segment that never had a member may stay so, and a label may always go.
    let world = World::new();
    world.publish(&Step::new(VIP, 1, &[("vip", &[]), ("life/new", &[1])], "run1")).await.unwrap();
    world.publish(&Step::new(VIP, 2, &[("vip", &[])], "run2")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_cut_short_is_seen_whole_or_not_at_all() {
    let before: [Step<'_>; 2] = [
        Step::new(VIP, 1, &[("vip", &[1, 2]), ("life/new", &[1])], "run1"),
        Step::new(VIP, 3, &[("vip", &[2, 3])], "run2"),
    ];
    let next = Step::new(VIP, 4, &[("vip", &[3, 4]), ("life/old", &[1])], "run3");
    let repeated = Step::new(VIP, 3, &[("vip", &[1, 9]), ("life/new", &[9])], "run3");
    let rebuilt = Step { full: true, ..Step::new(VIP, 2, &[("vip", &[7])], "run3") };
    let deleted = Step::new(&VIP[1..], 4, &[("life/new", &[1])], "run3");
    for (what, step) in [("next", next), ("repeated", repeated), ("rebuilt", rebuilt), ("deleted", deleted)] {
        let mut expected = BTreeMap::new();
        for failure in [Failure::Before, Failure::After] {
            for puts in 0.. {
                let store = FailingStore::new(failure);
                let world = World::over(&store);
                for step in &before {
                    world.publish(step).await.unwrap();
                }
                let old = world.seen().await;
                store.fail_after(puts);
                let outcome = world.publish(&step).await;
                let failed = store.has_failed();
                store.fail_after(i64::MAX);
                let seen = world.seen().await;
                let again = Step { transaction: "run4", ..step.clone() };
                world.publish(&again).await.unwrap();
                let new = world.seen().await;
                let expected = expected.entry(what).or_insert_with(|| new.clone());
                assert_eq!(new, *expected, "{what}, {failure:?} {puts}: tried again it ends otherwise");
                assert!(seen == old || seen == new, "{what}, {failure:?} {puts}: {seen:#?}");
                assert!(
                    outcome.is_err() || seen == new,
                    "{what}, {failure:?} {puts}: published, and not seen"
                );
                assert_eq!(world.stored_history().await, new.history.len(), "{what}, {failure:?} {puts}");
                if !failed {
                    assert!(puts >= 3, "{what}: files, history and memberships are put");
                    break;
                }
            }
        }
    }
}

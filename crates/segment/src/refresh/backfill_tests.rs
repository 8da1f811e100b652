//! A backfill leaves what refreshes would have left.

use std::sync::Arc;

use arrow::array::{Int64Array, TimestampMicrosecondArray};
use tranche_faults::{FailingStore, Failure};
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec};
use tranche_sql::{EngineOptions, column_i64, column_text, table_folder};
use tranche_store::{Commit, CommitMode};

use super::*;
use crate::failing::lake;
use crate::history::HistoryRow;
use crate::refresh::{OnFailure, RefreshContext, refresh};
use crate::store::history;

const CUSTOMERS: &str = "version: 1\ntable: customers\nkind: entity\nentity: customer\nkey: [id]\ncolumns:\n\
                         - {name: id, type: int64, nullable: false}\n";
const ORDERS: &str = "version: 1\ntable: orders\nkind: event\nentity: {customer: id}\nkey: [id, at]\nevent_time: at\ncolumns:\n\
                      - {name: id, type: int64, nullable: false}\n\
                      - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n";

/// Who ordered within two days, and how often everyone ordered within three.
const RECENT: (&str, &str) =
    ("segment: recent", "SELECT id FROM orders WHERE at >= as_of() - INTERVAL '2 days'");
const OFTEN: (&str, &str) = (
    "segment_set: often",
    "SELECT c.id, CASE WHEN count(o.at) > 1 THEN 'yes' WHEN count(o.at) = 1 THEN 'once' END AS label \
     FROM customers c JOIN orders o ON o.id = c.id WHERE o.at >= as_of() - INTERVAL '3 days' GROUP BY c.id",
);

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(n * 86_400).unwrap()
}

fn days(range: std::ops::RangeInclusive<i64>) -> Vec<Timestamp> {
    range.map(day).collect()
}

struct World {
    store: Arc<FailingStore>,
    lake: Lake,
    engine: Engine,
    contracts: IndexMap<String, Contract>,
}

/// Published history, and memberships: segment, key, entry and exit.
type Seen = (Vec<HistoryRow>, Vec<(Option<String>, Option<i64>, Option<i64>, Option<i64>)>);

impl World {
    /// Customers 1 to 4, and orders of them and of an unknown customer.
    async fn new() -> Self {
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        let store = FailingStore::new(Failure::Before);
        let mut problems = Problems::default();
        let contracts = [CUSTOMERS, ORDERS].map(|text| {
            let spec: ContractSpec =
                yaml::read(&SourceFile::new("schemas/a.yaml", text), &mut problems).unwrap();
            let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
            (contract.table.clone(), contract)
        });
        let (lake, engine) = (lake(&store), Engine::new(&options).unwrap());
        let world = Self { store, lake, engine, contracts: contracts.into() };
        let orders = [(1, 1), (2, 1), (9, 2), (3, 3), (3, 4), (1, 4), (2, 6), (2, 7), (4, 7), (1, 8)];
        world.write("customers", &[1, 2, 3, 4], None).await;
        let (ids, at): (Vec<i64>, Vec<i64>) = orders.into_iter().unzip();
        world.write("orders", &ids, Some(&at)).await;
        world
    }

    async fn write(&self, table: &str, ids: &[i64], at: Option<&[i64]>) {
        let session = self.engine.session(day(0));
        let contract = &self.contracts[table];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids.to_vec()))];
        if let Some(at) = at {
            let noon = at.iter().map(|n| (day(*n).as_microsecond()) + 43_200_000_000);
            columns.push(Arc::new(TimestampMicrosecondArray::from_iter_values(noon).with_timezone("UTC")));
        }
        let rows = RecordBatch::try_new(contract.arrow_schema(), columns).unwrap();
        let plan = session.frame(rows.schema(), vec![rows]).unwrap().logical_plan().clone();
        let commit = Commit::new(&table_folder(table), "load", CommitMode::Append, plan);
        self.lake.commit(session.shared_state(), commit).await.unwrap();
    }

    fn definitions(&self, segments: &[(&str, &str)]) -> Definitions {
        let files = segments.iter().enumerate().map(|(n, (head, sql))| {
            (
                format!("pipelines/shop/segments/s{n}.sql"),
                format!("/*---\n{head}\nentity: customer\n---*/\n{sql}\n"),
            )
        });
        let mut problems = Problems::default();
        let definitions =
            Definitions::read(&Project::from_files(files), "shop", &self.contracts, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        definitions
    }

    async fn refresh(&self, definitions: &Definitions, instants: &[Timestamp]) {
        for as_of in instants {
            let tables = Tables::open(&self.lake, self.contracts.values()).await.unwrap();
            let session = self.engine.session_over(&tables, *as_of).await.unwrap();
            let context = RefreshContext {
                lake: &self.lake,
                tables: &tables,
                session: &session,
                pipeline: "shop",
                full: false,
                transaction: &format!("run/{as_of}"),
                on_failure: OnFailure::Stop,
                elsewhere: &Elsewhere::default(),
            };
            refresh(definitions, None, &context).await.unwrap();
        }
    }

    async fn backfill(
        &self,
        definitions: &Definitions,
        wanted: Option<&[&str]>,
        instants: &[Timestamp],
        rebuild: bool,
    ) -> Result<Vec<Backfilled>, SegmentError> {
        let tables = Tables::open(&self.lake, self.contracts.values()).await.unwrap();
        let wanted: Option<Vec<String>> =
            wanted.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        let (lake, engine) = (&self.lake, &self.engine);
        let backfill = Backfill {
            definitions,
            wanted: wanted.as_deref(),
            instants,
            rebuild,
            lake,
            tables: &tables,
            engine,
            pipeline: "shop",
            elsewhere: &Elsewhere::default(),
        };
        let transaction = format!("backfill/{}", self.version().await.unwrap_or_default());
        backfill.run(&transaction, &|_, _| {}).await
    }

    async fn version(&self) -> Option<u64> {
        self.lake.snapshot(&memberships_table("customer")).await.unwrap().map(|snapshot| snapshot.version())
    }

    async fn seen(&self) -> Seen {
        let session = self.engine.session(day(1000));
        let history = history(&self.lake, &session).await.unwrap();
        let Some(snapshot) = self.lake.snapshot(&memberships_table("customer")).await.unwrap() else {
            return (history, Vec::new());
        };
        let found = session.collect_frame(session.read(&snapshot).await.unwrap()).await.unwrap().batches;
        let number = |column| column_i64(&found, column).unwrap();
        let rows = column_text(&found, 0).unwrap().into_iter().zip(number(1)).zip(number(2)).zip(number(3));
        let mut rows: Vec<_> = rows.map(|(((segment, key), from), to)| (segment, key, from, to)).collect();
        rows.sort();
        (history, rows)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_instants_at_once_are_five_refreshes_in_one_publication() {
    let (daily, at_once) = (World::new().await, World::new().await);
    let definitions = daily.definitions(&[RECENT, OFTEN]);
    // A refresh before, so that labels are known that no customer has any more.
    for world in [&daily, &at_once] {
        world.refresh(&definitions, &days(4..=4)).await;
    }
    daily.refresh(&definitions, &days(5..=9)).await;
    let version = at_once.version().await.unwrap();
    let done = at_once.backfill(&definitions, None, &days(5..=9), false).await.unwrap();
    assert_eq!(at_once.version().await, Some(version + 1));
    let (expected, found) = (daily.seen().await, at_once.seen().await);
    assert!(expected.0.len() >= 15 && expected.1.len() >= 8, "{expected:#?}");
    assert_eq!(found, expected);
    let figures = |segment: &str, field: fn(&HistoryRow) -> u64| {
        found
            .0
            .iter()
            .filter(|row| row.segment == segment && row.as_of > day(4))
            .map(field)
            .collect::<Vec<_>>()
    };
    for report in &done[0].segments {
        assert_eq!(Some(&report.size), figures(&report.segment, |row| row.size).last());
        assert_eq!(report.entered, figures(&report.segment, |row| row.entered).iter().sum::<u64>());
        assert_eq!(report.exited, figures(&report.segment, |row| row.exited).iter().sum::<u64>());
    }
    let mark = at_once.lake.snapshot(&memberships_table("customer")).await.unwrap().unwrap();
    assert_eq!(mark.transaction_version("refresh/shop").await.unwrap(), Some(day(9).as_microsecond()));
    // The next refresh continues from there in both cases.
    for world in [&daily, &at_once] {
        world.refresh(&definitions, &days(10..=10)).await;
    }
    assert_eq!(at_once.seen().await, daily.seen().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_segment_gets_its_past_and_others_keep_theirs() {
    let (early, late) = (World::new().await, World::new().await);
    let (before, after) = (late.definitions(&[OFTEN]), late.definitions(&[OFTEN, RECENT]));
    early.refresh(&after, &days(2..=6)).await;
    late.refresh(&before, &days(2..=6)).await;
    let done = late.backfill(&after, Some(&["recent"]), &days(2..=6), false).await.unwrap();
    assert_eq!(done[0].segments.iter().map(|report| report.segment.as_str()).collect::<Vec<_>>(), ["recent"]);
    assert_eq!(late.seen().await, early.seen().await);
    // It may end before the others do: they are as they were, and so is the instant of the last refresh.
    let other = World::new().await;
    other.refresh(&before, &days(2..=6)).await;
    let untouched = other.seen().await;
    other.backfill(&after, Some(&["recent"]), &days(2..=3), false).await.unwrap();
    let found = other.seen().await;
    assert!(untouched.0.iter().all(|row| found.0.contains(row)));
    assert!(untouched.1.iter().all(|row| found.1.contains(row)));
    let mark = other.lake.snapshot(&memberships_table("customer")).await.unwrap().unwrap();
    assert_eq!(mark.transaction_version("refresh/shop").await.unwrap(), Some(day(6).as_microsecond()));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_replaced_only_when_asked_and_never_shortened() {
    let world = World::new().await;
    let (old, new) = (
        world.definitions(&[OFTEN, ("segment: recent", "SELECT id FROM orders")]),
        world.definitions(&[OFTEN, RECENT]),
    );
    world.refresh(&old, &days(1..=6)).await;
    let seen = world.seen().await;
    let refused = world.backfill(&new, None, &days(6..=8), false).await;
    assert!(matches!(refused, Err(SegmentError::Published { last, .. }) if last == day(6)), "{refused:?}");
    let refused = world.backfill(&new, Some(&["recent"]), &days(3..=5), true).await;
    let Err(shortened @ SegmentError::Shortened { .. }) = refused else { panic!("{refused:?}") };
    assert!(shortened.to_string().contains(&format!("--to must reach {}", day(6))), "{shortened}");
    let unknown = world.backfill(&new, Some(&["nobody"]), &days(3..=8), true).await;
    assert!(matches!(unknown, Err(SegmentError::Unknown(_))), "{unknown:?}");
    for wrong in [vec![], vec![day(3), day(3)]] {
        assert!(matches!(world.backfill(&new, None, &wrong, true).await, Err(SegmentError::Instants)));
    }
    assert_eq!(world.seen().await, seen);

    // What is cut short is not seen; tried again it is what refreshes leave with the new definition from that day on.
    for puts in 0.. {
        world.store.fail_after(puts);
        let outcome = world.backfill(&new, Some(&["recent"]), &days(3..=7), true).await;
        let failed = world.store.has_failed();
        world.store.fail_after(i64::MAX);
        if outcome.is_ok() {
            break;
        }
        assert!(failed, "{outcome:?}");
        assert_eq!(world.seen().await, seen, "{puts}");
    }
    let expected = World::new().await;
    expected.refresh(&old, &days(1..=2)).await;
    expected.refresh(&new, &days(3..=7)).await;
    let recent = |(mut history, mut memberships): Seen| {
        history.retain(|row| row.segment == "recent");
        memberships.retain(|row| row.0.as_deref() == Some("recent"));
        (history, memberships)
    };
    assert_eq!(recent(world.seen().await), recent(expected.seen().await));
    world.backfill(&new, None, &days(3..=7), true).await.unwrap();
    let (mut found, expected) = (world.seen().await, expected.seen().await);
    // A label of the replaced history has rows from the first day on.
    found.0.retain(|row| expected.0.contains(row) || row.segment != "often/yes" || row.size > 0);
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_are_checked_at_the_last_instant() {
    let head = "segment: recent\nexpect: {min_size: 2}";
    let world = World::new().await;
    let definitions =
        world.definitions(&[(head, "SELECT id FROM orders WHERE at >= as_of() - INTERVAL '1 day'")]);
    // No customer orders on the 2nd, two on the 4th and one on the 6th.
    let refused = world.backfill(&definitions, None, &days(3..=7), false).await;
    assert!(matches!(refused, Err(SegmentError::Expectation(_))), "{refused:?}");
    assert_eq!(world.seen().await, Seen::default());
    world.backfill(&definitions, None, &days(3..=5), false).await.unwrap();
    assert_eq!(world.seen().await.0.iter().map(|row| row.size).collect::<Vec<_>>(), [0, 1, 2]);
}

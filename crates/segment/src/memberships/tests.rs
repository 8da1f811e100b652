//! Memberships as they are stored, held against the same refreshes done on plain maps.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_faults::{FailingStore, Failure};
use tranche_schema::platform::memberships as columns;
use tranche_sql::keys::KeyIndex;
use tranche_sql::parallel::Threads;
use tranche_sql::{Engine, EngineOptions, Session, column_i64, column_text};
use tranche_store::commit::Transaction;
use tranche_store::{Commit, CommitMode, Lake, Snapshot, StoreError};

use super::layout::{Kind, StoredFile};
use super::{Key, MembershipTable, Memberships, NewMembers, compact};
use crate::error::SegmentError;
use crate::failing::lake;
use crate::store::memberships_table;

const ENTITY: &str = "customer";

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(n * 86_400).unwrap()
}

/// The members of a segment from an instant on.
fn new(segment: &str, entities: RoaringBitmap) -> NewMembers {
    NewMembers { segment: segment.to_owned(), entities, until: None }
}

/// A row of the table: segment, key, day of entry and day of exit.
type Row = (String, String, i64, Option<i64>);

/// A lake, and the keys of the entities by number: another order at each refresh.
struct World {
    lake: Lake,
    key_type: DataType,
    transactions: i64,
}

impl World {
    fn new(key_type: DataType) -> Self {
        Self { lake: lake(&FailingStore::new(Failure::Before)), key_type, transactions: 0 }
    }

    fn keys(&self, keys: &[i64]) -> ArrayRef {
        match self.key_type {
            DataType::Utf8 => {
                Arc::new(keys.iter().map(|key| Some(format!("c{key}"))).collect::<StringArray>())
            }
            _ => cast(&Int64Array::from(keys.to_vec()), &self.key_type).unwrap(),
        }
    }

    fn session() -> Session {
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 2 };
        Engine::new(&options).unwrap().session(Timestamp::MAX)
    }

    async fn base(&self) -> Option<Snapshot> {
        self.lake.snapshot(&memberships_table(ENTITY)).await.unwrap()
    }

    /// Reads for a refresh of `segments` from `from` on, in a universe that is seen in the order of `universe`.
    async fn read(&self, segments: &[&str], from: i64, universe: &[i64]) -> (Memberships, Arc<KeyIndex>) {
        let mut index = KeyIndex::new(&self.key_type);
        index.insert(&self.keys(universe)).unwrap();
        let mut index = Arc::new(index);
        let key = Key { name: "customer_id".to_owned(), data_type: self.key_type.clone() };
        let wanted: BTreeSet<String> = segments.iter().map(|&segment| segment.to_owned()).collect();
        let table = MembershipTable {
            folder: memberships_table(ENTITY),
            base: self.base().await,
            key,
            threads: Threads::new(2),
        };
        let read = Memberships::read(table, &mut index, &wanted, day(from)).await.unwrap();
        (read, index)
    }

    async fn commit(
        &mut self,
        memberships: Memberships,
        index: &KeyIndex,
    ) -> Result<Option<Snapshot>, SegmentError> {
        self.transactions += 1;
        let transaction = Transaction::new(format!("refresh {}", self.transactions), 1);
        memberships.commit(&self.lake, index, vec![transaction]).await
    }

    /// One refresh: members by segment, as keys.
    async fn refresh(&mut self, as_of: i64, members: &[(&str, &[i64])], universe: &[i64]) {
        let segments: Vec<&str> = members.iter().map(|(segment, _)| *segment).collect();
        let (mut memberships, mut index) = self.read(&segments, as_of, universe).await;
        let mut bitmaps = Vec::new();
        for (segment, keys) in members {
            let numbers = Arc::make_mut(&mut index).insert(&self.keys(keys)).unwrap();
            bitmaps.push(new(segment, numbers.into_iter().flatten().collect()));
        }
        let changes = memberships.set(bitmaps, day(as_of)).await.unwrap();
        for ((segment, keys), change) in members.iter().zip(changes) {
            assert_eq!(change.now.size, keys.len() as u64, "{segment}");
        }
        self.commit(memberships, &index).await.unwrap();
    }

    /// The rows as the query engine reads them, in order.
    async fn rows(&self) -> Vec<Row> {
        let session = Self::session();
        let Some(base) = self.base().await else { return Vec::new() };
        let batches = session.collect_frame(session.read(&base).await.unwrap()).await.unwrap().batches;
        let texts = |column| column_text(&batches, column).unwrap().into_iter().flatten();
        let days = |column| {
            column_i64(&batches, column).unwrap().into_iter().map(|at| at.map(|at| at / 86_400_000_000))
        };
        let keys = texts(1).map(|key| key.trim_start_matches('c').to_owned());
        let entered = days(2).map(Option::unwrap_or_default);
        let mut rows: Vec<Row> = texts(0)
            .zip(keys)
            .zip(entered)
            .zip(days(3))
            .map(|(((segment, key), from), to)| (segment, key, from, to))
            .collect();
        rows.sort();
        rows
    }

    async fn files(&self, kind: Kind) -> usize {
        let Some(base) = self.base().await else { return 0 };
        let files = base.file_statistics().unwrap();
        files.into_iter().filter(|(file, known)| StoredFile::new(file.clone(), known).kind == kind).count()
    }
}

/// The same on a plain list.
#[derive(Default)]
struct Model(Vec<(String, i64, i64, Option<i64>)>);

impl Model {
    fn refresh(&mut self, as_of: i64, segment: &str, members: &[i64]) {
        self.0.retain(|row| row.0 != segment || row.2 < as_of);
        for row in self.0.iter_mut().filter(|row| row.0 == segment) {
            row.3 = row.3.filter(|exit| *exit < as_of);
        }
        for row in
            self.0.iter_mut().filter(|row| row.0 == segment && row.3.is_none() && !members.contains(&row.1))
        {
            row.3 = Some(as_of);
        }
        for key in members {
            if !self.0.iter().any(|row| row.0 == segment && row.1 == *key && row.3.is_none()) {
                self.0.push((segment.to_owned(), *key, as_of, None));
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let rows =
            self.0.iter().map(|(segment, key, from, to)| (segment.clone(), key.to_string(), *from, *to));
        let mut rows: Vec<Row> = rows.collect();
        rows.sort();
        rows
    }
}

/// Numbers that look random, the same at every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn some_of(&mut self, end: i64) -> Vec<i64> {
        let part = 1 + self.below(4);
        (0..end).filter(|_| self.below(part) == 0).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_of_any_segments_at_any_instants_leave_what_they_should() {
    let names: Vec<String> = (0..20).map(|n| format!("s{n:02}")).collect();
    for (seed, key_type) in [(1, DataType::Int64), (2, DataType::Utf8), (3, DataType::Int32)] {
        let mut numbers = Numbers(seed);
        let mut world = World::new(key_type.clone());
        let mut model = Model::default();
        let mut as_of = 10;
        for step in 0..25 {
            // Now and then a refresh is repeated, or goes back.
            as_of += [1, 1, 1, 0, -1][numbers.below(5)];
            let first = numbers.below(names.len());
            let wanted = &names[first..][..1 + numbers.below(names.len() - first)];
            let members: Vec<(&str, Vec<i64>)> =
                wanted.iter().map(|name| (name.as_str(), numbers.some_of(40))).collect();
            let universe: Vec<i64> = if step % 2 == 0 { (0..40).collect() } else { (3..40).rev().collect() };
            let slices: Vec<(&str, &[i64])> =
                members.iter().map(|(name, keys)| (*name, keys.as_slice())).collect();
            world.refresh(as_of, &slices, &universe).await;
            for (segment, keys) in &members {
                model.refresh(as_of, segment, keys);
            }
            assert_eq!(world.rows().await, model.rows(), "{key_type} step {step}");
        }
        assert!(compact::compact(&world.lake, ENTITY).await.unwrap() == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_instants_in_one_commit_are_as_many_refreshes() {
    let history: [(i64, &[i64]); 4] = [(1, &[1, 2]), (2, &[2, 3]), (3, &[3]), (4, &[1, 3, 9])];
    let (mut at_once, mut one_by_one) = (World::new(DataType::Int64), World::new(DataType::Int64));
    let (mut memberships, mut index) = at_once.read(&["vip"], 1, &[]).await;
    for (as_of, keys) in history {
        let numbers = Arc::make_mut(&mut index).insert(&at_once.keys(keys)).unwrap();
        memberships.set(vec![new("vip", numbers.into_iter().flatten().collect())], day(as_of)).await.unwrap();
        one_by_one.refresh(as_of, &[("vip", keys)], &[]).await;
    }
    let made = at_once.commit(memberships, &index).await.unwrap().unwrap();
    assert_eq!(made.version(), 0);
    assert_eq!(at_once.rows().await, one_by_one.rows().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_writes_the_files_of_what_changed_and_no_others() {
    let mut world = World::new(DataType::Int64);
    let names: Vec<String> = (0..40).map(|n| format!("s{n:02}")).collect();
    let all: Vec<(&str, &[i64])> = names.iter().map(|name| (name.as_str(), &[1, 2][..])).collect();
    world.refresh(1, &all, &[1, 2, 3]).await;
    assert_eq!((world.files(Kind::Open).await, world.files(Kind::Ended).await), (3, 0));
    let paths = |snapshot: &Snapshot| -> BTreeSet<String> {
        snapshot.files().unwrap().into_iter().map(|file| file.path).collect()
    };
    let before = paths(&world.base().await.unwrap());

    let mut changed = all.clone();
    changed[20].1 = &[2, 3];
    world.refresh(2, &changed, &[1, 2, 3]).await;
    let after = paths(&world.base().await.unwrap());
    assert_eq!(before.intersection(&after).count(), 2);
    assert_eq!((world.files(Kind::Open).await, world.files(Kind::Ended).await), (3, 1));

    world.refresh(2, &changed, &[3, 2, 1]).await;
    assert_eq!(paths(&world.base().await.unwrap()), after, "a repeated refresh writes no file");

    let (memberships, _) = world.read(&["s39"], 3, &[]).await;
    assert_eq!(memberships.files.len(), 1, "a refresh of one segment reads the file that it is in");
    let (memberships, _) = world.read(&["s20"], 2, &[]).await;
    assert_eq!(memberships.files.len(), 2, "and of ended memberships those that it may have to open again");
    let (memberships, _) = world.read(&["s20"], 3, &[]).await;
    assert_eq!(memberships.files.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_others_wrote_is_taken_as_it_is() {
    let mut world = World::new(DataType::Int64);
    let session = World::session();
    let schema = columns::schema("customer_id", &DataType::Int64);
    let instants = |days: &[Option<i64>]| -> ArrayRef {
        let micros = days.iter().map(|n| n.map(|n| n * 86_400_000_000));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["b", "a", "b", "c"])),
        world.keys(&[3, 1, 1, 7]),
        instants(&[Some(1), Some(1), Some(1), Some(1)]),
        instants(&[None, Some(2), Some(3), None]),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let rows = session.frame(schema, vec![batch]).unwrap().logical_plan().clone();
    let commit = Commit::new(&memberships_table(ENTITY), "before", CommitMode::Overwrite, rows);
    world.lake.commit(session.shared_state(), commit).await.unwrap();
    assert_eq!(world.files(Kind::Mixed).await, 1);

    world.refresh(3, &[("a", &[1]), ("b", &[1, 3])], &[1, 3]).await;
    let row = |segment: &str, key: i64, from, to| (segment.to_owned(), key.to_string(), from, to);
    let expected = [
        row("a", 1, 1, Some(2)),
        row("a", 1, 3, None),
        row("b", 1, 1, None),
        row("b", 3, 1, None),
        row("c", 7, 1, None),
    ];
    assert_eq!(world.rows().await, expected);
    assert_eq!(world.files(Kind::Mixed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_refreshes_at_once_the_second_conflicts_and_loses_nothing_when_tried_again() {
    let mut world = World::new(DataType::Int64);
    world.refresh(1, &[("a", &[1]), ("b", &[2])], &[1, 2]).await;
    let (mut late, index) = world.read(&["a"], 2, &[1, 2]).await;
    late.set(vec![new("a", RoaringBitmap::new())], day(2)).await.unwrap();
    world.refresh(2, &[("b", &[1])], &[1, 2]).await;
    let rows = world.rows().await;
    let outcome = world.commit(late, &index).await;
    assert!(matches!(outcome, Err(SegmentError::Store(StoreError::Conflict { .. }))));
    assert_eq!(world.rows().await, rows);
    world.refresh(2, &[("a", &[])], &[1, 2]).await;
    assert_eq!(world.rows().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_ended_memberships_are_merged_when_they_are_many() {
    let mut world = World::new(DataType::Utf8);
    let mut model = Model::default();
    for as_of in 1..=32 {
        let keys: &[i64] = if as_of % 2 == 0 { &[1, 2] } else { &[3] };
        world.refresh(as_of, &[("b", keys), ("a", &[as_of])], &[]).await;
        model.refresh(as_of, "b", keys);
        model.refresh(as_of, "a", &[as_of]);
    }
    assert_eq!(world.files(Kind::Ended).await, 31);
    assert_eq!(compact::compact(&world.lake, ENTITY).await.unwrap(), 31);
    assert_eq!(world.files(Kind::Ended).await, 1);
    assert_eq!(world.rows().await, model.rows());
    assert_eq!(compact::compact(&world.lake, ENTITY).await.unwrap(), 0);

    // What was merged is opened again like any other.
    world.refresh(30, &[("b", &[5])], &[]).await;
    model.refresh(30, "b", &[5]);
    assert_eq!(world.rows().await, model.rows());
}

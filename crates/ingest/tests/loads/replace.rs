//! Files that are written again: what the table holds afterwards, held against one that is loaded from nothing by the files as they are.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use jiff::{SignedDuration, Timestamp};
use tranche_ingest::{Formats, LoadReport, Source};
use tranche_schema::platform::{VALID_FROM, VALID_TO};

use crate::place::{self, Place};

const COLUMNS: &str = "columns: [{name: id, type: int64}, {name: at, type: 'timestamp(us, UTC)', nullable: false}, {name: value, type: int64}]";

/// The kinds of tables: how their contract begins, and whether they keep versions.
const KINDS: [(&str, bool); 3] = [
    ("kind: event, entity: {customer: id}, key: [id], event_time: at", false),
    ("kind: entity, entity: customer, key: [id]", false),
    ("kind: entity, entity: customer, key: [id], history: full", true),
];

/// Histories of files for each kind of table.
const HISTORIES: u64 = 6;
/// Loads of each.
const LOADS: u64 = 8;
const FILES: u64 = 4;
const KEYS: u64 = 8;

fn place(kind: &str) -> Place {
    Place::new(&format!("{{version: 1, table: visits, {kind}, {COLUMNS}}}"))
}

fn source(replace: &str) -> Source {
    place::source(
        &format!(
            "{{version: 1, source: visits, into: visits, format: csv, path: 'memory://raw/visits/*.csv', {replace}}}"
        ),
        &Formats::default(),
    )
}

/// A row: its day, and its value.
type Row = (i64, i64);
/// Rows by key.
type Rows = BTreeMap<i64, Row>;

fn day(at: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * at)
}

fn csv(rows: &[(i64, Row)]) -> String {
    let lines = rows.iter().map(|(id, (at, value))| format!("{id},{},{value}\n", day(*at)));
    "id,at,value\n".to_owned() + &lines.collect::<String>()
}

/// The rows of a table that are valid at an instant; one that has no versions holds one row for each key.
fn valid_at(batches: &[RecordBatch], at: Option<Timestamp>) -> Rows {
    let mut rows = Rows::new();
    for batch in batches {
        let numbers = |name: &str| {
            let column = cast(batch.column_by_name(name).unwrap(), &DataType::Int64).unwrap();
            column.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
        };
        let (ids, days, values) = (numbers("id"), numbers("at"), numbers("value"));
        for row in 0..batch.num_rows() {
            if let Some(at) = at {
                let until = numbers(VALID_TO)[row].unwrap_or(i64::MAX);
                if !(numbers(VALID_FROM)[row].unwrap()..until).contains(&at.as_microsecond()) {
                    continue;
                }
            }
            let day = days[row].unwrap() / (24 * 3600 * 1_000_000);
            let before = rows.insert(ids[row].unwrap(), (day, values[row].unwrap()));
            assert_eq!(before, None, "a key has one row");
        }
    }
    rows
}

/// Files as they are, in the order in which their contents came; of each, rows in their order.
#[derive(Default)]
struct Files(Vec<(u64, Vec<(i64, Row)>)>);

impl Files {
    /// What a table holds that is loaded from nothing.
    fn loaded(&self) -> Rows {
        self.0.iter().flat_map(|(_, rows)| rows.iter().copied()).collect()
    }

    /// The file whose row of a key counts.
    fn owner(&self, key: i64) -> Option<u64> {
        self.0.iter().rev().find(|(_, rows)| rows.iter().any(|(id, _)| *id == key)).map(|(file, _)| *file)
    }

    /// Takes the new contents of some files, and tells the loads' `removed` and `restored`.
    fn take(&mut self, new: Vec<(u64, Vec<(i64, Row)>)>) -> (u64, u64) {
        let keys: BTreeSet<i64> = new.iter().flat_map(|(_, rows)| rows.iter().map(|(id, _)| *id)).collect();
        let is_new = |file: u64| new.iter().any(|(name, _)| *name == file);
        let withdrawn: Vec<i64> = self.loaded().into_keys().collect();
        let withdrawn =
            withdrawn.into_iter().filter(|key| self.owner(*key).is_some_and(is_new) && !keys.contains(key));
        let withdrawn: Vec<i64> = withdrawn.collect();
        self.0.retain(|(file, _)| !is_new(*file));
        self.0.extend(new);
        let stays = withdrawn.iter().filter(|key| self.owner(**key).is_some()).count() as u64;
        (withdrawn.len() as u64 - stays, stays)
    }

    fn has(&self, file: u64, rows: &[(i64, Row)]) -> bool {
        self.0.iter().any(|(name, own)| *name == file && own == rows)
    }
}

/// Numbers that look random: a linear congruential generator (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn rows(&mut self) -> Vec<(i64, Row)> {
        let number = |n: u64| i64::try_from(n).unwrap();
        (0..self.below(6))
            .map(|_| (number(self.below(KEYS)), (number(self.below(3)), number(self.below(4)))))
            .collect()
    }
}

async fn replay(kind: &str, has_versions: bool, seed: u64) {
    let (place, source) = (place(kind), source("replace: file"));
    let (mut numbers, mut files) = (Numbers(seed), Files::default());
    let (mut past, mut as_of) = (BTreeMap::new(), day(20_000));
    for load in 0..LOADS {
        let mut new = Vec::new();
        for file in 0..FILES {
            let rows = numbers.rows();
            // The first load has all files, so that there are some.
            if load > 0 && numbers.below(3) > 0 {
                continue;
            }
            place.put(&format!("visits/{file}.csv"), csv(&rows)).await;
            if !files.has(file, &rows) {
                new.push((file, rows));
            }
        }
        let (removed, restored) = files.take(new);
        // Some loads are at the instant of the one before.
        as_of += SignedDuration::from_hours(i64::try_from(numbers.below(3)).unwrap());
        let report = place.load_at(&source, &format!("load {load}"), as_of).await;
        let what = format!("{kind}, seed {seed}, load {load}");
        assert_eq!((report.removed, report.restored, report.missing), (removed, restored, 0), "{what}");
        let _ = past.insert(as_of, files.loaded());
        let (rows, now) = (place.rows().await, has_versions.then_some(as_of));
        assert_eq!(valid_at(&rows, now), files.loaded(), "{what}");
    }
    let rows = place.rows().await;
    for (as_of, expected) in past.into_iter().filter(|_| has_versions) {
        assert_eq!(valid_at(&rows, Some(as_of)), expected, "{kind}, seed {seed}, as of {as_of}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_holds_what_its_files_hold_now_however_often_they_are_written_again() {
    let histories = std::env::var("TRANCHE_PROPERTY_CASES").map_or(HISTORIES, |cases| cases.parse().unwrap());
    for (kind, has_versions) in KINDS {
        for seed in 0..histories {
            replay(kind, has_versions, seed).await;
        }
    }
}

fn counts(report: &LoadReport) -> [u64; 5] {
    let LoadReport { written, replaced, removed, restored, missing, .. } = *report;
    [written, replaced, removed, restored, missing]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_rows_stay_that_their_file_no_longer_has_and_are_counted_once() {
    for (kind, has_versions) in KINDS {
        let (place, source) = (place(kind), source("replace: key"));
        place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1)), (3, (1, 1))])).await;
        let first = place.load_at(&source, "first", day(10)).await;
        assert_eq!(counts(&first), [3, 0, 0, 0, 0], "{kind}");
        place.put("visits/1.csv", csv(&[(1, (0, 2))])).await;
        let second = place.load_at(&source, "second", day(11)).await;
        assert_eq!(counts(&second), [1, 1, 0, 0, 2], "{kind}");
        place.put("visits/1.csv", csv(&[(1, (0, 3))])).await;
        let third = place.load_at(&source, "third", day(12)).await;
        assert_eq!(counts(&third), [1, 1, 0, 0, 0], "{kind}: what a former version lacked is no news");
        let expected = Rows::from([(1, (0, 3)), (2, (0, 1)), (3, (1, 1))]);
        assert_eq!(valid_at(&place.rows().await, has_versions.then(|| day(12))), expected, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_file_that_is_no_longer_there_stays_and_none_comes_back_from_it() {
    let (place, source) = (place(KINDS[1].0), source("replace: file"));
    place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1))])).await;
    let _ = place.load_at(&source, "first", day(10)).await;
    place.put("visits/2.csv", csv(&[(2, (0, 2)), (3, (0, 2))])).await;
    let _ = place.load_at(&source, "second", day(11)).await;
    place.delete("visits/1.csv").await;
    place.put("visits/2.csv", csv(&[(3, (0, 3))])).await;
    let third = place.load_at(&source, "third", day(12)).await;
    assert_eq!(counts(&third), [1, 1, 1, 0, 0]);
    assert_eq!(valid_at(&place.rows().await, None), Rows::from([(1, (0, 1)), (3, (0, 3))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_loses_all_of_its_rows_changes_the_table() {
    for (kind, has_versions) in KINDS {
        let (place, source) = (place(kind), source("replace: file"));
        place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1))])).await;
        let _ = place.load_at(&source, "first", day(10)).await;
        place.put("visits/1.csv", csv(&[])).await;
        let second = place.load_at(&source, "second", day(11)).await;
        assert_eq!((counts(&second), second.changed()), ([0, 0, 2, 0, 0], 2), "{kind}");
        assert_eq!(valid_at(&place.rows().await, has_versions.then(|| day(11))), Rows::new(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_later_instants_stay_the_files_and_go_when_it_loses_them_there() {
    for at_earlier in [&[(1, (0, 1))][..], &[]] {
        let (place, source) = (place(KINDS[2].0), source("replace: file"));
        place.put("visits/1.csv", csv(&[(1, (0, 6))])).await;
        let _ = place.load_at(&source, "first", day(6)).await;
        place.put("visits/1.csv", csv(at_earlier)).await;
        let _ = place.load_at(&source, "second", day(4)).await;
        assert_eq!(valid_at(&place.rows().await, Some(day(7))), Rows::from([(1, (0, 6))]));
        place.put("visits/1.csv", csv(&[(2, (0, 8))])).await;
        let third = place.load_at(&source, "third", day(8)).await;
        assert_eq!(third.removed, 1, "{at_earlier:?}");
        let rows = place.rows().await;
        assert_eq!(valid_at(&rows, Some(day(8))), Rows::from([(2, (0, 8))]), "{at_earlier:?}");
        assert_eq!(valid_at(&rows, Some(day(7))), Rows::from([(1, (0, 6))]), "{at_earlier:?}");
        assert_eq!(valid_at(&rows, Some(day(5))), at_earlier.iter().copied().collect(), "{at_earlier:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_comes_back_from_a_file_that_lacks_what_the_contract_gained_since() {
    let (mut place, source) = (place(KINDS[1].0), source("replace: file"));
    place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1))])).await;
    let _ = place.load_at(&source, "first", day(10)).await;
    let gained = COLUMNS.replace("type: int64}]", "type: int64}, {name: note, type: utf8}]");
    place.contract = place::contract(&format!("{{version: 1, table: visits, {}, {gained}}}", KINDS[1].0));
    let header = "id,at,value,note\n";
    place.put("visits/2.csv", format!("{header}2,{at},2,new\n3,{at},2,new\n", at = day(0))).await;
    let _ = place.load_at(&source, "second", day(11)).await;
    place.put("visits/2.csv", format!("{header}3,{at},3,new\n", at = day(0))).await;
    let third = place.load_at(&source, "third", day(12)).await;
    assert_eq!((third.removed, third.restored), (0, 1));
    let expected = Rows::from([(1, (0, 1)), (2, (0, 1)), (3, (0, 3))]);
    assert_eq!(valid_at(&place.rows().await, None), expected);
}

/// Rows as a table has them that does not number files.
fn batch(place: &Place, rows: &[(i64, Row)]) -> RecordBatch {
    let schema = place.contract.arrow_schema();
    let numbers = |value: &dyn Fn(&(i64, Row)) -> i64| rows.iter().map(value).collect::<Int64Array>();
    let columns =
        [numbers(&|(id, _)| *id), numbers(&|(_, row)| row.0 * 86_400_000_000), numbers(&|(_, row)| row.1)];
    let typed =
        columns.iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()).unwrap());
    RecordBatch::try_new(std::sync::Arc::clone(&schema), typed.collect()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_before_files_were_numbered_stay_and_come_back_from_their_file() {
    let (place, source) = (place(KINDS[1].0), source("replace: file"));
    let before = [(1, (0, 1)), (2, (0, 1))];
    place.put("visits/1.csv", csv(&before)).await;
    place.commit_unnumbered("visits", "memory://raw/visits/1.csv", vec![batch(&place, &before)]).await;
    place.put("visits/2.csv", csv(&[(2, (0, 2)), (3, (0, 2))])).await;
    let first = place.load_at(&source, "first", day(10)).await;
    assert_eq!((first.files, first.written, first.replaced), (1, 2, 1));
    place.put("visits/2.csv", csv(&[(3, (0, 3))])).await;
    let second = place.load_at(&source, "second", day(11)).await;
    assert_eq!((second.removed, second.restored), (0, 1));
    let expected = Rows::from([(1, (0, 1)), (2, (0, 1)), (3, (0, 3))]);
    assert_eq!(valid_at(&place.rows().await, None), expected);
    place.put("visits/1.csv", csv(&[(1, (0, 4))])).await;
    let third = place.load_at(&source, "third", day(12)).await;
    assert_eq!(counts(&third), [1, 1, 0, 0, 0], "nobody knows what the file had brought");
    let expected = Rows::from([(1, (0, 4)), (2, (0, 1)), (3, (0, 3))]);
    assert_eq!(valid_at(&place.rows().await, None), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_comes_back_at_the_instant_of_the_run_whatever_came_in_between() {
    let (place, source) = (place(KINDS[2].0), source("replace: file"));
    place.put("visits/1.csv", csv(&[(1, (0, 1))])).await;
    let _ = place.load_at(&source, "first", day(2)).await;
    place.put("visits/2.csv", csv(&[(1, (0, 2))])).await;
    let _ = place.load_at(&source, "second", day(6)).await;
    place.put("visits/2.csv", csv(&[])).await;
    let earlier = place.load_at(&source, "third", day(4)).await;
    assert_eq!(counts(&earlier), [0; 5], "at that instant it had brought nothing yet");
    place.put("visits/2.csv", csv(&[(2, (0, 3))])).await;
    let last = place.load_at(&source, "fourth", day(8)).await;
    assert_eq!((last.removed, last.restored), (0, 1));
    let rows = place.rows().await;
    for (at, expected) in [(3, 1), (5, 1), (7, 2)] {
        assert_eq!(valid_at(&rows, Some(day(at))), Rows::from([(1, (0, expected))]), "day {at}");
    }
    assert_eq!(valid_at(&rows, Some(day(8))), Rows::from([(1, (0, 1)), (2, (0, 3))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_the_source_s_that_brought_it_last() {
    let (place, first) = (place(KINDS[1].0), source("replace: file"));
    let second = "{version: 1, source: others, into: visits, format: csv, path: 'memory://raw/others/*.csv', replace: file}";
    let second = place::source(second, &Formats::default());
    place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1))])).await;
    place.put("others/1.csv", csv(&[(1, (0, 2)), (3, (0, 2))])).await;
    let _ = place.load_at(&first, "first", day(10)).await;
    let _ = place.load_at(&second, "second", day(10)).await;
    place.put("visits/1.csv", csv(&[(4, (0, 1))])).await;
    assert_eq!(place.load_at(&first, "third", day(11)).await.removed, 1);
    let expected = Rows::from([(1, (0, 2)), (3, (0, 2)), (4, (0, 1))]);
    assert_eq!(valid_at(&place.rows().await, None), expected);
    place.put("others/1.csv", csv(&[(3, (0, 2))])).await;
    assert_eq!(place.load_at(&second, "fourth", day(11)).await.removed, 1);
    assert_eq!(valid_at(&place.rows().await, None), Rows::from([(3, (0, 2)), (4, (0, 1))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_correction_is_rejected_goes_and_what_others_lack_is_null() {
    let mut place = place(KINDS[1].0);
    let define =
        |more: &str| source(&format!("replace: file, on_reject: {{quarantine: {{max_ratio: 1}}}}{more}"));
    place.put("visits/1.csv", csv(&[(1, (0, 1)), (2, (0, 1))])).await;
    let _ = place.load_at(&define(""), "first", day(10)).await;
    place.put("visits/2.csv", csv(&[(2, (0, 2)), (3, (0, 2))])).await;
    let _ = place.load_at(&define(""), "second", day(11)).await;
    // From then on files have a price, of which a required and another column are made.
    let gained = COLUMNS.replace("type: int64}]", "type: int64}, {name: paid, type: int64}]");
    place.contract = place::contract(&format!("{{version: 1, table: visits, {}, {gained}}}", KINDS[1].0));
    let source =
        define(", types: {price: int64}, columns: {paid: price + 1, value: 'value + coalesce(price, 0)'}");
    place.put("visits/2.csv", format!("id,at,value,price\n3,{at},2,dear\n4,{at},2,5\n", at = day(0))).await;
    let third = place.load_at(&source, "third", day(12)).await;
    assert_eq!((third.rejected, third.removed, third.restored), (1, 1, 1));
    let expected = Rows::from([(1, (0, 1)), (2, (0, 1)), (4, (0, 7))]);
    assert_eq!(valid_at(&place.rows().await, None), expected);
}

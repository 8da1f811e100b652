//! State that is written, read, tampered with, examined and expired.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tranche_faults::{FailingStore, Failure};
use tranche_schema::layout::state::Kind;
use tranche_sql::Source;
use tranche_sql::keys::{KeyShare, Sample};
use tranche_sql::scan::Extract;
use tranche_store::objects::{read_document, write_document};
use tranche_store::{DataFile, Lake, Storage};

use crate::{
    Header, NewState, Part, SampleRows, SavedState, StateStore, TableState, Unusable, check_integrity,
    decode_rows, expire,
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Totals(Vec<String>);

impl Header for Totals {
    const KIND: Kind = Kind::Segments;
    const FORMAT: u32 = 7;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Effects(u64);

impl Header for Effects {
    const KIND: Kind = Kind::Experiments;
    const FORMAT: u32 = 1;
}

fn lake() -> Lake {
    lake_over(&(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>))
}

/// A lake as a process opens it that has read nothing yet.
fn lake_over(objects: &Arc<dyn ObjectStore>) -> Lake {
    let (storage, place) = (Storage::new(BTreeMap::new()), "memory://incremental");
    storage.register(&place.parse().unwrap(), Arc::clone(objects));
    Lake::open(&storage, place, std::path::Path::new("/")).unwrap()
}

fn file(path: &str) -> DataFile {
    DataFile { path: path.to_owned(), size_bytes: 1, rows: Some(1), partition: Default::default() }
}

fn numbers(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn events(keys: &[&str]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("key", DataType::Utf8, true)]);
    let keys: ArrayRef = Arc::new(StringArray::from(keys.to_vec()));
    RecordBatch::try_new(Arc::new(schema), vec![keys]).unwrap()
}

fn new_state<H>(header: H, parts: &[&[i64]]) -> NewState<H> {
    let part = |values: &&[i64]| -> Part {
        let rows = numbers(values);
        Box::new(move || Ok(rows))
    };
    let rows = events(&["a", "b", "b"]);
    let files = vec![("one".to_owned(), 1), ("two".to_owned(), 2)];
    NewState {
        as_of: Timestamp::UNIX_EPOCH,
        files: vec![file("one"), file("two")],
        header,
        parts: parts.iter().map(part).collect(),
        sample: Some(Extract { share: KeyShare::of(0.5), files, rows }),
    }
}

async fn read<H: Header + Sync>(state: &TableState<H>) -> Result<SavedState<H>, Unusable> {
    state.read(|_, _, bytes| decode_rows(bytes)).await
}

async fn objects(lake: &Lake) -> Vec<String> {
    let listed: Vec<_> = lake.objects().list(None).try_collect().await.unwrap();
    listed.into_iter().map(|object| object.location.to_string()).collect()
}

#[tokio::test]
async fn saved_state_is_read_as_it_was_written() {
    let lake = lake();
    let sample = Sample::default();
    let store = StateStore { lake: &lake, pipeline: "shop", owner: "customer", full: false, sample };
    let state = store.table::<Totals>("orders");
    assert!(matches!(read(&state).await, Err(Unusable::Missing)));
    let header = || Totals(vec!["sum".to_owned()]);
    state.write(new_state(header(), &[&[1, 2], &[3, 4]])).await;
    let first = objects(&lake).await;
    let saved = read(&state).await.unwrap();
    assert_eq!((saved.as_of, saved.header, saved.files.len()), (Timestamp::UNIX_EPOCH, header(), 2));
    assert_eq!(saved.parts, [numbers(&[1, 2]), numbers(&[3, 4])]);
    assert_eq!(saved.sample.unwrap().rows, events(&["a", "b", "b"]));
    assert_eq!(state.header().await.unwrap().header, header());
    // What is replaced leaves nothing behind.
    state.write(new_state(header(), &[&[5]])).await;
    assert_eq!(read(&state).await.unwrap().parts, [numbers(&[5])]);
    let second = objects(&lake).await;
    assert_eq!((first.len(), second.len()), (4, 3), "{second:?}");
    state.forget().await;
    assert!(matches!(read(&state).await, Err(Unusable::Missing)));
}

#[tokio::test]
async fn state_that_cannot_be_written_leaves_the_one_before() {
    for failure in [Failure::Before, Failure::After] {
        // Two parts, the sample, and the manifest.
        for puts in 0..4 {
            let store = FailingStore::new(failure);
            let state = TableState::<Totals>::new(&lake_over(&store.objects()), "shop", "customer", "orders");
            state.write(new_state(Totals(Vec::new()), &[&[1], &[2]])).await;
            store.fail_after(puts);
            state.write(new_state(Totals(Vec::new()), &[&[3], &[4]])).await;
            assert!(store.has_failed());
            let is_written = failure == Failure::After && puts == 3;
            let expected =
                if is_written { [numbers(&[3]), numbers(&[4])] } else { [numbers(&[1]), numbers(&[2])] };
            assert_eq!(read(&state).await.unwrap().parts, expected, "{failure:?} of put {puts}");
            state.write(new_state(Totals(Vec::new()), &[&[5]])).await;
            assert_eq!(read(&state).await.unwrap().parts, [numbers(&[5])]);
        }
    }
}

#[tokio::test]
async fn state_of_another_engine_or_format_is_not_used() {
    let lake = lake();
    let state = TableState::<Totals>::new(&lake, "shop", "customer", "orders");
    state.write(new_state(Totals(Vec::new()), &[&[1]])).await;
    let path = Path::from("_state/segments/shop/customer/orders/manifest.json");
    let objects = lake.objects();
    let text = read_document(&*objects, &path).await.unwrap().unwrap();
    let with = |key: &str, value: Value| {
        let mut manifest: Value = serde_json::from_slice(&text).unwrap();
        assert_ne!(manifest[key], Value::Null, "{key}");
        manifest[key] = value;
        manifest.to_string()
    };
    let check = async |manifest: String, expected: &str, findings: usize| {
        write_document(&*objects, &path, &manifest).await.unwrap();
        for reason in [read(&state).await.err(), state.header().await.err()] {
            let reason = reason.unwrap().to_string();
            assert!(reason.starts_with(expected), "{reason}");
        }
        assert_eq!(check_integrity(&lake).await.unwrap().len(), findings, "{expected}");
    };
    let current = tranche_sql::ENGINE_VERSION;
    let engine = format!("the state was saved by version 1.2.3 of the query engine, and this is {current}");
    check(with("engine", "1.2.3".into()), &engine, 0).await;
    check(with("format", 99.into()), "the saved state has another format", 0).await;
    check("{}".to_owned(), "the manifest of the saved state is damaged", 1).await;
    check(with("files", "none".into()), "the manifest of the saved state is damaged", 1).await;
    let other_header = with("header_format", 6.into());
    write_document(&*objects, &path, &other_header).await.unwrap();
    assert!(matches!(read(&state).await, Err(Unusable::Format)));
    // As it was written, it is used.
    write_document(&*objects, &path, std::str::from_utf8(&text).unwrap()).await.unwrap();
    assert_eq!(read(&state).await.unwrap().parts, [numbers(&[1])]);
    assert!(check_integrity(&lake).await.unwrap().is_empty());
}

#[tokio::test]
async fn state_of_which_a_bit_is_flipped_is_not_used() {
    let raw: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let lake = lake_over(&raw);
    let state = TableState::<Totals>::new(&lake, "shop", "customer", "orders");
    state.write(new_state(Totals(Vec::new()), &[&[1, 2, 3]])).await;
    for path in objects(&lake).await.iter().map(|path| Path::from(path.as_str())) {
        let whole = raw.get(&path).await.unwrap().bytes().await.unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 2;
            raw.put(&path, flipped.into()).await.unwrap();
            let lake = lake_over(&raw);
            let state = TableState::<Totals>::new(&lake, "shop", "customer", "orders");
            match read(&state).await {
                Err(Unusable::Damaged(_) | Unusable::Unreadable(_)) => {}
                // Of the magic that says that there are checksums.
                Ok(found) => assert_eq!(found.parts, [numbers(&[1, 2, 3])], "{path} at {at}"),
                Err(other) => panic!("{path} at {at}: {other}"),
            }
        }
        raw.put(&path, whole.into()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pipeline_may_have_the_name_of_a_kind() {
    let lake = lake();
    let segments = TableState::<Totals>::new(&lake, "experiments", "shop", "orders");
    let experiments = TableState::<Effects>::new(&lake, "experiments", "shop", "orders");
    segments.write(new_state(Totals(Vec::new()), &[&[1]])).await;
    experiments.write(new_state(Effects(3), &[&[2]])).await;
    assert_eq!(read(&segments).await.unwrap().parts, [numbers(&[1])]);
    assert_eq!(read(&experiments).await.unwrap().header, Effects(3));
    assert!(check_integrity(&lake).await.unwrap().is_empty());
}

#[tokio::test]
async fn damaged_parts_are_found_for_both_kinds() {
    let lake = lake();
    TableState::<Totals>::new(&lake, "shop", "customer", "orders")
        .write(new_state(Totals(Vec::new()), &[&[1]]))
        .await;
    TableState::<Effects>::new(&lake, "shop", "tests", "orders").write(new_state(Effects(3), &[&[2]])).await;
    assert!(check_integrity(&lake).await.unwrap().is_empty());
    for path in objects(&lake).await.iter().filter(|path| path.ends_with(".parquet")) {
        lake.objects().put(&Path::from(path.as_str()), "cut".into()).await.unwrap();
    }
    let findings: Vec<String> =
        check_integrity(&lake).await.unwrap().iter().map(|finding| format!("{finding:?}")).collect();
    assert_eq!(findings.len(), 2, "{findings:?}");
    for folder in ["_state/segments/shop/customer/orders/", "_state/experiments/shop/tests/orders/"] {
        assert!(findings.iter().any(|finding| finding.contains(folder)), "{findings:?}");
    }
}

#[tokio::test]
async fn state_without_a_definition_expires_for_both_kinds() {
    let lake = lake();
    for pipeline in ["shop", "gone"] {
        TableState::<Totals>::new(&lake, pipeline, "customer", "orders")
            .write(new_state(Totals(Vec::new()), &[&[1]]))
            .await;
        TableState::<Effects>::new(&lake, pipeline, "tests", "orders")
            .write(new_state(Effects(3), &[&[2]]))
            .await;
    }
    let stray = Path::from("_state/shop/customer/orders/manifest.json");
    lake.objects().put(&stray, "{}".into()).await.unwrap();
    let expired = expire(&lake, |state| state.pipeline == "shop").await.unwrap();
    assert_eq!(expired, 2 * 3 + 1);
    let left = objects(&lake).await;
    assert_eq!(left.len(), 2 * 3, "{left:?}");
    assert!(left.iter().all(|path| path.split('/').nth(2) == Some("shop")), "{left:?}");
}

#[test]
fn a_sample_is_reused_where_it_has_the_present_keys_and_columns() {
    let schema = events(&[]).schema();
    let saved = Extract {
        share: KeyShare::of(0.5),
        files: vec![("one".to_owned(), 1), ("two".to_owned(), 2)],
        rows: events(&["a", "b", "b"]),
    };
    let rows_of = |sample: &SampleRows, path: &str| match sample.instead_of(&Source::File(file(path))) {
        Source::Rows { rows, .. } => Some(rows.num_rows()),
        Source::File(_) => None,
    };
    let fewer = SampleRows::new(KeyShare::of(0.25), Arc::clone(&schema), Some(&saved));
    assert_eq!((rows_of(&fewer, "two"), rows_of(&fewer, "three")), (Some(2), None));
    let more = SampleRows::new(KeyShare::of(0.75), Arc::clone(&schema), Some(&saved));
    assert_eq!(rows_of(&more, "two"), None);
    let other = SampleRows::new(KeyShare::of(0.25), numbers(&[]).schema(), Some(&saved));
    assert_eq!(rows_of(&other, "two"), None);
    // Captured rows replace saved ones, and only the present files are saved.
    let mut sample = fewer;
    sample.add(Some(vec![("two".to_owned(), events(&["c"])), ("three".to_owned(), events(&["d", "e"]))]));
    let extract = sample.into_extract(["two", "three"]).unwrap().unwrap();
    assert_eq!(extract.files, [("two".to_owned(), 1), ("three".to_owned(), 2)]);
    assert_eq!(extract.rows, events(&["c", "d", "e"]));
    let mut too_many = SampleRows::new(KeyShare::of(0.5), schema, None);
    too_many.add(None);
    assert!(too_many.capture().is_none() && too_many.into_extract(["two"]).unwrap().is_none());
}

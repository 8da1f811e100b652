//! Grouped scans over rows in memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use jiff::Timestamp;
use object_store::memory::InMemory;
use tranche_project::{Problems, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec};

use super::{
    Aggregate, Cells, Group, GroupedScan, Part, Partial, PartialGroups, Scanned, Source, Target, Totals,
};
use crate::keys::KeyIndex;
use crate::{Engine, EngineOptions};

const ORDERS: &str = "version: 1\ntable: orders\nkind: event\nkey: [order_id]\nevent_time: at\nentity: {customer: customer_id}\n\
                      columns:\n\
                      - {name: order_id, type: int64, nullable: false}\n\
                      - {name: customer_id, type: utf8}\n\
                      - {name: amount, type: int64}\n\
                      - {name: at, type: 'timestamp(us, UTC)', nullable: false}\n";

fn contract() -> Contract {
    let mut problems = Problems::default();
    let spec: ContractSpec =
        yaml::read(&SourceFile::new("schemas/orders.yaml", ORDERS), &mut problems).unwrap();
    spec.validate(&mut |_, message| panic!("{message}")).unwrap()
}

/// Orders of customers at instants.
fn orders(rows: &[(Option<&str>, Option<i64>, i64)]) -> Source {
    let ids: Int64Array = (0..).take(rows.len()).map(Some).collect();
    let customers: StringArray = rows.iter().map(|row| row.0).collect();
    let amounts: Int64Array = rows.iter().map(|row| row.1).collect();
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(ids), Arc::new(customers), Arc::new(amounts), Arc::new(at.with_timezone("UTC"))];
    Source::rows(RecordBatch::try_new(contract().arrow_schema(), columns).unwrap())
}

fn group(aggregate: Aggregate, argument: Option<Expr>, predicate: Vec<Expr>, window: (i64, i64)) -> Group {
    let order = matches!(aggregate, Aggregate::First | Aggregate::Last).then(|| ident("at"));
    let part = Part { class: 0, from: window.0, to: window.1, targets: vec![Target { column: 0, sign: 1 }] };
    Group { aggregate, argument, order, predicate, parts: vec![part], columns: 1 }
}

fn groups() -> Vec<Group> {
    let amount = || Some(ident("amount"));
    let always = (i64::MIN, i64::MAX);
    vec![
        group(Aggregate::Count, None, vec![], (5, 100)),
        group(Aggregate::Sum, amount(), vec![ident("amount").gt(lit(1_i64))], always),
        group(Aggregate::Min, amount(), vec![], always),
        group(Aggregate::Max, amount(), vec![], (0, 50)),
        group(Aggregate::CountDistinct, amount(), vec![], always),
        group(Aggregate::Last, amount(), vec![], always),
    ]
}

fn index() -> Arc<KeyIndex> {
    let mut index = KeyIndex::new(&arrow::datatypes::DataType::Utf8);
    let known: ArrayRef = Arc::new(StringArray::from(vec!["ada", "bob"]));
    index.insert(&known).unwrap();
    Arc::new(index)
}

async fn scan(sources: Vec<Source>) -> Scanned<PartialGroups> {
    scan_for(&groups(), sources).await
}

async fn scan_for(groups: &[Group], sources: Vec<Source>) -> Scanned<PartialGroups> {
    let engine =
        Engine::new(&EngineOptions { memory_bytes: 1 << 27, spill_folder: None, threads: 2 }).unwrap();
    let contract = contract();
    let scan = GroupedScan {
        contract: &contract,
        key: "customer_id",
        groups,
        objects: Arc::new(InMemory::new()),
        sources: sources.into_iter().map(Into::into).collect(),
        start: HashMap::new(),
        share: None,
        sample: None,
    };
    scan.run(&index(), &engine.session(Timestamp::UNIX_EPOCH)).await.unwrap()
}

fn by_key(index: &KeyIndex, totals: &Totals) -> Vec<(String, Vec<String>)> {
    let keys = index.column(0..index.len()).unwrap();
    let mut names = crate::column_text(&[RecordBatch::try_from_iter([("key", keys)]).unwrap()], 0).unwrap();
    names.push(None);
    let cell = |cells: &Cells, row: usize| match cells {
        Cells::Count(values) => values[row].to_string(),
        Cells::Sum(values) | Cells::Max(values) | Cells::Min(values) => values[row].to_string(),
        Cells::Edge(values) => format!("{:?}", values[row]),
        other => panic!("{other:?}"),
    };
    let row = |(row, name): (usize, &Option<String>)| {
        let values = totals.columns.iter().map(|columns| cell(&columns[0], row)).collect();
        (name.clone().unwrap_or_default(), values)
    };
    let mut rows: Vec<_> = names.iter().enumerate().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn partial_results_of_several_scans_merge_to_that_of_one() {
    let sources = [
        orders(&[
            (Some("bob"), Some(3), 1),
            (Some("cleo"), Some(9), 7),
            (None, Some(2), 8),
            // Last together with another.
            (Some("cleo"), Some(2), 99),
        ]),
        orders(&[(Some("dan"), Some(1), 9), (Some("cleo"), Some(9), 60), (Some("ada"), None, 10)]),
        orders(&[(Some("cleo"), Some(4), 99), (None, Some(5), 3), (Some("eve"), Some(7), 100)]),
    ];
    let mut whole = index();
    let expected = scan(sources.to_vec()).await.partial.finish(&mut whole).unwrap();
    let expected = by_key(&whole, &expected);
    assert_eq!(
        expected[3],
        ("cleo".to_owned(), ["4", "24", "-3", "9", "3", "Some((99, Some(4)))"].map(str::to_owned).to_vec())
    );
    for parts in
        [vec![0..1, 1..3], vec![0..2, 2..3], vec![0..1, 1..2, 2..3], vec![2..3, 0..2], vec![0..0, 0..3]]
    {
        let mut merged: Option<Scanned<PartialGroups>> = None;
        for part in parts.clone() {
            let partial = scan(sources[part].to_vec()).await;
            match &mut merged {
                Some(merged) => merged.merge(partial).unwrap(),
                None => merged = Some(partial),
            }
        }
        let (merged, mut index) = (merged.unwrap(), index());
        assert_eq!(merged.rows_read, 10);
        let totals = merged.partial.finish(&mut index).unwrap();
        assert_eq!(by_key(&index, &totals), expected, "{parts:?}");
    }
}

#[tokio::test]
async fn rows_outside_of_all_windows_add_nothing() {
    let mut index = index();
    let totals = scan(vec![orders(&[(Some("ada"), Some(1), 2), (Some("ada"), Some(1), 100)])]).await;
    let totals = totals.partial.finish(&mut index).unwrap();
    assert_eq!(totals.columns[0], [Cells::Count(vec![0, 0, 0])]);
    assert_eq!(totals.columns[1], [Cells::Sum(vec![0, 0, 0])]);
    assert_eq!(totals.columns[4], [Cells::Count(vec![1, 0, 0])]);
}

#[tokio::test]
async fn a_row_that_fails_marks_its_key_where_it_counts() {
    let tenth = || Some(lit(10_i64) / ident("amount"));
    let always = (i64::MIN, i64::MAX);
    let groups = [
        group(Aggregate::Sum, tenth(), vec![], always),
        group(Aggregate::Sum, tenth(), vec![ident("amount").not_eq(lit(0_i64))], always),
        group(
            Aggregate::Count,
            None,
            vec![tenth().unwrap().gt(lit(1_i64)), ident("amount").gt(lit(0_i64))],
            always,
        ),
        group(Aggregate::Sum, tenth(), vec![], (9, 100)),
        group(Aggregate::Count, tenth(), vec![tenth().unwrap().gt(lit(1_i64))], (5, 100)),
    ];
    let first = orders(&[(Some("dan"), Some(5), 9), (Some("bob"), Some(0), 1)]);
    let second = orders(&[(Some("cleo"), Some(0), 7), (None, Some(0), 8), (Some("ada"), None, 3)]);
    let mut merged = scan_for(&groups, vec![first]).await;
    merged.merge(scan_for(&groups, vec![second]).await).unwrap();
    let mut index = index();
    let totals = merged.partial.finish(&mut index).unwrap();
    let failed: Vec<_> =
        totals.failures.iter().map(|(of, keys)| (of.0, keys.keys().copied().collect::<Vec<_>>())).collect();
    // Ada and Bob were known; then come Dan, Cleo and who has no key.
    assert_eq!(failed, [(0, vec![1, 3, 4]), (4, vec![3, 4])]);
    let bob = totals.failures[&(0, 0)][&1].as_ref().unwrap().to_string();
    assert_eq!(
        bob,
        "divide by zero error in `10 / amount`, for the row of `orders` with order_id = 1, amount = 0"
    );
    assert_eq!(totals.columns[1], [Cells::Sum(vec![0, 0, 2, 0, 0])]);
    assert_eq!(totals.columns[2], [Cells::Count(vec![0, 0, 1, 0, 0])]);
    assert_eq!(totals.columns[3], [Cells::Sum(vec![0, 0, 2, 0, 0])]);
}

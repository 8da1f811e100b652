//! Queries in which one condition guards another.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use crate::dialect::AsWritten;
use crate::{Engine, EngineOptions, Session, column_i64};

/// Orders 1 and 3 have no pieces, and notes 2 and 4 alone are numbers.
fn session() -> Session {
    let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
    let numbers = |numbers: [i64; 4]| -> ArrayRef { Arc::new(Int64Array::from(numbers.to_vec())) };
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["x", "7", "y", "9"]));
    let columns = [
        ("id", numbers([1, 2, 3, 4])),
        ("total", numbers([10, 10, 7, 9])),
        ("pieces", numbers([0, 5, 0, 3])),
        ("note", notes),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    session.register_rows("orders", rows.schema(), vec![rows]).unwrap();
    session
}

/// The first column of a query, in order; none where it fails.
async fn check(sql: &str, expected: Option<&[i64]>) {
    let session = session();
    let plan = session.plan(sql, &AsWritten).await.unwrap();
    let found = session.collect(&plan).await.map(|found| {
        let mut found: Vec<i64> = column_i64(&found.batches, 0).unwrap().into_iter().flatten().collect();
        found.sort_unstable();
        found
    });
    assert_eq!(found.as_deref().ok(), expected, "{sql}: {found:?}");
}

#[tokio::test]
async fn a_condition_guards_another() {
    for (condition, expected) in [
        ("pieces <> 0 AND total / pieces > 1", Some(&[2, 4][..])),
        ("total / pieces > 1 AND pieces <> 0", Some(&[2, 4])),
        ("pieces <> 0 AND total / pieces > 1 AND total / pieces < 3", Some(&[2])),
        ("pieces = 0 OR total / pieces = 2", Some(&[1, 2, 3])),
        ("total / pieces = 2 OR pieces = 0", Some(&[1, 2, 3])),
        ("NOT (pieces = 0 OR total % pieces > 0)", Some(&[2, 4])),
        ("pieces > 0 AND (total / pieces > 2 OR total % pieces = 0)", Some(&[2, 4])),
        ("CASE WHEN pieces = 0 THEN false ELSE total / pieces = 2 END", Some(&[2])),
        ("CASE WHEN pieces > 0 AND total / pieces = 2 THEN true ELSE false END", Some(&[2])),
        ("(pieces > 0 AND total / pieces = 2) IS FALSE", Some(&[1, 3, 4])),
        ("coalesce(nullif(pieces, 0), total / nullif(pieces, 0), 0) = 0", Some(&[1, 3])),
        ("id IN (2, 4) AND CAST(note AS bigint) > 8", Some(&[4])),
        ("CAST(note AS bigint) > 8 AND id IN (2, 4)", Some(&[4])),
        ("total / pieces > 1", None),
        ("total / pieces > 1 OR pieces = 5", None),
        ("CAST(note AS bigint) > 8", None),
    ] {
        check(&format!("SELECT id FROM orders WHERE {condition}"), expected).await;
    }
}

#[tokio::test]
async fn what_a_query_drops_first_cannot_fail() {
    for (sql, expected) in [
        ("SELECT sum(total / pieces) FILTER (WHERE pieces <> 0) FROM orders", Some(&[5][..])),
        (
            "SELECT sum(total / pieces) FILTER (WHERE pieces <> 0) + max(total / pieces) FILTER (WHERE pieces <> 0) \
             FROM orders",
            Some(&[8]),
        ),
        ("SELECT count(*) FILTER (WHERE pieces <> 0 AND total / pieces > 1) FROM orders", Some(&[2])),
        ("SELECT max(CASE WHEN pieces > 0 THEN total / pieces END) FROM orders", Some(&[3])),
        (
            "SELECT pieces FROM orders GROUP BY pieces HAVING pieces > 0 AND sum(total) / pieces > 2",
            Some(&[3]),
        ),
        (
            "SELECT id FROM (SELECT id, total / pieces AS price FROM orders WHERE pieces <> 0) AS t \
             WHERE price >= 2 AND price < 3",
            Some(&[2]),
        ),
        ("SELECT pieces, total / pieces / id AS x FROM orders WHERE pieces <> 0", Some(&[3, 5])),
        (
            "SELECT t.pieces, t.total / t.pieces / t.id AS x FROM (SELECT * FROM orders WHERE pieces <> 0) AS t",
            Some(&[3, 5]),
        ),
        ("SELECT sum(total / pieces) FROM orders", None),
    ] {
        check(sql, expected).await;
    }
}

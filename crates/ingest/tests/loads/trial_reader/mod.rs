//! A source's format is one file (beside this one) and one line (`with`): here one of files and one of
//! another system, loaded as CSV and Parquet are.

mod logfmt;
mod till;

use tranche_ingest::{Formats, Source};
use tranche_schema::layout;
use tranche_sql::column_text;

use crate::place::{self, Place};

const CONTRACT: &str = "{version: 1, table: orders, kind: entity, entity: order, key: [order_id], columns: [
  {name: order_id, type: utf8}, {name: amount, type: float64, nullable: true}]}";

fn source(text: &str) -> Source {
    place::source(text, &Formats::default().with(logfmt::LOGFMT).with(till::TILL))
}

/// The loaded orders as `id amount`.
async fn orders(place: &Place) -> Vec<String> {
    let batches = place.rows().await;
    let (ids, amounts) = (column_text(&batches, 0).unwrap(), amounts(&batches));
    let mut orders: Vec<String> =
        ids.into_iter().zip(amounts).map(|(id, amount)| format!("{} {amount:?}", id.unwrap())).collect();
    orders.sort();
    orders
}

fn amounts(batches: &[arrow::array::RecordBatch]) -> Vec<Option<f64>> {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Float64Type>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_of_files_is_listed_computed_with_deduplicated_and_quarantined_like_any_other() {
    let place = Place::new(CONTRACT);
    place.put("orders/1.log", "order_id=a price=1.5\nprice=2 order_id=b\nbroken\norder_id=a price=4\n").await;
    let source = source(
        "{version: 1, source: shop, into: orders, format: logfmt, path: 'memory://raw/orders/*.log',
          columns: {amount: price * 2}, on_reject: {quarantine: {max_ratio: 0.5}}}",
    );
    let report = place.load(&source, "first").await;
    let counts = (report.files, report.rows, report.rejected, report.duplicates, report.written);
    assert_eq!(counts, (1, 4, 1, 1, 2));
    assert_eq!(orders(&place).await, ["a Some(8.0)", "b Some(4.0)"]);
    let quarantine = place.lake.snapshot(&layout::QUARANTINE.of("shop")).await.unwrap().unwrap();
    assert_eq!(quarantine.rows(), 1);

    place.put("orders/2.log", "order_id=c\norder_id=b price=3\n").await;
    let report = place.load(&source, "second").await;
    assert_eq!((report.files, report.rows, report.replaced), (1, 2, 1), "what is loaded is not read again");
    assert_eq!(orders(&place).await, ["a Some(8.0)", "b Some(6.0)", "c None"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rejects_wait_in_a_file_and_all_are_recorded() {
    let place = Place::new(CONTRACT);
    let broken = "order_id=a amount=dear\n".repeat(40_000).leak();
    place.put("orders/1.log", broken).await;
    place.put("orders/2.log", "order_id=a amount=1.5\n").await;
    let source = source(
        "{version: 1, source: shop, into: orders, format: logfmt, path: 'memory://raw/orders/*.log',
          on_reject: {quarantine: {max_ratio: 1}}}",
    );
    let report = place.load(&source, "first").await;
    assert_eq!((report.rows, report.rejected, report.written), (40_001, 40_000, 1));
    let quarantine = place.lake.snapshot(&layout::QUARANTINE.of("shop")).await.unwrap().unwrap();
    assert_eq!(quarantine.rows(), 40_000);
}

/// A lake from before contents were known has one mark for a file: what it was called and which edition it was.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_loaded_before_contents_were_known_are_not_loaded_again() {
    let place = Place::new(CONTRACT);
    place.put("orders/1.log", "order_id=a price=1.5\n").await;
    place.commit_unnumbered("shop", "memory://raw/orders/1.log", vec![]).await;
    let source = source(
        "{version: 1, source: shop, into: orders, format: logfmt, path: 'memory://raw/orders/*.log', columns: {amount: price}}",
    );
    assert_eq!(place.load(&source, "first").await.files, 0);
    place.put("orders/2.log", "order_id=b price=1.5\n").await;
    assert_eq!(place.load(&source, "second").await.files, 1);
    assert_eq!(orders(&place).await, ["b Some(1.5)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_has_no_files_says_itself_what_there_is_to_read() {
    let place = Place::new(CONTRACT);
    let till = |receipts: u32| {
        source(&format!(
            "{{version: 1, source: till, into: orders, format: till, path: 'till://{receipts}', columns: {{amount: price / 100.0}}}}"
        ))
    };
    let report = place.load(&till(4), "first").await;
    assert_eq!((report.files, report.rows, report.written), (2, 4, 4));
    let report = place.load(&till(5), "second").await;
    assert_eq!((report.files, report.rows, report.written), (1, 1, 1));
    assert_eq!(orders(&place).await.last().unwrap(), "till-5 Some(5.0)");
    assert_eq!(orders(&place).await.len(), 5);
}

//! A source that is no file: a till that numbers its receipts. What comes after a receipt is an input of its
//! own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::future::BoxFuture;
use futures::stream::{StreamExt, iter};
use tranche_ingest::IngestError;
use tranche_ingest::read::{Format, Input, Origin, RawColumns, RawRows, RawStream, Reader};

/// The till under the name that sources give.
pub(crate) const TILL: Format =
    Format { name: "till", description: "Receipts of a till.", reader: |_, _| Arc::new(Till) };

/// Receipts in one answer of the till.
const ANSWER: i64 = 2;

#[derive(Debug)]
struct Till;

impl Reader for Till {
    fn is_typed(&self) -> bool {
        true
    }

    /// `till://<receipts>`: how many the till has by now.
    fn inputs<'a>(&'a self, origin: Origin<'a>) -> BoxFuture<'a, Result<Vec<Input>, IngestError>> {
        let receipts: i64 = origin.path.trim_start_matches("till://").parse().unwrap();
        let firsts = (1..=receipts).step_by(ANSWER as usize);
        let inputs = firsts.map(|first| Input {
            name: format!("till://{first}"),
            edition: (first + ANSWER - 1).min(receipts).to_string(),
            bytes: 0,
            object: None,
        });
        let inputs = inputs.collect();
        Box::pin(async { Ok(inputs) })
    }

    fn open(&self, input: &Input, _wanted: &RawColumns) -> RawStream {
        let first: i64 = input.name.trim_start_matches("till://").parse().unwrap();
        let receipts: Vec<i64> = (first..=input.edition.parse().unwrap()).collect();
        let ids = StringArray::from_iter_values(receipts.iter().map(|receipt| format!("till-{receipt}")));
        let prices: Int64Array = receipts.iter().map(|receipt| receipt * 100).collect();
        let columns = [("order_id", Arc::new(ids) as ArrayRef), ("price", Arc::new(prices) as ArrayRef)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let rows = (1..=receipts.len() as u64).collect();
        iter([Ok(RawRows { batch, rows, unreadable: Vec::new(), texts: None })]).boxed()
    }
}

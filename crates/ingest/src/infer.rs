//! Which raw text columns hold numbers, decided over all inputs of a load: a reader that looked at some rows
//! only could change its mind from night to night.

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use crate::mapping::{NumericColumns, computed_columns};
use crate::read::Input;
use crate::{IngestError, Source};

/// A column of numbers stays one with up to this share of other values: their rows are rejected.
const WRONG_RATIO: f64 = 0.05;

/// The raw text columns that hold numbers, of those that the source computes with.
pub(crate) async fn numeric_columns(
    source: &Source,
    inputs: &[Input],
) -> Result<NumericColumns, IngestError> {
    let computed = computed_columns(source);
    if computed.is_empty() || source.reader.is_typed() {
        return Ok(NumericColumns::new());
    }
    let mut counts = vec![NumberCounts::default(); computed.len()];
    for input in inputs {
        let mut batches = source.reader.open(input);
        while let Some(rows) =
            batches.try_next().await.map_err(|e| IngestError::file(&source.name, &input.name, e))?
        {
            for (name, counts) in computed.iter().zip(&mut counts) {
                if let Some(column) = rows.batch.column_by_name(name) {
                    counts.add(column.as_string::<i32>());
                }
            }
        }
    }
    let types = computed.into_iter().zip(counts);
    Ok(types.filter_map(|(name, counts)| Some((name, counts.data_type()?))).collect())
}

#[derive(Clone, Default)]
struct NumberCounts {
    /// Values with a leading zero: post codes, telephone numbers. One of them makes a text of the column.
    identifiers: u64,
    integers: u64,
    floats: u64,
    others: u64,
}

impl NumberCounts {
    fn add(&mut self, column: &StringArray) {
        for text in column.iter().flatten() {
            let text = text.trim();
            let digits = text.trim_start_matches(['-', '+']);
            let identifier = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
            match text {
                _ if identifier => self.identifiers += 1,
                _ if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => self.others += 1,
                _ if text.parse::<i64>().is_ok() => self.integers += 1,
                _ if text.parse::<f64>().is_ok() => self.floats += 1,
                _ => self.others += 1,
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of values")]
    fn data_type(&self) -> Option<DataType> {
        let numbers = self.integers + self.floats;
        if numbers == 0
            || self.identifiers > 0
            || self.others as f64 > WRONG_RATIO * (numbers + self.others) as f64
        {
            return None;
        }
        Some(if self.floats == 0 { DataType::Int64 } else { DataType::Float64 })
    }
}

//! The values of a trait at a glance: how many there are, how they lie, which are common.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{SortOptions, cast, sort_to_indices, take};
use arrow::datatypes::DataType;
use datafusion::prelude::ident;
use tranche_sql::{Session, SqlError};
use tranche_store::Lake;

use crate::error::SegmentError;
use crate::store::traits_table;

/// The quantiles that a profile has: the least value, the greatest, and what lies between.
pub const QUANTILES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// How many common values a profile names.
const COMMON: usize = 10;

/// A trait's values, of every entity.
#[derive(Debug)]
pub struct Profile {
    /// Entities.
    pub rows: u64,
    /// Entities without a value.
    pub nulls: u64,
    /// Different values.
    pub distinct: u64,
    /// For numbers and instants: the value at each of [`QUANTILES`], one that occurs. Empty when there are none.
    pub quantiles: Option<ArrayRef>,
    /// For other types: the most common values as text with how often they occur, the most common first.
    pub common: Vec<(String, u64)>,
}

impl Profile {
    /// Looks at a column.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the values cannot be put in order or shown as text.
    pub fn of(column: &ArrayRef) -> Result<Self, SqlError> {
        let nulls = column.null_count();
        let has_order = column.data_type().is_numeric() || column.data_type().is_temporal();
        let counts = counts(column)?;
        let distinct = counts.len() as u64;
        let (quantiles, common) = match has_order {
            true => (Some(quantiles(column)?), Vec::new()),
            false => (None, most_common(counts)),
        };
        Ok(Self { rows: column.len() as u64, nulls: nulls as u64, distinct, quantiles, common })
    }

    /// Entities without a value as a share of all, in [0, 1]; none when there are no entities.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn null_share(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.nulls as f64 / self.rows as f64)
    }
}

/// The values of a trait as they were published last; `None` when the wide table lacks it.
///
/// # Errors
/// [`SegmentError`] when the wide table cannot be read.
pub async fn published_values(
    lake: &Lake,
    session: &Session,
    entity: &str,
    name: &str,
) -> Result<Option<ArrayRef>, SegmentError> {
    let Some(snapshot) = lake.snapshot(&traits_table(entity)).await? else { return Ok(None) };
    let frame = session.read(&snapshot).await?;
    if !frame.schema().fields().iter().any(|field| field.name() == name) {
        return Ok(None);
    }
    let frame = frame.select(vec![ident(name)]).map_err(SqlError::engine)?;
    let found = session.collect_frame(frame).await?;
    let batch = arrow::compute::concat_batches(&found.schema, &found.batches).map_err(SqlError::from)?;
    Ok(Some(ArrayRef::clone(batch.column(0))))
}

/// By the nearest rank, so that each is a value that some entity has.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks of at most 2^32 rows"
)]
fn quantiles(column: &ArrayRef) -> Result<ArrayRef, SqlError> {
    let order = sort_to_indices(column, Some(SortOptions { descending: false, nulls_first: false }), None)?;
    let present = column.len() - column.null_count();
    let at = |quantile: f64| {
        let rank = (quantile * present as f64).ceil() as usize;
        order.value(rank.clamp(1, present) - 1)
    };
    let rows: UInt32Array =
        QUANTILES.iter().filter(|_| present > 0).map(|quantile| Some(at(*quantile))).collect();
    Ok(take(column, &rows, None)?)
}

/// How often each value occurs, as text.
fn counts(column: &ArrayRef) -> Result<HashMap<String, u64>, SqlError> {
    let texts = cast(column, &DataType::Utf8)?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    for text in texts.as_string::<i32>().iter().flatten() {
        match counts.get_mut(text) {
            Some(count) => *count += 1,
            None => {
                counts.insert(text.to_owned(), 1);
            }
        }
    }
    Ok(counts)
}

fn most_common(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    counts.truncate(COMMON);
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn quantiles_are_values_that_occur() {
        for (values, expected) in [
            (vec![Some(1), Some(2), Some(3), Some(4)], vec![1, 1, 1, 2, 3, 4, 4]),
            (vec![None, Some(9), None], vec![9; 7]),
            (vec![None], vec![]),
            (vec![], vec![]),
        ] {
            let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            let profile = Profile::of(&column).unwrap();
            let found = profile.quantiles.unwrap();
            assert_eq!(found.as_primitive::<Int64Type>().values().to_vec(), expected, "{values:?}");
        }
    }

    #[test]
    fn other_values_are_counted() {
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a"), None, Some("b")]));
        let profile = Profile::of(&column).unwrap();
        assert_eq!((profile.rows, profile.nulls, profile.distinct), (4, 1, 2));
        assert_eq!(profile.common, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        assert_eq!(profile.null_share(), Some(0.25));
        assert!(profile.quantiles.is_none());
    }
}

//! Entity keys as dense numbers, so that a set of entities is a bitmap.

mod share;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::SqlError;
pub use share::{KeySample, KeyShare, Sample};

/// A key with a number for each distinct value, in the order in which they were first seen.
#[derive(Debug, Clone)]
pub struct KeyIndex {
    data_type: DataType,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    Integers { numbers: IntegerNumbers, order: Vec<i64> },
    Texts { numbers: HashMap<Arc<str>, u32>, order: Vec<Arc<str>> },
}

impl KeyIndex {
    /// What [`KeyIndex::numbers`] gives for a key that the index does not know.
    pub const UNKNOWN: u32 = u32::MAX;
    /// What [`KeyIndex::numbers`] gives for a null.
    pub const NULL: u32 = u32::MAX - 1;

    /// An empty index of keys of this type.
    #[must_use]
    pub fn new(data_type: &DataType) -> Self {
        let values = if data_type.is_integer() {
            Values::Integers { numbers: IntegerNumbers::default(), order: Vec::new() }
        } else {
            Values::Texts { numbers: HashMap::new(), order: Vec::new() }
        };
        Self { data_type: data_type.clone(), values }
    }

    /// The type of the keys.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// How many distinct keys there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        let length = match &self.values {
            Values::Integers { order, .. } => order.len(),
            Values::Texts { order, .. } => order.len(),
        };
        u32::try_from(length).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of each key of a column; a new key gets the next number; a null has none.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column cannot be read as keys of this type.
    pub fn insert(&mut self, column: &ArrayRef) -> Result<Vec<Option<u32>>, SqlError> {
        match &mut self.values {
            Values::Integers { numbers, order } => {
                let column = cast(column, &DataType::Int64)?;
                let column = column.as_primitive::<Int64Type>();
                numbers.expect(column, order.len());
                Ok(column.iter().map(|key| key.map(|key| numbers.get_or_add(key, order))).collect())
            }
            Values::Texts { numbers, order } => {
                let column = cast(column, &DataType::Utf8)?;
                let mut found = Vec::with_capacity(column.len());
                for key in column.as_string::<i32>() {
                    found.push(key.map(|key| match numbers.get(key) {
                        Some(&number) => number,
                        None => {
                            let number = u32::try_from(order.len()).unwrap_or(u32::MAX);
                            let shared: Arc<str> = key.into();
                            order.push(Arc::clone(&shared));
                            numbers.insert(shared, number);
                            number
                        }
                    }));
                }
                Ok(found)
            }
        }
    }

    /// Whether the keys of a column are the first of the index, in its order.
    #[must_use]
    pub fn begins_with(&self, column: &ArrayRef) -> bool {
        match (&self.values, column.data_type() == &self.data_type && column.null_count() == 0) {
            (Values::Integers { order, .. }, true) => {
                let Ok(wide) = cast(column, &DataType::Int64) else { return false };
                order.starts_with(wide.as_primitive::<Int64Type>().values())
            }
            (Values::Texts { order, .. }, true) => {
                let Ok(texts) = cast(column, &DataType::Utf8) else { return false };
                let texts = texts.as_string::<i32>();
                texts.len() <= order.len() && (0..texts.len()).all(|row| *order[row] == *texts.value(row))
            }
            _ => false,
        }
    }

    /// The number of each key of a column, [`KeyIndex::UNKNOWN`] or [`KeyIndex::NULL`].
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column cannot be read as keys of this type.
    pub fn numbers(&self, column: &ArrayRef) -> Result<Vec<u32>, SqlError> {
        let mut found: Vec<u32> = match &self.values {
            Values::Integers { numbers, .. } => {
                let column = cast(column, &DataType::Int64)?;
                let keys = column.as_primitive::<Int64Type>().values();
                match numbers {
                    IntegerNumbers::Dense { first, table } => keys
                        .iter()
                        .map(|key| {
                            let place = usize::try_from(key.wrapping_sub(*first)).unwrap_or(usize::MAX);
                            table.get(place).copied().unwrap_or(Self::UNKNOWN)
                        })
                        .collect(),
                    IntegerNumbers::Sparse(numbers) => {
                        keys.iter().map(|key| numbers.get(key).copied().unwrap_or(Self::UNKNOWN)).collect()
                    }
                }
            }
            Values::Texts { numbers, .. } => {
                let column = cast(column, &DataType::Utf8)?;
                let column = column.as_string::<i32>();
                (0..column.len())
                    .map(|row| numbers.get(column.value(row)).copied().unwrap_or(Self::UNKNOWN))
                    .collect()
            }
        };
        if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            for (number, valid) in found.iter_mut().zip(nulls.iter()) {
                if !valid {
                    *number = Self::NULL;
                }
            }
        }
        Ok(found)
    }

    /// The keys with these numbers as a column of the index's type.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column cannot be made.
    pub fn column(&self, numbers: impl Iterator<Item = u32>) -> Result<ArrayRef, SqlError> {
        let numbers = numbers.map(|n| n as usize);
        let column: ArrayRef = match &self.values {
            Values::Integers { order, .. } => {
                let wide: Int64Array = numbers.map(|n| order.get(n).copied()).collect();
                Arc::new(wide)
            }
            Values::Texts { order, .. } => {
                Arc::new(numbers.map(|n| order.get(n).map(|key| &**key)).collect::<StringArray>())
            }
        };
        Ok(cast(&column, &self.data_type)?)
    }
}

/// Numbers by whole-number key: a table where the keys lie close together, as most do, and a map where they do not.
#[derive(Debug, Clone)]
enum IntegerNumbers {
    Dense { first: i64, table: Vec<u32> },
    Sparse(HashMap<i64, u32, BuildHasherDefault<IntegerHasher>>),
}

impl Default for IntegerNumbers {
    fn default() -> Self {
        Self::Dense { first: 0, table: Vec::new() }
    }
}

impl IntegerNumbers {
    /// Makes room for the keys of a column, of which some may be new.
    fn expect(&mut self, column: &Int64Array, known: usize) {
        let Self::Dense { first, table } = self else { return };
        let (Some(low), Some(high)) = (arrow::compute::min(column), arrow::compute::max(column)) else {
            return;
        };
        let (low, high) = match table.len() {
            0 => (low, high),
            length => (low.min(*first), high.max(first.saturating_add_unsigned(length as u64 - 1))),
        };
        let span = usize::try_from(i128::from(high) - i128::from(low) + 1).unwrap_or(usize::MAX);
        if span > SPARSENESS.saturating_mul(known + column.len()).max(SMALL_TABLE) {
            let numbers = table.iter().enumerate().filter(|(_, number)| **number != KeyIndex::UNKNOWN);
            let numbers = numbers.map(|(place, &number)| (first.wrapping_add_unsigned(place as u64), number));
            *self = Self::Sparse(numbers.collect());
            return;
        }
        if low < *first || table.is_empty() {
            let mut wider = vec![KeyIndex::UNKNOWN; span];
            if let Ok(start) = usize::try_from(*first - low)
                && !table.is_empty()
            {
                wider[start..start + table.len()].copy_from_slice(table);
            }
            (*first, *table) = (low, wider);
        }
        table.resize(span.max(table.len()), KeyIndex::UNKNOWN);
    }

    fn get_or_add(&mut self, key: i64, order: &mut Vec<i64>) -> u32 {
        let next = u32::try_from(order.len()).unwrap_or(u32::MAX);
        let number = match self {
            Self::Dense { first, table } => {
                let place = usize::try_from(key.wrapping_sub(*first)).unwrap_or_default();
                if table[place] == KeyIndex::UNKNOWN {
                    table[place] = next;
                }
                table[place]
            }
            Self::Sparse(numbers) => *numbers.entry(key).or_insert(next),
        };
        if number == next {
            order.push(key);
        }
        number
    }
}

/// A table may have so many places for each key.
const SPARSENESS: usize = 8;
/// A table of so many places is small in any case.
const SMALL_TABLE: usize = 4096;

/// Spreads whole numbers by a multiplication (Fibonacci hashing); keys are not chosen by an adversary.
#[derive(Debug, Clone, Default)]
struct IntegerHasher(u64);

impl Hasher for IntegerHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * u128::from(0x9E37_79B9_7F4A_7C15_u64);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded into one")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;

    use super::*;

    #[test]
    fn each_distinct_key_has_one_number() {
        let mut index = KeyIndex::new(&DataType::Utf8);
        let first: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        assert_eq!(index.insert(&first).unwrap(), [Some(0), None, Some(1), Some(0)]);
        let back = index.column([1, 0].into_iter()).unwrap();
        assert_eq!(back.as_string::<i32>(), &StringArray::from(vec!["a", "b"]));

        let mut index = KeyIndex::new(&DataType::Int32);
        let column: ArrayRef = Arc::new(Int32Array::from(vec![7, 5, 7]));
        assert_eq!(index.insert(&column).unwrap(), [Some(0), Some(1), Some(0)]);
        assert_eq!(index.insert(&column).unwrap(), [Some(0), Some(1), Some(0)]);
        let integers = |keys: &[i32]| -> ArrayRef { Arc::new(Int32Array::from(keys.to_vec())) };
        assert!(
            index.begins_with(&integers(&[7]))
                && index.begins_with(&integers(&[7, 5]))
                && index.begins_with(&integers(&[]))
        );
        assert!(!index.begins_with(&integers(&[5])) && !index.begins_with(&integers(&[7, 5, 6])));
        assert_eq!(index.column([1].into_iter()).unwrap().data_type(), &DataType::Int32);
    }

    #[test]
    fn keys_far_apart_are_found_too() {
        let mut index = KeyIndex::new(&DataType::Int64);
        let columns: [Vec<i64>; 4] =
            [vec![5, 3], vec![-2, 5], vec![i64::MAX, i64::MIN, 3], vec![-2, i64::MIN, 4]];
        let mut expected: Vec<i64> = Vec::new();
        for column in columns {
            let array: ArrayRef = Arc::new(Int64Array::from(column.clone()));
            let numbers = index.insert(&array).unwrap();
            for key in &column {
                if !expected.contains(key) {
                    expected.push(*key);
                }
            }
            let wanted: Vec<_> =
                column.iter().map(|key| expected.iter().position(|k| k == key).map(|n| n as u32)).collect();
            assert_eq!(numbers, wanted);
            let found = index.numbers(&array).unwrap();
            assert_eq!(found.into_iter().map(Some).collect::<Vec<_>>(), wanted);
        }
        let others: ArrayRef = Arc::new(Int64Array::from(vec![Some(77), None, Some(4)]));
        assert_eq!(index.numbers(&others).unwrap(), [KeyIndex::UNKNOWN, KeyIndex::NULL, 6 - 1]);
    }
}

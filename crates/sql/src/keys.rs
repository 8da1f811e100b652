//! Entity keys as dense numbers, so that a set of entities is a bitmap.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::SqlError;

/// A key with a number for each distinct value, in the order in which they were first seen.
#[derive(Debug, Clone)]
pub struct KeyIndex {
    data_type: DataType,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    Integers { numbers: HashMap<i64, u32>, order: Vec<i64> },
    Texts { numbers: HashMap<Arc<str>, u32>, order: Vec<Arc<str>> },
}

impl KeyIndex {
    /// An empty index of keys of this type.
    #[must_use]
    pub fn new(data_type: &DataType) -> Self {
        let values = if data_type.is_integer() {
            Values::Integers { numbers: HashMap::new(), order: Vec::new() }
        } else {
            Values::Texts { numbers: HashMap::new(), order: Vec::new() }
        };
        Self { data_type: data_type.clone(), values }
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
                let mut number = |key: i64| {
                    *numbers.entry(key).or_insert_with(|| {
                        order.push(key);
                        u32::try_from(order.len() - 1).unwrap_or(u32::MAX)
                    })
                };
                Ok(column.as_primitive::<Int64Type>().iter().map(|key| key.map(&mut number)).collect::<Vec<_>>())
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
            Values::Texts { order, .. } => Arc::new(numbers.map(|n| order.get(n).map(|key| &**key)).collect::<StringArray>()),
        };
        Ok(cast(&column, &self.data_type)?)
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
        assert_eq!(index.column([1].into_iter()).unwrap().data_type(), &DataType::Int32);
    }
}

//! From keys to numbers and back, for many rows at once.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

/// The keys of an index, by number.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Everything else, as text.
    Texts(StringArray),
}

impl Keys {
    /// All keys that the index knows.
    pub(crate) fn of(index: &KeyIndex) -> Result<Self, SqlError> {
        Self::read(&index.column(0..index.len())?)
    }

    fn read(column: &ArrayRef) -> Result<Self, SqlError> {
        if column.data_type().is_integer() {
            let wide = cast(column, &DataType::Int64)?;
            return Ok(Self::Integers(wide.as_primitive::<Int64Type>().values().to_vec()));
        }
        Ok(Self::Texts(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    fn len(&self) -> usize {
        match self {
            Self::Integers(keys) => keys.len(),
            Self::Texts(keys) => keys.len(),
        }
    }

    /// Which of two numbers has the lesser key.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        match self {
            Self::Integers(keys) => keys[a as usize].cmp(&keys[b as usize]),
            Self::Texts(keys) => keys.value(a as usize).cmp(keys.value(b as usize)),
        }
    }

    /// The keys with these numbers, as a column of the type.
    pub(crate) fn column(&self, numbers: &[u32], data_type: &DataType) -> Result<ArrayRef, SqlError> {
        let column: ArrayRef = match self {
            Self::Integers(keys) => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| keys[number as usize]))),
            Self::Texts(keys) => take(keys, &arrow::array::UInt32Array::from(numbers.to_vec()), None)?,
        };
        Ok(cast(&column, data_type)?)
    }
}

/// The numbers of keys. Unlike the index it is read by several threads at once.
#[derive(Debug)]
pub(crate) struct Lookup {
    keys: Keys,
    slots: Slots,
}

/// The slot of no key.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Slots {
    /// Whole numbers that are close to each other: the key itself, less the least, is the slot.
    Dense { least: i64, slots: Vec<u32> },
    /// The slot is where the hash points to, or the next that is free. There are twice as many slots as keys.
    Hashed { slots: Vec<u32>, state: RandomState },
}

/// The numbers of the keys of a column.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) numbers: Vec<u32>,
    /// The rows whose key has no number yet.
    pub(crate) unknown: Vec<usize>,
}

impl Lookup {
    /// Finds the keys of the index as it is now.
    pub(crate) fn of(index: &KeyIndex) -> Result<Self, SqlError> {
        let keys = Keys::of(index)?;
        let slots = Slots::of(&keys);
        Ok(Self { keys, slots })
    }

    /// The number of each key of a column without nulls.
    pub(crate) fn numbers(&self, column: &ArrayRef) -> Result<Numbers, SqlError> {
        let asked = match (&self.keys, Keys::read(column)?) {
            // The index holds keys of one type, the table may hold another that says the same.
            (Keys::Integers(_), Keys::Texts(texts)) => {
                let whole = cast(&texts, &DataType::Int64)?;
                Keys::Integers(whole.as_primitive::<Int64Type>().values().to_vec())
            }
            (Keys::Texts(_), Keys::Integers(_)) => Keys::Texts(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()),
            (_, asked) => asked,
        };
        let mut found = Numbers { numbers: Vec::with_capacity(asked.len()), unknown: Vec::new() };
        match (&self.keys, &asked, &self.slots) {
            (_, Keys::Integers(asked), Slots::Dense { least, slots }) => {
                let slot = |key: i64| usize::try_from(key.wrapping_sub(*least).cast_unsigned()).ok();
                found.extend(asked.iter().map(|&key| slot(key).and_then(|slot| slots.get(slot)).copied().unwrap_or(NONE)));
            }
            (Keys::Integers(keys), Keys::Integers(asked), Slots::Hashed { slots, state }) => {
                let find = |key: &i64| probe(slots, state.hash_one(key), |number| keys[number as usize] == *key);
                found.extend(asked.iter().map(|key| find(key).1));
            }
            (Keys::Texts(keys), Keys::Texts(asked), Slots::Hashed { slots, state }) => {
                let find = |key: &str| probe(slots, state.hash_one(key), |number| keys.value(number as usize) == key);
                found.extend((0..asked.len()).map(|row| find(asked.value(row)).1));
            }
            _ => found.extend(std::iter::repeat_n(NONE, asked.len())),
        }
        Ok(found)
    }
}

impl Numbers {
    fn extend(&mut self, numbers: impl Iterator<Item = u32>) {
        self.numbers.extend(numbers);
        self.unknown = (0..self.numbers.len()).filter(|&row| self.numbers[row] == NONE).collect();
    }
}

impl Slots {
    fn of(keys: &Keys) -> Self {
        let number = |row: usize| u32::try_from(row).unwrap_or(NONE);
        if let Keys::Integers(keys) = keys
            && let (Some(&least), Some(&greatest)) = (keys.iter().min(), keys.iter().max())
            && let Ok(span) = usize::try_from(greatest.wrapping_sub(least).cast_unsigned())
            && span / DENSE <= keys.len()
        {
            let mut slots = vec![NONE; span + 1];
            for (row, key) in keys.iter().enumerate() {
                if let Ok(slot) = usize::try_from(key.wrapping_sub(least).cast_unsigned()) {
                    slots[slot] = number(row);
                }
            }
            return Self::Dense { least, slots };
        }
        let state = RandomState::new();
        let mut slots = vec![NONE; (2 * keys.len()).next_power_of_two().max(2)];
        for row in 0..keys.len() {
            let hash = match keys {
                Keys::Integers(keys) => state.hash_one(keys[row]),
                Keys::Texts(keys) => state.hash_one(keys.value(row)),
            };
            let (free, _) = probe(&slots, hash, |_| false);
            slots[free] = number(row);
        }
        Self::Hashed { slots, state }
    }
}

/// With no more slots than this for each key, keys are slots.
const DENSE: usize = 8;

/// The slot of a key and the number in it: that for which `is_it` holds, or none in the slot where the key would be.
#[expect(clippy::cast_possible_truncation, reason = "any part of a hash will do")]
fn probe(slots: &[u32], hash: u64, is_it: impl Fn(u32) -> bool) -> (usize, u32) {
    let mask = slots.len() - 1;
    let mut slot = hash as usize & mask;
    while slots[slot] != NONE && !is_it(slots[slot]) {
        slot = (slot + 1) & mask;
    }
    (slot, slots[slot])
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;

    use super::*;

    fn check(known: ArrayRef, asked: ArrayRef, expected: &[Option<u32>]) {
        let mut index = KeyIndex::new(known.data_type());
        index.insert(&known).unwrap();
        let found = Lookup::of(&index).unwrap().numbers(&asked).unwrap();
        let numbers: Vec<Option<u32>> = found.numbers.iter().map(|&number| (number != NONE).then_some(number)).collect();
        assert_eq!(numbers, expected);
        let unknown: Vec<usize> = (0..expected.len()).filter(|&row| expected[row].is_none()).collect();
        assert_eq!(found.unknown, unknown);
        let keys = Keys::of(&index).unwrap();
        let back = keys.column(&(0..index.len()).collect::<Vec<_>>(), known.data_type()).unwrap();
        assert_eq!(&back, &known);
    }

    #[test]
    fn keys_have_the_numbers_of_the_index_and_others_have_none() {
        let integers = |keys: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(keys.to_vec())) };
        let texts = |keys: &[&str]| -> ArrayRef { Arc::new(StringArray::from(keys.to_vec())) };
        let close = [Some(0), Some(2), None, None];
        check(integers(&[7, 5, 6]), integers(&[7, 6, 8, i64::MIN]), &close);
        check(integers(&[i64::MIN, 5, i64::MAX]), integers(&[i64::MIN, i64::MAX, 8, 0]), &close);
        check(Arc::new(Int32Array::from(vec![7, 5, 6])), integers(&[7, 6, 8, -1]), &close);
        check(texts(&["b", "", "a"]), texts(&["b", "a", "c", "bb"]), &close);
        check(texts(&["7", "5", "6"]), integers(&[7, 6, 8, 77]), &close);
        check(integers(&[]), integers(&[1]), &[None]);
        check(texts(&[]), texts(&["a"]), &[None]);
    }
}

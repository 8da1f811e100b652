//! A share of the keys, for whom what was found is computed again.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::{KeyIndex, Values};
use crate::SqlError;

/// How many keys an incremental result is computed again for, in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The share of keys, in (0, 1].
    pub share: f64,
    /// At least so many.
    pub least: u32,
}

impl Default for Sample {
    fn default() -> Self {
        Self { share: 0.01, least: 1_000 }
    }
}

impl Sample {
    /// The share of so many keys that is computed again. Among few it is a power of two, so that it does not change with each key that
    /// comes, and their events need not be looked for again.
    #[must_use]
    pub fn share(self, keys: u32) -> KeyShare {
        let least = f64::from(self.least) / f64::from(keys.max(1));
        KeyShare::of(if least > self.share { least.log2().ceil().exp2() } else { self.share })
    }
}

/// A share of all keys that there can be: always the same ones, whatever table they stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyShare(u64);

impl KeyShare {
    /// About such a share of keys, in [0, 1]. A larger share has all keys of a smaller one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a threshold"
    )]
    pub fn of(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * u64::MAX as f64) as u64)
    }

    /// The share whose greatest hash is this.
    #[must_use]
    pub fn up_to(greatest: u64) -> Self {
        Self(greatest)
    }

    /// About such a share of keys it is, in [0, 1].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn fraction(self) -> f64 {
        self.0 as f64 / u64::MAX as f64
    }

    /// The greatest hash in it.
    #[must_use]
    pub fn greatest(self) -> u64 {
        self.0
    }

    /// Where a column has keys of the share, which are keys of that type; a null is none.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column cannot be read as keys of the type.
    pub fn holds(self, column: &ArrayRef, key_type: &DataType) -> Result<BooleanBuffer, SqlError> {
        let (held, nulls) = if key_type.is_integer() {
            let column = cast(column, &DataType::Int64)?;
            let keys = column.as_primitive::<Int64Type>();
            let values = keys.values();
            (
                BooleanBuffer::collect_bool(keys.len(), |row| self.has_integer(values[row])),
                keys.nulls().cloned(),
            )
        } else {
            let column = cast(column, &DataType::Utf8)?;
            let keys = column.as_string::<i32>();
            (
                BooleanBuffer::collect_bool(keys.len(), |row| self.has_text(keys.value(row))),
                keys.nulls().cloned(),
            )
        };
        Ok(match nulls {
            Some(nulls) => &held & nulls.inner(),
            None => held,
        })
    }

    fn has_integer(self, key: i64) -> bool {
        mixed(key.cast_unsigned()) <= self.0
    }

    fn has_text(self, key: &str) -> bool {
        let hash = key.as_bytes().chunks(8).fold(key.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mixed(hash ^ u64::from_le_bytes(word))
        });
        mixed(hash) <= self.0
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood 2014): every bit of the input changes half of the output's.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The keys of an index that are in a share.
#[derive(Debug, Clone)]
pub struct KeySample {
    share: KeyShare,
    numbers: Vec<u32>,
    /// By number, the place among them.
    places: Vec<u32>,
}

impl KeySample {
    /// The keys of an index that are in a share.
    #[must_use]
    pub fn new(share: KeyShare, index: &KeyIndex) -> Self {
        let keys = 0..index.len();
        let numbers: Vec<u32> = match &index.values {
            Values::Integers { order, .. } => {
                keys.filter(|&number| share.has_integer(order[number as usize])).collect()
            }
            Values::Texts { order, .. } => {
                keys.filter(|&number| share.has_text(&order[number as usize])).collect()
            }
        };
        let mut places = vec![KeyIndex::UNKNOWN; numbers.last().map_or(0, |&last| last as usize + 1)];
        for (place, &number) in (0..).zip(&numbers) {
            places[number as usize] = place;
        }
        Self { share, numbers, places }
    }

    /// The share.
    #[must_use]
    pub fn share(&self) -> KeyShare {
        self.share
    }

    /// The numbers of the keys, in order.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// The place of a number among the keys of the sample.
    #[must_use]
    pub fn place(&self, number: u32) -> Option<u32> {
        self.places.get(number as usize).copied().filter(|place| *place != KeyIndex::UNKNOWN)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_sample_is_a_share_of_many_and_a_number_of_few() {
        let share = |keys| Sample::default().share(keys);
        assert_eq!(share(1_000_000), KeyShare::of(0.01));
        assert_eq!(share(100_000), KeyShare::of(0.01));
        assert_eq!((share(64_000), share(63_000)), (KeyShare::of(1.0 / 64.0), KeyShare::of(1.0 / 32.0)));
        assert_eq!(share(40_000), share(50_000));
        assert_eq!(
            (share(1_000), share(3), share(0)),
            (KeyShare::of(1.0), KeyShare::of(1.0), KeyShare::of(1.0))
        );
    }

    #[test]
    fn a_share_has_the_same_keys_in_every_table() {
        let integers: ArrayRef = Arc::new((0..100_000).collect::<Int64Array>());
        let narrow: ArrayRef = Arc::new((0..100_000).collect::<Int32Array>());
        let texts: ArrayRef =
            Arc::new((0..100_000).map(|n| Some(format!("customer-{n}"))).collect::<StringArray>());
        for (column, data_type) in [(&integers, DataType::Int64), (&texts, DataType::Utf8)] {
            let (small, large) = (KeyShare::of(0.01), KeyShare::of(0.02));
            let held = small.holds(column, &data_type).unwrap();
            assert!((900..1_100).contains(&held.count_set_bits()), "{data_type}: {}", held.count_set_bits());
            assert_eq!(&held & &large.holds(column, &data_type).unwrap(), held);
            let mut index = KeyIndex::new(&data_type);
            index.insert(column).unwrap();
            let sample = KeySample::new(small, &index);
            assert!(sample.numbers().iter().map(|&number| number as usize).eq(held.set_indices()));
            assert_eq!(sample.place(sample.numbers()[7]), Some(7));
        }
        let half = KeyShare::of(0.5);
        assert_eq!(
            half.holds(&integers, &DataType::Int64).unwrap(),
            half.holds(&narrow, &DataType::Int64).unwrap()
        );
        assert_eq!(KeyShare::of(1.0).holds(&integers, &DataType::Int64).unwrap().count_set_bits(), 100_000);
    }
}

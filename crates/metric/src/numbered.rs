//! The keys of units as numbers, so that a key is looked up once for all populations.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

use crate::population::Population;

/// No unit of a population.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The keys of an entity's units.
pub(crate) struct Numbered {
    index: KeyIndex,
    /// By population, the unit of each number; `None` where they are the same.
    units: HashMap<usize, Option<Vec<u32>>>,
}

impl Numbered {
    /// The keys of the populations of each entity.
    pub(crate) fn by_entity(populations: &[&Population]) -> Result<HashMap<String, Arc<Self>>, SqlError> {
        let mut numbered: HashMap<String, Arc<Self>> = HashMap::new();
        for population in populations {
            let entity = &population.entity;
            if !numbered.contains_key(entity) {
                let own =
                    populations.iter().copied().enumerate().filter(|(_, other)| other.entity == *entity);
                numbered.insert(entity.clone(), Arc::new(Self::new(own)?));
            }
        }
        Ok(numbered)
    }

    /// The numbers of the keys of these populations.
    fn new<'a>(populations: impl Iterator<Item = (usize, &'a Population)>) -> Result<Self, SqlError> {
        let mut index: Option<KeyIndex> = None;
        let mut units = HashMap::new();
        for (place, population) in populations {
            let index = index.get_or_insert_with(|| KeyIndex::new(population.keys.data_type()));
            let numbers = index.insert(&population.keys)?;
            let is_same = numbers.iter().zip(0u32..).all(|(number, unit)| *number == Some(unit));
            units.insert(place, (!is_same).then_some(numbers));
        }
        let index = index.unwrap_or_else(|| KeyIndex::new(&DataType::Utf8));
        let by_number = |numbers: Vec<Option<u32>>| {
            let mut units = vec![NOBODY; index.len() as usize];
            for (number, unit) in numbers.into_iter().zip(0u32..) {
                if let Some(number) = number {
                    units[number as usize] = unit;
                }
            }
            units
        };
        let units = units.into_iter().map(|(place, numbers)| (place, numbers.map(by_number))).collect();
        Ok(Self { index, units })
    }

    /// The keys.
    pub(crate) fn index(&self) -> &KeyIndex {
        &self.index
    }

    /// The number of each key of a column.
    pub(crate) fn numbers(&self, keys: &ArrayRef) -> Result<Vec<u32>, SqlError> {
        self.index.numbers(keys)
    }

    /// The units of a population that have these numbers; [`NOBODY`] or one beyond all where there is none.
    pub(crate) fn units(&self, population: usize) -> impl Fn(u32) -> u32 + '_ {
        let units = self.units.get(&population).and_then(Option::as_ref);
        move |number| match units {
            Some(units) => units.get(number as usize).copied().unwrap_or(NOBODY),
            None => number,
        }
    }
}

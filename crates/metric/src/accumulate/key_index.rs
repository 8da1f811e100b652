//! The keys of an entity as numbers, so that a key is looked up once for all populations.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

use crate::plan::{IdList, Population, PopulationId, UnitIndex};

/// The keys of each entity that populations are of.
pub(crate) type KeysByEntity = HashMap<String, Arc<EntityKeys>>;

/// The keys of an entity's units, in all populations.
pub(crate) struct EntityKeys {
    index: KeyIndex,
    /// The unit of each key number; `None` where both are the same number.
    units: HashMap<PopulationId, Option<Vec<UnitIndex>>>,
}

impl EntityKeys {
    /// The keys of each entity that populations are of.
    pub(crate) fn by_entity(
        populations: &IdList<PopulationId, &Population>,
    ) -> Result<KeysByEntity, SqlError> {
        let mut keys = KeysByEntity::new();
        for (_, Population { entity, .. }) in populations.iter() {
            if !keys.contains_key(entity) {
                let own = populations.iter().filter(|(_, other)| other.entity == *entity);
                keys.insert(entity.clone(), Arc::new(Self::new(own.map(|(id, own)| (id, *own)))?));
            }
        }
        Ok(keys)
    }

    fn new<'a>(populations: impl Iterator<Item = (PopulationId, &'a Population)>) -> Result<Self, SqlError> {
        let mut index: Option<KeyIndex> = None;
        let mut units = HashMap::new();
        for (id, population) in populations {
            let index = index.get_or_insert_with(|| KeyIndex::new(population.keys.data_type()));
            let numbers = index.insert(&population.keys)?;
            let is_same = numbers.iter().zip(0u32..).all(|(number, unit)| *number == Some(unit));
            units.insert(id, (!is_same).then_some(numbers));
        }
        let index = index.unwrap_or_else(|| KeyIndex::new(&DataType::Utf8));
        let by_number = |numbers: Vec<Option<u32>>| {
            let mut units = vec![UnitIndex::NONE; index.len() as usize];
            for (number, unit) in numbers.into_iter().zip((0u32..).map(UnitIndex)) {
                if let Some(number) = number {
                    units[number as usize] = unit;
                }
            }
            units
        };
        let units = units.into_iter().map(|(id, numbers)| (id, numbers.map(by_number))).collect();
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

    /// The unit of each key number in a population; beyond all units where there is none.
    pub(crate) fn units(&self, population: PopulationId) -> impl Fn(u32) -> UnitIndex + '_ {
        let units = self.units.get(&population).and_then(Option::as_ref);
        move |number| match units {
            Some(units) => units.get(number as usize).copied().unwrap_or(UnitIndex::NONE),
            None => UnitIndex(number),
        }
    }
}

//! The units that are measured.

use arrow::array::ArrayRef;
use jiff::Timestamp;

use super::id_list::id;

/// The units to measure, each with the instant that its windows are counted from.
#[derive(Debug)]
pub struct Population {
    /// Its name in messages and in saved state: no other population of a measurement has it.
    pub name: String,
    /// The entity that units are.
    pub entity: String,
    /// The keys, each once.
    pub keys: ArrayRef,
    /// The instant of each unit: its exposure, or the beginning of a period.
    pub at: Vec<Timestamp>,
    /// Facts from this instant on are not counted.
    pub until: Timestamp,
}

id! {
    /// A population of a measurement.
    PopulationId
}

/// The place of a unit in its population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitIndex(pub(crate) u32);

impl UnitIndex {
    /// No unit of the population.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// The units of a population of this size, in their order.
    pub(crate) fn all(units: usize) -> impl Iterator<Item = Self> {
        (0u32..).take(units).map(Self)
    }

    /// The place, from 0; beyond every population for [`UnitIndex::NONE`].
    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }
}

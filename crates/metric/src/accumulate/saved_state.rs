//! The columns of a table as rows, so that the next measurement reads only facts that are new.
//!
//! Saved state is rows and a header that describes them; where they are stored is not known here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema, UInt32Type};
use serde::{Deserialize, Serialize};
use tranche_incremental::{Header, Part};
use tranche_schema::layout::state::Kind;
use tranche_sql::{ExactSum, SqlError};

use super::column::{Column, Passing};
use crate::plan::{Population, UnitIndex};

/// What an earlier measurement saved of a table's facts.
pub(crate) type SavedState = tranche_incremental::SavedState<StateHeader>;

/// The columns in saved state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SavedColumns<'s> {
    pub(crate) header: &'s StateHeader,
    pub(crate) parts: &'s [RecordBatch],
}

/// What the rows of saved state are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StateHeader {
    populations: Vec<SavedPopulation>,
}

impl Header for StateHeader {
    const KIND: Kind = Kind::Experiments;
    const FORMAT: u32 = 2;
}

/// The units of a population, and their columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SavedPopulation {
    name: String,
    entity: String,
    /// Facts before this instant are counted, microseconds.
    pub(crate) until: i64,
    /// The part with the key and the instant of each unit.
    units: usize,
    columns: Vec<SavedColumn>,
}

/// A column of a part, or several that belong together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SavedColumn {
    identity: String,
    kind: ColumnKind,
    part: usize,
    field: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ColumnKind {
    Counts,
    Digits(i8),
    Floats,
    Values,
    Steps,
}

/// Columns of a part: few, so that parts are encoded side by side.
const COLUMNS_OF_A_PART: usize = 4;
/// Longer lists of events are not saved: reading them would cost what reading the events costs.
const LIST_EVENTS: usize = 4_000_000;

/// The rows of a part, before they are copied.
enum Rows {
    Units(Vec<ArrayRef>),
    Columns(Vec<Arc<Column>>),
}

/// What is saved of populations: the instant up to which the facts of each are counted, and its columns by
/// identity.
pub(crate) fn new_state<'a>(
    populations: impl IntoIterator<Item = (&'a Population, i64, Vec<(String, Arc<Column>)>)>,
) -> (StateHeader, Vec<Part>) {
    let (mut header, mut parts) = (StateHeader::default(), Vec::new());
    for (population, until, columns) in populations {
        let (name, entity) = (population.name.clone(), population.entity.clone());
        let mut saved = SavedPopulation { name, entity, until, units: parts.len(), columns: Vec::new() };
        parts.push(Rows::Units(keys_and_instants(population)));
        // The part that has room for further columns, and the number of its fields.
        let mut open: Option<(usize, usize)> = None;
        for (identity, column) in columns {
            let Some(kind) = ColumnKind::of(&column) else { continue };
            let (part, field) = open.filter(|_| !kind.is_list()).unwrap_or((parts.len(), 0));
            if field == 0 {
                parts.push(Rows::Columns(Vec::new()));
            }
            let Some(Rows::Columns(own)) = parts.get_mut(part) else { continue };
            own.push(column);
            if !kind.is_list() {
                open = Some((part, field + kind.fields())).filter(|_| own.len() < COLUMNS_OF_A_PART);
            }
            saved.columns.push(SavedColumn { identity, kind, part, field });
        }
        header.populations.push(saved);
    }
    let part = |rows: Rows| -> Part { Box::new(move || rows.into_batch()) };
    (header, parts.into_iter().map(part).collect())
}

fn keys_and_instants(population: &Population) -> Vec<ArrayRef> {
    let at: Int64Array = population.at.iter().map(|at| at.as_microsecond()).collect::<Vec<i64>>().into();
    vec![Arc::clone(&population.keys), Arc::new(at)]
}

impl Rows {
    fn into_batch(self) -> Result<RecordBatch, SqlError> {
        let arrays = match self {
            Self::Units(arrays) => arrays,
            Self::Columns(columns) => columns.iter().flat_map(|column| arrays(column)).collect(),
        };
        let fields = arrays.iter().enumerate();
        let fields: Vec<Field> = fields
            .map(|(number, array)| Field::new(format!("f{number}"), array.data_type().clone(), true))
            .collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }
}

impl ColumnKind {
    /// The kind of a column that can be saved.
    fn of(column: &Column) -> Option<Self> {
        match column {
            Column::Counts(_) => Some(Self::Counts),
            Column::Digits(_, scale) => Some(Self::Digits(*scale)),
            Column::Floats(_) => Some(Self::Floats),
            Column::Values(values) => (values.len() <= LIST_EVENTS).then_some(Self::Values),
            Column::Steps(passings) => (passings.len() <= LIST_EVENTS).then_some(Self::Steps),
        }
    }

    /// Whether it has a row for each event, not for each unit.
    fn is_list(self) -> bool {
        matches!(self, Self::Values | Self::Steps)
    }

    /// How many fields it takes.
    fn fields(self) -> usize {
        match self {
            Self::Counts | Self::Digits(_) => 1,
            Self::Values => 2,
            Self::Floats | Self::Steps => 3,
        }
    }
}

fn arrays(column: &Column) -> Vec<ArrayRef> {
    let counts = |values: Vec<u32>| Arc::new(UInt32Array::from(values)) as ArrayRef;
    let digits = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let floats = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    match column {
        Column::Counts(values) => vec![counts(values.clone())],
        Column::Digits(values, _) => vec![digits(values.clone())],
        Column::Floats(sums) => {
            let part = |at: usize| floats(sums.iter().map(|sum| sum.parts()[at]).collect());
            vec![part(0), part(1), part(2)]
        }
        Column::Values(values) => {
            let (units, values): (Vec<u32>, Vec<f64>) =
                values.iter().map(|(unit, value)| (unit.0, *value)).unzip();
            vec![counts(units), floats(values)]
        }
        Column::Steps(passings) => {
            let of = |part: fn(&Passing) -> u32| passings.iter().map(part).collect::<Vec<u32>>();
            let after = digits(passings.iter().map(|passing| passing.after).collect());
            vec![counts(of(|passing| passing.unit.0)), after, counts(of(|passing| passing.steps))]
        }
    }
}

impl<'s> SavedColumns<'s> {
    /// What was saved of a population.
    pub(crate) fn population(self, population: &Population) -> Option<&'s SavedPopulation> {
        let is_it =
            |saved: &&SavedPopulation| saved.name == population.name && saved.entity == population.entity;
        self.header.populations.iter().find(is_it)
    }

    /// The keys and instants of a saved population's units.
    pub(crate) fn units(self, saved: &SavedPopulation) -> Option<(&'s ArrayRef, &'s [i64])> {
        let part = self.parts.get(saved.units).filter(|part| part.num_columns() == 2)?;
        Some((part.column(0), part.column(1).as_primitive_opt::<Int64Type>()?.values()))
    }

    /// A saved column for the present units; `places` has the present unit of each saved one, or
    /// [`UnitIndex::NONE`].
    pub(crate) fn column(
        self,
        saved: &SavedPopulation,
        identity: &str,
        places: &[UnitIndex],
        units: usize,
    ) -> Option<Column> {
        let column = saved.columns.iter().find(|column| column.identity == identity)?;
        let fields =
            self.parts.get(column.part)?.columns().get(column.field..column.field + column.kind.fields())?;
        let is_whole = column.kind.is_list() || fields[0].len() == places.len();
        is_whole.then(|| placed(column.kind, fields, places, units))?
    }
}

fn placed(kind: ColumnKind, fields: &[ArrayRef], places: &[UnitIndex], units: usize) -> Option<Column> {
    fn each<T: Copy + Default>(
        values: impl Iterator<Item = T>,
        places: &[UnitIndex],
        units: usize,
    ) -> Vec<T> {
        let mut all = vec![T::default(); units];
        for (value, &place) in values.zip(places).filter(|(_, place)| **place != UnitIndex::NONE) {
            all[place.place()] = value;
        }
        all
    }
    let counts =
        |field: usize| Some(fields[field].as_primitive_opt::<UInt32Type>()?.values().iter().copied());
    let digits = |field: usize| Some(fields[field].as_primitive_opt::<Int64Type>()?.values().iter().copied());
    let floats =
        |field: usize| Some(fields[field].as_primitive_opt::<Float64Type>()?.values().iter().copied());
    let unit = |saved: u32| places.get(saved as usize).copied().filter(|place| *place != UnitIndex::NONE);
    Some(match kind {
        ColumnKind::Counts => Column::Counts(each(counts(0)?, places, units)),
        ColumnKind::Digits(scale) => Column::Digits(each(digits(0)?, places, units), scale),
        ColumnKind::Floats => {
            let parts = floats(0)?.zip(floats(1)?).zip(floats(2)?);
            let sums = parts.map(|((large, middle), small)| ExactSum::from_parts([large, middle, small]));
            Column::Floats(each(sums, places, units))
        }
        ColumnKind::Values => Column::Values(
            counts(0)?.zip(floats(1)?).filter_map(|(own, value)| Some((unit(own)?, value))).collect(),
        ),
        ColumnKind::Steps => {
            let rows = counts(0)?.zip(digits(1)?).zip(counts(2)?);
            let passings =
                rows.filter_map(|((own, after), steps)| Some(Passing { unit: unit(own)?, after, steps }));
            Column::Steps(passings.collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn saved_columns_are_placed_at_the_units_of_now() {
        let at = [1, 2, 3].map(|second| Timestamp::from_second(second).unwrap()).to_vec();
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let (name, entity) = ("winback".to_owned(), "person".to_owned());
        let population = Population { name, entity, keys, at, until: Timestamp::UNIX_EPOCH };
        let passing = |unit| Passing { unit: UnitIndex(unit), after: -7, steps: 3 };
        let values = |list: &[(u32, f64)]| {
            Column::Values(list.iter().map(|&(unit, value)| (UnitIndex(unit), value)).collect())
        };
        // With digits in each of their parts.
        let sums = |of: [f64; 3]| {
            Column::Floats(of.map(|sum| ExactSum::from_parts([sum, sum * 1e-17, sum * 1e-34])).to_vec())
        };
        let columns = [
            Column::Counts(vec![1, 2, 3]),
            values(&[(2, 0.5), (0, 1.5)]),
            sums([1.0, 2.0, 3.0]),
            Column::Digits(vec![10, 20, 30], 2),
            Column::Steps(vec![passing(0), passing(1)]),
            Column::Counts(vec![4, 5, 6]),
        ];
        let named = columns.into_iter().enumerate();
        let named = named.map(|(number, column)| (number.to_string(), Arc::new(column))).collect();
        let (header, parts) = new_state([(&population, 77, named)]);
        let parts: Vec<RecordBatch> = parts.into_iter().map(|part| part().unwrap()).collect();
        let saved = SavedColumns { header: &header, parts: &parts };
        let found = saved.population(&population).unwrap();
        let (keys, at) = saved.units(found).unwrap();
        assert_eq!((found.until, keys.len(), at), (77, 3, &[1_000_000, 2_000_000, 3_000_000][..]));
        // The second is gone, and there is one before the others.
        let places = [UnitIndex(1), UnitIndex::NONE, UnitIndex(2)];
        let column = |number: &str| saved.column(found, number, &places, 3).unwrap();
        let expected = [
            ("0", Column::Counts(vec![0, 1, 3])),
            ("1", values(&[(1, 1.5), (2, 0.5)])),
            ("2", sums([0.0, 1.0, 3.0])),
            ("3", Column::Digits(vec![0, 10, 30], 2)),
            ("4", Column::Steps(vec![passing(1)])),
            ("5", Column::Counts(vec![0, 4, 6])),
        ];
        for (number, expected) in expected {
            assert_eq!(
                column(number).picked(&[0, 1, 2].map(UnitIndex)).first_difference(&expected),
                None,
                "{number}"
            );
        }
        assert!(saved.column(found, "6", &places, 3).is_none());
    }
}

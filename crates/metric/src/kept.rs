//! What is kept of the facts of a table, so that the next measurement reads only what is new.
//!
//! It is rows and a description of them, and knows nothing of where they lie.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema, UInt32Type};
use serde::{Deserialize, Serialize};
use tranche_sql::fused::Extract;
use tranche_sql::{Source, SqlError};

use crate::columns::{Column, Passing};
use crate::numbered::NOBODY;
use crate::population::Population;

/// What an earlier measurement left of a table's facts.
#[derive(Debug)]
pub struct Kept {
    /// The files that the table had.
    pub files: Vec<Source>,
    /// What the rows are.
    pub about: KeptAbout,
    /// The rows.
    pub parts: Vec<RecordBatch>,
    /// All facts of the units that are computed again each time.
    pub extract: Option<Extract>,
}

/// What kept rows are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KeptAbout {
    populations: Vec<KeptPopulation>,
}

/// Units, and what was counted of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptPopulation {
    name: String,
    entity: String,
    /// Facts before this instant are counted, microseconds.
    pub(crate) until: i64,
    /// The part with the key and the instant of each unit.
    units: usize,
    columns: Vec<KeptColumn>,
}

/// A column of a part, or several that belong together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptColumn {
    identity: String,
    kind: Kind,
    part: usize,
    field: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Counts,
    Digits(i8),
    Floats,
    Values,
    Steps,
}

/// What may be kept of a measurement.
pub struct Keepable<'a> {
    /// What the parts are.
    pub about: KeptAbout,
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Units(&'a Population),
    Columns(Vec<&'a Column>),
}

/// Columns of a part: few, so that parts are encoded side by side.
const COLUMNS_OF_A_PART: usize = 4;
/// Lists of more events are not kept: they would cost what reading the events costs.
const LIST_EVENTS: usize = 4_000_000;

impl<'a> Keepable<'a> {
    /// Populations with the columns of each, which have an identity, and the instant up to which facts are counted.
    pub(crate) fn new(
        populations: impl IntoIterator<Item = (&'a Population, i64, Vec<(String, &'a Column)>)>,
    ) -> Self {
        let (mut about, mut parts) = (KeptAbout::default(), Vec::new());
        for (population, until, columns) in populations {
            let (name, entity) = (population.name.clone(), population.entity.clone());
            let mut kept = KeptPopulation { name, entity, until, units: parts.len(), columns: Vec::new() };
            parts.push(Part::Units(population));
            // The part that has room for further columns, and the number of its fields.
            let mut open: Option<(usize, usize)> = None;
            for (identity, column) in columns {
                let Some(kind) = Kind::of(column) else { continue };
                let (part, field) = open.filter(|_| !kind.is_list()).unwrap_or((parts.len(), 0));
                if field == 0 {
                    parts.push(Part::Columns(Vec::new()));
                }
                let Some(Part::Columns(own)) = parts.get_mut(part) else { continue };
                own.push(column);
                if !kind.is_list() {
                    open = Some((part, field + kind.fields())).filter(|_| own.len() < COLUMNS_OF_A_PART);
                }
                kept.columns.push(KeptColumn { identity, kind, part, field });
            }
            about.populations.push(kept);
        }
        Self { about, parts }
    }

    /// How many parts there are.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The rows of a part.
    ///
    /// # Errors
    /// [`SqlError::Data`] when they cannot be copied.
    pub fn part(&self, number: usize) -> Result<RecordBatch, SqlError> {
        let arrays = match &self.parts[number] {
            Part::Units(population) => {
                let at: Int64Array =
                    population.at.iter().map(|at| at.as_microsecond()).collect::<Vec<i64>>().into();
                vec![Arc::clone(&population.keys), Arc::new(at) as ArrayRef]
            }
            Part::Columns(columns) => columns.iter().flat_map(|column| arrays(column)).collect(),
        };
        let fields = arrays.iter().enumerate();
        let fields: Vec<Field> = fields
            .map(|(number, array)| Field::new(format!("f{number}"), array.data_type().clone(), true))
            .collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }
}

impl Kind {
    /// The kind of a column that can be kept.
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
            Self::Floats | Self::Values => 2,
            Self::Steps => 3,
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
            let (sums, lost): (Vec<f64>, Vec<f64>) = sums.iter().copied().unzip();
            vec![floats(sums), floats(lost)]
        }
        Column::Values(values) => {
            let (units, values): (Vec<u32>, Vec<f64>) = values.iter().copied().unzip();
            vec![counts(units), floats(values)]
        }
        Column::Steps(passings) => {
            let of = |part: fn(&Passing) -> u32| passings.iter().map(part).collect::<Vec<u32>>();
            let after = digits(passings.iter().map(|passing| passing.after).collect());
            vec![counts(of(|passing| passing.unit)), after, counts(of(|passing| passing.steps))]
        }
    }
}

impl Kept {
    /// What was kept of a population.
    pub(crate) fn population(&self, population: &Population) -> Option<&KeptPopulation> {
        self.about
            .populations
            .iter()
            .find(|kept| kept.name == population.name && kept.entity == population.entity)
    }

    /// The keys and instants of a kept population's units.
    pub(crate) fn units(&self, kept: &KeptPopulation) -> Option<(&ArrayRef, &[i64])> {
        let part = self.parts.get(kept.units).filter(|part| part.num_columns() == 2)?;
        Some((part.column(0), part.column(1).as_primitive_opt::<Int64Type>()?.values()))
    }

    /// What was kept of a column, for as many units as there are now; `places` has the unit of each that was kept, or [`NOBODY`].
    pub(crate) fn column(
        &self,
        kept: &KeptPopulation,
        identity: &str,
        places: &[u32],
        units: usize,
    ) -> Option<Column> {
        let column = kept.columns.iter().find(|column| column.identity == identity)?;
        let fields =
            self.parts.get(column.part)?.columns().get(column.field..column.field + column.kind.fields())?;
        let is_whole = column.kind.is_list() || fields[0].len() == places.len();
        is_whole.then(|| placed(column.kind, fields, places, units))?
    }
}

fn placed(kind: Kind, fields: &[ArrayRef], places: &[u32], units: usize) -> Option<Column> {
    fn each<T: Copy + Default>(values: impl Iterator<Item = T>, places: &[u32], units: usize) -> Vec<T> {
        let mut all = vec![T::default(); units];
        for (value, &place) in values.zip(places).filter(|(_, place)| **place != NOBODY) {
            all[place as usize] = value;
        }
        all
    }
    let counts =
        |field: usize| Some(fields[field].as_primitive_opt::<UInt32Type>()?.values().iter().copied());
    let digits = |field: usize| Some(fields[field].as_primitive_opt::<Int64Type>()?.values().iter().copied());
    let floats =
        |field: usize| Some(fields[field].as_primitive_opt::<Float64Type>()?.values().iter().copied());
    let unit = |unit: u32| places.get(unit as usize).copied().filter(|place| *place != NOBODY);
    Some(match kind {
        Kind::Counts => Column::Counts(each(counts(0)?, places, units)),
        Kind::Digits(scale) => Column::Digits(each(digits(0)?, places, units), scale),
        Kind::Floats => Column::Floats(each(floats(0)?.zip(floats(1)?), places, units)),
        Kind::Values => Column::Values(
            counts(0)?.zip(floats(1)?).filter_map(|(own, value)| Some((unit(own)?, value))).collect(),
        ),
        Kind::Steps => {
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
    fn what_is_kept_is_found_again_in_the_places_of_now() {
        let at = [1, 2, 3].map(|second| Timestamp::from_second(second).unwrap()).to_vec();
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let (name, entity) = ("winback".to_owned(), "person".to_owned());
        let population = Population { name, entity, keys, at, until: Timestamp::UNIX_EPOCH };
        let passing = |unit| Passing { unit, after: -7, steps: 3 };
        let columns = [
            Column::Counts(vec![1, 2, 3]),
            Column::Values(vec![(2, 0.5), (0, 1.5)]),
            Column::Floats(vec![(1.0, 0.1), (2.0, 0.2), (3.0, 0.3)]),
            Column::Digits(vec![10, 20, 30], 2),
            Column::Steps(vec![passing(0), passing(1)]),
            Column::Counts(vec![4, 5, 6]),
        ];
        let named = columns.iter().enumerate().map(|(number, column)| (number.to_string(), column)).collect();
        let keepable = Keepable::new([(&population, 77, named)]);
        let parts = (0..keepable.parts()).map(|part| keepable.part(part).unwrap()).collect();
        let kept = Kept { files: Vec::new(), about: keepable.about, parts, extract: None };
        let found = kept.population(&population).unwrap();
        let (keys, at) = kept.units(found).unwrap();
        assert_eq!((found.until, keys.len(), at), (77, 3, &[1_000_000, 2_000_000, 3_000_000][..]));
        // The second is no more, and there is one before the others.
        let column = |number: &str| kept.column(found, number, &[1, NOBODY, 2], 3).unwrap();
        let expected = [
            ("0", Column::Counts(vec![0, 1, 3])),
            ("1", Column::Values(vec![(1, 1.5), (2, 0.5)])),
            ("2", Column::Floats(vec![(0.0, 0.0), (1.0, 0.1), (3.0, 0.3)])),
            ("3", Column::Digits(vec![0, 10, 30], 2)),
            ("4", Column::Steps(vec![passing(1)])),
            ("5", Column::Counts(vec![0, 4, 6])),
        ];
        for (number, expected) in expected {
            assert_eq!(column(number).picked(&[0, 1, 2]).differs(&expected), None, "{number}");
        }
        assert!(kept.column(found, "6", &[1, NOBODY, 2], 3).is_none());
    }
}

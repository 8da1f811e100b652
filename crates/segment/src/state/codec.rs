//! Measures as parts of saved state: the keys, then a few measures a part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Decimal128Type, Field, Int64Type, Schema, UInt32Type};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tranche_incremental::{Header, NewState, Part, SavedState, decode_rows, reader};
use tranche_schema::layout::state::Kind;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::Cells;

use super::saved::{SavedMeasure, SavedMeasures};
use crate::plan::Window;

/// Measures in one part.
const MEASURES_OF_A_PART: usize = 4;

/// What the parts of saved state are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StateHeader {
    measures: Vec<MeasureHeader>,
    /// The measures of each part behind the keys, by their places.
    members: Vec<Vec<usize>>,
}

impl Header for StateHeader {
    const KIND: Kind = Kind::Segments;
    const FORMAT: u32 = 1;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MeasureHeader {
    identity: String,
    from: i64,
    to: i64,
    kind: CellKind,
    /// What stands for no largest or smallest value: one less than all that there are.
    missing: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CellKind {
    Count,
    Sum,
    Wide,
    Max,
    Min,
}

/// A part as it is decoded.
pub(crate) enum DecodedPart {
    Keys(RecordBatch),
    Measures(Vec<Cells>),
}

/// Saved state whose keys have no place yet.
pub(crate) type Stored = SavedState<StateHeader, DecodedPart>;

/// The part at a place.
pub(crate) fn decode(header: &StateHeader, place: usize, bytes: Bytes) -> Result<DecodedPart, SqlError> {
    let Some(place) = place.checked_sub(1) else { return Ok(DecodedPart::Keys(decode_rows(bytes)?)) };
    let members = header.members.get(place).map_or(&[][..], Vec::as_slice);
    let measures: Vec<&MeasureHeader> = members.iter().filter_map(|&own| header.measures.get(own)).collect();
    Ok(DecodedPart::Measures(decode_measures(bytes, &measures)?))
}

/// The measures of saved state without their values.
pub(crate) fn without_values(state: SavedState<StateHeader, ()>) -> SavedMeasures {
    let measures = state.header.measures.iter().map(|saved| saved.with(saved.kind.cells(0)));
    SavedMeasures { as_of: state.as_of, measures: measures.collect(), files: state.files, extract: None }
}

/// The measures in the rows of an index; keys that it lacks are added.
pub(crate) fn placed(state: Stored, index: &mut KeyIndex) -> Result<SavedMeasures, SqlError> {
    let Stored { as_of, files, header, parts, sample } = state;
    let mut parts = parts.into_iter();
    let Some(DecodedPart::Keys(keys)) = parts.next() else {
        return Err(SqlError::Engine("saved state has no keys".to_owned()));
    };
    let in_place = index.begins_with(keys.column(0));
    let numbers: Vec<u32> = match in_place {
        true => Vec::new(),
        false => {
            let numbers = index.insert(keys.column(0))?.into_iter();
            numbers.map(|number| number.unwrap_or(KeyIndex::NULL)).collect()
        }
    };
    let rows = index.len() as usize + 1;
    let mut measures: Vec<Option<SavedMeasure>> = vec![None; header.measures.len()];
    for (members, part) in header.members.iter().zip(parts) {
        let DecodedPart::Measures(cells) = part else { continue };
        for (mut cells, &measure) in cells.into_iter().zip(members) {
            match in_place {
                true => cells.grow(rows),
                false => cells = cells.moved(&numbers, rows),
            }
            measures[measure] = Some(header.measures[measure].with(cells));
        }
    }
    let measures = measures.into_iter().flatten().collect();
    Ok(SavedMeasures { as_of, files, measures, extract: sample })
}

/// The state of measures in the rows of an index.
pub(crate) fn new_state(mut kept: SavedMeasures, index: &KeyIndex) -> NewState<StateHeader> {
    let rows = index.len() as usize + 1;
    // The scans of other tables may have met further keys since.
    for measure in kept.measures.iter_mut().filter(|measure| measure.values.len() < rows) {
        Arc::make_mut(&mut measure.values).grow(rows);
    }
    let keys = index.column(0..index.len());
    let mut parts: Vec<Part> = vec![Box::new(move || {
        let keys = keys?;
        let field = Field::new("key", keys.data_type().clone(), true);
        Ok(RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![keys])?)
    })];
    let saved: Vec<MeasureHeader> = kept.measures.iter().map(MeasureHeader::of).collect();
    let mut members = Vec::new();
    let mut numbered: Vec<(usize, SavedMeasure)> = kept.measures.into_iter().enumerate().collect();
    while !numbered.is_empty() {
        let rest = numbered.split_off(numbered.len().min(MEASURES_OF_A_PART));
        let own = std::mem::replace(&mut numbered, rest).into_iter();
        let (numbers, measures): (Vec<usize>, Vec<SavedMeasure>) = own.unzip();
        let missing: Vec<i64> = numbers.iter().map(|&number| saved[number].missing).collect();
        members.push(numbers);
        parts.push(Box::new(move || columns(measures, &missing)));
    }
    let header = StateHeader { measures: saved, members };
    NewState { as_of: kept.as_of, files: kept.files, header, parts, sample: kept.extract }
}

impl MeasureHeader {
    fn of(measure: &SavedMeasure) -> Self {
        let kind = match measure.values.as_ref() {
            Cells::Sum(_) => CellKind::Sum,
            Cells::Wide(_) => CellKind::Wide,
            Cells::Max(_) => CellKind::Max,
            Cells::Min(_) => CellKind::Min,
            _ => CellKind::Count,
        };
        let missing = match measure.values.as_ref() {
            Cells::Max(values) | Cells::Min(values) => {
                let least = values.iter().copied().filter(|value| *value != i64::MIN).min();
                least.map_or(i64::MIN, |least| least - 1)
            }
            _ => i64::MIN,
        };
        let Window { from, to } = measure.window;
        Self { identity: measure.identity.clone(), from, to, kind, missing }
    }

    fn with(&self, values: Cells) -> SavedMeasure {
        let window = Window { from: self.from, to: self.to };
        SavedMeasure { identity: self.identity.clone(), window, values: Arc::new(values) }
    }
}

/// Values as columns. What stands for no largest value is close to the others, so that differences are small.
fn columns(measures: Vec<SavedMeasure>, missing: &[i64]) -> Result<RecordBatch, SqlError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for ((number, measure), &missing) in measures.into_iter().enumerate().zip(missing) {
        let array: ArrayRef = match Arc::unwrap_or_clone(measure.values) {
            Cells::Count(values) => Arc::new(UInt32Array::from(values)),
            Cells::Sum(values) => Arc::new(Int64Array::from(values)),
            Cells::Max(mut values) | Cells::Min(mut values) => {
                values.iter_mut().filter(|value| **value == i64::MIN).for_each(|value| *value = missing);
                Arc::new(Int64Array::from(values))
            }
            Cells::Wide(values) => Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 0)?),
            _ => return Err(SqlError::Engine("a measure that cannot be saved".to_owned())),
        };
        fields.push(Field::new(format!("m{number}"), array.data_type().clone(), array.is_nullable()));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn decode_measures(bytes: Bytes, measures: &[&MeasureHeader]) -> Result<Vec<Cells>, SqlError> {
    let (reader, rows) = reader(bytes)?;
    // Room for keys that are new, so that values need not move.
    let mut all: Vec<Cells> =
        measures.iter().map(|measure| measure.kind.cells(rows + rows / 32 + 1)).collect();
    for batch in reader {
        for ((cells, column), measure) in all.iter_mut().zip(batch?.columns()).zip(measures) {
            match cells {
                Cells::Count(values) => {
                    values.extend_from_slice(column.as_primitive::<UInt32Type>().values());
                }
                Cells::Sum(values) => values.extend_from_slice(column.as_primitive::<Int64Type>().values()),
                Cells::Wide(values) => {
                    values.extend_from_slice(column.as_primitive::<Decimal128Type>().values());
                }
                Cells::Max(values) | Cells::Min(values) => {
                    let column = column.as_primitive::<Int64Type>().values().iter();
                    values
                        .extend(column.map(|&value| if value == measure.missing { i64::MIN } else { value }));
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

impl CellKind {
    /// No values of this kind, and room for some.
    fn cells(self, room: usize) -> Cells {
        match self {
            Self::Count => Cells::Count(Vec::with_capacity(room)),
            Self::Sum => Cells::Sum(Vec::with_capacity(room)),
            Self::Wide => Cells::Wide(Vec::with_capacity(room)),
            Self::Max => Cells::Max(Vec::with_capacity(room)),
            Self::Min => Cells::Min(Vec::with_capacity(room)),
        }
    }
}

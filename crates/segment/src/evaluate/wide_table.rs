//! The wide rows: their columns as they were read and computed.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBufferBuilder, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::{Cells, FailedKeys, float_of_order};
use tranche_sql::{AVERAGE_DIGITS, ExactSum, PersonalColumns, RowFailure, SqlError, outgrown};

use super::table_scan::FailedMeasures;
use crate::plan::{EventAggregate, Formula};

/// One row for each entity in the universe, then one for each other id that was seen, and the last for rows without a key.
#[derive(Debug)]
pub(crate) struct WideTable {
    /// The entity, and the column with its key.
    pub(crate) entity: String,
    pub(crate) key: String,
    /// The numbers of the keys.
    pub(crate) index: Arc<KeyIndex>,
    /// How many entities are in the universe.
    pub(crate) universe: u32,
    /// How many of them are in the entity's own table; they come first.
    pub(crate) declared: u32,
    /// The entity's own columns, for the universe.
    pub(crate) own: RecordBatch,
    /// The measures of each event table.
    pub(crate) measures: HashMap<String, Vec<Arc<Cells>>>,
    /// The keys that measures have no value for, by table.
    pub(crate) failed: HashMap<String, FailedMeasures>,
    /// How aggregates are made of them.
    pub(crate) aggregates: Vec<EventAggregate>,
    /// Traits that are computed already, for all rows.
    pub(crate) traits: HashMap<String, ArrayRef>,
    /// Segments whose members are known already, for all rows.
    pub(crate) members: HashMap<String, BooleanArray>,
    /// The columns of tables that hold personal data.
    pub(crate) personal: Arc<PersonalColumns>,
}

impl WideTable {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.index.len() as usize + 1
    }

    /// The keys of rows.
    pub(crate) fn keys(&self, rows: &Range<usize>) -> Result<ArrayRef, SqlError> {
        // The row without a key has a number that the index does not know, which is null.
        self.index.column(rows.clone().map(|row| u32::try_from(row).unwrap_or(u32::MAX)))
    }

    /// Whether rows have a number below `limit`.
    pub(crate) fn below(rows: &Range<usize>, limit: u32) -> ArrayRef {
        let length = (limit as usize).saturating_sub(rows.start).min(rows.len());
        let mut bits = BooleanBufferBuilder::new(rows.len());
        bits.append_n(length, true);
        bits.append_n(rows.len() - length, false);
        Arc::new(BooleanArray::new(bits.finish(), None))
    }

    /// A column of the entity's own table; null for who is not in it.
    pub(crate) fn own(&self, name: &str, rows: &Range<usize>) -> Result<ArrayRef, SqlError> {
        let missing = || SqlError::Engine(format!("the entity table lacks `{name}`"));
        let column = self.own.column_by_name(name).ok_or_else(missing)?;
        let known = rows.start.min(column.len())..rows.end.min(column.len());
        let part = column.slice(known.start, known.len());
        if part.len() == rows.len() {
            return Ok(part);
        }
        let rest = new_null_array(column.data_type(), rows.len() - part.len());
        Ok(concat(&[&part, &rest])?)
    }

    /// The rows that an aggregate of events has no value for, if there are some.
    pub(crate) fn failed(&self, number: usize, rows: &Range<usize>) -> Option<BooleanBuffer> {
        let mut failed = BooleanBufferBuilder::new(rows.len());
        failed.append_n(rows.len(), false);
        let mut has_some = false;
        for keys in self.failed_keys(number) {
            let place = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
            for (&key, _) in keys.range(place(rows.start)..place(rows.end)) {
                failed.set_bit(key as usize - rows.start, true);
                has_some = true;
            }
        }
        has_some.then(|| failed.finish())
    }

    /// The event that an aggregate fails for, in a row.
    pub(crate) fn failure(&self, number: usize, row: usize) -> Option<RowFailure> {
        let row = u32::try_from(row).ok()?;
        let failures = || self.failed_keys(number).filter_map(|keys| keys.get(&row));
        let others = || self.failed_keys(number).flat_map(BTreeMap::values);
        failures().chain(others()).find_map(Clone::clone)
    }

    fn failed_keys(&self, number: usize) -> impl Iterator<Item = &FailedKeys> {
        let aggregate = &self.aggregates[number];
        let failed = self.failed.get(&aggregate.table).filter(|failed| !failed.is_empty());
        failed.into_iter().flat_map(|failed| {
            aggregate.formula.measures().into_iter().filter_map(|measure| failed.get(&measure))
        })
    }

    /// Gives measures a cell for each of the rows; what they have for rows without a key is last.
    pub(crate) fn grow(&mut self) {
        let rows = self.rows();
        for (table, measures) in &mut self.measures {
            for (number, values) in measures.iter_mut().enumerate().filter(|(_, v)| v.len() < rows) {
                let last = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
                let keyless = last(values.len() - 1);
                let failed = self.failed.get_mut(table).and_then(|failed| failed.get_mut(&number));
                if let Some((keys, failure)) =
                    failed.and_then(|keys| keys.remove(&keyless).map(|f| (keys, f)))
                {
                    keys.insert(last(rows - 1), failure);
                }
                Arc::make_mut(values).grow(rows);
            }
        }
    }

    /// The values of an aggregate of events.
    pub(crate) fn aggregate(&self, number: usize, rows: &Range<usize>) -> Result<ArrayRef, SqlError> {
        let aggregate = &self.aggregates[number];
        let missing = || SqlError::Engine(format!("nothing was computed from `{}`", aggregate.table));
        let measures = self.measures.get(&aggregate.table).ok_or_else(missing)?;
        array(aggregate, measures, rows)
    }
}

fn array(
    aggregate: &EventAggregate,
    measures: &[Arc<Cells>],
    rows: &Range<usize>,
) -> Result<ArrayRef, SqlError> {
    let wrong = || SqlError::Engine("a measure of another kind than its formula".to_owned());
    let count_of = |measure: usize| match measures[measure].as_ref() {
        Cells::Count(counts) => Ok(&counts[rows.clone()]),
        _ => Err(wrong()),
    };
    let some = |counts: &[u32]| BooleanBuffer::collect_bool(counts.len(), |row| counts[row] > 0);
    let array: ArrayRef = match aggregate.formula {
        Formula::Count(measure) => {
            Arc::new(Int64Array::from_iter_values(count_of(measure)?.iter().map(|&n| i64::from(n))))
        }
        Formula::Present(measure) => Arc::new(BooleanArray::new(some(count_of(measure)?), None)),
        Formula::Value { value, count } => {
            let nulls = Some(NullBuffer::new(some(count_of(count)?)));
            return plain(&measures[value], rows, nulls, &aggregate.data_type);
        }
        Formula::Average { sum, count, scale } => {
            let counts = count_of(count)?;
            return average(&measures[sum], rows, counts, scale, &aggregate.data_type);
        }
        Formula::Variance { moments, sample, root } => {
            let Cells::Variance(moments) = measures[moments].as_ref() else { return Err(wrong()) };
            let value = |variance: f64| if root { variance.sqrt() } else { variance };
            let values = moments[rows.clone()].iter().map(|moments| moments.variance(sample).map(value));
            Arc::new(values.collect::<Float64Array>())
        }
        Formula::Edge(edge) => {
            let Cells::Edge(edges) = measures[edge].as_ref() else { return Err(wrong()) };
            let values: Vec<Option<i64>> =
                edges[rows.clone()].iter().map(|edge| edge.and_then(|(_, value)| value)).collect();
            let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
            let codes = values.into_iter().map(Option::unwrap_or_default).collect();
            return decoded(codes, Some(nulls), &aggregate.data_type);
        }
    };
    Ok(cast(&array, &aggregate.data_type)?)
}

/// Sums and extremes as a column of a type.
fn plain(
    values: &Cells,
    rows: &Range<usize>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, SqlError> {
    match values {
        Cells::Wide(values) if data_type.is_decimal() => {
            decimal(values[rows.clone()].to_vec(), nulls, data_type)
        }
        Cells::Wide(values) => {
            let sums = values[rows.clone()].iter().map(|&sum| i64::try_from(sum));
            let sums = sums.collect::<Result<Vec<i64>, _>>().map_err(|_| outgrown(data_type))?;
            let sums: ArrayRef = Arc::new(Int64Array::new(sums.into(), nulls));
            Ok(cast(&sums, data_type)?)
        }
        Cells::Float(values) => {
            let values: Vec<f64> = values[rows.clone()].iter().map(ExactSum::value).collect();
            let floats: ArrayRef = Arc::new(Float64Array::new(values.into(), nulls));
            Ok(cast(&floats, data_type)?)
        }
        Cells::Sum(values) if data_type.is_decimal() => {
            decimal(values[rows.clone()].iter().map(|&digits| i128::from(digits)).collect(), nulls, data_type)
        }
        Cells::Sum(values) => {
            let sums: ArrayRef = Arc::new(Int64Array::new(values[rows.clone()].to_vec().into(), nulls));
            Ok(cast(&sums, data_type)?)
        }
        Cells::Max(values) => decoded(values[rows.clone()].to_vec(), nulls, data_type),
        Cells::Min(values) => {
            decoded(values[rows.clone()].iter().map(|code| !code).collect(), nulls, data_type)
        }
        _ => Err(SqlError::Engine("a measure of another kind than its formula".to_owned())),
    }
}

/// Integers that stand for values of a type, as that type.
fn decoded(codes: Vec<i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef, SqlError> {
    match data_type {
        DataType::Float32 | DataType::Float64 => {
            let floats: Vec<f64> = codes.into_iter().map(float_of_order).collect();
            let floats: ArrayRef = Arc::new(Float64Array::new(floats.into(), nulls));
            Ok(cast(&floats, data_type)?)
        }
        DataType::Decimal128(..) => decimal(codes.into_iter().map(i128::from).collect(), nulls, data_type),
        _ => {
            let integers: ArrayRef = Arc::new(Int64Array::new(codes.into(), nulls));
            Ok(cast(&integers, data_type)?)
        }
    }
}

fn decimal(digits: Vec<i128>, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef, SqlError> {
    let DataType::Decimal128(precision, scale) = data_type else {
        return Err(SqlError::Engine(format!("the digits of a decimal as a {data_type}")));
    };
    Ok(Arc::new(Decimal128Array::new(digits.into(), nulls).with_precision_and_scale(*precision, *scale)?))
}

/// A sum over a count; of decimals, whose sums have `scale` digits behind the point, by way of more digits, as the engine does.
#[expect(clippy::cast_precision_loss, reason = "the engine averages whole numbers as floats, too")]
fn average(
    sums: &Cells,
    rows: &Range<usize>,
    counts: &[u32],
    scale: i8,
    data_type: &DataType,
) -> Result<ArrayRef, SqlError> {
    let nulls = Some(NullBuffer::new(BooleanBuffer::collect_bool(counts.len(), |row| counts[row] > 0)));
    let divide = |sums: Vec<f64>| -> ArrayRef {
        let averages =
            sums.into_iter().zip(counts).map(|(sum, &count)| sum / f64::from(count)).collect::<Vec<_>>();
        Arc::new(Float64Array::new(averages.into(), nulls.clone()))
    };
    let array = match (sums, data_type) {
        (Cells::Sum(_) | Cells::Wide(_), _) if scale > 0 => {
            let digits = scale.saturating_add(AVERAGE_DIGITS).min(38);
            let factor = 10_i128.pow(u32::from((digits - scale).unsigned_abs()));
            let average = |(sum, &count): (i128, &u32)| {
                let digits = sum.checked_mul(factor).ok_or_else(|| outgrown(data_type))?;
                Ok(digits / i128::from(count.max(1)))
            };
            let averages: Result<Vec<i128>, SqlError> = match sums {
                Cells::Sum(sums) => {
                    sums[rows.clone()].iter().map(|&sum| i128::from(sum)).zip(counts).map(average).collect()
                }
                Cells::Wide(sums) => sums[rows.clone()].iter().copied().zip(counts).map(average).collect(),
                _ => Ok(Vec::new()),
            };
            let averages = decimal(averages?, nulls, &DataType::Decimal128(38, digits))?;
            return Ok(cast(&averages, data_type)?);
        }
        (Cells::Sum(sums), _) => divide(sums[rows.clone()].iter().map(|&sum| sum as f64).collect()),
        (Cells::Wide(sums), _) => divide(sums[rows.clone()].iter().map(|&sum| sum as f64).collect()),
        (Cells::Float(sums), _) => divide(sums[rows.clone()].iter().map(ExactSum::value).collect()),
        _ => return Err(SqlError::Engine("an average of another kind".to_owned())),
    };
    Ok(cast(&array, data_type)?)
}

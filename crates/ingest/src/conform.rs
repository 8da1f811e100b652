//! From mapped columns to rows that satisfy the contract: nulls, checks. Any other row is a reject with a reason.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use tranche_project::Limits;
use tranche_schema::{Contract, platform};
use tranche_sql::SqlError;

use crate::IngestError;
use crate::context::Load;
use crate::dedup::Dedup;
use crate::digest::ContentDigest;
use crate::discover::UNNUMBERED;
use crate::expression::evaluate;
use crate::keys::KeySet;
use crate::quarantine::Reject;
use crate::raw_types::Failures;
use crate::read::RawRows;
use crate::reason::Reason;
use crate::rejects::{Rejects, StagedRejects};
use crate::shown::shorten;
use crate::stage::Staged;
use crate::values::Values;

/// What a row must be to enter a table; takes the rows of all inputs of a load.
pub(crate) struct Conformer {
    contract: Contract,
    schema: SchemaRef,
    checks: Vec<(String, String, Arc<dyn PhysicalExpr>)>,
    dedup: Dedup,
    rejects: Rejects,
    counts: Vec<InputCounts>,
    limits: Limits,
    /// The number of the input whose rows come.
    number: i64,
    /// The keys of the rows that are wanted; without them, all are.
    only: Option<KeySet>,
}

/// What the inputs of a load contain.
pub(crate) struct Accepted {
    /// The rows that satisfy the contract, the last one of each key.
    pub(crate) staged: Staged,
    /// The rows that do not.
    pub(crate) rejects: StagedRejects,
    /// The counts of each input.
    pub(crate) counts: Vec<InputCounts>,
}

/// The columns of a contract, made from raw rows.
pub(crate) struct MappedRows {
    /// In the contract's order.
    pub(crate) columns: Vec<Values>,
    /// Rows with raw values that are not of their type.
    pub(crate) failures: Failures,
}

/// The rows of an input, counted.
#[derive(Default)]
pub(crate) struct InputCounts {
    /// The position of its first accepted row among those of all inputs.
    first_row: u64,
    /// All rows.
    pub(crate) rows: u64,
    /// Those that do not satisfy the contract.
    pub(crate) rejected: u64,
    /// Those that replace an earlier one with the same key.
    pub(crate) duplicates: u64,
    /// What it contains.
    content: ContentDigest,
}

impl InputCounts {
    /// What the input contains, once all of its rows were counted.
    pub(crate) fn content(&self) -> blake3::Hash {
        self.content.finish()
    }
}

impl Conformer {
    /// The rules of the contract that is loaded into.
    pub(crate) fn new(load: &Load<'_>) -> Result<Self, IngestError> {
        let Load { source, contract, context } = *load;
        let mut checks = Vec::new();
        for column in &contract.columns {
            if let Some(sql) = &column.check {
                let expr = context.session.row_physical(contract, sql).map_err(|problem| {
                    let (source_name, column) = (source.name.clone(), column.name.clone());
                    IngestError::Mapping { source_name, column, problem }
                })?;
                checks.push((column.name.clone(), sql.clone(), expr));
            }
        }
        let schema = stored_schema(contract);
        let dedup = Dedup::new(&schema, &contract.key)?;
        let rejects = Rejects::new(load);
        let (contract, counts) = (contract.clone(), Vec::new());
        let limits = *context.limits;
        Ok(Self { contract, schema, checks, dedup, rejects, counts, limits, number: UNNUMBERED, only: None })
    }

    /// The same for nothing but rows with one of these keys, of inputs that were loaded before.
    pub(crate) fn only(self, keys: &[RecordBatch]) -> Result<Self, IngestError> {
        let only = KeySet::new(&self.schema, &self.contract.key, keys)?;
        Ok(Self { only: Some(only), ..self })
    }

    /// Whether it takes nothing but rows of inputs that were loaded before.
    pub(crate) fn takes_loaded(&self) -> bool {
        self.only.is_some()
    }

    /// The rows that follow are those of the next input, which has this number.
    pub(crate) fn begin_input(&mut self, number: i64) {
        self.number = number;
        self.counts.push(InputCounts { first_row: self.dedup.rows(), ..InputCounts::default() });
    }

    /// Takes rows of an input, with their mapped columns: those that satisfy the contract are passed on, the others
    /// are rejects.
    pub(crate) fn take(
        &mut self,
        rows: &RawRows,
        mapped: MappedRows,
        input: &str,
    ) -> Result<(), IngestError> {
        let (batch, mut rejects) = self.conform(rows, mapped, input).map_err(SqlError::from)?;
        if let Some(only) = &self.only {
            // What such rows contain, and which are rejected, was recorded when they were loaded.
            let wanted = only.of(&batch)?;
            return if wanted.num_rows() > 0 { self.dedup.take(wanted) } else { Ok(()) };
        }
        rejects.extend(rows.unreadable.iter().map(|row| Reject::unreadable(input, row.clone())));
        rejects.sort_by_key(|reject| reject.row);
        if let Some(counts) = self.counts.last_mut() {
            counts.content.add(rows)?;
            counts.rows += (rows.rows.len() + rows.unreadable.len()) as u64;
            counts.rejected += rejects.len() as u64;
        }
        self.rejects.add(rejects)?;
        self.dedup.take(batch)
    }

    /// What came of all inputs.
    pub(crate) fn finish(mut self) -> Result<Accepted, IngestError> {
        let (staged, replacing) = self.dedup.finish()?;
        for row in replacing {
            let input = self.counts.partition_point(|input| input.first_row <= row) - 1;
            self.counts[input].duplicates += 1;
        }
        Ok(Accepted { staged, rejects: self.rejects.finish()?, counts: self.counts })
    }

    /// Sorts rows into those that satisfy the contract and those that do not.
    fn conform(
        &self,
        rows: &RawRows,
        mapped: MappedRows,
        file: &str,
    ) -> Result<(RecordBatch, Vec<Reject>), DataFusionError> {
        let length = rows.rows.len();
        let MappedRows { columns, mut failures } = mapped;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (column, values) in self.contract.columns.iter().zip(columns) {
            for (row, reason) in values.failures {
                failures.entry(row).or_insert_with(|| (column.name.clone(), reason));
            }
            let array = values.array;
            for (row, reason) in too_large(&array, &self.limits) {
                failures.entry(row).or_insert_with(|| (column.name.clone(), reason));
            }
            if !column.nullable && array.null_count() > 0 {
                for row in (0..length).filter(|&row| array.is_null(row)) {
                    failures
                        .entry(row)
                        .or_insert_with(|| (column.name.clone(), Reason::plain("the value is missing")));
                }
            }
            arrays.push(array);
        }
        if let Some(event_time) = self.contract.event_time()
            && let Some(index) = self.contract.columns.iter().position(|c| c.name == event_time)
        {
            arrays.push(cast(&arrays[index], &DataType::Date32)?);
        }
        let number = (self.number != UNNUMBERED).then_some(self.number);
        arrays.push(Arc::new(Int64Array::from(vec![number; length])));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)?;
        self.check(&batch, &mut failures)?;
        let keep: BooleanArray = (0..length).map(|row| Some(!failures.contains_key(&row))).collect();
        let rejects = failures.into_iter().map(|(row, (column, reason))| Reject {
            file: file.to_owned(),
            row: rows.rows.get(row).copied(),
            column: Some(column),
            reason,
            raw: raw_row(rows, row),
        });
        Ok((filter_record_batch(&batch, &keep)?, rejects.collect()))
    }

    fn check(&self, batch: &RecordBatch, failures: &mut Failures) -> Result<(), DataFusionError> {
        for (column, sql, expr) in &self.checks {
            let checked = evaluate(expr, batch)?;
            for (row, reason) in checked.failures {
                failures.entry(row).or_insert_with(|| (column.clone(), reason));
            }
            let holds = checked.array.as_boolean();
            for row in (0..batch.num_rows()).filter(|&row| holds.is_valid(row) && !holds.value(row)) {
                let reason = || Reason::plain(format!("check failed: {sql}"));
                failures.entry(row).or_insert_with(|| (column.clone(), reason()));
            }
        }
        Ok(())
    }
}

/// The rows whose value is larger than a value may be.
fn too_large(array: &ArrayRef, limits: &Limits) -> Vec<(usize, Reason)> {
    let (lengths, most, what): (Vec<usize>, u64, [&str; 2]) = match array.data_type() {
        DataType::Utf8 if array.as_string::<i32>().value_data().len() as u64 > limits.value_bytes => (
            array.as_string::<i32>().offsets().lengths().collect(),
            limits.value_bytes,
            ["bytes", "value_bytes"],
        ),
        DataType::List(_) => (
            array.as_list::<i32>().offsets().lengths().collect(),
            limits.value_entries,
            ["entries", "value_entries"],
        ),
        _ => return Vec::new(),
    };
    let [unit, limit] = what;
    let larger = lengths.into_iter().enumerate().filter(|(_, length)| *length as u64 > most);
    let reason = |length| {
        Reason::plain(format!(
            "the value has {length} {unit}, and one may have {most} (`limits.{limit}` in tranche.yaml)"
        ))
    };
    larger.map(|(row, length)| (row, reason(length))).collect()
}

fn stored_schema(contract: &Contract) -> SchemaRef {
    // The log of a table knows no more than that a column may be null; the contract is what says that it may
    // not.
    let mut fields: Vec<Field> =
        contract.columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), true)).collect();
    if contract.event_time().is_some() {
        fields.push(Field::new(platform::EVENT_DAY, DataType::Date32, true));
    }
    fields.push(Field::new(platform::FILE_NUMBER, DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

fn raw_row(rows: &RawRows, row: usize) -> Option<String> {
    if let Some(texts) = &rows.texts {
        return Some(shorten(texts.value(row)));
    }
    let batch = &rows.batch;
    let mut object = serde_json::Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default()).ok()?;
        let value = if column.is_null(row) {
            serde_json::Value::Null
        } else {
            formatter.value(row).to_string().into()
        };
        object.insert(field.name().clone(), value);
    }
    Some(shorten(&serde_json::Value::Object(object).to_string()))
}

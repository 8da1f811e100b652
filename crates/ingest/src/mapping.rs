//! From raw columns to contract columns: by name, or by SQL over the raw row.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use tranche_schema::{Column, Contract};
use tranche_sql::{RowExpression, Session, SqlError, dialect, names};

use crate::conform::{Conformer, MappedRows};
use crate::context::Load;
use crate::convert::{ValueOrigin, convert, refused};
use crate::expression::evaluate_raw;
use crate::raw_types::{RawTypes, known_type};
use crate::read::{RawColumns, RawRows};
use crate::source::{FILE, ROW};
use crate::{IngestError, Source};

/// How each contract column is made from raw rows of one shape.
struct Mapping {
    types: RawTypes,
    columns: Vec<MappedColumn>,
    input: Arc<Schema>,
}

struct MappedColumn {
    origin: ColumnOrigin,
    /// The contract's type.
    data_type: DataType,
}

impl MappedColumn {
    /// A column of nothing but nulls.
    fn nulls(column: &Column) -> Self {
        Self { origin: ColumnOrigin::Absent, data_type: column.data_type.clone() }
    }
}

enum ColumnOrigin {
    /// The raw column of that name, as it stands; null where a row does not have it.
    ByName(String),
    /// An expression over the raw row.
    Computed(RowExpression),
    /// Nothing: null in every row.
    Absent,
}

/// The raw columns that the expressions of a source name.
fn computed_columns(source: &Source) -> BTreeSet<String> {
    let names = source.columns.values().flat_map(|sql| dialect::columns(&sql.value));
    names.filter(|name| name != FILE && name != ROW).collect()
}

impl Source {
    /// The raw columns that its rows are made from, for a table of this contract.
    pub(crate) fn raw_columns(&self, contract: &Contract) -> RawColumns {
        let by_name = contract.columns.iter().map(|column| &column.name);
        let by_name = by_name.filter(|name| !self.columns.contains_key(*name)).cloned();
        RawColumns::new(by_name.chain(computed_columns(self)).chain(self.types.keys().cloned()))
            .hiding_others(contract.has_personal_data())
    }
}

/// Maps the rows of one input.
pub(crate) struct Mapper<'a> {
    load: &'a Load<'a>,
    /// Plans expressions over raw rows.
    session: &'a Session,
    input: &'a str,
    /// Whether raw columns that the input lacks are null.
    may_lack: bool,
    /// For rows of the shape that the last ones had.
    mapping: Option<(SchemaRef, Mapping)>,
}

impl<'a> Mapper<'a> {
    /// `session` plans expressions over raw rows, and `input` is the input's name.
    pub(crate) fn new(load: &'a Load<'a>, session: &'a Session, input: &'a str) -> Self {
        Self { load, session, input, may_lack: load.source.reader.is_sparse(), mapping: None }
    }

    /// The same for an input that was loaded before, when less was asked of it: raw columns that it lacks are null.
    pub(crate) fn of_loaded(self) -> Self {
        Self { may_lack: true, ..self }
    }

    /// Maps raw rows and hands them on.
    pub(crate) fn take(&mut self, rows: &RawRows, next: &mut Conformer) -> Result<(), IngestError> {
        let schema = rows.batch.schema();
        let mapping = match self.mapping.take() {
            Some((known, mapping)) if known == schema => mapping,
            _ => Mapping::new(self, &schema)?,
        };
        let mapped = mapping.apply(rows, self.input).map_err(SqlError::from)?;
        self.mapping = Some((schema, mapping));
        next.take(rows, mapped, self.input)
    }
}

impl Mapping {
    /// The mapping of raw rows with this schema.
    fn new(of: &Mapper<'_>, raw: &Schema) -> Result<Self, IngestError> {
        let Load { source, contract, .. } = *of.load;
        let types = RawTypes::new(source, raw, &source.raw_columns(contract), of.may_lack)
            .map_err(|reason| IngestError::file(&source.name, of.input, reason))?;
        let input = input_schema(source, types.schema(), of.may_lack);
        let columns = contract.columns.iter().map(|column| mapped(of, column, types.schema(), &input));
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, input: Arc::new(input), types })
    }

    /// The contract's columns of these rows.
    fn apply(&self, rows: &RawRows, file: &str) -> Result<MappedRows, DataFusionError> {
        let (typed, failures) = self.types.typed(&rows.batch)?;
        let input = self.input_batch(&typed, &rows.rows, file)?;
        let values = |column: &MappedColumn| match &column.origin {
            ColumnOrigin::ByName(name) => {
                let missing = || arrow::array::new_null_array(&DataType::Utf8, rows.rows.len());
                let array = typed.column_by_name(name).cloned().unwrap_or_else(missing);
                Ok(convert(&array, &column.data_type, ValueOrigin::Raw)?)
            }
            ColumnOrigin::Absent => {
                let nulls = arrow::array::new_null_array(&column.data_type, rows.rows.len());
                Ok(convert(&nulls, &column.data_type, ValueOrigin::Raw)?)
            }
            ColumnOrigin::Computed(expr) => evaluate_raw(expr, &input, &column.data_type),
        };
        let columns = self.columns.iter().map(values).collect::<Result<_, DataFusionError>>()?;
        Ok(MappedRows { columns, failures })
    }

    /// The raw rows as expressions see them, with where each row is from.
    fn input_batch(
        &self,
        typed: &RecordBatch,
        rows: &[u64],
        file: &str,
    ) -> Result<RecordBatch, DataFusionError> {
        let length = rows.len();
        let column = |field: &Arc<Field>| -> ArrayRef {
            match (field.name().as_str(), typed.column_by_name(field.name())) {
                (_, Some(raw)) => Arc::clone(raw),
                (FILE, None) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(file, length))),
                (ROW, None) => {
                    Arc::new(rows.iter().map(|&row| i64::try_from(row).ok()).collect::<Int64Array>())
                }
                _ => arrow::array::new_null_array(field.data_type(), length),
            }
        };
        let arrays = self.input.fields().iter().map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.input), arrays, &options)?)
    }
}

/// How a column of the contract is made from raw rows.
fn mapped(
    of: &Mapper<'_>,
    column: &Column,
    raw: &Schema,
    input: &Schema,
) -> Result<MappedColumn, IngestError> {
    let Load { source, .. } = *of.load;
    let Column { name, data_type, .. } = column;
    let refuse = |reason: String| IngestError::file(&source.name, of.input, reason);
    let (origin, found) = match source.columns.get(name) {
        Some(sql) => {
            match absent_column(of, &sql.value, name, (raw, input)) {
                // What an absent column of Parquet would be is not known, so that nothing can be computed from it.
                Some(_) if of.may_lack && source.reader.is_typed() => return Ok(MappedColumn::nulls(column)),
                Some(reason) => return Err(refuse(reason)),
                None => {}
            }
            let failed = |problem| IngestError::Mapping {
                source_name: source.name.clone(),
                column: name.clone(),
                problem,
            };
            let expr = of.session.raw_expression(&sql.value, input).map_err(failed)?;
            let computed = expr.exact.data_type(input).map_err(SqlError::from)?;
            (ColumnOrigin::Computed(expr), computed)
        }
        None => match raw.field_with_name(name) {
            Ok(field) => (ColumnOrigin::ByName(name.clone()), field.data_type().clone()),
            Err(_) if of.may_lack => (ColumnOrigin::ByName(name.clone()), DataType::Null),
            Err(_) => {
                return Err(refuse(format!(
                    "no column `{name}` (the file has {}); map it in the source with \
                     `columns: {{{name}: \"...\"}}`",
                    list(of, raw)
                )));
            }
        },
    };
    match refused(&found, data_type, name) {
        Some(reason) => Err(refuse(format!("column `{name}`: {reason}"))),
        None => Ok(MappedColumn { origin, data_type: data_type.clone() }),
    }
}

/// The columns of a file, as messages name them.
fn list(of: &Mapper<'_>, raw: &Schema) -> String {
    let wanted = of.load.source.raw_columns(of.load.contract);
    wanted.list(raw.fields().iter().map(|field| field.name()))
}

/// Why an expression cannot be computed from raw rows: it names a column that they do not have, or not in this letter case.
fn absent_column(
    of: &Mapper<'_>,
    sql: &str,
    column: &str,
    (raw, input): (&Schema, &Schema),
) -> Option<String> {
    let meant = computed_columns(of.load.source);
    let others =
        || raw.fields().iter().map(|field| field.name().as_str()).filter(|name| !meant.contains(*name));
    dialect::columns(sql).into_iter().find_map(|name| {
        let is_raw = raw.field_with_name(&name).is_ok() || name == FILE || name == ROW;
        let quoted = if is_raw { None } else { names::write_quoted(&name, others()) };
        if input.field_with_name(&name).is_ok() && quoted.is_none() {
            return None;
        }
        let help = quoted.map(|help| format!("; {help}")).unwrap_or_default();
        Some(format!(
            "no column `{name}`, from which `{column}` is made (the file has {}){help}",
            list(of, raw)
        ))
    })
}

/// Raw rows as expressions see them.
fn input_schema(source: &Source, typed: &Schema, may_lack: bool) -> Schema {
    let mut fields: Vec<Field> = typed.fields().iter().map(|field| field.as_ref().clone()).collect();
    // A key that no line of a sparse file has is null in all of them.
    let is_absent = |name: &String| may_lack && typed.field_with_name(name).is_err();
    let absent = computed_columns(source).into_iter().filter(is_absent);
    fields.extend(absent.filter_map(|name| raw_field(source, &name)));
    for name in [FILE, ROW] {
        if typed.field_with_name(name).is_err() {
            fields.extend(raw_field(source, name));
        }
    }
    Schema::new(fields)
}

/// A raw column, or what is known of each row; none where only the file tells its type.
pub(crate) fn raw_field(source: &Source, name: &str) -> Option<Field> {
    let data_type = match name {
        ROW => DataType::Int64,
        FILE => DataType::Utf8,
        name => known_type(source, name)?,
    };
    Some(Field::new(name, data_type, true))
}

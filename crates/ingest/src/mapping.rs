//! From raw columns to contract columns: by name, or by SQL over the raw row.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use tranche_project::{Problems, SourceFile};
use tranche_schema::{Column, Contract};
use tranche_sql::{RowExpression, Session, SqlError, dialect};

use crate::conform::Conformer;
use crate::context::Load;
use crate::convert::{ValueOrigin, convert, refused};
use crate::expression::evaluate_raw;
use crate::read::RawRows;
use crate::shown::legible;
use crate::values::Values;
use crate::{IngestError, Source};

/// The raw column with the path of the file.
const FILE: &str = "_file";
/// The raw column with the 1-based number of the row.
const ROW: &str = "_row";

/// How each contract column is made from raw rows of one shape.
struct Mapping {
    columns: Vec<MappedColumn>,
    input: Arc<Schema>,
}

struct MappedColumn {
    origin: ColumnOrigin,
    /// The contract's type.
    data_type: DataType,
}

enum ColumnOrigin {
    /// The raw column of that name, as it stands; null where a row does not have it.
    ByName(String),
    /// An expression over the raw row.
    Computed(RowExpression),
}

/// Checks the SQL of a source, as far as that is possible without data.
pub fn check_mapping(
    source: &Source,
    contract: &Contract,
    session: &Session,
    file: &SourceFile,
    problems: &mut Problems,
) {
    let raw = session.for_raw_rows();
    for (column, sql) in &source.columns {
        if contract.column(column).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message =
                format!("table `{}` has no column `{column}`; it has {}", contract.table, known.join(", "));
            problems.report(file, sql.referenced, message);
        }
        let names = dialect::columns(&sql.value);
        let planned = if source.reader.is_typed() {
            // A file brings the types of its columns: nothing is known of them before.
            raw.mistake_whatever_types(&sql.value).map_or(Ok(None), Err)
        } else {
            let fields: Vec<Field> = names.iter().map(|name| raw_field(name)).collect();
            raw.raw_expression(&sql.value, &Schema::new(fields.clone())).map(|expr| Some((expr, fields)))
        };
        let refusal = match planned {
            Err(problem) => {
                let help = problem
                    .help
                    .unwrap_or_else(|| "columns here are those of the raw file, not of the table".to_owned());
                let at = file.inside(sql, problem.position);
                problems.push(file.problem(at, problem.message).with_help(help));
                continue;
            }
            Ok(None) => continue,
            Ok(Some((expr, fields))) => contract.column(column).and_then(|own| {
                let computed = expr.exact.data_type(&Schema::new(fields)).ok()?;
                refused(&computed, &own.data_type, column)
            }),
        };
        if let Some(message) = refusal {
            problems.report(file, sql.referenced, message);
        }
    }
}

/// A raw column of a format without types, or what is known of each row.
fn raw_field(name: &str) -> Field {
    Field::new(name, if name == ROW { DataType::Int64 } else { DataType::Utf8 }, true)
}

/// The raw columns that the expressions of a source name.
fn computed_columns(source: &Source) -> BTreeSet<String> {
    let names = source.columns.values().flat_map(|sql| dialect::columns(&sql.value));
    names.filter(|name| name != FILE && name != ROW).collect()
}

/// Maps the rows of one input.
pub(crate) struct Mapper<'a> {
    load: &'a Load<'a>,
    /// Plans expressions over raw rows.
    session: &'a Session,
    input: &'a str,
    /// For rows of the shape that the last ones had.
    mapping: Option<(SchemaRef, Mapping)>,
}

impl<'a> Mapper<'a> {
    /// `session` plans expressions over raw rows, and `input` is the input's name.
    pub(crate) fn new(load: &'a Load<'a>, session: &'a Session, input: &'a str) -> Self {
        Self { load, session, input, mapping: None }
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
        let input = input_schema(raw, &computed_columns(source), source.reader.is_sparse());
        let columns = contract.columns.iter().map(|column| mapped(of, column, raw, &input));
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, input: Arc::new(input) })
    }

    /// The contract's columns of these rows, in the contract's order.
    fn apply(&self, rows: &RawRows, file: &str) -> Result<Vec<Values>, DataFusionError> {
        let input = self.input_batch(rows, file)?;
        let values = |column: &MappedColumn| match &column.origin {
            ColumnOrigin::ByName(name) => {
                let missing = || arrow::array::new_null_array(&DataType::Utf8, rows.rows.len());
                let array = rows.batch.column_by_name(name).cloned().unwrap_or_else(missing);
                Ok(convert(&array, &column.data_type, ValueOrigin::Raw)?)
            }
            ColumnOrigin::Computed(expr) => evaluate_raw(expr, &input, &column.data_type),
        };
        self.columns.iter().map(values).collect()
    }

    /// The raw rows as expressions see them, with where each row is from.
    fn input_batch(&self, rows: &RawRows, file: &str) -> Result<RecordBatch, DataFusionError> {
        let length = rows.rows.len();
        let column = |field: &Arc<Field>| -> ArrayRef {
            match (field.name().as_str(), rows.batch.column_by_name(field.name())) {
                (_, Some(raw)) => Arc::clone(raw),
                (FILE, None) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(file, length))),
                (ROW, None) => {
                    Arc::new(rows.rows.iter().map(|&row| i64::try_from(row).ok()).collect::<Int64Array>())
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
            let named = dialect::columns(&sql.value);
            if let Some(raw_name) = named.iter().find(|name| input.field_with_name(name).is_err()) {
                return Err(refuse(format!(
                    "no column `{raw_name}`, from which `{name}` is made (the file has {})",
                    list(raw)
                )));
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
            Err(_) if source.reader.is_sparse() => (ColumnOrigin::ByName(name.clone()), DataType::Null),
            Err(_) => {
                return Err(refuse(format!(
                    "no column `{name}` (the file has {}); map it in the source with \
                     `columns: {{{name}: \"...\"}}`",
                    list(raw)
                )));
            }
        },
    };
    match refused(&found, data_type, name) {
        Some(reason) => Err(refuse(format!("column `{name}`: {reason}"))),
        None => Ok(MappedColumn { origin, data_type: data_type.clone() }),
    }
}

/// At most this many columns of a file are named in a message.
const LISTED_COLUMNS: usize = 40;

fn list(raw: &Schema) -> String {
    raw.fields().iter().take(LISTED_COLUMNS).map(|f| legible(f.name())).collect::<Vec<_>>().join(", ")
}

fn input_schema(raw: &Schema, computed: &BTreeSet<String>, sparse: bool) -> Schema {
    let mut fields: Vec<Field> =
        raw.fields().iter().map(|f| Field::new(f.name(), f.data_type().clone(), true)).collect();
    // A key that no line of a sparse file has is null in all of them.
    let absent = computed.iter().filter(|name| sparse && raw.field_with_name(name).is_err());
    fields.extend(absent.map(|name| raw_field(name)));
    for name in [FILE, ROW] {
        if raw.field_with_name(name).is_err() {
            fields.push(raw_field(name));
        }
    }
    Schema::new(fields)
}

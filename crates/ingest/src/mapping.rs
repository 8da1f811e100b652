//! From raw columns to contract columns: by name, or by SQL over the raw row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use tranche_project::{Problems, SourceFile};
use tranche_schema::{Column, Contract};
use tranche_sql::{Session, SqlError, dialect};

use crate::conform::Conformer;
use crate::context::Load;
use crate::expression::{Values, evaluate, plan};
use crate::read::RawRows;
use crate::shown::legible;
use crate::{IngestError, Source};

/// The raw column with the path of the file.
const FILE: &str = "_file";
/// The raw column with the 1-based number of the row.
const ROW: &str = "_row";

/// Raw text columns that expressions read as numbers, with the type of each.
pub(crate) type NumericColumns = BTreeMap<String, DataType>;

/// How each contract column is made from raw rows of one shape.
struct Mapping {
    columns: Vec<MappedColumn>,
    /// Raw columns that expressions read as numbers.
    numeric: NumericColumns,
    input: Arc<Schema>,
}

enum MappedColumn {
    /// The raw column of that name, as it stands; null where a row does not have it.
    ByName(String),
    /// An expression over the raw row, and the raw columns that it names.
    Computed(Arc<dyn PhysicalExpr>, Vec<String>),
}

/// Checks the SQL of a source, as far as that is possible without data.
pub fn check_mapping(
    source: &Source,
    contract: &Contract,
    session: &Session,
    file: &SourceFile,
    problems: &mut Problems,
) {
    for (column, sql) in &source.columns {
        if contract.column(column).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message =
                format!("table `{}` has no column `{column}`; it has {}", contract.table, known.join(", "));
            problems.report(file, sql.referenced, message);
        }
        // Nothing is known about the raw row but its names: any type that lets the expression plan will do.
        let names = dialect::columns(&sql.value);
        let attempt = |data_type: &DataType| {
            let fields: Vec<Field> = names.iter().map(|n| Field::new(n, data_type.clone(), true)).collect();
            plan(&sql.value, &Schema::new(fields), session).map(|_| ())
        };
        if let Err(problem) =
            attempt(&DataType::Utf8).or_else(|first| attempt(&DataType::Float64).map_err(|_| first))
        {
            problems.push(
                file.problem(file.inside(sql, problem.position), problem.message).with_help(
                    problem.help.unwrap_or_else(|| {
                        "columns here are those of the raw file, not of the table".to_owned()
                    }),
                ),
            );
        }
    }
}

/// The raw columns that the expressions of a source compute with; what they hold decides how they are read.
pub(crate) fn computed_columns(source: &Source) -> Vec<String> {
    let mut names: Vec<String> =
        source.columns.values().flat_map(|sql| dialect::columns(&sql.value)).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name != FILE && name != ROW);
    names
}

/// Maps the rows of one input.
pub(crate) struct Mapper<'a> {
    load: &'a Load<'a>,
    numeric: &'a NumericColumns,
    input: &'a str,
    /// For rows of the shape that the last ones had.
    mapping: Option<(SchemaRef, Mapping)>,
}

impl<'a> Mapper<'a> {
    /// Expressions read `numeric` columns as those types; `input` is the input's name.
    pub(crate) fn new(load: &'a Load<'a>, numeric: &'a NumericColumns, input: &'a str) -> Self {
        Self { load, numeric, input, mapping: None }
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
        let Load { source, contract, context } = *of.load;
        let sparse = source.reader.is_sparse();
        let input = input_schema(raw, of.numeric, &computed_columns(source), sparse);
        let mut columns = Vec::new();
        for Column { name, .. } in &contract.columns {
            let missing = |reason: String| IngestError::file(&source.name, of.input, reason);
            columns.push(match source.columns.get(name) {
                Some(sql) => {
                    let named = dialect::columns(&sql.value);
                    if let Some(raw_name) = named.iter().find(|name| input.field_with_name(name).is_err()) {
                        return Err(missing(format!(
                            "no column `{raw_name}`, from which `{name}` is made (the file has {})",
                            list(raw)
                        )));
                    }
                    let (source_name, column) = (source.name.clone(), name.clone());
                    let planned = plan(&sql.value, &input, context.session)
                        .map_err(|problem| IngestError::Mapping { source_name, column, problem })?;
                    MappedColumn::Computed(planned, named)
                }
                None if sparse || raw.field_with_name(name).is_ok() => MappedColumn::ByName(name.clone()),
                None => {
                    return Err(missing(format!(
                        "no column `{name}` (the file has {}); map it in the source with \
                         `columns: {{{name}: \"...\"}}`",
                        list(raw)
                    )));
                }
            });
        }
        Ok(Self { columns, numeric: of.numeric.clone(), input: Arc::new(input) })
    }

    /// The contract's columns of these rows, in the contract's order.
    fn apply(&self, rows: &RawRows, file: &str) -> Result<Vec<Values>, DataFusionError> {
        let (input, not_numbers) = self.input_batch(rows, file)?;
        let mut mapped = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            mapped.push(match column {
                MappedColumn::ByName(name) => {
                    let missing = || arrow::array::new_null_array(&DataType::Utf8, rows.rows.len());
                    let array = rows.batch.column_by_name(name).cloned().unwrap_or_else(missing);
                    Values { array, failures: HashMap::new() }
                }
                MappedColumn::Computed(expr, named) => {
                    let mut values = evaluate(expr, &input)?;
                    let own = not_numbers.iter().filter(|failure| named.contains(&failure.column));
                    values.failures.extend(own.map(|failure| (failure.row, failure.reason.clone())));
                    values
                }
            });
        }
        Ok(mapped)
    }

    /// The raw rows as expressions see them: numbers where they are meant, and where a row is from.
    fn input_batch(
        &self,
        rows: &RawRows,
        file: &str,
    ) -> Result<(RecordBatch, Vec<NotANumber>), DataFusionError> {
        let length = rows.rows.len();
        let mut failures = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for field in self.input.fields() {
            arrays.push(match field.name().as_str() {
                FILE => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(file, length))),
                ROW => Arc::new(rows.rows.iter().map(|&row| i64::try_from(row).ok()).collect::<Int64Array>()),
                name => match rows.batch.column_by_name(name) {
                    None => arrow::array::new_null_array(field.data_type(), length),
                    Some(raw) if self.numeric.contains_key(name) => {
                        as_numbers(name, raw, field.data_type(), &mut failures)?
                    }
                    Some(raw) => Arc::clone(raw),
                },
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        Ok((RecordBatch::try_new_with_options(Arc::clone(&self.input), arrays, &options)?, failures))
    }
}

/// A text in a raw column of numbers.
struct NotANumber {
    column: String,
    row: usize,
    reason: String,
}

/// At most this many columns of a file are named in a message.
const LISTED_COLUMNS: usize = 40;

fn list(raw: &Schema) -> String {
    raw.fields().iter().take(LISTED_COLUMNS).map(|f| legible(f.name())).collect::<Vec<_>>().join(", ")
}

fn input_schema(raw: &Schema, numeric: &NumericColumns, computed: &[String], sparse: bool) -> Schema {
    let mut fields: Vec<Field> = raw
        .fields()
        .iter()
        .map(|f| Field::new(f.name(), numeric.get(f.name()).unwrap_or(f.data_type()).clone(), true))
        .collect();
    // A key that no line of a sparse file has is null in all of them.
    for name in computed.iter().filter(|name| sparse && raw.field_with_name(name).is_err()) {
        fields.push(Field::new(name, numeric.get(name).cloned().unwrap_or(DataType::Utf8), true));
    }
    for (name, data_type) in [(FILE, DataType::Utf8), (ROW, DataType::Int64)] {
        if raw.field_with_name(name).is_err() {
            fields.push(Field::new(name, data_type, true));
        }
    }
    Schema::new(fields)
}

fn as_numbers(
    name: &str,
    raw: &ArrayRef,
    data_type: &DataType,
    failures: &mut Vec<NotANumber>,
) -> Result<ArrayRef, DataFusionError> {
    let numbers = cast(raw, data_type)?;
    let texts = raw.as_string::<i32>();
    for row in (0..raw.len()).filter(|&row| numbers.is_null(row) && raw.is_valid(row)) {
        let reason = format!("`{}` in raw column `{name}` is not a number", legible(texts.value(row)));
        failures.push(NotANumber { column: name.to_owned(), row, reason });
    }
    Ok(numbers)
}

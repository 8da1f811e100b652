//! From raw columns to contract columns: by name, or by SQL over the raw row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use tranche_project::{Position, Problems, SourceFile};
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem};

use crate::context::Load;
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
pub(crate) struct Mapping {
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

/// A contract column before it is conformed: a value for each row, or why there is none.
pub(crate) struct MappedValues {
    pub(crate) array: ArrayRef,
    pub(crate) failures: HashMap<usize, String>,
}

/// Whether the SQL of a source can be used, as far as that can be told without data.
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
        let names = Session::columns_of(&sql.value);
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
        source.columns.values().flat_map(|sql| Session::columns_of(&sql.value)).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name != FILE && name != ROW);
    names
}

impl Mapping {
    /// The mapping for raw rows with this schema, where expressions read `numeric` columns as those types.
    pub(crate) fn new(
        load: &Load<'_>,
        raw: &Schema,
        numeric: &NumericColumns,
        file: &str,
    ) -> Result<Self, IngestError> {
        let Load { source, contract, context } = *load;
        let sparse = source.reader.is_sparse();
        let input = input_schema(raw, numeric, &computed_columns(source), sparse);
        let mut columns = Vec::new();
        for column in &contract.columns {
            columns.push(match source.columns.get(&column.name) {
                Some(sql) => {
                    let named = Session::columns_of(&sql.value);
                    if let Some(missing) = named.iter().find(|name| input.field_with_name(name).is_err()) {
                        let reason =
                            format!("no column `{missing}`, from which `{}` is made (the file has {})", column.name, list(raw));
                        return Err(IngestError::file(&source.name, file, reason));
                    }
                    let planned = plan(&sql.value, &input, context.session).map_err(|problem| IngestError::Mapping {
                        source_name: source.name.clone(),
                        column: column.name.clone(),
                        problem,
                    })?;
                    MappedColumn::Computed(planned, named)
                }
                None if sparse || raw.field_with_name(&column.name).is_ok() => MappedColumn::ByName(column.name.clone()),
                None => {
                    let reason = format!(
                        "no column `{}` (the file has {}); map it in the source with `columns: {{{}: \"...\"}}`",
                        column.name,
                        list(raw),
                        column.name
                    );
                    return Err(IngestError::file(&source.name, file, reason));
                }
            });
        }
        Ok(Self { columns, numeric: numeric.clone(), input: Arc::new(input) })
    }

    /// The contract's columns of these rows, in the contract's order.
    pub(crate) fn apply(&self, rows: &RawRows, file: &str) -> Result<Vec<MappedValues>, DataFusionError> {
        let (input, not_numbers) = self.input_batch(rows, file)?;
        let mut mapped = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            mapped.push(match column {
                MappedColumn::ByName(name) => {
                    let missing = || arrow::array::new_null_array(&DataType::Utf8, rows.rows.len());
                    let array = rows.batch.column_by_name(name).cloned().unwrap_or_else(missing);
                    MappedValues { array, failures: HashMap::new() }
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

/// Evaluates an expression; where it fails for a batch, the rows that make it fail are found by halving.
pub(crate) fn evaluate(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<MappedValues, DataFusionError> {
    let whole = expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
    match whole {
        Ok(array) => Ok(MappedValues { array, failures: HashMap::new() }),
        Err(error) if batch.num_rows() <= 1 => {
            let data_type = expr.data_type(&batch.schema())?;
            let reason = error.strip_backtrace().lines().next().unwrap_or_default().to_owned();
            let array = arrow::array::new_null_array(&data_type, batch.num_rows());
            Ok(MappedValues { array, failures: HashMap::from([(0, reason)]) })
        }
        Err(_) => {
            let middle = batch.num_rows() / 2;
            let first = evaluate(expr, &batch.slice(0, middle))?;
            let second = evaluate(expr, &batch.slice(middle, batch.num_rows() - middle))?;
            let array = arrow::compute::concat(&[first.array.as_ref(), second.array.as_ref()])?;
            let mut failures = first.failures;
            failures.extend(second.failures.into_iter().map(|(row, reason)| (row + middle, reason)));
            Ok(MappedValues { array, failures })
        }
    }
}

/// Plans an expression over rows of a schema.
pub(crate) fn plan(
    sql: &str,
    schema: &Schema,
    session: &Session,
) -> Result<Arc<dyn PhysicalExpr>, SqlProblem> {
    let failed = |e: DataFusionError| SqlProblem {
        position: Position::START,
        message: e.strip_backtrace(),
        help: None,
    };
    let schema = DFSchema::try_from(schema.clone()).map_err(failed)?;
    let logical = session.expression(sql, &schema)?;
    session.state().create_physical_expr(logical, &schema).map_err(failed)
}

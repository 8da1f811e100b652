//! The rows of a query whose columns are known only once it has run.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use tranche_sql::SqlError;

use crate::failure::Failure;

/// A column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Whether its values are instants or days.
    pub is_instant: bool,
}

impl ResultColumn {
    fn new(name: &str, is_instant: bool) -> Self {
        Self { name: name.to_owned(), is_instant }
    }
}

/// Named columns and rows of JSON values. As JSON an array with an object for each row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultRows {
    /// The columns.
    pub columns: Vec<ResultColumn>,
    /// The rows: a value for each column.
    pub rows: Vec<Vec<Value>>,
}

impl ResultRows {
    /// No rows, with these columns.
    #[must_use]
    pub fn empty(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|name| ResultColumn::new(name, false)).collect(),
            rows: Vec::new(),
        }
    }

    /// The rows of batches: numbers and truth values as such, everything else as text.
    pub(crate) fn from_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, Failure> {
        let is_instant =
            |field: &Field| matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32);
        let columns = schema.fields().iter().map(|field| ResultColumn::new(field.name(), is_instant(field)));
        let columns = columns.collect();
        let mut rows = Vec::new();
        let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
        for batch in batches {
            let columns = batch.columns().iter().map(in_utc).collect::<Result<Vec<_>, _>>()?;
            let formatters = columns.iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
            let formatters = formatters.collect::<Result<Vec<_>, _>>().map_err(SqlError::from)?;
            for row in 0..batch.num_rows() {
                let values = columns.iter().zip(&formatters);
                rows.push(values.map(|(column, text)| value(column.as_ref(), row, text)).collect());
            }
        }
        Ok(Self { columns, rows })
    }

    /// An object for each row.
    #[must_use]
    pub fn objects(&self) -> Vec<Map<String, Value>> {
        let names = || self.columns.iter().map(|column| column.name.clone());
        let object = |row: &Vec<Value>| names().zip(row.iter().cloned()).collect();
        self.rows.iter().map(object).collect()
    }

    /// With another column before the others.
    pub(crate) fn with_first(mut self, name: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.columns.insert(0, ResultColumn::new(name, false));
        for (row, value) in self.rows.iter_mut().zip(values) {
            row.insert(0, value);
        }
        self
    }
}

impl Serialize for ResultRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.objects().serialize(serializer)
    }
}

impl JsonSchema for ResultRows {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResultRows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let value = json_schema!({"type": ["null", "boolean", "number", "string"]});
        json_schema!({"type": "array", "items": {"type": "object", "additionalProperties": value}})
    }
}

/// Instants of any zone in UTC, as which they are written.
fn in_utc(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            Ok(cast(column, &DataType::Timestamp(*unit, Some("UTC".into()))).map_err(SqlError::from)?)
        }
        _ => Ok(Arc::clone(column)),
    }
}

fn value(column: &dyn Array, row: usize, formatter: &ArrayFormatter<'_>) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let shown = formatter.value(row).to_string();
    match column.data_type() {
        DataType::Boolean => Value::Bool(shown == "true"),
        t if t.is_integer() => shown.parse::<i64>().map_or_else(|_| Value::String(shown), Value::from),
        // A double holds fifteen digits for certain; a longer number keeps them as text.
        DataType::Decimal128(..) if shown.chars().filter(char::is_ascii_digit).count() > 15 => {
            Value::String(shown)
        }
        // Neither NaN nor an infinity is a number of JSON.
        t if t.is_numeric() => match shown.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::from(number),
            _ => Value::String(shown),
        },
        _ => Value::String(shown),
    }
}

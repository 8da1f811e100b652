//! What the log says of the columns of a file, so that a reader need not open it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{SortOptions, cast, sort_to_indices, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value};

/// The statistics of a file in Delta's form: rows, and least value, greatest value and number of nulls of
/// each column.
pub(crate) fn of(metadata: &ParquetMetaData) -> Result<String, ParquetError> {
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), None)?;
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for field in schema.fields() {
        let column = StatisticsConverter::try_new(field.name(), &schema, file.schema_descr())?;
        let groups = || metadata.row_groups().iter();
        if column.parquet_column_index().is_none() {
            continue;
        }
        let null_count: u64 = column.row_group_null_counts(groups())?.iter().flatten().sum();
        nulls.insert(field.name().clone(), null_count.into());
        // A row group without the statistic may hold any value, unless it holds none.
        let known = |bounds: &ArrayRef| bounds.null_count() == 0;
        let (mins, maxes) = (column.row_group_mins(groups())?, column.row_group_maxes(groups())?);
        if known(&mins) && known(&maxes) {
            if let Some(value) = first(&mins, false)? {
                least.insert(field.name().clone(), value);
            }
            if let Some(value) = first(&maxes, true)? {
                greatest.insert(field.name().clone(), value);
            }
        }
    }
    let mut statistics = Map::new();
    statistics.insert("numRecords".to_owned(), file.num_rows().into());
    statistics.insert("minValues".to_owned(), least.into());
    statistics.insert("maxValues".to_owned(), greatest.into());
    statistics.insert("nullCount".to_owned(), nulls.into());
    Ok(Value::Object(statistics).to_string())
}

/// The first of the values in order, as the log writes it; `None` where it has no form.
fn first(values: &ArrayRef, descending: bool) -> Result<Option<Value>, ParquetError> {
    if values.is_empty() {
        return Ok(None);
    }
    let order = SortOptions { descending, nulls_first: false };
    let value = take(values, &sort_to_indices(values, Some(order), Some(1))?, None)?;
    Ok(match value.data_type() {
        DataType::Boolean => Some(value.as_boolean().value(0).into()),
        DataType::Float32 | DataType::Float64 => {
            let wide = cast(&value, &DataType::Float64)?;
            serde_json::Number::from_f64(wide.as_primitive::<Float64Type>().value(0)).map(Value::Number)
        }
        data_type if data_type.is_integer() => {
            Some(cast(&value, &DataType::Int64)?.as_primitive::<Int64Type>().value(0).into())
        }
        DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) => {
            Some(cast(&value, &DataType::Utf8)?.as_string::<i32>().value(0).into())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Float64Array, Int32Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int64Type;
    use serde_json::json;

    use super::*;
    use crate::encoding::parquet_file::writer;
    use crate::encoding::parquet_options;

    fn check(column: ArrayRef, expected: &Value) {
        let batch = RecordBatch::try_from_iter_with_nullable([("it", column, true)]).unwrap();
        // Two row groups.
        let mut writer = writer(&batch.schema(), parquet_options(&batch.schema())).unwrap();
        writer.write(&batch.slice(0, 1)).unwrap();
        writer.flush().unwrap();
        writer.write(&batch.slice(1, batch.num_rows() - 1)).unwrap();
        let found: Value = serde_json::from_str(&of(&writer.finish().unwrap()).unwrap()).unwrap();
        let bounds = |name: &str| found[name].get("it").cloned().unwrap_or(Value::Null);
        assert_eq!(
            json!([bounds("minValues"), bounds("maxValues"), bounds("nullCount"), found["numRecords"]]),
            *expected
        );
    }

    #[test]
    fn bounds_are_those_of_the_whole_file_in_the_form_of_the_log() {
        check(Arc::new(Int32Array::from(vec![3, 1, 2])), &json!([1, 3, 0, 3]));
        check(Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-2.0)])), &json!([-2.0, 1.5, 1, 3]));
        check(Arc::new(StringArray::from(vec!["b", "a"])), &json!(["a", "b", 0, 2]));
        let instants = TimestampMicrosecondArray::from(vec![1_500_000, 1]).with_timezone("UTC");
        check(Arc::new(instants), &json!(["1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:01.500Z", 0, 2]));
        check(
            Arc::new(TimestampMicrosecondArray::from(vec![None, None]).with_timezone("UTC")),
            &json!([null, null, 2, 2]),
        );
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1)]), None]);
        check(Arc::new(list), &json!([null, null, null, 2]));
    }
}

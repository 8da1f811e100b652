//! How our own Parquet files are encoded.

use arrow::datatypes::{DataType, Schema};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

/// Encodings for the columns of `schema`; columns that a file does not hold, such as those that it is
/// partitioned by, do not matter.
///
/// Whole numbers and instants are written as differences in as few bits as they need: several times faster to
/// decode than through a dictionary that most of their values would not share. Text has a dictionary.
#[must_use]
pub fn parquet_options(schema: &Schema) -> WriterProperties {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let mut options = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    for field in schema.fields().iter().filter(|field| is_whole_number(field.data_type())) {
        let column = ColumnPath::from(field.name().as_str());
        options = options
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    options.build()
}

fn is_whole_number(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(..))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[test]
    fn whole_numbers_are_differences_and_text_has_a_dictionary() {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (data_type, encoding, dictionary) in [
            (DataType::Int64, Some(Encoding::DELTA_BINARY_PACKED), false),
            (DataType::Int32, Some(Encoding::DELTA_BINARY_PACKED), false),
            (instant, Some(Encoding::DELTA_BINARY_PACKED), false),
            (DataType::Utf8, None, true),
            (DataType::Decimal128(12, 2), None, true),
            (DataType::Boolean, None, true),
        ] {
            let options = parquet_options(&Schema::new(vec![Field::new("it", data_type.clone(), true)]));
            let column = ColumnPath::from("it");
            assert_eq!(options.encoding(&column), encoding, "{data_type}");
            assert_eq!(options.dictionary_enabled(&column), dictionary, "{data_type}");
            assert!(matches!(options.compression(&column), Compression::ZSTD(_)));
        }
    }
}

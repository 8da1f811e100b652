//! Run-length encoding: columns of few values in long runs, encoded run by run rather than row by row.

use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::StoreError;

/// The values of a column, each for a number of consecutive rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLength {
    /// Distinct values.
    pub values: RunLengthValues,
    /// The place of a value, or none for null, and the number of rows that have it.
    pub runs: Vec<(Option<u32>, usize)>,
}

/// Distinct values of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunLengthValues {
    /// Text.
    Texts(Vec<String>),
    /// Values that Parquet stores as 64-bit integers, such as instants.
    Integers(Vec<i64>),
}

impl RunLength {
    /// One value in all rows.
    #[must_use]
    pub fn all(values: RunLengthValues, rows: usize) -> Self {
        Self { values, runs: vec![(Some(0), rows)] }
    }

    /// Nulls in all rows, of a column of this type.
    #[must_use]
    pub fn nulls(data_type: &DataType, rows: usize) -> Self {
        let values = match data_type {
            DataType::Utf8 => RunLengthValues::Texts(Vec::new()),
            _ => RunLengthValues::Integers(Vec::new()),
        };
        Self { values, runs: vec![(None, rows)] }
    }

    /// The column chunk: its bytes and what the file says about them.
    ///
    /// The dictionary holds the values; levels and indices are runs (Apache Parquet, "Run Length Encoding /
    /// Bit-Packing Hybrid").
    pub(crate) fn encode(&self, column: &ColumnDescPtr) -> Result<(Bytes, ColumnCloseResult), StoreError> {
        let rows: usize = self.runs.iter().map(|(_, rows)| rows).sum();
        let nulls: usize = self.runs.iter().filter(|(value, _)| value.is_none()).map(|(_, rows)| rows).sum();
        let values = self.values.len();
        let page = self.data_page(column);
        let encoding = if values > 0 { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN };
        let mut written = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut written);
        let mut sizes = (0, 0);
        let mut add = |page: Page| {
            let size = page.buffer().len();
            let spec = pages.write_page(CompressedPage::new(page, size))?;
            sizes = (sizes.0 + spec.compressed_size, sizes.1 + spec.uncompressed_size);
            Ok::<_, StoreError>(spec.offset)
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let dictionary = match values {
            0 => None,
            _ => Some(add(Page::DictionaryPage {
                buf: self.values.plain().into(),
                num_values: count(values),
                encoding: Encoding::PLAIN,
                is_sorted: false,
            })?),
        };
        let data = add(Page::DataPage {
            buf: page.into(),
            num_values: count(rows),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let metadata = ColumnChunkMetaData::builder(ColumnDescPtr::clone(column))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, encoding])
            .set_compression(Compression::UNCOMPRESSED)
            .set_num_values(signed(rows as u64))
            .set_total_compressed_size(signed(sizes.0 as u64))
            .set_total_uncompressed_size(signed(sizes.1 as u64))
            .set_dictionary_page_offset(dictionary.map(signed))
            .set_data_page_offset(signed(data))
            .set_statistics(self.values.statistics(nulls as u64))
            .build()?;
        let bytes = Bytes::from(written.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((bytes, close))
    }

    /// The body of the data page: levels where nulls are allowed, then indices into the dictionary.
    fn data_page(&self, column: &ColumnDescPtr) -> Vec<u8> {
        let values = self.values.len();
        let mut page = Vec::new();
        if column.max_def_level() > 0 {
            let mut levels = Vec::new();
            self.runs
                .iter()
                .for_each(|(value, rows)| push_run(&mut levels, u32::from(value.is_some()), 1, *rows));
            page.extend_from_slice(&u32::try_from(levels.len()).unwrap_or(u32::MAX).to_le_bytes());
            page.extend(levels);
        }
        if values > 0 {
            let bits = usize::BITS - (values - 1).leading_zeros();
            page.push(u8::try_from(bits).unwrap_or(u8::MAX));
            for (value, rows) in
                self.runs.iter().filter_map(|(value, rows)| value.map(|value| (value, *rows)))
            {
                push_run(&mut page, value, bits, rows);
            }
        }
        page
    }
}

impl RunLengthValues {
    fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Integers(integers) => integers.len(),
        }
    }

    /// The values as they stand in a dictionary.
    fn plain(&self) -> Vec<u8> {
        match self {
            Self::Texts(texts) => {
                let with_length = |text: &String| {
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
                    length.into_iter().chain(text.bytes()).collect::<Vec<u8>>()
                };
                texts.iter().flat_map(with_length).collect()
            }
            Self::Integers(integers) => integers.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        match self {
            Self::Texts(texts) => {
                let bytes = |text: Option<&String>| text.map(|text| ByteArray::from(text.as_str()));
                Statistics::byte_array(
                    bytes(texts.iter().min()),
                    bytes(texts.iter().max()),
                    None,
                    Some(nulls),
                    false,
                )
            }
            Self::Integers(integers) => Statistics::int64(
                integers.iter().min().copied(),
                integers.iter().max().copied(),
                None,
                Some(nulls),
                false,
            ),
        }
    }
}

/// So many times the same number of so many bits.
fn push_run(bytes: &mut Vec<u8>, value: u32, bits: u32, times: usize) {
    if times == 0 {
        return;
    }
    let mut header = (times as u64) << 1;
    while header >= 0x80 {
        bytes.push(header.to_le_bytes()[0] | 0x80);
        header >>= 7;
    }
    bytes.push(header.to_le_bytes()[0]);
    bytes.extend_from_slice(&value.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

//! `docs/definitions/conversions.md`, made from what conversions do.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{ValueOrigin, convert, refused};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/definitions/conversions.md");
const HEAD: &str = include_str!("conversions_head.md");

fn contract_types() -> Vec<(&'static str, DataType)> {
    vec![
        ("utf8", DataType::Utf8),
        ("int32", DataType::Int32),
        ("int64", DataType::Int64),
        ("float64", DataType::Float64),
        ("decimal(10,2)", DataType::Decimal128(10, 2)),
        ("boolean", DataType::Boolean),
        ("date32", DataType::Date32),
        ("timestamp(us, UTC)", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("list(utf8)", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))),
    ]
}

const TEXTS: [&str; 20] = [
    "7",
    "-0",
    "+7.5",
    "007",
    "1.0",
    "12E4",
    "2147483648",
    "9007199254740993",
    "12345678901234567890",
    "19.999",
    "1,5",
    "NaN",
    "1e400",
    "true",
    "2026-02-28",
    "2026-02-30",
    "20260228",
    "2026-02-28T10:00:00.123456789Z",
    "2026-02-28T01:00:00+01:00",
    "[\"x\", null]",
];

/// The raw types, each with values at its edges.
fn raw_types() -> Vec<(&'static str, ArrayRef)> {
    let texts: ArrayRef = Arc::new(StringArray::from(TEXTS.to_vec()));
    let two: ArrayRef = Arc::new(StringArray::from(vec!["7", "x"]));
    let cast_to = |array: &ArrayRef, to: DataType| cast(array, &to).unwrap();
    let integers: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, -7, 20_260_228]));
    let floats = vec![1001.0, 2.5, -0.5, 0.1 + 0.2, 19.999, 1e18, f64::NAN, f64::INFINITY];
    let instants: ArrayRef = Arc::new(Int64Array::from(vec![1_772_236_800, 1_772_272_800]));
    let at = |unit, scale: i64, zone: Option<&str>| {
        let scaled: Int64Array =
            instants.as_primitive::<arrow::datatypes::Int64Type>().unary(|seconds| seconds * scale);
        cast(&(Arc::new(scaled) as ArrayRef), &DataType::Timestamp(unit, zone.map(Into::into))).unwrap()
    };
    let list_of_texts = ListArray::new(
        Arc::new(Field::new("item", DataType::LargeUtf8, true)),
        OffsetBuffer::new(vec![0, 2, 2].into()),
        Arc::new(LargeStringArray::from(vec![Some("x"), None])),
        None,
    );
    let numbers =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![])]);
    let object = StructArray::from(vec![
        (
            Arc::new(Field::new("os", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("iOS"), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("n", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![9_007_199_254_740_993, 2])) as ArrayRef,
        ),
    ]);
    let uuid = FixedSizeBinaryArray::try_from_iter(
        [[0u8, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]].iter(),
    )
    .unwrap();
    vec![
        ("text", Arc::clone(&texts)),
        ("large text", cast_to(&two, DataType::LargeUtf8)),
        ("text view", cast_to(&two, DataType::Utf8View)),
        (
            "category (dictionary of texts)",
            cast_to(&two, DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))),
        ),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"7"[..], b"\xff"]))),
        ("UUID (16 bytes)", Arc::new(uuid)),
        ("boolean", Arc::new(BooleanArray::from(vec![true, false]))),
        ("uint32", Arc::new(UInt32Array::from(vec![0, 1, u32::MAX]))),
        ("int64", concat_with_edges(&integers)),
        ("uint64", Arc::new(UInt64Array::from(vec![0, 1, u64::MAX]))),
        ("float32", Arc::new(Float32Array::from(vec![1001.0, 0.1, f32::NAN]))),
        ("float64", Arc::new(Float64Array::from(floats))),
        (
            "decimal(20,3)",
            Arc::new(
                Decimal128Array::from(vec![1_000, 19_999, -7_500, 12_345_678_901_234_567_890])
                    .with_precision_and_scale(20, 3)
                    .unwrap(),
            ),
        ),
        (
            "date32",
            cast_to(
                &(Arc::new(StringArray::from(vec!["2026-02-28", "9999-12-31"])) as ArrayRef),
                DataType::Date32,
            ),
        ),
        ("date64", cast_to(&at(TimeUnit::Millisecond, 1_000, None), DataType::Date64)),
        ("timestamp(s)", at(TimeUnit::Second, 1, None)),
        ("timestamp(ms)", at(TimeUnit::Millisecond, 1_000, None)),
        ("timestamp(us)", at(TimeUnit::Microsecond, 1_000_000, None)),
        ("timestamp(us, +01:00)", at(TimeUnit::Microsecond, 1_000_000, Some("+01:00"))),
        (
            "timestamp(ns)",
            Arc::new(TimestampNanosecondArray::from(vec![
                1_772_236_800_000_000_000,
                1_772_236_800_000_000_001,
            ])),
        ),
        ("time64(us)", Arc::new(Time64MicrosecondArray::from(vec![36_000_000_000]))),
        ("duration", Arc::new(DurationSecondArray::from(vec![60]))),
        ("list of texts", Arc::new(list_of_texts)),
        ("list of numbers", Arc::new(numbers)),
        ("struct", Arc::new(object)),
        ("null", Arc::new(NullArray::new(1))),
    ]
}

fn concat_with_edges(integers: &ArrayRef) -> ArrayRef {
    let edges: ArrayRef = Arc::new(Int64Array::from(vec![9_007_199_254_740_993, i64::MIN]));
    arrow::compute::concat(&[integers.as_ref(), edges.as_ref()]).unwrap()
}

fn shown(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    let options = FormatOptions::default().with_null("null");
    ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string().replace('|', "\\|")
}

/// One line of the table of a raw type: what becomes of its values.
fn line(raw: &ArrayRef, name: &str, to: &DataType) -> String {
    if let Some(reason) = refused(raw.data_type(), to, "x") {
        return format!("| `{name}` | | refused: {reason} |\n");
    }
    let found = convert(raw, to, ValueOrigin::Raw).unwrap();
    let rows = 0..raw.len();
    let kept: Vec<String> = rows
        .clone()
        .filter(|row| !found.failures.contains_key(row))
        .map(|row| {
            let (before, after) = (shown(raw, row), shown(&found.array, row));
            if before == after { format!("`{before}`") } else { format!("`{before}` → `{after}`") }
        })
        .collect();
    let rejected: Vec<String> = rows
        .filter(|row| found.failures.contains_key(row))
        .map(|row| format!("`{}`", shown(raw, row)))
        .collect();
    format!("| `{name}` | {} | {} |\n", kept.join(", "), rejected.join(", "))
}

#[test]
fn the_page_has_what_conversions_do() {
    let mut page = HEAD.to_owned();
    for (name, raw) in raw_types() {
        let _ = write!(page, "\n## {name}\n| contract type | becomes | is rejected |\n|---|---|---|\n");
        for (contract, to) in contract_types() {
            page.push_str(&line(&raw, contract, &to));
        }
    }
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert_eq!(
        written, page,
        "run this test with UPDATE_PAGES=1 to write the page anew, and read what changed"
    );
}

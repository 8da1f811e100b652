//! `check` and a load judge alike: what `check` accepts gives the right value, and what it refuses does not load.

use std::collections::BTreeMap;
use std::path::Path as Folder;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use tranche_project::{Diagnostic, Limits, Problems, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, layout};
use tranche_sql::{Engine, EngineOptions, Session};
use tranche_store::object_store::ObjectStoreExt;
use tranche_store::object_store::path::Path;
use tranche_store::{Lake, Storage};

use crate::read::Origin;
use crate::{
    Formats, IngestError, LoadContext, SampleFile, Source, SourceCheck, SourceSpec, check_mapping, load,
};

const CSV: &str = "id,kind,amount,quantity,flag,born,seen,code,tags,device,Mixed\n\
    1,refund,2.55,3,true,2026-02-28,2026-02-28T10:00:00Z,00420,\"[\"\"a\"\",\"\"b\"\"]\",\"{\"\"os\"\": \"\"ios\"\"}\",m\n";

const NDJSON: &str = r#"{"id": "1", "kind": "refund", "amount": 2.55, "quantity": 3, "flag": true, "born": "2026-02-28", "seen": "2026-02-28T10:00:00Z", "code": "00420", "tags": ["a", "b"], "device": {"os": "ios", "version": 17.10, "screen": {"w": 390, "h": null}}, "items": [{"sku": "x", "price": 19.99, "n": 2}, {"sku": "y", "price": 0.10, "n": 1}], "labels": {"k": "v", "n": 1}, "sizes": [1, 2.5], "big": 12345678901234567890, "Mixed": "m"}"#;

const NESTED: &str = "device: 'struct(os utf8, version utf8, screen struct(w int32, h int32))', \
    items: 'list(struct(sku utf8, price decimal(10,2), n int32))', labels: 'map(utf8, utf8)', tags: list(utf8), \
    sizes: list(float64), big: 'decimal(20,0)'";

const FLAT: &str =
    "amount: 'decimal(18,2)', quantity: int64, flag: boolean, born: date32, seen: 'timestamp(us, UTC)'";

const PARQUET: &str = "flag: boolean, born: date32, amount: 'decimal(18,2)', quantity: int64, kind: utf8, \
    seen: 'timestamp(us, UTC)', ratio: float64, tags: list(utf8), device: 'struct(os utf8, version int64)', labels: 'map(utf8, utf8)'";

/// One row in a file of types of its own.
fn parquet() -> Vec<u8> {
    let device = StructArray::from(vec![
        (
            Arc::new(Field::new("os", DataType::LargeUtf8, true)),
            Arc::new(LargeStringArray::from(vec!["ios"])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("version", DataType::Int16, true)),
            Arc::new(Int16Array::from(vec![17])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("extra", DataType::Int16, true)),
            Arc::new(Int16Array::from(vec![1])) as ArrayRef,
        ),
    ]);
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.values().append_value("a");
    tags.values().append_value("b");
    tags.append(true);
    let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    labels.keys().append_value("k");
    labels.values().append_value("v");
    labels.append(true).unwrap();
    let kind: DictionaryArray<Int32Type> = vec!["refund"].into_iter().collect();
    let amount = Decimal128Array::from(vec![255]).with_precision_and_scale(12, 2).unwrap();
    let seen = TimestampNanosecondArray::from(vec![1_772_272_800_000_000_000]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["1"]))),
        ("kind", Arc::new(kind)),
        ("amount", Arc::new(amount)),
        ("quantity", Arc::new(Int32Array::from(vec![3]))),
        ("flag", Arc::new(BooleanArray::from(vec![true]))),
        ("born", Arc::new(Date32Array::from(vec![20_512]))),
        ("seen", Arc::new(seen)),
        ("ratio", Arc::new(Float64Array::from(vec![f64::NAN]))),
        ("tags", Arc::new(tags.finish())),
        ("device", Arc::new(device)),
        ("labels", Arc::new(labels.finish())),
        ("Mixed", Arc::new(StringArray::from(vec!["m"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn content(format: &str) -> Vec<u8> {
    match format {
        "csv" => CSV.as_bytes().to_vec(),
        "ndjson" => NDJSON.as_bytes().to_vec(),
        _ => parquet(),
    }
}

/// A source of one raw row, and the table that it goes into.
struct Trial {
    file: SourceFile,
    source: Source,
    contract: Contract,
    session: Session,
    format: String,
}

impl Trial {
    /// `mapped` is what the column `v` is, of the type `column`.
    fn new(format: &str, types: &str, mapped: &str, column: &str) -> Self {
        let quoted = mapped.replace('\\', "\\\\").replace('"', "\\\"");
        let columns = if mapped == "v" { String::new() } else { format!("columns: {{v: \"{quoted}\"}}") };
        let text = format!(
            "version: 1\nsource: s\ninto: t\nformat: {format}\npath: 'memory://raw/*'\n\
             on_reject: {{quarantine: {{max_ratio: 1}}}}\ntypes: {{{types}}}\n{columns}\n"
        );
        let (file, mut problems) = (SourceFile::new("s.yaml", &text), Problems::default());
        let spec: SourceSpec = yaml::read(&file, &mut problems).unwrap();
        let source = spec.validate(&Formats::default(), &file, &mut problems).unwrap();
        assert!(problems.is_empty(), "{:?}", problems.into_sorted());
        let contract = SourceFile::new(
            "t.yaml",
            &format!(
                "{{version: 1, table: t, kind: entity, entity: e, key: [id], columns: [{{name: id, type: utf8}}, {{name: v, type: '{column}'}}]}}"
            ),
        );
        let spec: ContractSpec = yaml::read(&contract, &mut Problems::default()).unwrap();
        let contract = spec.validate(&mut |_, message| panic!("{message}")).unwrap();
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 1 };
        let session = Engine::new(&options).unwrap().session(Timestamp::UNIX_EPOCH);
        Self { file, source, contract, session, format: format.to_owned() }
    }

    /// What `check` says of it where the raw file is there.
    async fn check(&self) -> Vec<Diagnostic> {
        let storage = self.storage().await;
        let origin = Origin { path: &self.source.path, storage: &storage, project_folder: Folder::new("/") };
        let input = self.source.reader.inputs(origin).await.unwrap().pop().unwrap();
        self.check_with(SampleFile::of(&self.source, &input).await.as_ref())
    }

    /// What `check` says of it where a raw file is there, or none.
    fn check_with(&self, sample: Option<&SampleFile>) -> Vec<Diagnostic> {
        let check = SourceCheck { source: &self.source, contract: &self.contract, sample };
        let mut problems = Problems::default();
        check_mapping(check, &self.session, &self.file, &mut problems);
        problems.into_sorted()
    }

    /// Where the raw file is.
    async fn storage(&self) -> Storage {
        let storage = Storage::new(BTreeMap::new());
        let raw = storage.resolve("memory://raw/", Folder::new("/")).unwrap();
        raw.store.put(&Path::from("a"), content(&self.format).into()).await.unwrap();
        storage
    }

    /// The value of `v`, or why the row was rejected; an error where nothing was loaded at all.
    async fn run(&self) -> Result<Result<String, String>, IngestError> {
        let storage = self.storage().await;
        let lake = Lake::open(&storage, "memory://lake/", Folder::new("/")).unwrap();
        let context = LoadContext {
            lake: &lake,
            storage: &storage,
            project_folder: Folder::new("/"),
            session: &self.session,
            run_id: "run",
            started_at: Timestamp::UNIX_EPOCH,
            transaction: "first",
            limits: &Limits::default(),
            progress: &|_, _| {},
        };
        let report = load(&self.source, &self.contract, &context).await?;
        let (folder, column) = match report.rejected {
            0 => (layout::TABLES.of("t"), "v"),
            _ => (layout::QUARANTINE.of("s"), "reason"),
        };
        let snapshot = lake.snapshot(&folder).await?.unwrap();
        let rows = self.session.read(&snapshot).await?;
        let batches = self.session.collect_frame(rows).await?.batches;
        let values = batches[0].column_by_name(column).unwrap();
        let options = FormatOptions::default().with_null("null");
        let value = ArrayFormatter::try_new(values.as_ref(), &options).unwrap().value(0).to_string();
        Ok(if report.rejected == 0 { Ok(value) } else { Err(value) })
    }
}

/// Format, types, mapping, type of the column, and what is expected.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// Mappings that `check` accepts, each with the value that it gives.
async fn check_values(cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for &(format, types, mapped, column, expected) in cases {
        let trial = Trial::new(format, types, mapped, column);
        let problems = trial.check().await;
        let found = trial.run().await;
        if !problems.is_empty() || !found.as_ref().is_ok_and(|value| value.as_deref() == Ok(expected)) {
            wrong.push(format!(
                "{format} {types}\n    {mapped}: {found:?}, expected {expected:?}; {problems:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mappings that `check` refuses where `^` stands in them, or at their begin, and that load nothing.
async fn check_refusals(cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    let start = "columns: {v: \"".len();
    for &(format, types, marked, column, says) in cases {
        let mapped = marked.replacen('^', "", 1);
        let trial = Trial::new(format, types, &mapped, column);
        let at = marked.find('^').map_or(start, |at| start + 1 + marked[..at].chars().count());
        let is_refused = |problem: &Diagnostic| {
            let shown = format!("{} {}", problem.message, problem.help.as_deref().unwrap_or_default());
            shown.contains(says) && (problem.line, problem.column) == (8, at as u64)
        };
        let problems = trial.check().await;
        let ran = trial.run().await;
        if problems.len() != 1 || !problems.iter().all(is_refused) || matches!(ran, Ok(Ok(_))) {
            wrong.push(format!("{format} {types}\n    {marked}: {ran:?} {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_of_texts_that_check_accepts_give_the_right_value() {
    let refund = "CASE WHEN upper(kind) = 'REFUND' THEN -round(amount, 1) ELSE round(amount, 1) END";
    let mut cases = Vec::new();
    for (format, types) in [("csv", ""), ("ndjson", ""), ("csv", FLAT), ("ndjson", FLAT)] {
        for (mapped, column, expected) in [
            ("code", "utf8", "00420"),
            ("NOT flag", "boolean", "false"),
            ("flag AND kind = 'refund'", "boolean", "true"),
            ("CASE WHEN flag THEN 1 ELSE 0 END", "int32", "1"),
            ("born + INTERVAL '1 day'", "date32", "2026-03-01"),
            ("date_part('month', seen)", "int64", "2"),
            ("date_trunc('month', born)", "timestamp(us, UTC)", "2026-02-01T00:00:00Z"),
            (refund, "decimal(12,2)", "-2.60"),
            ("amount * quantity", "decimal(12,2)", "7.65"),
            ("amount / 2", "float64", "1.275"),
            ("quantity BETWEEN 2 AND 4", "boolean", "true"),
            ("-quantity", "int64", "-3"),
            ("concat(code, '-', upper(kind))", "utf8", "00420-REFUND"),
            ("coalesce(nullif(quantity, 3), 7)", "int64", "7"),
            ("_row + 1", "int64", "2"),
            ("\"Mixed\"", "utf8", "m"),
        ] {
            cases.push((format, types, mapped, column, expected));
        }
    }
    check_values(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_of_nested_values_that_check_accepts_give_the_right_value() {
    check_values(&[
        ("ndjson", NESTED, "device['os']", "utf8", "ios"),
        ("ndjson", NESTED, "device.os", "utf8", "ios"),
        ("ndjson", NESTED, "device['version']", "utf8", "17.10"),
        ("ndjson", NESTED, "device['version'] * 2", "decimal(10,2)", "34.20"),
        ("ndjson", NESTED, "device['screen']['w'] + 1", "int64", "391"),
        ("ndjson", NESTED, "coalesce(device['screen']['h'], 0)", "int32", "0"),
        ("ndjson", NESTED, "items[1]['price'] * items[1]['n']", "decimal(10,2)", "39.98"),
        ("ndjson", NESTED, "items[2]['sku']", "utf8", "y"),
        ("ndjson", NESTED, "items[3]['sku']", "utf8", "null"),
        ("ndjson", NESTED, "array_length(items)", "int64", "2"),
        ("ndjson", NESTED, "array_to_string(tags, '|')", "utf8", "a|b"),
        ("ndjson", NESTED, "array_has(tags, 'b')", "boolean", "true"),
        ("ndjson", NESTED, "tags", "list(utf8)", "[a, b]"),
        ("ndjson", NESTED, "labels['k']", "utf8", "v"),
        ("ndjson", NESTED, "cardinality(map_keys(labels))", "int64", "2"),
        ("ndjson", NESTED, "sizes[2] * 2", "float64", "5.0"),
        ("ndjson", NESTED, "big + 1", "utf8", "12345678901234567891"),
        ("ndjson", NESTED, "device", "utf8", r#"{"os":"ios","version":"17.10","screen":{"w":390,"h":null}}"#),
        ("ndjson", "v: struct(a utf8)", "v", "utf8", "null"),
        ("ndjson", "\"Mixed\": utf8", "upper(\"Mixed\")", "utf8", "M"),
        ("ndjson", "", "device", "utf8", r#"{"os":"ios","version":17.10,"screen":{"w":390,"h":null}}"#),
        ("ndjson", "", "tags", "list(utf8)", "[a, b]"),
        ("csv", "device: struct(os utf8), tags: list(utf8)", "concat(device['os'], tags[2])", "utf8", "iosb"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_of_parquet_that_check_accepts_give_the_right_value() {
    let mut cases = Vec::new();
    for types in ["", PARQUET] {
        for (mapped, column, expected) in [
            ("NOT flag", "boolean", "false"),
            ("born + INTERVAL '1 day'", "date32", "2026-03-01"),
            ("CASE WHEN upper(kind) = 'REFUND' THEN -round(amount, 1) END", "decimal(12,2)", "-2.60"),
            ("device['os']", "utf8", "ios"),
            ("device['version'] + 1", "int32", "18"),
            ("tags[2]", "utf8", "b"),
            ("labels['k']", "utf8", "v"),
            ("date_part('hour', seen)", "int32", "10"),
            ("seen", "timestamp(us, UTC)", "2026-02-28T10:00:00Z"),
            ("nanvl(ratio, 0.5)", "float64", "0.5"),
            ("quantity * amount", "decimal(12,2)", "7.65"),
            ("\"Mixed\"", "utf8", "m"),
        ] {
            cases.push(("parquet", types, mapped, column, expected));
        }
    }
    check_values(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_that_check_refuses_load_nothing() {
    check_refusals(&[
        ("csv", "", "^nosuch(kind)", "utf8", "there is no function `nosuch`"),
        ("csv", "", "quantity * 2", "date32", "is not a date; write `v: "),
        ("csv", "", "^device['os']", "utf8", "`types: {device: 'struct(os utf8)'}`"),
        (
            "csv",
            "",
            "upper(^device['a']['b'][1])",
            "utf8",
            "`types: {device: 'struct(a struct(b list(utf8)))'}`",
        ),
        ("csv", "", "kind =^ ", "boolean", "expected"),
        ("csv", "", "^now()", "utf8", "as_of"),
        ("csv", FLAT, "^NOT amount", "boolean", ""),
        ("csv", FLAT, "^date_trunc('month', amount)", "date32", ""),
        ("csv", FLAT, "^flag + 1", "int64", ""),
        ("csv", FLAT, "seen", "int64", "date_part('epoch', v)"),
        ("csv", "Kind: utf8", "upper(^kind)", "utf8", "write \"Kind\""),
        ("ndjson", "", "^device['os']", "utf8", "declare what is in it"),
        ("ndjson", "", "^device.os", "utf8", "struct(os utf8)"),
        ("ndjson", "", "^items[1]", "utf8", "`types: {items: 'list(utf8)'}`"),
        ("ndjson", "", "array_length(^items)", "int64", "`types: {items: 'list(utf8)'}`"),
        ("ndjson", "", "map_keys(^labels)", "list(utf8)", "map(utf8, utf8)"),
        ("ndjson", "", "cardinality(^tags) > 1", "boolean", "list(utf8)"),
        ("ndjson", NESTED, "device[^'nope']", "utf8", "nope"),
        ("ndjson", NESTED, "items[1][^'nope']", "utf8", "nope"),
        ("ndjson", NESTED, "^device + 1", "int64", ""),
        ("ndjson", NESTED, "array_length(items)", "boolean", ""),
        ("parquet", "", "^nosuch(kind)", "utf8", "there is no function `nosuch`"),
        ("parquet", PARQUET, "flag", "date32", "is not a date"),
        ("parquet", PARQUET, "device[^'nope']", "utf8", "nope"),
        ("parquet", PARQUET, "^born + amount", "date32", ""),
        ("parquet", "", "flag", "date32", "is not a date; map it"),
        ("parquet", "", "flag", "date32", "in `memory://raw/a`, a value of type boolean"),
        ("parquet", "", "device[^'nope']", "utf8", "nope"),
        ("parquet", "", "^born + amount", "date32", ""),
        ("parquet", "", "^NOT amount", "boolean", ""),
        (
            "parquet",
            "",
            "upper(^colour)",
            "utf8",
            "in `memory://raw/a`, no column `colour` (the file has id, kind",
        ),
        ("parquet", "", "upper(^mixed)", "utf8", "write \"Mixed\""),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_values_that_are_not_of_their_type_are_rejected_with_column_and_reason() {
    for (types, reason) in [
        ("kind: int64", "`refund` is not a whole number"),
        (
            "amount: 'decimal(10,1)'",
            "`2.55` is not a number that fits the column (at most 1 digits after the point and 10 in all)",
        ),
        ("device: 'struct(os int32)'", "['os']: `ios` is not a whole number"),
        (
            "items: 'list(struct(price decimal(10,1)))'",
            "[1]['price']: `19.99` is not a number that fits the column (at most 1 digits after the point and 10 in all)",
        ),
        ("labels: 'map(utf8, boolean)'", "['k']: `v` is not true or false"),
        ("sizes: list(int64)", "[2]: `2.5` is not a whole number"),
        ("tags: 'struct(a utf8)'", "`[\"a\",\"b\"]` is not a JSON object"),
        ("kind: list(int64)", "`refund` is not a JSON list"),
        ("sizes: list(utf8)", "`[1,2.5]` is not a JSON list of texts"),
    ] {
        let found = Trial::new("ndjson", types, "code", "utf8").run().await.unwrap();
        assert_eq!(found, Err(reason.to_owned()), "{types}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_types_say_is_refused_with_both_types() {
    for (format, types, says) in [
        (
            "parquet",
            "quantity: utf8",
            "column `quantity` is of type int32, and `types` of the source says utf8",
        ),
        (
            "parquet",
            "amount: int64",
            "column `amount` is of type decimal(12,2), and `types` of the source says int64",
        ),
        ("parquet", "amount: 'decimal(12,1)'", "column `amount` is of type decimal(12,2)"),
        (
            "parquet",
            "device: 'struct(nope utf8)'",
            "column `device` is of type struct(os utf8, version int16, extra int16), and",
        ),
        (
            "parquet",
            "tags: list(int64)",
            "column `tags` is of type list(utf8), and `types` of the source says list(int64)",
        ),
        (
            "parquet",
            "seen: date32",
            "column `seen` is of type timestamp(ns), and `types` of the source says date32",
        ),
        ("parquet", "nope: utf8", "no column `nope`, whose type the source declares"),
        ("csv", "nope: utf8", "no column `nope`, whose type the source declares"),
    ] {
        let error = Trial::new(format, types, "id", "utf8").run().await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("memory://raw/a"), "{types}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_another_letter_case_is_told_how_to_write() {
    for format in ["csv", "ndjson", "parquet"] {
        let error = Trial::new(format, "", "upper(Mixed)", "utf8").run().await.unwrap_err().to_string();
        assert!(
            error.contains("no column `mixed`") && error.contains("write \"Mixed\""),
            "{format}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_checked_where_they_are_declared() {
    for (format, types, mapped, column, expected) in [
        ("csv", "v: boolean", "v", "date32", (7, 12, "column `v`: a value of type boolean is not a date")),
        (
            "csv",
            "v: 'struct(a utf8)'",
            "v",
            "int64",
            (7, 12, "a value of type struct(a utf8) is not a whole number"),
        ),
        ("parquet", "", "v", "date32", (3, 7, "in `memory://raw/a`, no column `v` (the file has id, kind")),
        (
            "parquet",
            "v: boolean",
            "v",
            "date32",
            (7, 12, "column `v`: a value of type boolean is not a date"),
        ),
    ] {
        let problems = Trial::new(format, types, mapped, column).check().await;
        let (line, place, says) = expected;
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!((problem.line, problem.column), (line, place), "{problem:?}");
        assert!(problem.message.contains(says), "{problem:?}");
    }
    let text = "version: 1\nsource: s\ninto: t\nformat: csv\npath: a\ntypes:\n  a: string\n  _row: int64\n";
    let (file, mut problems) = (SourceFile::new("s.yaml", text), Problems::default());
    let spec: SourceSpec = yaml::read(&file, &mut problems).unwrap();
    let _ = spec.validate(&Formats::default(), &file, &mut problems);
    let found: Vec<(u64, u64, String)> = problems
        .into_sorted()
        .into_iter()
        .map(|problem| (problem.line, problem.column, problem.message))
        .collect();
    assert_eq!((found[0].0, found[0].1), (7, 6));
    assert!(found[0].2.starts_with("unknown type `string`; use one of int32,"), "{found:?}");
    assert_eq!(found[1], (8, 9, "`_row` is no raw column, and has a type; remove it here".to_owned()));
}

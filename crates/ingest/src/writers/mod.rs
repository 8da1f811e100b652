//! Files that others write: what pyarrow, polars, pandas and DuckDB make of the same rows becomes the same values, or is rejected for the
//! same reason, as `docs/definitions/conversions.md` has it.

use std::collections::BTreeMap;
use std::path::{Path as Folder, PathBuf};
use std::process::Command;

use arrow::array::AsArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use tempfile::TempDir;
use tranche_project::{Problems, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, layout};
use tranche_sql::{Engine, EngineOptions};
use tranche_store::{Lake, Storage};

use crate::{Formats, IngestError, LoadContext, Source, SourceSpec, load};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/writers/write.py");

/// The modules that write files.
const MODULES: [&str; 4] = ["duckdb", "pandas", "polars", "pyarrow"];

/// A folder with one file of each writer; `None`, said aloud, where a module is not installed.
#[expect(clippy::print_stderr, reason = "a comparison that is left out says so")]
fn files() -> Option<TempDir> {
    let runs = |arguments: &[&str]| {
        let output = Command::new("python3").args(arguments).output();
        output.map_err(|error| error.to_string()).and_then(|output| {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(said) }
        })
    };
    let missing: Vec<&str> =
        MODULES.into_iter().filter(|module| runs(&["-c", &format!("import {module}")]).is_err()).collect();
    if !missing.is_empty() {
        let names = missing.join(" ");
        eprintln!(
            "NO FILES OF REAL WRITERS: that needs python3 and `pip install --only-binary=:all: {names}`"
        );
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    runs(&[SCRIPT, folder.path().to_str().unwrap()]).unwrap_or_else(|error| panic!("{error}"));
    Some(folder)
}

/// What a column of a file becomes in a table: its values, or why rows, or the file, are rejected.
struct Loading {
    folder: PathBuf,
}

impl Loading {
    async fn outcome(&self, file: &str, column: &str, data_type: &str) -> Vec<String> {
        let (source, contract) = definitions(file, column, data_type);
        match self.rows(&source, &contract).await {
            Ok(rows) => rows.into_values().collect(),
            Err(IngestError::File { reason, .. }) => vec![reason],
            Err(error) => vec![error.to_string()],
        }
    }

    /// By the number of the row.
    async fn rows(&self, source: &Source, contract: &Contract) -> Result<BTreeMap<i64, String>, IngestError> {
        // A lake in memory is known to its engine only.
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: 1 };
        let session = Engine::new(&options).unwrap().session(Timestamp::UNIX_EPOCH);
        let storage = Storage::new(BTreeMap::new());
        let lake = Lake::open(&storage, "memory://lake/", Folder::new("/")).unwrap();
        let context = LoadContext {
            lake: &lake,
            storage: &storage,
            project_folder: &self.folder,
            session: &session,
            run_id: "run",
            started_at: Timestamp::UNIX_EPOCH,
            transaction: "first",
            limits: &tranche_project::Limits::default(),
            progress: &|_, _| {},
        };
        let _ = load(source, contract, &context).await?;
        let mut found = BTreeMap::new();
        for (folder, number, value) in [
            (layout::TABLES.of(&contract.table), "id", contract.columns[1].name.as_str()),
            (layout::QUARANTINE.of(&source.name), "row", "reason"),
        ] {
            let Some(snapshot) = lake.snapshot(&folder).await? else { continue };
            let rows = session.read(&snapshot).await?;
            for batch in session.collect_frame(rows).await?.batches {
                let (numbers, values) =
                    (batch.column_by_name(number).unwrap(), batch.column_by_name(value).unwrap());
                let numbers = arrow::compute::cast(numbers, &arrow::datatypes::DataType::Int64).unwrap();
                let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
                let options = FormatOptions::default().with_null("null");
                let values = ArrayFormatter::try_new(values.as_ref(), &options).unwrap();
                found.extend(
                    (0..numbers.len()).map(|row| (numbers.value(row), values.value(row).to_string())),
                );
            }
        }
        Ok(found)
    }
}

fn definitions(file: &str, column: &str, data_type: &str) -> (Source, Contract) {
    let text = format!(
        "{{version: 1, source: s, into: t, format: parquet, path: {file}.parquet, on_reject: {{quarantine: {{max_ratio: 1}}}}}}"
    );
    let (source_file, mut problems) = (SourceFile::new("s.yaml", &text), Problems::default());
    let spec: SourceSpec = yaml::read(&source_file, &mut problems).unwrap();
    let source = spec.validate(&Formats::default(), &source_file, &mut problems).unwrap();
    let text = format!(
        "{{version: 1, table: t, kind: entity, entity: e, key: [id], columns: [{{name: id, type: utf8}}, {{name: {column}, type: '{data_type}'}}]}}"
    );
    let spec: ContractSpec = yaml::read(&SourceFile::new("t.yaml", &text), &mut problems).unwrap();
    (source, spec.validate(&mut |_, message| panic!("{message}")).unwrap())
}

const ALL: &str = "pyarrow polars pandas duckdb";

/// The column, the type in the contract, and what becomes of its first two rows in the files of these writers; the third is null.
type Expected = (&'static str, &'static str, [&'static str; 2], &'static str);

const VALUES: &[Expected] = &[
    ("text", "utf8", ["7", "x"], ALL),
    ("text", "int64", ["7", "`x` is not a whole number"], ALL),
    ("large_text", "utf8", ["7", "x"], "pyarrow"),
    ("text_view", "utf8", ["7", "x"], "pyarrow"),
    ("category", "utf8", ["7", "x"], ALL),
    ("category", "int64", ["7", "`x` is not a whole number"], ALL),
    ("truth", "boolean", ["true", "false"], ALL),
    ("truth", "int32", ["1", "0"], ALL),
    ("int8", "int64", ["1", "7"], "pyarrow polars duckdb"),
    ("int16", "int32", ["1", "7"], "pyarrow"),
    ("int32", "decimal(10,2)", ["1.00", "7.00"], "pyarrow"),
    ("int64", "int64", ["1", "7"], ALL),
    ("int64", "int32", ["1", "7"], ALL),
    ("int64", "utf8", ["1", "7"], ALL),
    ("int64", "boolean", ["true", "`7` is not true or false"], ALL),
    ("uint8", "int32", ["1", "7"], "pyarrow"),
    ("uint32", "int64", ["1", "7"], "pyarrow polars"),
    ("uint64", "utf8", ["1", "18446744073709551615"], ALL),
    ("uint64", "int64", ["1", "`18446744073709551615` is not a whole number"], ALL),
    ("uint64", "decimal(20,0)", ["1", "18446744073709551615"], ALL),
    ("hugeint", "int64", ["1", "7"], "duckdb"),
    ("gap", "int64", ["1", "7"], "pandas"),
    ("float16", "float64", ["1.5", "`NaN` is not a number"], "pyarrow"),
    (
        "float32",
        "decimal(10,2)",
        ["0.10", "`inf` is not a number that fits the column"],
        "pyarrow polars duckdb",
    ),
    ("float32", "float64", ["0.10000000149011612", "`inf` is not a number"], "pyarrow polars duckdb"),
    ("float64", "float64", ["1.5", "`NaN` is not a number"], "pyarrow polars duckdb"),
    ("float64", "utf8", ["1.5", "`NaN` is not a text"], "pyarrow polars duckdb"),
    ("float64", "utf8", ["1.5", "0.1"], "pandas"),
    ("decimal9", "decimal(10,2)", ["1.50", "-7.25"], "pyarrow duckdb"),
    ("decimal18", "decimal(10,2)", ["1.50", "-7.25"], ALL),
    ("decimal18", "utf8", ["1.50", "-7.25"], ALL),
    ("decimal18", "decimal(10,1)", ["1.5", "`-7.25` is not a number that fits the column"], ALL),
    ("decimal38", "decimal(10,2)", ["1.50", "-7.25"], "pyarrow duckdb"),
    ("decimal76", "decimal(10,2)", ["1.50", "-7.25"], "pyarrow"),
    ("date", "date32", ["2026-02-28", "9999-12-31"], ALL),
    ("date", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "9999-12-31T00:00:00Z"], ALL),
    ("date64", "date32", ["2026-02-28", "9999-12-31"], "pyarrow"),
    ("time", "utf8", ["10:00:00", "23:59:59"], ALL),
    ("time_ms", "utf8", ["10:00:00", "23:59:59"], "pyarrow"),
    ("at_s", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"], "pyarrow duckdb"),
    (
        "at_ms",
        "timestamp(us, UTC)",
        ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"],
        "pyarrow polars duckdb",
    ),
    ("at_us", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"], ALL),
    ("at_us", "date32", ["2026-02-28", "`2026-02-28T10:00:00` is not a date"], ALL),
    ("at_ns", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"], "pandas duckdb"),
    (
        "at_ns",
        "timestamp(us, UTC)",
        ["2026-02-28T00:00:00Z", "`2026-02-28T00:00:00.000000001` is not an instant in whole microseconds"],
        "pyarrow",
    ),
    ("at_utc", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"], ALL),
    ("at_berlin", "timestamp(us, UTC)", ["2026-02-28T00:00:00Z", "2026-02-28T10:00:00Z"], "pyarrow"),
    ("list", "list(utf8)", ["[a, null]", "[]"], ALL),
    ("list", "utf8", ["[\"a\",null]", "[]"], ALL),
    ("large_list", "list(utf8)", ["[a, null]", "[]"], "pyarrow"),
    ("wholes", "utf8", ["[1,null]", "[]"], "pyarrow polars duckdb"),
    ("object", "utf8", ["{\"os\":\"ios\",\"n\":9007199254740993}", "{\"os\":null,\"n\":2}"], ALL),
    ("map", "utf8", ["{\"k\":\"v\"}", "{}"], "pyarrow duckdb"),
    ("bytes", "utf8", ["7", "`a sequence of bytes` is not text in UTF-8"], ALL),
    (
        "uuid",
        "utf8",
        ["00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        "pyarrow duckdb",
    ),
    ("nothing", "utf8", ["null", "null"], ALL),
    ("nothing", "list(utf8)", ["null", "null"], ALL),
    ("at", "timestamp(us, UTC)", ["2026-02-28T10:00:00Z", "9999-12-31T00:00:00Z"], "int96"),
];

/// The column, the type in the contract, and why no value of the one is one of the other.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("duration", "utf8", "a value of type duration(us) is not a text", "pyarrow polars pandas"),
    ("duration", "utf8", "a value of type interval is not a text", "duckdb"),
    (
        "wholes",
        "list(utf8)",
        "a value of type list(int64) is not a JSON list of texts",
        "pyarrow polars duckdb",
    ),
    ("int64", "timestamp(us, UTC)", "write `int64: \"to_timestamp_millis(int64)\"`", ALL),
    ("object", "int64", "a value of type struct(os utf8, n int64) is not a whole number", ALL),
    ("truth", "date32", "a value of type boolean is not a date", ALL),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_becomes_the_same_values() {
    let Some(files) = files() else { return };
    let loading = Loading { folder: files.path().to_owned() };
    let mut wrong = Vec::new();
    for (column, data_type, [first, second], writers) in VALUES {
        for writer in writers.split(' ') {
            let found = loading.outcome(writer, column, data_type).await;
            if found != [*first, *second, "null"] {
                wrong.push(format!("{writer}: {column} as {data_type}: {found:?}"));
            }
        }
    }
    for (column, data_type, says, writers) in REFUSED {
        for writer in writers.split(' ') {
            let found = loading.outcome(writer, column, data_type).await;
            if found.len() != 1 || !found[0].contains(says) {
                wrong.push(format!("{writer}: {column} as {data_type}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

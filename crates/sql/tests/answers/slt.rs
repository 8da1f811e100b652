//! Statements held against answers of DuckDB: every `slt/*.slt` file.
//!
//! `slt/answers.py` writes the answers, `slt/subqueries.py` the statements about subqueries. A statement that is answered in another way on purpose does not belong there.

use std::fmt;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tranche_sql::dialect::AsWritten;
use tranche_sql::{Engine, EngineOptions, Session};

/// A session in which `CREATE TABLE name AS SELECT ...` registers rows, and everything else is a query.
struct Database(Session);

#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

fn failure(error: impl fmt::Display) -> Failure {
    Failure(error.to_string())
}

impl Database {
    async fn rows(&self, sql: &str) -> Result<RecordBatch, Failure> {
        let plan = self.0.plan(sql, &AsWritten).await.map_err(failure)?;
        let found = self.0.collect(&plan).await.map_err(failure)?;
        concat_batches(&found.schema, &found.batches).map_err(failure)
    }
}

#[async_trait::async_trait]
impl AsyncDB for Database {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        if let Some((name, select)) =
            sql.strip_prefix("CREATE TABLE ").and_then(|rest| rest.split_once(" AS "))
        {
            let rows = self.rows(select).await?;
            self.0.register_rows(name.trim(), rows.schema(), vec![rows]).map_err(failure)?;
            return Ok(DBOutput::StatementComplete(0));
        }
        let rows = self.rows(sql).await?;
        let columns = rows.columns().iter().map(shown).collect::<Result<Vec<_>, _>>()?;
        Ok(DBOutput::Rows {
            types: rows.columns().iter().map(|column| column_type(column.data_type())).collect(),
            rows: (0..rows.num_rows())
                .map(|row| columns.iter().map(|column| column[row].clone()).collect())
                .collect(),
        })
    }

    async fn shutdown(&mut self) {}
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_numeric() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

/// The values of a column as the answers have them: numbers that are not whole with six digits behind the point.
fn shown(column: &ArrayRef) -> Result<Vec<String>, Failure> {
    let null = || "NULL".to_owned();
    if column_type(column.data_type()) == DefaultColumnType::FloatingPoint {
        let numbers = cast(column, &DataType::Float64).map_err(failure)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        return Ok(numbers
            .iter()
            .map(|value| value.map_or_else(null, |value| format!("{value:.6}")))
            .collect());
    }
    let texts = cast(column, &DataType::Utf8).map_err(failure)?;
    let texts = texts.as_string::<i32>();
    let text = |text: &str| if text.is_empty() { "(empty)".to_owned() } else { text.to_owned() };
    Ok((0..texts.len()).map(|row| if texts.is_null(row) { null() } else { text(texts.value(row)) }).collect())
}

async fn database() -> Result<Database, Failure> {
    let options = EngineOptions { memory_bytes: 1 << 27, spill_folder: None, threads: 2 };
    let engine = Engine::new(&options).map_err(failure)?;
    Ok(Database(engine.session("2026-06-15T00:00:00Z".parse().map_err(failure)?)))
}

/// How many queries the files whose names begin so, or do not, hold; each is answered as in its file.
async fn answered(is_wanted: impl Fn(&str) -> bool) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut queries = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".slt") && is_wanted(&name) {
            queries += std::fs::read_to_string(&path).unwrap().matches("\nquery ").count();
            Runner::new(database).run_file_async(&path).await.unwrap();
        }
    }
    queries
}

#[tokio::test]
async fn answers_are_those_of_duckdb() {
    let queries = answered(|name| !name.starts_with("subqueries")).await;
    assert!(queries >= 100, "{queries} queries");
}

#[tokio::test]
async fn subqueries_have_a_third_truth_value_in_a_where() {
    let queries = answered(|name| name.starts_with("subqueries") && name.ends_with("where.slt")).await;
    assert!(queries >= 600, "{queries} queries");
}

#[tokio::test]
async fn subqueries_have_a_third_truth_value_as_values() {
    let queries = answered(|name| name.starts_with("subqueries") && !name.ends_with("where.slt")).await;
    assert!(queries >= 1_200, "{queries} queries");
}

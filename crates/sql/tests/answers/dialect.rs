//! Expressions held against the answers of PostgreSQL and DuckDB: where the two agree, ours is theirs, or a refusal.
//!
//! `TRANCHE_TEST_DIALECT` names another file of the same form, to be held against as well.

use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde_json::Value;
use tranche_sql::dialect::AsWritten;
use tranche_sql::{Engine, EngineOptions, Session};

/// What is decided otherwise on purpose, as the page on SQL says: literals are 64 bits wide, so that these outgrow nothing.
const OTHERWISE: [&str; 2] = ["2147483647 + 1", "1000000 * 1000000"];

/// What one of the three says.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Number(f64),
    Text(String),
    Refused,
}

impl Answer {
    /// Spellings that mean the same are made one: `t` and `true`, midnight and the day, UTC and no zone.
    fn of(text: &str) -> Self {
        if text.starts_with("error") {
            return Self::Refused;
        }
        if let Ok(number) = text.parse() {
            return Self::Number(number);
        }
        let text = match text {
            "t" => "true",
            "f" => "false",
            other => other,
        };
        let text = text.replace('T', " ");
        let text = ["+00:00", "+00", "Z", " 00:00:00"]
            .iter()
            .fold(text.as_str(), |text, end| text.strip_suffix(end).unwrap_or(text));
        Self::Text(text.to_owned())
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
            _ => self == other,
        }
    }
}

/// Our answer, or why there is none.
async fn answer(session: &Session, expression: &str) -> Result<Answer, String> {
    let plan = session.plan(&format!("SELECT {expression}"), &AsWritten).await;
    let plan = plan.map_err(|problem| problem.message)?;
    let found = session.collect(&plan).await.map_err(|error| error.to_string())?;
    let Some(batch) = found.batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Answer::Text(String::new()));
    };
    let texts = cast(batch.column(0), &DataType::Utf8).map_err(|error| error.to_string())?;
    let texts = texts.as_string::<i32>();
    Ok(Answer::of(texts.iter().next().flatten().unwrap_or_default()))
}

/// How many answers of a file the two others agree on; those of ours that differ are told.
async fn agreed(path: &Path) -> (usize, Vec<String>) {
    let options = EngineOptions { memory_bytes: 1 << 27, spill_folder: None, threads: 1 };
    let session = Engine::new(&options).unwrap().session("2026-06-15T00:00:00Z".parse().unwrap());
    let entries: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut agreed, mut wrong) = (0, Vec::new());
    for entry in &entries {
        let text = |key: &str| entry[key].as_str().unwrap();
        let (expression, postgres) = (text("expression"), Answer::of(text("postgres")));
        if !postgres.is(&Answer::of(text("duckdb"))) || OTHERWISE.contains(&expression) {
            continue;
        }
        agreed += 1;
        match answer(&session, expression).await {
            Ok(ours) if !ours.is(&postgres) => {
                wrong.push(format!("{expression}: {ours:?}, elsewhere {postgres:?}"));
            }
            Err(reason) if reason.contains("engine failed") => wrong.push(format!("{expression}: {reason}")),
            _ => {}
        }
    }
    (agreed, wrong)
}

#[tokio::test]
async fn answers_are_those_that_others_agree_on() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialect/dialect.json");
    let (answers, wrong) = agreed(&own).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(answers >= 200, "{answers} answers");
    if let Some(other) = std::env::var_os("TRANCHE_TEST_DIALECT").map(PathBuf::from) {
        let (answers, wrong) = agreed(&other).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(answers > 0, "no answers in {}", other.display());
    }
}

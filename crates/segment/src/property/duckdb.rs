//! DuckDB as an independent opinion: one child process that answers whole cases.
//!
//! What differs in dialect and not in meaning is put into its words here: `as_of()` is a literal without a zone, the first value of an
//! order is `first`, `in_segment` a subquery, and a divisor of nought, which is guarded here and an error there, null. Tables are views
//! that end at `as_of`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::compare::{Answer, Answers};
use super::data::World;
use super::grammar::{Definition, Role};
use super::table::{KEY, Kind, Table, instant_sql};

/// A running DuckDB.
pub(super) struct DuckDb {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl DuckDb {
    /// Starts it; `None`, said aloud, when it is not installed.
    #[expect(clippy::print_stderr, reason = "a comparison that is left out says so")]
    pub(super) fn start() -> Option<Self> {
        let there = Command::new("python3")
            .args(["-c", "import duckdb"])
            .output()
            .is_ok_and(|output| output.status.success());
        if !there {
            eprintln!("NOT COMPARED WITH DUCKDB: that needs python3 with its module duckdb");
            return None;
        }
        let mut command = Command::new("python3");
        command.args(["-c", include_str!("oracle.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (requests, replies) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, requests, replies })
    }

    /// What it says of the definitions of a world.
    pub(super) fn answers(&mut self, world: &World, definitions: &[Definition]) -> Result<Answers, String> {
        let request = json!({
            "setup": setup(world),
            "key": KEY,
            "definitions": definitions.iter().map(|definition| request(world, definition)).collect::<Vec<_>>(),
        });
        writeln!(self.requests.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        let reply: Json = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("DuckDB's process said `{line}`: {error}"));
        if let Some(error) = reply["error"].as_str() {
            return Err(error.to_owned());
        }
        let answers = reply["answers"].as_object().unwrap();
        Ok(answers.iter().map(|(name, answer)| (name.clone(), read(answer))).collect())
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It ends when there is nothing more to read.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}

fn read(answer: &Json) -> Answer {
    let members = answer["members"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
    Answer { members: members.collect(), unmatched: answer["unmatched"].as_u64().unwrap() }
}

fn request(world: &World, definition: &Definition) -> Json {
    let (sql, needs) = translated(world, &definition.sql);
    let defaults: serde_json::Map<String, Json> =
        definition.defaults.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    json!({
        "role": match definition.role {
            Role::Traits => "traits",
            Role::Segment => "segment",
            Role::Set => "set",
        },
        "name": definition.name,
        "sql": sql,
        "needs": needs,
        "defaults": defaults,
        "group": definition.group.as_ref().map(|(group, _)| group),
    })
}

/// The SQL of a definition in DuckDB's dialect, and the segments that it asks for.
pub(super) fn translated(world: &World, sql: &str) -> (String, Vec<String>) {
    let sql = sql.replace("first_value(", "first(").replace("last_value(", "last(");
    let sql = guarded(&sql.replace("as_of()", &instant_sql(world.as_of)));
    let mut parts = sql.split("in_segment('");
    let (mut found, mut needs) = (parts.next().unwrap_or_default().to_owned(), Vec::new());
    for part in parts {
        let (name, rest) = part.split_once('\'').unwrap();
        let (key, rest) = rest.split_once(')').unwrap();
        let key = key.trim_start_matches(", ");
        let key = if key.is_empty() { KEY } else { key };
        found += &format!("({key} IN (SELECT {KEY} FROM \"segment:{name}\")){rest}");
        needs.push(name.to_owned());
    }
    (found, needs)
}

/// SQL whose divisors, columns and counts behind ` % `, are null where they are nought.
fn guarded(sql: &str) -> String {
    let mut parts = sql.split(" % ");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        let mut end = part.find(|letter| !is_name(letter)).unwrap_or(part.len());
        if part[end..].starts_with('(') {
            end += part[end..].find(')').map_or(0, |close| close + 1);
        }
        found += &format!(" % nullif({}, 0){}", &part[..end], &part[end..]);
    }
    found
}

/// SQL that makes the tables of a world as they are seen at its `as_of`.
pub(super) fn setup(world: &World) -> String {
    let mut sql = String::new();
    for table in &world.tables {
        let stored = if table.time.is_some() { format!("all_{}", table.name) } else { table.name.to_owned() };
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, sql_type(column.kind))).collect();
        sql += &format!("CREATE TABLE {stored} ({});\n", columns.join(", "));
        if !table.rows.is_empty() {
            sql += &format!("INSERT INTO {stored} VALUES\n  {};\n", table.values());
        }
        if let Some(time) = table.time_column() {
            let as_of = instant_sql(world.as_of);
            sql += &format!("CREATE VIEW {} AS SELECT * FROM {stored} WHERE {time} < {as_of};\n", table.name);
        }
    }
    sql += "CREATE TABLE universe AS SELECT * FROM people;\n";
    if world.observed {
        let keys = |table: &Table| format!("SELECT {} AS {KEY} FROM {}", table.entity_column(), table.name);
        let keys: Vec<String> = world.events().iter().map(keys).collect();
        sql += &format!(
            "INSERT INTO universe BY NAME ({} EXCEPT SELECT {KEY} FROM people EXCEPT SELECT NULL);\n",
            keys.join(" UNION ")
        );
    }
    sql
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int32 => "INTEGER",
        Kind::Int64 => "BIGINT",
        Kind::Decimal => "DECIMAL(12, 2)",
        Kind::Float => "DOUBLE",
        Kind::Text(_) => "VARCHAR",
        Kind::Truth => "BOOLEAN",
        Kind::Day => "DATE",
        Kind::Instant => "TIMESTAMP",
    }
}

//! A world as tables of a lake in memory, and definitions as files of a project.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::LogicalPlan;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, platform};
use tranche_sql::{Engine, EngineOptions, Session, Tables, table_folder};
use tranche_store::{Commit, CommitMode, Lake, Storage};

use super::data::World;
use super::grammar::Definition;
use super::table::{ENTITY, Kind, Table, Value};
use crate::Definitions;

/// The pipeline that definitions belong to.
pub(super) const PIPELINE: &str = "shop";

/// A lake with an engine of its own.
pub(super) struct Place {
    pub(super) lake: Lake,
    pub(super) engine: Engine,
    pub(super) contracts: IndexMap<String, Contract>,
}

impl Place {
    /// An empty lake for a world.
    pub(super) fn new(world: &World) -> Self {
        let storage = Storage::new(BTreeMap::new());
        let lake = Lake::open(&storage, "memory://property/lake", Path::new("/")).unwrap();
        // An engine knows object stores by their URL, so that two lakes of one name need two engines.
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads: world.threads };
        Self { lake, engine: Engine::new(&options).unwrap(), contracts: contracts(world) }
    }

    /// A lake with all rows of a world; a table without rows was never written, or is there and empty.
    pub(super) async fn of(world: &World) -> Self {
        let place = Self::new(world);
        for table in &world.tables {
            if !table.rows.is_empty() || !world.cached {
                place.commit(table, &table.rows, "world", CommitMode::Append).await;
            }
        }
        place
    }

    /// Commits rows to a table as a load does, by day if they are events.
    pub(super) async fn commit(
        &self,
        table: &Table,
        rows: &[Vec<Value>],
        transaction: &str,
        mode: CommitMode,
    ) {
        let session = self.engine.session(Timestamp::UNIX_EPOCH);
        let plan = self.plan(&session, table, rows);
        let mut commit = Commit::new(&table_folder(table.name), transaction, mode, plan);
        if table.time.is_some() {
            commit = commit.partitioned_by(&[platform::EVENT_DAY]);
        }
        self.lake.commit(session.shared_state(), commit).await.unwrap();
    }

    fn plan(&self, session: &Session, table: &Table, rows: &[Vec<Value>]) -> LogicalPlan {
        let batch = batch(table, rows, &self.contracts[table.name]);
        session.frame(batch.schema(), vec![batch]).unwrap().logical_plan().clone()
    }

    /// The tables as they are now.
    pub(super) async fn tables(&self, cached: bool) -> Tables {
        let tables = Tables::open(&self.lake, self.contracts.values()).await.unwrap();
        if cached { tables.cached(&self.engine, |_| true).await.unwrap() } else { tables }
    }

    /// The definitions, which must be sound.
    pub(super) fn read(&self, definitions: &[Definition]) -> Definitions {
        let project =
            Project::from_files(definitions.iter().map(|definition| (definition.path(), definition.text())));
        let mut problems = Problems::default();
        let read = Definitions::read(&project, PIPELINE, &self.contracts, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        read
    }
}

/// The contracts of a world's tables, read from YAML as any other.
fn contracts(world: &World) -> IndexMap<String, Contract> {
    let mut problems = Problems::default();
    let mut contracts = IndexMap::new();
    for table in &world.tables {
        let file =
            SourceFile::new(&format!("schemas/{}.yaml", table.name), &contract_yaml(table, world.observed));
        let spec: ContractSpec = yaml::read(&file, &mut problems).unwrap();
        let contract =
            spec.validate(&mut |location, message| problems.report(&file, location, message)).unwrap();
        contracts.insert(contract.table.clone(), contract);
    }
    assert!(problems.is_empty(), "{problems:?}");
    contracts
}

fn contract_yaml(table: &Table, observed: bool) -> String {
    let head = match table.time_column() {
        Some(time) => {
            format!("kind: event\nentity: {{{ENTITY}: {}}}\nevent_time: {time}\n", table.entity_column())
        }
        None => format!(
            "kind: entity\nentity: {ENTITY}\nuniverse: {}\n",
            if observed { "observed" } else { "declared" }
        ),
    };
    let mut yaml =
        format!("version: 1\ntable: {}\n{head}key: [{}]\ncolumns:\n", table.name, table.columns[0].name);
    for column in &table.columns {
        let kind = match column.kind {
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Decimal => "decimal(12,2)",
            Kind::Float => "float64",
            Kind::Text(_) => "utf8",
            Kind::Truth => "boolean",
            Kind::Day => "date32",
            Kind::Instant => "timestamp(us, UTC)",
        };
        yaml += &format!("  - {{name: {}, type: '{kind}', nullable: {}}}\n", column.name, column.nullable);
    }
    yaml
}

/// The rows as they are stored: every column may be null, and events have their day.
fn batch(table: &Table, rows: &[Vec<Value>], contract: &Contract) -> RecordBatch {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (index, column) in contract.columns.iter().enumerate() {
        fields.push(Field::new(&column.name, column.data_type.clone(), true));
        arrays.push(array(&column.data_type, rows.iter().map(|row| &row[index])));
    }
    if table.time.is_some() {
        fields.push(Field::new(platform::EVENT_DAY, DataType::Date32, true));
        arrays.push(Arc::new(rows.iter().map(|row| table.day_of(row)).collect::<Date32Array>()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array<'a>(data_type: &DataType, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    let integers = |value: &Value| match value {
        Value::Integer(value) | Value::Decimal(value) | Value::Instant(value) => Some(*value),
        _ => None,
    };
    match data_type {
        DataType::Int32 => {
            Arc::new(values.map(|v| integers(v).map(|n| i32::try_from(n).unwrap())).collect::<Int32Array>())
        }
        DataType::Int64 => Arc::new(values.map(integers).collect::<Int64Array>()),
        DataType::Decimal128(precision, scale) => {
            let hundredths: Decimal128Array = values.map(|v| integers(v).map(i128::from)).collect();
            Arc::new(hundredths.with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Float64 => Arc::new(
            values.map(|v| if let Value::Float(x) = v { Some(*x) } else { None }).collect::<Float64Array>(),
        ),
        DataType::Utf8 => Arc::new(
            values
                .map(|v| if let Value::Text(text) = v { Some(text.as_str()) } else { None })
                .collect::<StringArray>(),
        ),
        DataType::Boolean => Arc::new(
            values.map(|v| if let Value::Truth(x) = v { Some(*x) } else { None }).collect::<BooleanArray>(),
        ),
        DataType::Date32 => Arc::new(
            values.map(|v| if let Value::Day(x) = v { Some(*x) } else { None }).collect::<Date32Array>(),
        ),
        DataType::Timestamp(..) => {
            Arc::new(values.map(integers).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        other => unreachable!("no column is {other}"),
    }
}

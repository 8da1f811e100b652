//! Tables of a lake in memory, and definitions as files of a project.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;
use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_incremental::StateStore;
use tranche_metric::Metrics;
use tranche_project::{Problems, Project, SourceFile, yaml};
use tranche_schema::{Contract, ContractSpec, platform};
use tranche_segment::Definitions;
use tranche_sql::{Engine, EngineOptions, Session, Tables, table_folder};
use tranche_store::{Commit, CommitMode, Lake, Storage};

use crate::context::MeasureContext;
use crate::definition::Experiment;

/// The pipeline that definitions belong to.
pub(super) const PIPELINE: &str = "shop";

/// The values of a row, as text.
pub(super) type Row = Vec<Option<String>>;

/// A lake with an engine of its own.
pub(super) struct Place {
    pub(super) lake: Lake,
    engine: Engine,
    pub(super) contracts: IndexMap<String, Contract>,
}

/// What a measurement is made from.
pub(super) struct World {
    tables: Tables,
    session: Session,
    definitions: Definitions,
    metrics: Metrics,
    pub(super) experiments: IndexMap<String, Experiment>,
}

impl Place {
    /// An empty lake for tables that are described in YAML.
    pub(super) fn new(schemas: &[(&str, &str)], threads: usize) -> Self {
        let storage = Storage::new(BTreeMap::new());
        let lake = Lake::open(&storage, "memory://property/lake", Path::new("/")).unwrap();
        let options = EngineOptions { memory_bytes: 1 << 28, spill_folder: None, threads };
        let mut problems = Problems::default();
        let contract = |(table, text): &(&str, &str)| {
            let file = SourceFile::new(
                &format!("schemas/{table}.yaml"),
                &format!("version: 1\ntable: {table}\n{text}"),
            );
            let spec: ContractSpec = yaml::read(&file, &mut problems).unwrap();
            let contract =
                spec.validate(&mut |location, message| problems.report(&file, location, message)).unwrap();
            ((*table).to_owned(), contract)
        };
        let contracts = schemas.iter().map(contract).collect();
        assert!(problems.is_empty(), "{problems:?}");
        Self { lake, engine: Engine::new(&options).unwrap(), contracts }
    }

    /// Commits rows to a table, by day if they are events; in place of those of some days, or of all.
    pub(super) async fn commit(&self, table: &str, rows: &[Row], transaction: &str, mode: CommitMode) {
        let contract = &self.contracts[table];
        let session = self.engine.session(Timestamp::UNIX_EPOCH);
        let batch = batch(contract, rows);
        let plan = session.frame(batch.schema(), vec![batch]).unwrap().logical_plan().clone();
        let mut commit = Commit::new(&table_folder(table), transaction, mode, plan);
        if contract.event_time().is_some() {
            commit = commit.partitioned_by(&[platform::EVENT_DAY]);
        }
        self.lake.commit(session.shared_state(), commit).await.unwrap();
    }

    /// Merges the files of a table.
    pub(super) async fn compact(&self, table: &str) {
        let session = self.engine.session(Timestamp::UNIX_EPOCH);
        let target = std::num::NonZeroU64::new(1 << 20).unwrap();
        self.lake.compact(session.shared_state(), &table_folder(table), target).await.unwrap();
    }

    /// The tables as they are now, at an instant, with definitions that must be sound.
    pub(super) async fn world(&self, files: Vec<(String, String)>, as_of: Timestamp) -> World {
        let project = Project::from_files(files);
        let mut problems = Problems::default();
        let definitions = Definitions::read(&project, PIPELINE, &self.contracts, &mut problems);
        let metrics = Metrics::read(&project, PIPELINE, &mut problems);
        let experiments = crate::definition::read(&project, PIPELINE, &TimeZone::UTC, &mut problems);
        let tables = Tables::open(&self.lake, self.contracts.values()).await.unwrap();
        let session = self.engine.session_over(&tables, as_of).await.unwrap();
        tranche_metric::check(&metrics, &self.contracts, &session, &mut problems);
        crate::definition::check(&experiments, &definitions, &metrics, &session, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        World { tables, session, definitions, metrics, experiments }
    }

    /// What a measurement works with.
    pub(super) fn context<'a>(
        &'a self,
        world: &'a World,
        state: Option<StateStore<'a>>,
    ) -> MeasureContext<'a> {
        MeasureContext {
            tables: &world.tables,
            engine: &self.engine,
            session: &world.session,
            definitions: &world.definitions,
            metrics: &world.metrics,
            state,
        }
    }
}

/// A mode in which the rows of days are replaced.
pub(super) fn of_days(days: impl Iterator<Item = i32>) -> CommitMode {
    let days = days.map(|day| lit(ScalarValue::Date32(Some(day)))).collect();
    CommitMode::OverwriteWhere(ident(platform::EVENT_DAY).in_list(days, false))
}

/// The day of an instant, as it is written in a row.
pub(super) fn day_of(instant: &str) -> i32 {
    let seconds = instant.parse::<Timestamp>().unwrap().as_second();
    i32::try_from(seconds.div_euclid(86_400)).unwrap()
}

fn batch(contract: &Contract, rows: &[Row]) -> RecordBatch {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (place, column) in contract.columns.iter().enumerate() {
        let texts: StringArray = rows.iter().map(|row| row[place].as_deref()).collect();
        fields.push(Field::new(&column.name, column.data_type.clone(), true));
        arrays.push(cast(&texts, &column.data_type).unwrap());
        if Some(column.name.as_str()) == contract.event_time() {
            fields.push(Field::new(platform::EVENT_DAY, DataType::Date32, true));
            arrays.push(Arc::new(texts.iter().map(|text| text.map(day_of)).collect::<Date32Array>()));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

//! The rejected rows of a load until they are recorded: in memory while they are few, in a temporary file beyond that.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::JoinType;
use datafusion::prelude::{DataFrame, ident};
use jiff::Timestamp;
use tranche_schema::platform::quarantine as columns;
use tranche_sql::{Session, SqlError};

use crate::context::Load;
use crate::quarantine::{self, Reject};
use crate::stage::{Stage, Staged};
use crate::{IngestError, LoadContext};

/// Collects the rejects of a load.
pub(crate) struct Rejects {
    source: String,
    run_id: String,
    at: Timestamp,
    stage: Stage,
    first: Option<Reject>,
    count: u64,
}

/// All rejects of a load.
pub(crate) struct StagedRejects {
    rows: Staged,
    /// The first of them, if there is one.
    pub(crate) first: Option<Reject>,
    /// How many there are.
    pub(crate) count: u64,
}

impl Rejects {
    /// None yet.
    pub(crate) fn new(load: &Load<'_>) -> Self {
        let LoadContext { run_id, started_at, limits, .. } = *load.context;
        let stage = Stage::new(
            quarantine::rows_schema(),
            usize::try_from(limits.rejects_in_memory).unwrap_or(usize::MAX),
        );
        let (source, run_id) = (load.source.name.clone(), run_id.to_owned());
        Self { source, run_id, at: started_at, stage, first: None, count: 0 }
    }

    /// Takes the next rejects.
    pub(crate) fn add(&mut self, rejects: Vec<Reject>) -> Result<(), IngestError> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.count += rejects.len() as u64;
        self.stage.add(quarantine::to_batch(&self.source, &self.run_id, self.at, &rejects)?)?;
        if self.first.is_none() {
            self.first = rejects.into_iter().next();
        }
        Ok(())
    }

    /// All that were taken.
    pub(crate) fn finish(self) -> Result<StagedRejects, IngestError> {
        Ok(StagedRejects { rows: self.stage.finish(Vec::new())?, first: self.first, count: self.count })
    }
}

impl StagedRejects {
    /// The rejects of some files as rows of the quarantine, each with the reading that is given for its file.
    pub(crate) fn of_readings(
        &self,
        session: &Session,
        readings: &HashMap<&str, String>,
    ) -> Result<DataFrame, SqlError> {
        const FILE: &str = "read file";
        let column = |name, values: &mut dyn Iterator<Item = &str>| -> (Field, ArrayRef) {
            let values: StringArray = values.map(Some).collect();
            (Field::new(name, DataType::Utf8, false), Arc::new(values))
        };
        let (files, given) = (
            column(FILE, &mut readings.keys().copied()),
            column(columns::READING, &mut readings.values().map(String::as_str)),
        );
        let schema = Arc::new(Schema::new(vec![files.0, given.0]));
        let readings = RecordBatch::try_new(Arc::clone(&schema), vec![files.1, given.1])?;
        let wanted = columns::schema().fields().iter().map(|field| ident(field.name())).collect::<Vec<_>>();
        // The few are held in memory while the many pass by.
        session
            .frame(schema, vec![readings])?
            .join_on(
                self.rows.clone().frame(session)?,
                JoinType::Inner,
                [ident(columns::FILE).eq(ident(FILE))],
            )
            .and_then(|rows| rows.select(wanted))
            .map_err(SqlError::engine)
    }
}

//! What a refresh keeps of its measures, so that the next one reads only what changed.
//!
//! For each event table: the files that were read, for each measure its window and one value per entity, and the events of a share
//! of the entities. It lies under `_state/`, is only ever an older truth about immutable files, and may be deleted at any time: then
//! the next refresh reads everything.

mod codec;
mod proof;

pub(crate) use proof::prove;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tranche_schema::Contract;
use tranche_schema::layout::state;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::{Aggregate, Cells, Extract};
use tranche_store::{DataFile, Lake};

use crate::error::SegmentError;
use crate::plan::{Measure, Window};

/// The measures of one event table at one instant.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// The instant, microseconds.
    pub(crate) as_of: i64,
    /// The files that were read.
    pub(crate) files: Vec<DataFile>,
    /// The measures.
    pub(crate) measures: Vec<KeptMeasure>,
    /// The events of the entities that are computed again each time.
    pub(crate) extract: Option<Extract>,
}

/// A measure's values, one for each key of an index and one for rows without a key.
#[derive(Debug, Clone)]
pub(crate) struct KeptMeasure {
    /// What it is a measure of, but for its window.
    pub(crate) identity: String,
    /// The events that it counts.
    pub(crate) window: Window,
    /// The values.
    pub(crate) values: Arc<Cells>,
}

/// Where the state of a table lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatePlace<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) entity: &'a str,
    pub(crate) table: &'a str,
}

/// What a measure is of, but for its window; the same text for the same meaning.
pub(crate) fn identity(measure: &Measure, contract: &Contract) -> String {
    let text = |exprs: &mut dyn Iterator<Item = &datafusion::logical_expr::Expr>| {
        let texts: Vec<String> = exprs.map(|expr| format!("{expr:?}")).collect();
        texts.join(" AND ")
    };
    let columns = contract.arrow_schema();
    let named = measure
        .argument
        .iter()
        .chain(&measure.order)
        .chain(&measure.predicate)
        .flat_map(|expr| expr.column_refs());
    let mut types: Vec<String> = named
        .filter_map(|c| columns.field_with_name(&c.name).ok())
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    types.sort_unstable();
    types.dedup();
    let parts = [
        format!("{:?}", measure.aggregate),
        text(&mut measure.argument.iter()),
        text(&mut measure.order.iter()),
        text(&mut measure.predicate.iter()),
        types.join(", "),
    ];
    parts.join(" | ")
}

/// What was kept, while it is read.
pub(crate) struct Reading(JoinHandle<Result<Option<codec::Stored>, SegmentError>>);

impl Reading {
    /// What was kept, in the rows of `index`; keys that it lacks are added. `None` when nothing usable is there.
    pub(crate) async fn done(self, index: &mut KeyIndex) -> Option<Kept> {
        let found = match self.0.await {
            Ok(found) => found.and_then(|stored| stored.map(|stored| stored.placed(index)).transpose()),
            Err(error) => Err(SqlError::Engine(error.to_string()).into()),
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was kept of an earlier refresh cannot be read; everything is read");
            None
        })
    }
}

/// Whether a measure's values can be kept: they are exact, and what is new can be added to them.
pub(crate) fn is_keepable(values: &Cells, aggregate: Aggregate) -> bool {
    aggregate != Aggregate::CountDistinct
        && matches!(values, Cells::Count(_) | Cells::Sum(_) | Cells::Wide(_) | Cells::Max(_) | Cells::Min(_))
}

impl StatePlace<'_> {
    fn folder(&self) -> String {
        let Self { pipeline, entity, table } = *self;
        state::State { kind: state::Kind::Segments, pipeline, owner: entity, table }.folder()
    }

    /// Begins to read what was kept.
    pub(crate) fn read(&self, lake: &Lake) -> Reading {
        let (lake, folder) = (lake.clone(), self.folder());
        Reading(tokio::spawn(async move { codec::read(&lake, &folder).await }))
    }

    /// What was kept, without the values.
    pub(crate) async fn about(&self, lake: &Lake) -> Option<Kept> {
        codec::about(lake, &self.folder()).await.ok().flatten()
    }

    /// Keeps values in the rows of `index`.
    ///
    /// # Errors
    /// [`SegmentError::Store`] when they cannot be written.
    pub(crate) async fn write(&self, lake: &Lake, kept: Kept, index: &KeyIndex) -> Result<(), SegmentError> {
        codec::write(lake, &self.folder(), kept, index).await
    }

    /// Forgets what was kept.
    pub(crate) async fn forget(&self, lake: &Lake) {
        codec::forget(lake, &self.folder()).await;
    }
}

/// Whether what is kept in a folder can be read, or why not.
pub(crate) async fn readable(lake: &Lake, folder: &str) -> Result<(), String> {
    match codec::read(lake, folder).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("its manifest is of another format, or damaged".to_owned()),
        Err(error) => Err(causes(&error)),
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// What is written about what is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    as_of: i64,
    files: Vec<DataFile>,
    measures: Vec<ManifestMeasure>,
    keys: String,
    /// The objects with values, and which measures each has.
    parts: Vec<(String, Vec<usize>)>,
    extract: Option<ManifestExtract>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ManifestMeasure {
    identity: String,
    from: i64,
    to: i64,
    kind: Kind,
    /// What stands for no largest or smallest value: one less than all that there are.
    missing: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ManifestExtract {
    share: u64,
    files: Vec<(String, usize)>,
    object: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Count,
    Sum,
    Wide,
    Max,
    Min,
}

//! The wide table of an entity, as a refresh leaves it.
//!
//! It is as of the latest refresh, and pipelines that segment the same entity have their traits in it side by side: a refresh replaces
//! its own, and of a refresh as of an earlier instant than the table's nothing but those that no later one of its pipeline has.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use tranche_sql::parallel::Threads;
use tranche_sql::{Session, SqlError};
use tranche_store::Snapshot;
use tranche_store::commit::{FileCommit, Transaction};
use tranche_store::encoding::{ParquetFile, parquet_options};

use super::destination::Destination;
use super::traits_before::joined;
use crate::definition::definitions::Definitions;
use crate::error::SegmentError;
use crate::store::{traits_mark, traits_table};

/// Whose wide table it is.
pub(super) struct WideTable<'a> {
    pub(super) entity: &'a str,
    /// The column of its key.
    pub(super) key: &'a str,
    /// The version of the entity's own table, where the wide table has nothing but that.
    pub(super) copy_of: Option<u64>,
}

/// The next version of a wide table.
pub(super) struct NextTable {
    folder: String,
    base: Option<Snapshot>,
    schema: SchemaRef,
    files: Vec<ParquetFile>,
    marks: Vec<Transaction>,
}

/// The transaction that says of which version of the entity's own table a wide table is a copy.
const COPY_MARK: &str = "copy";
const NO_COPY: i64 = -1;

/// The transaction that says as of which instant the rows are.
const AS_OF_MARK: &str = "as_of";

impl WideTable<'_> {
    /// What a refresh makes of the table: nothing, where it computed no traits, or a later one of its pipeline has, or the table is a
    /// copy of these already.
    pub(super) async fn planned(
        &self,
        traits: Option<&RecordBatch>,
        definitions: &Definitions,
        to: &Destination<'_>,
    ) -> Result<Option<NextTable>, SegmentError> {
        let Some(traits) = traits else { return Ok(None) };
        let folder = traits_table(self.entity);
        let base = to.lake.snapshot(&folder).await?;
        let as_of = to.session.as_of().as_microsecond();
        let own_mark = traits_mark(to.pipeline);
        let (mut latest, mut rows) = (as_of, traits.clone());
        if let Some(stored) = &base {
            let is_earlier = stored.transaction_version(&own_mark).await? > Some(as_of);
            if (is_earlier && to.policy.keeps_later()) || self.is_copied(stored, traits).await? {
                return Ok(None);
            }
            let stored_as_of = stored.transaction_version(AS_OF_MARK).await?;
            let columns = self.columns_elsewhere(stored, traits, to)?;
            if !columns.is_empty() {
                let before = read(stored, to.session).await?;
                if stored_as_of > Some(as_of) {
                    let own = own_traits(self.entity, traits, definitions);
                    rows = joined(&before, self.key, traits, &own)?;
                } else {
                    rows = joined(traits, self.key, &before, &columns)?;
                }
                latest = stored_as_of.unwrap_or(as_of).max(as_of);
            }
        }
        let version = self.copy_of.and_then(|version| i64::try_from(version).ok()).unwrap_or(NO_COPY);
        let marks = vec![
            Transaction::new(to.transaction, 1),
            Transaction::new(COPY_MARK, version),
            Transaction::new(AS_OF_MARK, latest),
            Transaction::new(own_mark, as_of),
        ];
        let files = encoded(&rows, to.session.threads()).await?;
        Ok(Some(NextTable { folder, base, schema: rows.schema(), files, marks }))
    }

    /// Whether the wide table that is there is a copy of that version of the entity's own table already.
    async fn is_copied(&self, stored: &Snapshot, rows: &RecordBatch) -> Result<bool, SegmentError> {
        let Some(version) = self.copy_of else { return Ok(false) };
        let schema = stored.schema()?;
        let names = schema.fields().iter().map(|field| field.name());
        let same_columns = names.eq(rows.schema().fields().iter().map(|field| field.name()));
        Ok(same_columns && stored.transaction_version(COPY_MARK).await? == i64::try_from(version).ok())
    }

    /// The columns of the table that are traits of other pipelines.
    fn columns_elsewhere(
        &self,
        stored: &Snapshot,
        traits: &RecordBatch,
        to: &Destination<'_>,
    ) -> Result<Vec<String>, SegmentError> {
        let schema = stored.schema()?;
        if schema.field_with_name(self.key).is_err() {
            return Ok(Vec::new());
        }
        let names = schema.fields().iter().map(|field| field.name());
        let elsewhere = names.filter(|name| to.elsewhere.has_trait(self.entity, name));
        Ok(elsewhere.filter(|name| traits.column_by_name(name).is_none()).cloned().collect())
    }
}

impl NextTable {
    /// Puts it in the place of the one before.
    pub(super) async fn commit(self, to: &Destination<'_>) -> Result<(), SegmentError> {
        let Self { folder, base, schema, files, marks: transactions } = self;
        let remove = base.as_ref().map(Snapshot::files).transpose()?.unwrap_or_default();
        let objects = to.lake.folder(&folder)?;
        let mut add = Vec::new();
        for file in files {
            add.push(file.put(objects.as_ref(), "", BTreeMap::new()).await?);
        }
        let table = folder;
        let commit = FileCommit { table, schema, partition_by: Vec::new(), base, remove, add, transactions };
        to.lake.replace_files(commit).await?;
        Ok(())
    }
}

async fn read(stored: &Snapshot, session: &Session) -> Result<RecordBatch, SegmentError> {
    let found = session.collect_frame(session.read(stored).await?).await?;
    Ok(concat_batches(&found.schema, &found.batches).map_err(SqlError::from)?)
}

/// The columns of a refresh that are not the entity's own.
fn own_traits(entity: &str, traits: &RecordBatch, definitions: &Definitions) -> Vec<String> {
    let contract = definitions.entity_contract(entity);
    let is_own = |name: &str| contract.is_some_and(|contract| contract.column(name).is_some());
    let schema = traits.schema();
    let names = schema.fields().iter().map(|field| field.name());
    names.filter(|name| !is_own(name)).cloned().collect()
}

async fn encoded(traits: &RecordBatch, threads: Threads) -> Result<Vec<ParquetFile>, SegmentError> {
    let rows = traits.num_rows();
    let parts =
        (0..rows.max(1)).step_by(FILE_ROWS).map(|start| traits.slice(start, FILE_ROWS.min(rows - start)));
    let parts: Vec<RecordBatch> = parts.collect();
    let files = threads.map(parts, |part: RecordBatch| {
        Ok::<_, SegmentError>(ParquetFile::encode(&part.schema(), [&part], parquet_options(&part.schema()))?)
    });
    files.await
}

/// So many rows of a wide table are in a file.
const FILE_ROWS: usize = 1 << 18;

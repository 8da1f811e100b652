//! Tables of a simulation: a log of versions, each with one transaction, committed as the lake commits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tranche_pipeline::{FailureClass, Step, StepContext, StepFailure, StepOutcome, StepRunner};

use crate::store::Broken;
use crate::world::World;

/// A version of a table: rows that were appended, under the transaction of the step that made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) transaction: String,
    pub(crate) rows: Vec<String>,
}

/// How long work takes, and how often it fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) longest_seconds: u64,
    /// How many hundredths of that it takes at least.
    pub(crate) steady_percent: u64,
    /// Once in so many times, an attempt fails and is worth another; 0 for never.
    pub(crate) fails_for_now_one_in: u64,
    /// Once in so many times, an attempt fails for good; 0 for never.
    pub(crate) fails_for_good_one_in: u64,
}

/// Does the work of steps: takes some time, and commits the rows of its slot to each of two tables.
pub(crate) struct TableRunner {
    pub(crate) world: Arc<World>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) effort: Effort,
    pub(crate) broken: Broken,
    /// Versions do not change: each is read once.
    pub(crate) seen: Mutex<BTreeMap<String, Version>>,
}

/// The rows that a step commits to a table.
pub(crate) fn rows_of(transaction: &str, table: &str) -> Vec<String> {
    (0..3).map(|row| format!("{transaction} {table} {row}")).collect()
}

/// The tables of a step.
pub(crate) fn tables_of(pipeline: &str, step: &str) -> [String; 2] {
    ["a", "b"].map(|table| format!("tables/{pipeline}_{step}_{table}"))
}

#[async_trait]
impl StepRunner for TableRunner {
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure> {
        let calm = self.world.is_calm();
        let one_in = |times: u64| !calm && times > 0 && self.world.random.lock().unwrap().one_in(times);
        for table in tables_of(&context.pipeline, &step.id) {
            let longest = if calm { 2 } else { self.effort.longest_seconds };
            sleep(self.world.seconds(longest * self.effort.steady_percent / 100, longest)).await;
            if one_in(self.effort.fails_for_now_one_in) {
                return Err(StepFailure::new(FailureClass::Storage, "for now"));
            }
            if one_in(self.effort.fails_for_good_one_in) {
                return Err(StepFailure::new(FailureClass::Data, "for good"));
            }
            let rows = rows_of(&context.transaction, &table);
            let version = Version { transaction: context.transaction.clone(), rows };
            self.commit(&table, &version)
                .await
                .map_err(|error| StepFailure::new(FailureClass::Storage, error))?;
        }
        Ok(StepOutcome { rows_read: 0, rows_written: 6, ..StepOutcome::default() })
    }
}

impl TableRunner {
    /// Commits as `Lake::commit` does: looks for the transaction, writes the next version, and looks again
    /// after any error.
    async fn commit(&self, table: &str, version: &Version) -> Result<(), String> {
        for _ in 0..20 {
            let before = self.versions(table).await?;
            if self.is_made(&before, version) {
                return Ok(());
            }
            let path = Path::from(table).join(format!("{:08}.json", before.len()));
            let bytes = serde_json::to_vec(version).unwrap();
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let Err(error) = self.objects.put_opts(&path, PutPayload::from(bytes), options).await else {
                return Ok(());
            };
            let after = self.versions(table).await?;
            if self.is_made(&after, version) {
                return Ok(());
            }
            if after.len() == before.len() {
                return Err(error.to_string());
            }
        }
        Err("another commit was always in the way".to_owned())
    }

    fn is_made(&self, versions: &[Version], version: &Version) -> bool {
        self.broken != Broken::CommitWithoutTransaction
            && versions.iter().any(|made| made.transaction == version.transaction)
    }

    /// The versions that a listing shows, which may not be all.
    async fn versions(&self, table: &str) -> Result<Vec<Version>, String> {
        let listed: Vec<_> =
            self.objects.list(Some(&Path::from(table))).try_collect().await.map_err(|e| e.to_string())?;
        let mut versions = Vec::new();
        for object in listed {
            let known = self.seen.lock().unwrap().get(object.location.as_ref()).cloned();
            let version = match known {
                Some(version) => version,
                None => {
                    let found = self.objects.get(&object.location).await.map_err(|e| e.to_string())?;
                    let bytes = found.bytes().await.map_err(|e| e.to_string())?;
                    let version: Version = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
                    self.seen.lock().unwrap().insert(object.location.to_string(), version.clone());
                    version
                }
            };
            versions.push(version);
        }
        Ok(versions)
    }
}

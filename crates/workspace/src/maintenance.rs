//! Maintenance of the lake: tables are compacted, vacuumed and checkpointed; expired runs, states and messages are removed.
//!
//! Nothing is removed that an active run may read, or that `retention` protects. What conflicts with other commits is left for the next
//! maintenance.

use std::num::NonZeroU64;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tranche_observe::Outbox;
use tranche_pipeline::{Ledger, RunRecord, RunStatus, StepOutcome};
use tranche_schema::layout;
use tranche_schema::layout::state::{Kind, State};
use tranche_sql::Session;
use tranche_store::maintenance::Retention;
use tranche_store::{Lake, StoreError};

use crate::definitions::ProjectDefinitions;
use crate::failure::{Failure, chain};

/// About how large files become.
const TARGET_BYTES: NonZeroU64 = NonZeroU64::new(128 << 20).expect("not zero");
/// How long notifications stay in the outbox.
const MESSAGES: Duration = Duration::from_secs(layout::system::MESSAGE_DAYS as u64 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// What maintenance works on.
pub(crate) struct Maintenance<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) definitions: &'a ProjectDefinitions,
    pub(crate) session: &'a Session,
    pub(crate) now: Timestamp,
    /// Receives the current work.
    pub(crate) progress: &'a (dyn Fn(String) + Send + Sync),
}

impl Maintenance<'_> {
    /// Maintains everything in the lake; what cannot be done now is reported in the detail, and is no failure.
    pub(crate) async fn run(&self) -> Result<StepOutcome, Failure> {
        let ledger = Ledger::new(self.lake.objects());
        let runs = ledger.list().await?;
        let versions = self.versions_kept(&runs);
        let mut left = Vec::new();
        let (mut merged, mut written, mut deleted) = (0, 0, 0);
        let tables = self.lake.tables().await?;
        for table in &tables {
            (self.progress)(table.clone());
            let (session, versions) = (self.session.shared_state(), Retention::AtLeastADay(versions));
            let done = self.lake.maintain(session, table, TARGET_BYTES, versions).await;
            merged += done.compaction.merged_files;
            written += done.compaction.written_files;
            deleted += done.deleted_files;
            left.extend(done.left.iter().map(|(what, error)| left_over(table, what, error)));
        }
        (self.progress)("runs".to_owned());
        let expired = ledger
            .expire(&runs, before(self.now, self.definitions.settings.retention.runs), self.now)
            .await?;
        let state = self.expire_state().await?;
        let messages =
            Outbox::new(self.lake.objects()).expire(before(self.now, MESSAGES).as_millisecond()).await;
        let messages = messages.map_err(|error| Failure::storage(chain(&error)))?;
        let detail = json!({"maintained": {
            "tables": tables.len(), "merged_files": merged, "written_files": written, "deleted_files": deleted,
            "expired_runs": expired.runs, "expired_definitions": expired.definitions, "expired_state": state,
            "expired_leases": expired.leases, "expired_backfills": expired.backfills, "expired_messages": messages, "left": left,
        }});
        Ok(StepOutcome { detail, ..StepOutcome::default() })
    }

    /// How long files stay: as long as the project says, and longer while a run is active that may have begun to read them.
    fn versions_kept(&self, runs: &[RunRecord]) -> Duration {
        let running = runs.iter().filter(|run| run.status == RunStatus::Running);
        let oldest = running.map(|run| run.started_at).min().unwrap_or(self.now);
        let active = Duration::try_from(self.now.duration_since(oldest)).unwrap_or_default();
        self.definitions.settings.retention.versions.max(active + DAY)
    }

    /// Whether there is a definition that saved state is of.
    fn is_defined(&self, state: &State<'_>) -> bool {
        let Some(pipeline) = self.definitions.pipelines.get(state.pipeline) else { return false };
        let has_owner = match state.kind {
            Kind::Segments => pipeline.definitions.entities().contains(&state.owner),
            Kind::Experiments => pipeline.pipeline.as_ref().is_some_and(|pipeline| {
                pipeline.steps.iter().any(|step| step.id == state.owner && step.action == "measure")
            }),
        };
        has_owner && self.definitions.contracts.contains_key(state.table)
    }

    /// Removes state that was saved for what is no longer defined; returns how many objects.
    async fn expire_state(&self) -> Result<u64, Failure> {
        Ok(tranche_incremental::expire(self.lake, |state| self.is_defined(state)).await?)
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

fn left_over(table: &str, what: &str, error: &StoreError) -> Value {
    let reason = chain(error);
    tracing::warn!(table, what, reason, "left for the next maintenance");
    json!({"table": table, "what": what, "reason": reason})
}

//! The engine's share of the machine, and how it plans.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;

use tranche_store::commit::DeltaPlanner;

use crate::SqlError;
use crate::parallel::Threads;

/// How much of the machine queries may take.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory in bytes; beyond it, sorts, joins and aggregates spill to disk.
    pub memory_bytes: usize,
    /// Where to spill; the system's temporary folder by default.
    pub spill_folder: Option<PathBuf>,
    /// Threads that work on one query.
    pub threads: usize,
}

impl Default for EngineOptions {
    /// Half of the machine's memory and all of its cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            memory_bytes: usize::try_from(machine_memory_bytes() / 2).unwrap_or(usize::MAX),
            spill_folder: None,
            threads,
        }
    }
}

/// The machine's memory in bytes, or the limit of the control group that we run in; 4 GiB where neither is known.
#[must_use]
pub fn machine_memory_bytes() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).and_then(|rest| {
        let kibibytes: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kibibytes * 1024)
    });
    let group =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    total.into_iter().chain(group).min().unwrap_or(4 << 30)
}

/// The version of the query engine that plans and runs SQL. What is saved in terms of its plans is of no use to another version.
pub const ENGINE_VERSION: &str = datafusion::DATAFUSION_VERSION;

/// Turns logical plans into plans that run.
pub type Planner = Arc<dyn QueryPlanner + Send + Sync>;

/// The query engine: one a process, shared by every session.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    config: SessionConfig,
    memory_bytes: usize,
    planner: Planner,
}

/// An engine in the making: its limits, and what plans its queries.
pub struct EngineBuilder<'a> {
    options: &'a EngineOptions,
    planner: Planner,
}

impl EngineBuilder<'_> {
    /// Puts a planner around the one that there is: it gets each plan first, and may hand it on.
    #[must_use]
    pub fn plan_with(self, around: impl FnOnce(Planner) -> Planner) -> Self {
        Self { planner: around(self.planner), ..self }
    }

    /// The engine.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the spill folder cannot be used.
    pub fn build(self) -> Result<Engine, SqlError> {
        let Self { options, planner } = self;
        let mode = match &options.spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
            .build_arc()
            .map_err(SqlError::engine)?;
        let config = session_config(options.threads).map_err(SqlError::engine)?;
        Ok(Engine { runtime, config, memory_bytes: options.memory_bytes, planner })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({} threads, {} bytes)", self.threads().count(), self.memory_bytes)
    }
}

impl Engine {
    /// An engine within these limits.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the spill folder cannot be used.
    pub fn new(options: &EngineOptions) -> Result<Self, SqlError> {
        Self::builder(options).build()
    }

    /// An engine within these limits, of which more can be chosen.
    #[must_use]
    pub fn builder(options: &EngineOptions) -> EngineBuilder<'_> {
        EngineBuilder { options, planner: DeltaPlanner::new() }
    }

    /// The same engine with so many threads for each query: where many queries run at a time, each is best on a thread of its own.
    #[must_use]
    pub fn with_threads(&self, threads: Threads) -> Self {
        Self { config: self.config.clone().with_target_partitions(threads.count()), ..self.clone() }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Threads that work on one query.
    #[must_use]
    pub fn threads(&self) -> Threads {
        Threads::new(self.config.target_partitions())
    }

    pub(crate) fn planner(&self) -> Planner {
        Arc::clone(&self.planner)
    }

    pub(crate) fn runtime(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.runtime)
    }

    pub(crate) fn config(&self) -> SessionConfig {
        self.config.clone()
    }
}

/// Spans for errors that point into a file; plain strings instead of views, as contracts say; decimal literals, because money is decimal;
/// no lists of join keys in the scan of the other side, which would tell -0.0 from 0.
fn session_config(threads: usize) -> Result<SessionConfig, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    let options = config.options_mut();
    options.set("datafusion.sql_parser.collect_spans", "true")?;
    options.set("datafusion.sql_parser.parse_float_as_decimal", "true")?;
    options.set("datafusion.sql_parser.map_string_types_to_utf8view", "false")?;
    options.set("datafusion.execution.parquet.schema_force_view_types", "false")?;
    options.set("datafusion.execution.parquet.pushdown_filters", "true")?;
    options.set("datafusion.optimizer.hash_join_inlist_pushdown_max_size", "0")?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use datafusion::logical_expr::LogicalPlan;
    use datafusion::physical_plan::ExecutionPlan;

    use super::*;
    use crate::dialect::AsWritten;

    #[test]
    fn the_version_is_that_of_the_dependency() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        let entry = format!("name = \"datafusion\"\nversion = \"{ENGINE_VERSION}\"\n");
        assert!(lock.contains(&entry), "{ENGINE_VERSION}");
    }

    /// Counts the plans that it hands on.
    #[derive(Debug)]
    struct Counting {
        inner: Planner,
        plans: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl QueryPlanner for Counting {
        async fn create_physical_plan(
            &self,
            plan: &LogicalPlan,
            state: &dyn datafusion::catalog::Session,
        ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
            self.plans.fetch_add(1, Ordering::Relaxed);
            self.inner.create_physical_plan(plan, state).await
        }
    }

    #[tokio::test]
    async fn a_planner_is_put_around_the_one_that_there_is() {
        let plans = Arc::new(AtomicUsize::new(0));
        let options = EngineOptions { memory_bytes: 1 << 26, spill_folder: None, threads: 1 };
        let counting = |inner| -> Planner { Arc::new(Counting { inner, plans: Arc::clone(&plans) }) };
        let engine = Engine::builder(&options).plan_with(counting).build().unwrap();
        let session = engine.session(jiff::Timestamp::UNIX_EPOCH);
        let plan = session.plan("SELECT 1 AS one", &AsWritten).await.unwrap();
        assert_eq!(session.collect(&plan).await.unwrap().rows(), 1);
        assert_eq!(plans.load(Ordering::Relaxed), 1);
    }
}

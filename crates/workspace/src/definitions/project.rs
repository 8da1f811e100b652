//! The definitions of a project, and those of one pipeline.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_experiment::Experiment;
use tranche_ingest::Source;
use tranche_metric::Metrics;
use tranche_observe::ObserveSettings;
use tranche_pipeline::Pipeline;
use tranche_project::{Problems, Project, Settings, SourceFile, yaml};
use tranche_report::Report;
use tranche_schema::{Contract, ContractSpec};
use tranche_segment::{Definitions, Elsewhere, SegmentDefinition};
use tranche_sql::{Engine, PersonalColumns, Session, SqlError, Tables};
use tranche_store::Lake;

use crate::failure::Failure;

/// A project's definitions.
#[derive(Debug)]
pub struct ProjectDefinitions {
    /// The files that they were read from.
    pub project: Project,
    /// `tranche.yaml`.
    pub settings: Settings,
    /// Its sections about observability.
    pub observe: ObserveSettings,
    /// The contracts, by table.
    pub contracts: IndexMap<String, Contract>,
    /// How old the newest load of a table may be, by table.
    pub freshness: IndexMap<String, Duration>,
    /// The pipelines, by name.
    pub pipelines: IndexMap<String, PipelineDefinitions>,
    /// The problems that were found while reading.
    pub(crate) problems: Problems,
    /// The files of the contracts, by table.
    pub(crate) contract_files: IndexMap<String, SourceFile>,
    /// Tables, by the names of their files, whose contracts cannot be read.
    pub(crate) unreadable: Vec<String>,
}

/// The definitions of one pipeline.
#[derive(Debug)]
pub struct PipelineDefinitions {
    /// Its steps; `None` when `pipeline.yaml` cannot be read.
    pub pipeline: Option<Pipeline>,
    /// `pipeline.yaml`.
    pub(crate) manifest: Option<SourceFile>,
    /// Its sources with their files, by name.
    pub sources: IndexMap<String, (Source, SourceFile)>,
    /// Its traits and segments.
    pub definitions: Definitions,
    /// Its metrics.
    pub metrics: Metrics,
    /// Its experiments, by name.
    pub experiments: IndexMap<String, Experiment>,
    /// Its reports, by name.
    pub reports: IndexMap<String, Report>,
}

impl ProjectDefinitions {
    /// What pipelines other than this one define of entities.
    ///
    /// # Errors
    /// [`Failure`] when a contract's table cannot be registered.
    pub async fn elsewhere(&self, pipeline: &str, engine: &Engine) -> Result<Elsewhere, Failure> {
        let others: Vec<&Definitions> = self
            .pipelines
            .iter()
            .filter(|(name, _)| *name != pipeline)
            .map(|(_, other)| &other.definitions)
            .collect();
        Ok(match others.is_empty() {
            true => Elsewhere::default(),
            false => Elsewhere::of(others.into_iter(), &self.empty_session(engine)?).await,
        })
    }

    /// A session in which every contract is registered without data.
    ///
    /// # Errors
    /// [`Failure`] when a contract's table cannot be registered.
    pub fn empty_session(&self, engine: &Engine) -> Result<Session, Failure> {
        let personal = PersonalColumns::of(self.contracts.values());
        let session = engine.session(Timestamp::UNIX_EPOCH).with_personal(personal);
        for contract in self.contracts.values() {
            session.register_empty(&contract.table, contract.arrow_schema())?;
        }
        Ok(session)
    }

    /// The tables of all contracts, as they are now.
    ///
    /// # Errors
    /// [`Failure`] for a table that was made by another contract, at its place, or that cannot be opened.
    pub async fn tables(&self, lake: &Lake) -> Result<Tables, Failure> {
        Tables::open(lake, self.contracts.values()).await.map_err(|error| self.failure(error))
    }

    /// A failure of tables; what their contracts have to do with it, at its place.
    pub(crate) fn failure(&self, error: SqlError) -> Failure {
        let SqlError::Contract(changed) = error else { return error.into() };
        let file = self.contract_files.get(&changed.table);
        let spec = file.and_then(|file| yaml::read::<ContractSpec>(file, &mut Problems::default()));
        let (Some(file), Some(spec)) = (file, spec) else { return SqlError::Contract(changed).into() };
        let mut problems = Problems::default();
        for change in changed.changes {
            problems.push(file.problem(spec.place_of(&change.part), change.message).with_help(change.help));
        }
        Failure::problems(problems)
    }

    /// The definitions of a pipeline.
    ///
    /// # Errors
    /// [`Failure`] when there is none of this name.
    pub fn pipeline(&self, name: &str) -> Result<&PipelineDefinitions, Failure> {
        self.pipelines.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.pipelines.keys().map(String::as_str).collect();
            Failure::definition(format!("there is no pipeline `{name}`; pipelines/ has {}", known.join(", ")))
        })
    }

    /// The pipeline with something that `find` finds, and what was found.
    pub fn find<'a, T>(
        &'a self,
        find: impl Fn(&'a PipelineDefinitions) -> Option<T>,
    ) -> Option<(&'a str, &'a PipelineDefinitions, T)> {
        self.pipelines.iter().find_map(|(name, pipeline)| Some((name.as_str(), pipeline, find(pipeline)?)))
    }

    /// The segments and sets of all pipelines.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentDefinition> {
        self.pipelines.values().flat_map(|pipeline| pipeline.definitions.segments.values())
    }

    /// The definition of a segment, `vip` or `lifecycle/new`, and the name of its pipeline.
    ///
    /// # Errors
    /// [`Failure`] when there is none of this name; it suggests one that is near.
    pub fn segment(&self, name: &str) -> Result<(&str, &PipelineDefinitions, &SegmentDefinition), Failure> {
        self.find(|pipeline| pipeline.definitions.definition_of(name)).ok_or_else(|| {
            let known =
                self.pipelines.values().flat_map(|p| p.definitions.segments.keys()).map(String::as_str);
            Failure::unknown("segment", name, known, "`tranche segment list` shows all")
        })
    }
}

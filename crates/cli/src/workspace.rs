//! Every definition of a project, read and checked as a whole.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_experiment::Experiment;
use tranche_ingest::{Formats, Source, SourceSpec};
use tranche_metric::Metrics;
use tranche_pipeline::{Pipeline, Step, Targets, Trigger};
use tranche_project::{DefinitionKind, Position, Problems, Project, Settings, SourceFile, duration, yaml};
use tranche_report::Report;
use tranche_schema::{Contract, ContractSpec};
use tranche_segment::{Definitions, SegmentDefinition};
use tranche_sql::{Engine, Session};

use crate::failure::Failure;
use crate::steps::ACTIONS;

/// A project's definitions.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) project: Project,
    pub(crate) settings: Settings,
    pub(crate) contracts: IndexMap<String, Contract>,
    /// How old the newest load of a table may be, by table.
    pub(crate) freshness: IndexMap<String, Duration>,
    pub(crate) pipelines: IndexMap<String, PipelineDefinitions>,
    /// What was found wrong while reading.
    problems: Problems,
    contract_files: IndexMap<String, SourceFile>,
    /// Tables, by the names of their files, whose contracts cannot be read.
    unreadable: Vec<String>,
}

/// The definitions of one pipeline.
#[derive(Debug)]
pub(crate) struct PipelineDefinitions {
    /// Its steps; `None` when `pipeline.yaml` cannot be read.
    pub(crate) pipeline: Option<Pipeline>,
    manifest: Option<SourceFile>,
    pub(crate) sources: IndexMap<String, (Source, SourceFile)>,
    pub(crate) definitions: Definitions,
    pub(crate) metrics: Metrics,
    pub(crate) experiments: IndexMap<String, Experiment>,
    pub(crate) reports: IndexMap<String, Report>,
}

impl Workspace {
    /// Reads every definition; what is wrong is kept for [`Workspace::check`].
    pub(crate) fn read(project: Project) -> Self {
        let mut problems = Problems::default();
        let settings = project.settings(&mut problems);
        project.check_layout(&mut problems);
        let (contracts, contract_files, freshness) = read_contracts(&project, &mut problems);
        let mut pipelines = IndexMap::new();
        for name in project.pipelines() {
            let manifest = project.manifest(name).cloned();
            let experiments = tranche_experiment::read(&project, name, &settings.timezone, &mut problems);
            let definitions = PipelineDefinitions {
                pipeline: manifest
                    .as_ref()
                    .and_then(|file| Pipeline::read(file, &ACTIONS, &settings, &mut problems)),
                manifest,
                sources: read_sources(&project, name, &contracts, &mut problems),
                definitions: Definitions::read(&project, name, &contracts, &mut problems),
                metrics: Metrics::read(&project, name, &mut problems),
                experiments,
                reports: tranche_report::read(&project, name, &mut problems),
            };
            pipelines.insert(name.to_owned(), definitions);
        }
        let read = |file: &&SourceFile| contract_files.values().any(|known| known.path() == file.path());
        let unreadable =
            project.schemas().filter(|file| !read(file)).map(|file| file.stem().to_owned()).collect();
        let mut workspace =
            Self { project, settings, contracts, freshness, pipelines, problems, contract_files, unreadable };
        workspace.check_across_pipelines();
        workspace
    }

    /// Checks every definition and statement; no data is read.
    pub(crate) async fn check(&self, engine: &Engine) -> Result<(), Failure> {
        let mut problems = self.problems.clone();
        let session = self.empty_session(engine)?;
        for contract in self.contracts.values() {
            self.check_contract(contract, &session, &mut problems);
        }
        for definitions in self.pipelines.values() {
            definitions.check(self, engine, &mut problems).await?;
        }
        // A contract that cannot be read is the mistake, not everything that refers to its table.
        let blamed =
            |message: &str| self.unreadable.iter().any(|table| message.contains(&format!("table `{table}`")));
        let problems = problems.without(|problem| blamed(&problem.message));
        if problems.is_empty() { Ok(()) } else { Err(Failure::problems(problems)) }
    }

    /// A session in which every contract is registered without data.
    pub(crate) fn empty_session(&self, engine: &Engine) -> Result<Session, Failure> {
        let session = engine.session(Timestamp::UNIX_EPOCH);
        for contract in self.contracts.values() {
            session.register_empty(&contract.table, contract.arrow_schema())?;
        }
        Ok(session)
    }

    /// The definitions of a pipeline.
    pub(crate) fn pipeline(&self, name: &str) -> Result<&PipelineDefinitions, Failure> {
        self.pipelines.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.pipelines.keys().map(String::as_str).collect();
            Failure::definition(format!("there is no pipeline `{name}`; pipelines/ has {}", known.join(", ")))
        })
    }

    /// The pipeline with something that `find` finds, and what was found.
    pub(crate) fn find<'a, T>(
        &'a self,
        find: impl Fn(&'a PipelineDefinitions) -> Option<T>,
    ) -> Option<(&'a str, &'a PipelineDefinitions, T)> {
        self.pipelines.iter().find_map(|(name, pipeline)| Some((name.as_str(), pipeline, find(pipeline)?)))
    }

    /// The definition of a segment, `vip` or `lifecycle/new`, and the name of its pipeline.
    pub(crate) fn segment(
        &self,
        name: &str,
    ) -> Result<(&str, &PipelineDefinitions, &SegmentDefinition), Failure> {
        self.find(|pipeline| pipeline.definitions.definition_of(name)).ok_or_else(|| {
            let known =
                self.pipelines.values().flat_map(|p| p.definitions.segments.keys()).map(String::as_str);
            Failure::unknown("segment", name, known, "`tranche segment list` shows all")
        })
    }

    /// Memberships and tables are shared by all pipelines of a project, so names must be too.
    fn check_across_pipelines(&mut self) {
        let mut seen: IndexMap<&str, &SegmentDefinition> = IndexMap::new();
        let mut problems = Problems::default();
        for pipeline in self.pipelines.values() {
            for segment in pipeline.definitions.segments.values() {
                if let Some(other) = seen.insert(&segment.name, segment) {
                    let message =
                        format!("segment `{}` is already defined in {}", segment.name, other.file.path());
                    problems.report(&segment.file, segment.named_at, message);
                }
            }
        }
        for definitions in self.pipelines.values() {
            definitions.check_triggers(&self.pipelines, &mut problems);
        }
        self.problems.extend(problems);
    }

    fn check_contract(&self, contract: &Contract, session: &Session, problems: &mut Problems) {
        let Some(file) = self.contract_files.get(&contract.table) else { return };
        for column in &contract.columns {
            let Some(check) = &column.check else { continue };
            let Ok(schema) = datafusion::common::DFSchema::try_from(contract.arrow_schema().as_ref().clone())
            else {
                continue;
            };
            if let Err(problem) = session.expression(check, &schema) {
                let start = position_of(file, check);
                let at = Position { line: start.line, column: start.column + problem.position.column - 1 };
                let mut diagnostic =
                    file.problem(at, format!("check of `{}`: {}", column.name, problem.message));
                diagnostic.help = problem.help;
                problems.push(diagnostic);
            }
        }
    }
}

/// Why a pipeline cannot come after another, if it cannot.
fn wrong_upstream(
    pipeline: &str,
    upstream: &str,
    pipelines: &IndexMap<String, PipelineDefinitions>,
) -> Option<String> {
    let Some(found) = pipelines.get(upstream) else {
        let known: Vec<&str> = pipelines.keys().map(String::as_str).collect();
        return Some(format!("there is no pipeline `{upstream}`; pipelines/ has {}", known.join(", ")));
    };
    let found = found.pipeline.as_ref()?;
    if found.schedules.is_empty() {
        return Some(format!("pipeline `{upstream}` has no schedule, so nothing ever comes after it"));
    }
    let mut rest = vec![upstream];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(name) = rest.pop() {
        if name == pipeline {
            return Some(format!("`{pipeline}` and `{upstream}` come after each other"));
        }
        let definitions = pipelines.get(name).and_then(|definitions| definitions.pipeline.as_ref());
        if seen.insert(name)
            && let Some(definitions) = definitions
        {
            rest.extend(
                definitions
                    .schedules
                    .iter()
                    .flat_map(|schedule| match &schedule.trigger {
                        Trigger::After(names) => names.as_slice(),
                        Trigger::Calendar(_) | Trigger::NewFiles(_) => &[],
                    })
                    .map(String::as_str),
            );
        }
    }
    None
}

/// Where a text first stands in a file.
fn position_of(file: &SourceFile, text: &str) -> Position {
    let found = file.text().lines().enumerate().find_map(|(line, content)| {
        let at = content.find(text)?;
        Some(Position { line: line as u64 + 1, column: content.get(..at)?.chars().count() as u64 + 1 })
    });
    found.unwrap_or(Position::START)
}

/// The contracts, their files, and how fresh their tables have to be; by table.
type Contracts = (IndexMap<String, Contract>, IndexMap<String, SourceFile>, IndexMap<String, Duration>);

fn read_contracts(project: &Project, problems: &mut Problems) -> Contracts {
    let mut contracts: IndexMap<String, Contract> = IndexMap::new();
    let mut files: IndexMap<String, SourceFile> = IndexMap::new();
    let mut freshness = IndexMap::new();
    for file in project.schemas() {
        let Some(spec) = yaml::read::<ContractSpec>(file, problems) else { continue };
        let at = spec.table.referenced;
        let entity_at = spec.entity.referenced;
        let fresh = spec.freshness.as_ref().and_then(|text| match duration::parse(&text.value) {
            Ok(duration) => Some(duration),
            Err(message) => {
                problems.report(file, text.referenced, message);
                None
            }
        });
        let Some(contract) = spec.validate(&mut |location, message| problems.report(file, location, message))
        else {
            continue;
        };
        if let Some(other) = files.get(&contract.table) {
            problems.report(
                file,
                at,
                format!("table `{}` is already defined in {}", contract.table, other.path()),
            );
            continue;
        }
        if let Some(entity) = contract.entity()
            && let Some(other) = contracts.values().find(|other| other.entity() == Some(entity))
        {
            problems.report(
                file,
                entity_at,
                format!("entity `{entity}` has its table already: `{}`", other.table),
            );
        }
        freshness.extend(fresh.map(|duration| (contract.table.clone(), duration)));
        files.insert(contract.table.clone(), file.clone());
        contracts.insert(contract.table.clone(), contract);
    }
    (contracts, files, freshness)
}

fn read_sources(
    project: &Project,
    pipeline: &str,
    contracts: &IndexMap<String, Contract>,
    problems: &mut Problems,
) -> IndexMap<String, (Source, SourceFile)> {
    let mut sources: IndexMap<String, (Source, SourceFile)> = IndexMap::new();
    for file in project.definitions(pipeline, DefinitionKind::Source) {
        let Some(spec) = yaml::read::<SourceSpec>(file, problems) else { continue };
        let at = spec.source.referenced;
        if !contracts.contains_key(&spec.into.value) {
            let known: Vec<&str> = contracts.keys().map(String::as_str).collect();
            let message =
                format!("no contract for table `{}`; schemas/ has {}", spec.into.value, known.join(", "));
            problems.report(file, spec.into.referenced, message);
        }
        let Some(source) = spec.validate(&Formats::default(), file, problems) else { continue };
        if let Some((_, other)) = sources.get(&source.name) {
            problems.report(
                file,
                at,
                format!("source `{}` is already defined in {}", source.name, other.path()),
            );
            continue;
        }
        sources.insert(source.name.clone(), (source, file.clone()));
    }
    sources
}

impl PipelineDefinitions {
    async fn check(
        &self,
        workspace: &Workspace,
        engine: &Engine,
        problems: &mut Problems,
    ) -> Result<(), Failure> {
        let session = workspace.empty_session(engine)?;
        let mapping =
            engine.session_with(Timestamp::UNIX_EPOCH, vec![std::sync::Arc::new(tranche_sql::NumericText)]);
        for (source, file) in self.sources.values() {
            if let Some(contract) = workspace.contracts.get(&source.into.value) {
                tranche_ingest::check_mapping(source, contract, &mapping, file, problems);
            }
        }
        tranche_segment::check(&self.definitions, &session, problems).await?;
        tranche_metric::check(&self.metrics, &workspace.contracts, &session, problems);
        tranche_experiment::check(&self.experiments, &self.definitions, &self.metrics, &session, problems);
        tranche_report::check(&self.reports, &self.definitions, &self.metrics, problems);
        if let (Some(pipeline), Some(file)) = (&self.pipeline, &self.manifest) {
            for step in &pipeline.steps {
                self.check_targets(step, file, problems);
            }
        }
        Ok(())
    }

    /// Pipelines and sources that schedules refer to.
    fn check_triggers(&self, pipelines: &IndexMap<String, Self>, problems: &mut Problems) {
        let (Some(pipeline), Some(file)) = (&self.pipeline, &self.manifest) else { return };
        for schedule in &pipeline.schedules {
            match &schedule.trigger {
                Trigger::Calendar(_) => {}
                Trigger::NewFiles(source) if self.sources.contains_key(source) => {}
                Trigger::NewFiles(source) => {
                    let known: Vec<&str> = self.sources.keys().map(String::as_str).collect();
                    let message =
                        format!("there is no source `{source}`; this pipeline has {}", known.join(", "));
                    problems.report(file, position_of(file, "on_new_files"), message);
                }
                Trigger::After(names) => {
                    for name in names {
                        if let Some(message) = wrong_upstream(&pipeline.name, name, pipelines) {
                            problems.report(file, position_of(file, "after"), message);
                        }
                    }
                }
            }
        }
    }

    fn check_targets(&self, step: &Step, file: &SourceFile, problems: &mut Problems) {
        let Targets::Named(names) = &step.targets else { return };
        if step.action == "maintain" {
            for name in names.iter().take(1) {
                problems.report(
                    file,
                    name.referenced,
                    "maintenance is of the whole lake: write `maintain: all`",
                );
            }
            return;
        }
        for name in names {
            let (known, what) = match step.action.as_str() {
                "ingest" => (self.sources.contains_key(&name.value), "source"),
                "refresh" => (self.definitions.definition_of(&name.value).is_some(), "segment"),
                "measure" => (self.experiments.contains_key(&name.value), "experiment"),
                _ => (self.reports.contains_key(&name.value), "report"),
            };
            if !known {
                problems.report(file, name.referenced, format!("there is no {what} `{}`", name.value));
            }
        }
    }
}

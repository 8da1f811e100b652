//! Reading every definition of a project.

use indexmap::IndexMap;
use tranche_ingest::{Formats, Source, SourceSpec};
use tranche_metric::Metrics;
use tranche_observe::ObserveSettings;
use tranche_pipeline::Pipeline;
use tranche_project::{
    DefinitionKind, Named, Problems, Project, SettingsSpec, SourceFile, already_defined, check_name, yaml,
};
use tranche_schema::Contract;
use tranche_segment::{Definitions, SegmentDefinition};

use super::contracts::{Contracts, read_contracts};
use super::project::{PipelineDefinitions, ProjectDefinitions};
use super::triggers::check_triggers;

/// Reads every definition; problems are kept for the check. `actions` are the names that steps may give.
pub(crate) fn read(project: Project, actions: &[&str]) -> ProjectDefinitions {
    let mut problems = Problems::default();
    let settings = project.settings(&mut problems);
    let observe = ObserveSettings::read(&settings.sections, &mut problems);
    settings.sections.check(&[&SettingsSpec::KEYS[..], &ObserveSettings::SECTIONS].concat(), &mut problems);
    project.check_layout(&mut problems);
    project.check_texts(&mut problems);
    let Contracts { contracts, files: contract_files, freshness } =
        read_contracts(&project, &settings.limits, &mut problems);
    let mut pipelines = IndexMap::new();
    for name in project.pipelines() {
        let manifest = project.manifest(name).cloned();
        let experiments = tranche_experiment::read(&project, name, &settings.timezone, &mut problems);
        let definitions = PipelineDefinitions {
            pipeline: manifest
                .as_ref()
                .and_then(|file| Pipeline::read(file, actions, &settings, &mut problems)),
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
    problems.extend(check_across_pipelines(&pipelines));
    ProjectDefinitions {
        project,
        settings,
        observe,
        contracts,
        freshness,
        pipelines,
        problems,
        contract_files,
        unreadable,
    }
}

/// Memberships and tables are shared by all pipelines of a project, so names must be too.
fn check_across_pipelines(pipelines: &IndexMap<String, PipelineDefinitions>) -> Problems {
    let mut seen: IndexMap<&str, &SegmentDefinition> = IndexMap::new();
    let mut problems = Problems::default();
    for pipeline in pipelines.values() {
        for segment in pipeline.definitions.segments.values() {
            // What a `/` stands for was said where the segment was read.
            if !segment.name.contains('/') {
                check_name("segment", &segment.name, &segment.file, segment.named_at, &mut problems);
            }
            if let Some(other) = seen.insert(&segment.name, segment) {
                let message = already_defined("segment", &segment.name, &other.file);
                problems.report(&segment.file, segment.named_at, message);
            }
        }
    }
    for definitions in pipelines.values() {
        check_triggers(definitions, pipelines, &mut problems);
    }
    problems
}

fn read_sources(
    project: &Project,
    pipeline: &str,
    contracts: &IndexMap<String, Contract>,
    problems: &mut Problems,
) -> IndexMap<String, (Source, SourceFile)> {
    let mut sources = Named::new("source");
    for file in project.definitions(pipeline, DefinitionKind::Source) {
        let Some(spec) = yaml::read::<SourceSpec>(file, problems) else { continue };
        let at = spec.source.referenced;
        if !contracts.contains_key(&spec.into.value) {
            let known: Vec<&str> = contracts.keys().map(String::as_str).collect();
            let message =
                format!("no contract for table `{}`; schemas/ has {}", spec.into.value, known.join(", "));
            problems.push(file.problem(spec.into.referenced, message).with_missing_table(&spec.into.value));
        }
        let Some(source) = spec.validate(&Formats::default(), file, problems) else { continue };
        sources.add(&source.name.clone(), source, file, at, problems);
    }
    sources.into_iter().map(|named| (named.name, (named.definition, named.file))).collect()
}

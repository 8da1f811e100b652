//! Where definitions lie in a project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::disk::Found;
use crate::{Diagnostic, Position, Problems, Settings, SettingsSpec, SourceFile, texts, yaml};

/// Every definition file of a project, read once: what a run pins and a resumed run sees again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    files: BTreeMap<String, SourceFile>,
    /// Of folders that cannot be read.
    unreadable: Vec<Diagnostic>,
}

/// The caller's: there is no project where they said.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// The folder has no `tranche.yaml`.
    #[error(
        "no tranche.yaml in {folder}; run `tranche init DIR` for a new project, or name one with --project"
    )]
    Missing {
        /// The folder that was looked in.
        folder: PathBuf,
    },
}

/// What the files of a pipeline's subfolder define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DefinitionKind {
    /// `sources/*.yaml`
    Source,
    /// `traits/*.sql`
    Traits,
    /// `segments/*.sql`
    Segment,
    /// `metrics/*.yaml`
    Metric,
    /// `experiments/*.yaml`
    Experiment,
    /// `reports/*.yaml`
    Report,
}

impl DefinitionKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Traits, Self::Segment, Self::Metric, Self::Experiment, Self::Report];

    /// The folder below `pipelines/<pipeline>/` and the extension of its files.
    #[must_use]
    pub fn folder_and_extension(self) -> (&'static str, &'static str) {
        match self {
            Self::Source => ("sources", "yaml"),
            Self::Traits => ("traits", "sql"),
            Self::Segment => ("segments", "sql"),
            Self::Metric => ("metrics", "yaml"),
            Self::Experiment => ("experiments", "yaml"),
            Self::Report => ("reports", "yaml"),
        }
    }
}

const SETTINGS: &str = "tranche.yaml";
const MANIFEST: &str = "pipeline.yaml";

impl Project {
    /// Reads the project in a folder: `tranche.yaml`, `schemas/` and `pipelines/`. What cannot be read is reported with the problems of
    /// definitions.
    ///
    /// # Errors
    /// [`ProjectError`] when the folder holds no project.
    pub fn read(root: &Path) -> Result<Self, ProjectError> {
        let mut found = Found::new(root);
        found.file(SETTINGS);
        if found.files.is_empty() {
            return Err(ProjectError::Missing { folder: root.to_owned() });
        }
        found.folder("schemas", "yaml");
        for pipeline in found.folders("pipelines") {
            let folder = format!("pipelines/{pipeline}");
            found.file(&format!("{folder}/{MANIFEST}"));
            for kind in DefinitionKind::ALL {
                let (sub, extension) = kind.folder_and_extension();
                found.folder(&format!("{folder}/{sub}"), extension);
            }
        }
        Ok(Self { files: found.files, unreadable: found.problems })
    }

    /// A project made of these (path, text) pairs.
    pub fn from_files<P: AsRef<str>, T: AsRef<str>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let file =
            |(path, text): (P, T)| (path.as_ref().to_owned(), SourceFile::new(path.as_ref(), text.as_ref()));
        Self { files: files.into_iter().map(file).collect(), unreadable: Vec::new() }
    }

    /// The same project without the file at a path.
    #[must_use]
    pub fn without(&self, path: Option<&str>) -> Self {
        let mut project = self.clone();
        project.files.retain(|other, _| Some(other.as_str()) != path);
        project
    }

    /// The same project with a file more.
    #[must_use]
    pub fn with(mut self, file: SourceFile) -> Self {
        self.files.insert(file.path().to_owned(), file);
        self
    }

    /// Every file, by path.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.values()
    }

    /// The settings, with their problems reported.
    pub fn settings(&self, problems: &mut Problems) -> Settings {
        let Some(file) = self.files.get(SETTINGS) else { return Settings::default() };
        yaml::read::<SettingsSpec>(file, problems)
            .map_or_else(Settings::unreadable, |spec| spec.validate(file, problems))
    }

    /// The table contracts, `schemas/*.yaml`.
    pub fn schemas(&self) -> impl Iterator<Item = &SourceFile> {
        self.folder("schemas/".to_owned())
    }

    /// The names of the folders under `pipelines/`.
    pub fn pipelines(&self) -> impl Iterator<Item = &str> {
        let names = self.files.keys().filter_map(|path| path.strip_prefix("pipelines/")?.split('/').next());
        names.collect::<BTreeSet<_>>().into_iter()
    }

    /// The `pipeline.yaml` of a pipeline, if it has one.
    #[must_use]
    pub fn manifest(&self, pipeline: &str) -> Option<&SourceFile> {
        self.files.get(&format!("pipelines/{pipeline}/{MANIFEST}"))
    }

    /// The definitions of one kind in a pipeline.
    pub fn definitions(&self, pipeline: &str, kind: DefinitionKind) -> impl Iterator<Item = &SourceFile> {
        self.folder(format!("pipelines/{pipeline}/{}/", kind.folder_and_extension().0))
    }

    /// Reports characters in definitions that nobody sees, and secrets that stand there in the open.
    pub fn check_texts(&self, problems: &mut Problems) {
        for file in self.files() {
            texts::check(file, problems);
        }
    }

    /// Reports folders that cannot be read, and pipelines without a `pipeline.yaml`.
    pub fn check_layout(&self, problems: &mut Problems) {
        self.unreadable.iter().for_each(|problem| problems.push(problem.clone()));
        for pipeline in self.pipelines().filter(|name| self.manifest(name).is_none()) {
            let file = SourceFile::new(&format!("pipelines/{pipeline}/{MANIFEST}"), "");
            problems.report(
                &file,
                Position::START,
                "this pipeline has no pipeline.yaml; every pipeline needs one with its steps",
            );
        }
    }

    fn folder(&self, prefix: String) -> impl Iterator<Item = &SourceFile> {
        self.files
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(_, file)| file)
    }
}

//! Where definitions lie in a project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Position, Problems, Settings, SettingsSpec, SourceFile, texts, yaml};

/// Every definition file of a project, read once: what a run pins and a resumed run sees again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    files: BTreeMap<String, SourceFile>,
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
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
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
    /// Reads the project in a folder: `tranche.yaml`, `schemas/` and `pipelines/`.
    ///
    /// # Errors
    /// [`ProjectError`] when the folder holds no project or a file cannot be read.
    pub fn read(root: &Path) -> Result<Self, ProjectError> {
        if !root.join(SETTINGS).is_file() {
            return Err(ProjectError::Missing { folder: root.to_owned() });
        }
        let mut files = BTreeMap::new();
        read_file(root, SETTINGS, &mut files)?;
        read_folder(root, "schemas", &["yaml"], &mut files)?;
        for pipeline in subfolders(&root.join("pipelines"))? {
            let folder = format!("pipelines/{pipeline}");
            if root.join(&folder).join(MANIFEST).is_file() {
                read_file(root, &format!("{folder}/{MANIFEST}"), &mut files)?;
            }
            for kind in DefinitionKind::ALL {
                let (sub, extension) = kind.folder_and_extension();
                read_folder(root, &format!("{folder}/{sub}"), &[extension], &mut files)?;
            }
        }
        Ok(Self { files })
    }

    /// A project made of these (path, text) pairs.
    pub fn from_files<P: AsRef<str>, T: AsRef<str>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let file =
            |(path, text): (P, T)| (path.as_ref().to_owned(), SourceFile::new(path.as_ref(), text.as_ref()));
        Self { files: files.into_iter().map(file).collect() }
    }

    /// Every file, by path.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.values()
    }

    /// The settings, with their problems reported.
    pub fn settings(&self, problems: &mut Problems) -> Settings {
        let Some(file) = self.files.get(SETTINGS) else { return Settings::default() };
        yaml::read::<SettingsSpec>(file, problems)
            .map_or_else(Settings::default, |spec| spec.validate(file, problems))
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

    /// Reports pipelines without a `pipeline.yaml`.
    pub fn check_layout(&self, problems: &mut Problems) {
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

fn read_file(
    root: &Path,
    relative: &str,
    files: &mut BTreeMap<String, SourceFile>,
) -> Result<(), ProjectError> {
    let path = root.join(relative);
    let text = std::fs::read_to_string(&path).map_err(|source| ProjectError::Read { path, source })?;
    files.insert(relative.to_owned(), SourceFile::new(relative, &text));
    Ok(())
}

fn read_folder(
    root: &Path,
    folder: &str,
    extensions: &[&str],
    files: &mut BTreeMap<String, SourceFile>,
) -> Result<(), ProjectError> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(());
    }
    for name in entries(&path)? {
        let wanted = Path::new(&name)
            .extension()
            .is_some_and(|e| extensions.iter().any(|x| e.eq_ignore_ascii_case(x)));
        if wanted && path.join(&name).is_file() {
            read_file(root, &format!("{folder}/{name}"), files)?;
        }
    }
    Ok(())
}

fn subfolders(path: &Path) -> Result<Vec<String>, ProjectError> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    Ok(entries(path)?.into_iter().filter(|name| path.join(name).is_dir()).collect())
}

fn entries(path: &Path) -> Result<BTreeSet<String>, ProjectError> {
    let error = |source| ProjectError::Read { path: path.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        names.insert(entry.map_err(error)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

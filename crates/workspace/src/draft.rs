//! A definition in a file that need not be part of the project: the project as it would be with it.

use std::path::Path;

use tranche_project::{Problems, SourceFile, front_matter};
use tranche_segment::SegmentSpec;

use crate::failure::Failure;
use crate::tranche::Tranche;

/// A project with a file in it that takes the place of whatever defines the same segment.
pub struct Draft {
    /// The project with the file.
    pub tranche: Tranche,
    /// The segment or set that the file defines.
    pub name: String,
    /// The file as it was typed.
    typed: String,
    /// Where in the project it stands for now.
    path: String,
}

impl Draft {
    /// Reads the file. `pipeline` is the one it is meant for, when neither its name nor its entity determines it.
    pub fn read(typed: &str, pipeline: Option<&str>, tranche: &Tranche) -> Result<Self, Failure> {
        let bytes =
            std::fs::read(typed).map_err(|e| Failure::definition(format!("cannot read {typed}: {e}")))?;
        let file = SourceFile::from_bytes(typed, &bytes);
        let mut problems = Problems::default();
        let Some(spec) = front_matter::read::<SegmentSpec>(&file, &mut problems) else {
            return Err(Failure::problems(problems));
        };
        let Some(name) = spec.segment.or(spec.segment_set) else {
            problems.report(
                &file,
                tranche_project::Position::START,
                "name it with one of `segment:` and `segment_set:`",
            );
            return Err(Failure::problems(problems));
        };
        let name = name.value;
        let known = tranche.definitions.segment(&name).ok();
        let pipeline = match (known, pipeline) {
            (Some((pipeline, _, _)), None) => pipeline,
            (_, Some(pipeline)) => {
                tranche.definitions.pipeline(pipeline)?;
                pipeline
            }
            (None, None) => pipeline_of(&spec.entity.value, tranche)?,
        };
        let replaced = known.map(|(_, _, definition)| definition.file.path().to_owned());
        let others = tranche.definitions.project.without(replaced.as_deref());
        let mut path = format!("pipelines/{pipeline}/segments/{}.sql", Path::new(file.stem()).display());
        while others.files().any(|other| other.path() == path) {
            path = path.replace(".sql", "_.sql");
        }
        let project = others.with(SourceFile::new(&path, file.text()));
        let tranche = Tranche::with_project(&tranche.place, project, tranche.actions.clone())?;
        Ok(Self { tranche, name, typed: typed.to_owned(), path })
    }

    /// Fails with the problems of the file, if it has any.
    pub async fn check(&self) -> Result<(), Failure> {
        self.tranche.check_file(&self.path).await.map_err(|mut failure| {
            for problem in failure.diagnostics.iter_mut().filter(|problem| problem.file == self.path) {
                problem.file.clone_from(&self.typed);
            }
            failure
        })
    }
}

/// The one pipeline that defines something for an entity, or the only one.
fn pipeline_of<'a>(entity: &str, tranche: &'a Tranche) -> Result<&'a str, Failure> {
    let all = &tranche.definitions.pipelines;
    let mut of_entity = all.iter().filter(|(_, pipeline)| pipeline.definitions.entities().contains(&entity));
    match (of_entity.next(), of_entity.next(), all.first()) {
        (Some((name, _)), None, _) => Ok(name),
        (None, _, Some((name, _))) if all.len() == 1 => Ok(name),
        _ => Err(Failure::definition(format!(
            "several pipelines may segment `{entity}`; name one with --pipeline"
        ))),
    }
}

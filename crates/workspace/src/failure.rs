//! What a question or an action failed with: a message, and a class that says who has to act.

use std::error::Error;

use tranche_experiment::ExperimentError;
use tranche_ingest::IngestError;
use tranche_metric::MetricError;
use tranche_pipeline::{FailureClass, RunError};
use tranche_project::{Diagnostic, Problems, ProjectError, is_near};
use tranche_report::ReportError;
use tranche_segment::SegmentError;
use tranche_sql::SqlError;
use tranche_store::StoreError;

/// A failure with who has to act.
#[derive(Debug)]
pub struct Failure {
    /// Who has to act.
    pub class: FailureClass,
    /// What went wrong, and what to do about it where that is known.
    pub message: String,
    /// Problems of definitions, each at its place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    fn new(class: FailureClass, message: String) -> Self {
        Self { class, message, diagnostics: Vec::new() }
    }

    /// The author's or the caller's: exit code 2.
    pub fn definition(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Definition, message.into())
    }

    /// The data's: exit code 1.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Data, message.into())
    }

    /// The storage's: exit code 3.
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Storage, message.into())
    }

    /// Ours: exit code 1.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Internal, message.into())
    }

    /// The caller's: a name that does not exist, with the nearest one that does, or with the advice `otherwise`.
    pub fn unknown<'a>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        otherwise: &str,
    ) -> Self {
        match known.into_iter().find(|known| is_near(known, name)) {
            Some(near) => Self::definition(format!("there is no {what} `{name}`; did you mean `{near}`?")),
            None => Self::definition(format!("there is no {what} `{name}`; {otherwise}")),
        }
    }

    /// The problems of a project: exit code 2.
    pub fn problems(problems: Problems) -> Self {
        let diagnostics = problems.into_sorted();
        let message = match diagnostics.len() {
            1 => "1 problem in the definitions".to_owned(),
            n => format!("{n} problems in the definitions"),
        };
        Self { class: FailureClass::Definition, message, diagnostics }
    }
}

impl Failure {
    /// The message with each problem at its place, in one line: for where nothing else of a failure is kept.
    #[must_use]
    pub fn in_full(&self) -> String {
        let problem = |problem: &Diagnostic| {
            let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}:{}:{}: {}{help}", problem.file, problem.line, problem.column, problem.message)
        };
        match self.diagnostics.is_empty() {
            true => self.message.clone(),
            false => self.diagnostics.iter().map(problem).collect::<Vec<_>>().join("; "),
        }
    }
}

/// An error with all of its causes in one line, each said once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Missing { .. } => Self::definition(chain(&error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let class = match error {
            StoreError::Location { .. } | StoreError::Pattern { .. } | StoreError::Version { .. } => {
                FailureClass::Definition
            }
            StoreError::Object { .. }
            | StoreError::Damaged { .. }
            | StoreError::Table { .. }
            | StoreError::Conflict { .. }
            | StoreError::Read { .. }
            | StoreError::File { .. }
            | StoreError::Parquet(_) => FailureClass::Storage,
        };
        Self::new(class, chain(&error))
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Store(error) => error.into(),
            SqlError::Definition(_) | SqlError::Contract(_) => Self::definition(chain(&error)),
            SqlError::Data(_) | SqlError::Row(_) | SqlError::Resources(_) => Self::data(chain(&error)),
            SqlError::Engine(_) => Self::internal(chain(&error)),
        }
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            IngestError::Sql(error) => error.into(),
            IngestError::Mapping { .. } => Self::definition(chain(&error)),
            IngestError::File { .. } | IngestError::TooManyRejects { .. } | IngestError::NoFiles { .. } => {
                Self::data(chain(&error))
            }
            IngestError::Read { .. } => Self::storage(chain(&error)),
            IngestError::Staging(_) => Self::internal(chain(&error)),
        }
    }
}

impl From<SegmentError> for Failure {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Store(error) => error.into(),
            SegmentError::Sql(error) => error.into(),
            SegmentError::Query { definition, source } => {
                let inner = Self::from(source);
                Self { message: format!("`{definition}` failed: {}", inner.message), ..inner }
            }
            SegmentError::Definition(_)
            | SegmentError::Unknown(_)
            | SegmentError::Published { .. }
            | SegmentError::Shortened { .. }
            | SegmentError::Instants => Self::definition(chain(&error)),
            SegmentError::Mismatch(_) => Self::internal(chain(&error)),
            SegmentError::Ambiguous { .. }
            | SegmentError::Needs { .. }
            | SegmentError::Failed(_)
            | SegmentError::Expectation(_) => Self::data(chain(&error)),
        }
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        match error {
            MetricError::Sql(error) => error.into(),
            MetricError::Fact { .. } => Self::definition(chain(&error)),
            MetricError::Row { .. } => Self::data(chain(&error)),
            MetricError::Mismatch(_) => Self::internal(chain(&error)),
        }
    }
}

impl From<ExperimentError> for Failure {
    fn from(error: ExperimentError) -> Self {
        let within = |experiment: String, inner: Self| Self {
            message: format!("experiment `{experiment}`: {}", inner.message),
            ..inner
        };
        match error {
            ExperimentError::Store(error) => error.into(),
            ExperimentError::Sql(error) => error.into(),
            ExperimentError::Segment { experiment, source } => within(experiment, (*source).into()),
            ExperimentError::Metric { experiment, source } => within(experiment, source.into()),
            ExperimentError::Unknown(_) | ExperimentError::Exposure { .. } => Self::definition(chain(&error)),
            ExperimentError::Row { .. } => Self::data(chain(&error)),
            ExperimentError::Stored { .. } => Self::internal(chain(&error)),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Sql(error) => error.into(),
            ReportError::Segment(error) => error.into(),
            ReportError::Metric(error) => error.into(),
            ReportError::Unknown(_) | ReportError::Entity { .. } => Self::definition(chain(&error)),
            ReportError::Write { .. } => Self::storage(chain(&error)),
            ReportError::Document(_) => Self::internal(chain(&error)),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Unknown { .. } | RunError::Finished { .. } | RunError::Definitions { .. } => {
                Self::definition(chain(&error))
            }
            RunError::Clock { .. } => Self::storage(chain(&error)),
            other => Self::data(chain(&other)),
        }
    }
}

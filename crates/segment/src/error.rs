//! What can go wrong with a refresh, and who has to act.

use thiserror::Error;
use tranche_incremental::Mismatch;
use tranche_project::Diagnostic;
use tranche_sql::{RowFailure, SqlError};
use tranche_store::StoreError;

/// An error of evaluating or publishing segments. Nothing was published.
#[derive(Debug, Error)]
pub enum SegmentError {
    /// The author's: the definition cannot be planned.
    #[error("{0}")]
    Definition(Box<Diagnostic>),
    /// The caller's: no such traits or segment.
    #[error("there is no segment `{0}`")]
    Unknown(String),
    /// The data's, or the author's: a definition failed on the data.
    #[error("`{definition}` failed: {source}")]
    Query {
        /// The segment or traits.
        definition: String,
        /// Why.
        #[source]
        source: SqlError,
    },
    /// The data's, or the author's: a definition needs one that failed.
    #[error("`{definition}` needs `{needed}`, which failed")]
    Needs {
        /// The segment or set.
        definition: String,
        /// What it needs: a segment, a set or traits.
        needed: String,
    },
    /// The data's, or the author's: several definitions failed on the data, each in a line.
    #[error("{}", in_lines(.0))]
    Failed(Vec<SegmentError>),
    /// The author's: traits or a segment set return several rows for one entity.
    #[error("`{definition}` returns more than one {what} for {key}; it must return one for each entity")]
    Ambiguous {
        /// The traits or segment set.
        definition: String,
        /// What there is more than one of.
        what: &'static str,
        /// One such key.
        key: String,
    },
    /// The data's: the result breaks what its author expects of it; the published membership is unchanged.
    #[error("{}; nothing was published", .0.join("; "))]
    Expectation(Vec<String>),
    /// Ours: values that continue from saved state are not those of all events. Nothing was published, and the state
    /// is deleted.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    /// The caller's: a backfill would replace what is published, and history is not rewritten unasked.
    #[error(
        "the last refresh of `{segment}` was as of {last}; a backfill from {from} replaces its history from there: add --rebuild"
    )]
    Published {
        /// The segment of those that were asked for which was refreshed last.
        segment: String,
        /// The instant of its last refresh.
        last: jiff::Timestamp,
        /// The first instant of the backfill.
        from: jiff::Timestamp,
    },
    /// The caller's: a rebuild would end before what it replaces does.
    #[error(
        "the last refresh of `{segment}` was as of {last}, and would be lost, because the rebuild ends as of {to}: --to must reach {last}"
    )]
    Shortened {
        /// The segment of those that were asked for which was refreshed last.
        segment: String,
        /// The instant of its last refresh.
        last: jiff::Timestamp,
        /// The last instant of the backfill.
        to: jiff::Timestamp,
    },
    /// The caller's: there is nothing to compute.
    #[error("a backfill needs at least one instant, each after the one before")]
    Instants,
    /// The storage's: worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

fn in_lines(errors: &[SegmentError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl SegmentError {
    /// Whether one definition alone is at fault, with the data, so that others can do without it.
    pub(crate) fn is_of_a_definition(&self) -> bool {
        match self {
            Self::Query { source, .. } => matches!(source, SqlError::Data(_) | SqlError::Row(_)),
            Self::Ambiguous { .. } | Self::Needs { .. } => true,
            _ => false,
        }
    }

    /// The error of a definition that fails for a row.
    pub(crate) fn of_row(definition: &str, failure: RowFailure) -> Self {
        Self::Query { definition: definition.to_owned(), source: SqlError::Row(Box::new(failure)) }
    }

    /// What several definitions failed with; the one, where it is alone.
    pub(crate) fn of_all(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() < 2 { errors.pop() } else { Some(Self::Failed(errors)) }
    }

    /// The author's mistake in the SQL of a file.
    pub(crate) fn definition(file: &tranche_project::SourceFile, problem: tranche_sql::SqlProblem) -> Self {
        let diagnostic = file.problem(problem.position, problem.message).with_help_if(problem.help);
        Self::Definition(Box::new(diagnostic))
    }
}

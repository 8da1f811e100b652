//! What reads a source: from an input to a stream of raw rows, each with its position.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, poll_fn};
use tokio::sync::mpsc;
use tranche_project::{Limits, Location, Spanned};

use super::input::{Input, Origin};
use super::options::OptionsSpec;
use super::problem::InputProblem;
use crate::error::IngestError;
use crate::reason::Reason;
use crate::shown::legible;

/// Reads the inputs of a source. What a value means is decided against the contract and never by a reader.
pub trait Reader: fmt::Debug + Send + Sync {
    /// Whether values have types of their own. Otherwise every column is text.
    fn is_typed(&self) -> bool {
        false
    }

    /// Whether a row may lack columns that others have: what it lacks is null.
    fn is_sparse(&self) -> bool {
        false
    }

    /// What there is to read at an origin, in the order in which it counts: later rows replace earlier ones
    /// with the same key.
    fn inputs<'a>(&'a self, origin: Origin<'a>) -> BoxFuture<'a, Result<Vec<Input>, IngestError>> {
        Box::pin(async move { Ok(origin.objects().await?) })
    }

    /// The columns of an input that has rows, where it tells them and their types without its rows.
    fn columns<'a>(&'a self, _input: &'a Input) -> BoxFuture<'a, Option<SchemaRef>> {
        Box::pin(async { None })
    }

    /// Reads an input. Batches arrive in the order of their rows; a problem ends them. An input may be read
    /// more than once. Columns that are not `wanted` may be left out where there may be any number of them.
    fn open(&self, input: &Input, wanted: &RawColumns) -> RawStream;
}

/// The raw columns that a source has a use for, and how large what it reads may be.
#[derive(Debug, Clone, Default)]
pub struct RawColumns {
    names: Arc<HashSet<String>>,
    limits: Limits,
    hides_others: bool,
}

impl RawColumns {
    /// These columns, within the usual limits.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names = Arc::new(names.into_iter().map(|name| name.as_ref().to_lowercase()).collect());
        Self { names, limits: Limits::default(), hides_others: false }
    }

    /// The same within the limits of a project.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Self {
        Self { limits: *limits, ..self }
    }

    /// The same for a table with personal data: messages name no other columns, because a file without a header line has a row there.
    #[must_use]
    pub fn hiding_others(self, hides_others: bool) -> Self {
        Self { hides_others, ..self }
    }

    /// A column of a file, as messages name it.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<String> {
        (!self.hides_others || self.has(name)).then(|| legible(name))
    }

    /// The columns of a file, as messages name them.
    pub fn list<'a>(&self, names: impl Iterator<Item = &'a String>) -> String {
        let (mut shown, mut others) = (Vec::new(), 0_usize);
        for name in names {
            match self.shown(name).filter(|_| shown.len() < LISTED_COLUMNS) {
                Some(name) => shown.push(name),
                None => others += 1,
            }
        }
        let counted = |what: &str| format!("{others} {what}{}", if others == 1 { "" } else { "s" });
        match (others, shown.is_empty()) {
            (0, _) => shown.join(", "),
            (_, true) => {
                format!("{}; if the first line is a row, add a header line", counted("other column"))
            }
            (_, false) => format!("{} and {}", shown.join(", "), counted("other column")),
        }
    }

    /// How large what is read may be.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// That a file has no more columns than a raw file may.
    ///
    /// # Errors
    /// Why it is not read.
    pub fn check_columns(&self, columns: usize) -> Result<(), InputProblem> {
        let most = self.limits.columns;
        if columns as u64 > most {
            let reason = format!(
                "the file has {columns} columns, and a raw file may have {most} (`limits.columns` in tranche.yaml)"
            );
            return Err(reason.into());
        }
        Ok(())
    }

    /// That a file is no larger, unpacked, than a raw file may be.
    ///
    /// # Errors
    /// Why it is not read.
    pub fn check_size(&self, bytes: u64) -> Result<(), InputProblem> {
        let most = self.limits.expanded_bytes;
        if bytes > most {
            let reason = format!(
                "the file has {bytes} bytes, unpacked, and a raw file may have {most} (`limits.expanded_bytes` in tranche.yaml)"
            );
            return Err(reason.into());
        }
        Ok(())
    }

    /// Whether a column of a file is one of them, or one that is meant but for the case of its letters.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.names.contains(&name.to_lowercase())
    }
}

/// At most this many columns of a file are named in a message.
const LISTED_COLUMNS: usize = 40;

/// Raw rows as they arrive, or why the input as a whole cannot be read.
pub type RawStream = BoxStream<'static, Result<RawRows, InputProblem>>;

/// Rows as they stand in an input.
#[derive(Debug)]
pub struct RawRows {
    /// The raw columns.
    pub batch: RecordBatch,
    /// The position of each row in its input: 1-based, headers not counted.
    pub rows: Vec<u64>,
    /// Rows between these that cannot be read.
    pub unreadable: Vec<UnreadableRow>,
    /// The rows as they stand, where the batch does not have all of their columns.
    pub texts: Option<StringArray>,
}

/// A row that cannot be read, while those around it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its position in its input.
    pub row: u64,
    /// The raw column at fault, when one is.
    pub column: Option<String>,
    /// Why it cannot be read.
    pub reason: Reason,
    /// The row as it stands, shortened when very long.
    pub raw: Option<String>,
}

/// A value of `format:`, and how its reader is made.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The name in `format:`.
    pub name: &'static str,
    /// What it is, for those who write definitions.
    pub description: &'static str,
    /// Makes a reader from the options of a source; problems of options are reported at their place.
    pub reader: fn(&OptionsSpec, &mut OptionProblems<'_>) -> Arc<dyn Reader>,
}

/// Takes the problems of options.
pub type OptionProblems<'a> = dyn FnMut(Location, String) + 'a;

/// The single byte that an option gives.
pub(super) fn one_byte(
    given: Option<&Spanned<String>>,
    default: u8,
    problems: &mut OptionProblems<'_>,
) -> u8 {
    let Some(given) = given else { return default };
    match given.value.as_bytes() {
        [byte] => *byte,
        _ if given.value == "\\t" => b'\t',
        _ => {
            problems(given.referenced, format!("`{}` must be a single ASCII character", given.value));
            default
        }
    }
}

/// Rows of a batch: enough to amortise the work on a batch, few enough to keep batches small.
pub const BATCH_ROWS: usize = 16_384;

/// Takes what a reader produces.
pub(super) type Sender = mpsc::Sender<Result<RawRows, InputProblem>>;

/// Rows that a task produces, up to two batches ahead of their consumer.
pub(super) fn produced<F>(produce: impl FnOnce(Sender) -> F) -> RawStream
where
    F: Future<Output = Result<(), InputProblem>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(2);
    let producing = tokio::spawn(produce(sender.clone()));
    tokio::spawn(async move {
        // Decoders of damaged files may panic, which must not look like the end of the rows.
        let outcome =
            producing.await.unwrap_or_else(|error| Err(format!("the reader stopped: {error}").into()));
        if let Err(problem) = outcome {
            // The consumer may have stopped; then the problem is of no interest.
            let _ = sender.send(Err(problem)).await;
        }
    });
    poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_panics_does_not_end_as_if_all_rows_were_read() {
        let mut rows = produced(|_| async { Vec::new().pop().unwrap() });
        let problem = rows.next().await.unwrap().unwrap_err();
        assert!(problem.to_string().starts_with("the reader stopped: "), "{problem}");
    }
}

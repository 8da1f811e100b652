//! What a load works with.

use std::path::Path;

use jiff::Timestamp;
use tranche_project::Limits;
use tranche_schema::Contract;
use tranche_sql::Session;
use tranche_store::{Lake, Storage};

use crate::Source;
use crate::read::Origin;

/// What every load of a step works with.
pub struct LoadContext<'a> {
    /// Where tables are.
    pub lake: &'a Lake,
    /// Where raw files are.
    pub storage: &'a Storage,
    /// The folder that local paths of sources are relative to.
    pub project_folder: &'a Path,
    /// The engine at the run's `as_of`.
    pub session: &'a Session,
    /// The run.
    pub run_id: &'a str,
    /// When the run started.
    pub started_at: Timestamp,
    /// The application transaction of the step.
    pub transaction: &'a str,
    /// How large what is read may be, and how many rejected rows are held in memory before they go to a file.
    pub limits: &'a Limits,
    /// Called with the number of inputs read so far, and of all that are to be read. Where a corrected one has lost rows, the count begins
    /// again for those that are read for them.
    pub progress: &'a (dyn Fn(usize, usize) + Send + Sync),
}

/// The load of a source into the table of a contract.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) source: &'a Source,
    pub(crate) contract: &'a Contract,
    pub(crate) context: &'a LoadContext<'a>,
}

impl<'a> Load<'a> {
    /// The mark that says how many rows this load wrote.
    pub(crate) fn rows_mark(&self) -> String {
        format!("rows/{}", self.transaction())
    }

    /// The application transaction of this load.
    pub(crate) fn transaction(&self) -> String {
        format!("{}/{}", self.context.transaction, self.source.name)
    }

    /// Where its source points to.
    pub(crate) fn origin(&self) -> Origin<'a> {
        let LoadContext { storage, project_folder, .. } = *self.context;
        Origin { path: &self.source.path, storage, project_folder }
    }
}

//! The scan of a fact table: a request that is data, and what a machine answers it with.

use std::sync::Arc;

use tranche_incremental::FileClass;
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::{self, Scan, Scanned, Source, TableSources};
use tranche_sql::{Session, SqlError};
use tranche_store::object_store::ObjectStore;

use super::fact_accumulators::FactAccumulators;
use super::fact_table::{ClassedSource, FactTable, path_of};
use super::key_index::KeysByEntity;
use super::pane_columns::OpenColumn;
use super::partial_facts::PartialFacts;
use super::sample_capture::SampleCapture;

/// A scan that adds the facts of a table's sources to columns, as data.
///
/// Where the sources are divided, each part is scanned with the same columns and the same coverage, and one
/// part alone begins with values of before; what the parts find is merged.
pub(crate) struct FactScan<'a> {
    /// The populations with the instant of each unit, the windows, and what is evaluated for a row.
    pub(crate) table: FactTable<'a>,
    /// What is filled, and what it begins with.
    pub(crate) columns: Vec<OpenColumn>,
    /// The table's folder.
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// What is read, each in its class.
    pub(crate) sources: Vec<ClassedSource>,
    /// The share of the units whose facts are copied from files.
    pub(crate) share: Option<KeyShare>,
}

/// What a machine scans facts with.
#[derive(Clone, Copy)]
pub(crate) struct FactReader<'a> {
    /// The keys of each entity's populations; they follow from the populations.
    pub(crate) keys: &'a KeysByEntity,
    /// The session at the `as_of` of the request.
    pub(crate) session: &'a Session,
}

impl FactScan<'_> {
    /// Reads the sources that may have facts of the columns, each once.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a file cannot be read, [`SqlError::Data`] when an expression fails on a value.
    pub(crate) async fn run(self, reader: FactReader<'_>) -> Result<Scanned<PartialFacts>, SqlError> {
        let Self { table, columns, objects, sources, share } = self;
        let accumulators = FactAccumulators::new(&table, columns, reader.keys)?;
        let matters = |(class, source): &ClassedSource| accumulators.matters(*class, source);
        let (classes, sources): (Vec<FileClass>, Vec<Source>) = sources.into_iter().filter(matters).unzip();
        let files = || sources.iter().map(|source| path_of(source).map(str::to_owned)).collect();
        let capture = share.map(|share| SampleCapture::new(share, files(), table.schema()));
        let columns = table.key_columns();
        let scan = Scan {
            contract: table.contract,
            sources: TableSources { objects, version: 0, sources },
            columns: columns.iter().map(String::as_str).collect(),
            queries: table.queries.as_slice().to_vec(),
        };
        scan::run(scan, reader.session, accumulators.over(classes, capture)).await
    }
}

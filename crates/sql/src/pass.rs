//! A scan whose accumulators are a function.

use tranche_schema::Contract;

pub use crate::scan::{Numbers, RowQuery as Question, Rows, schema, type_of};
use crate::scan::{Scan, TableSources};
use crate::{Session, SqlError, scan};

/// What a pass reads.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The contract of the table.
    pub contract: &'a Contract,
    /// Where its rows are; all of these are read.
    pub sources: TableSources,
    /// Columns that the caller looks at itself.
    pub columns: Vec<&'a str>,
    /// What is asked of each row.
    pub questions: Vec<Question>,
}

/// Reads the rows once, and calls `take` for each batch, by several workers at the same time. Returns how many rows were read.
///
/// # Errors
/// Those of [`scan::run`].
pub async fn run(
    pass: Pass<'_>,
    session: &Session,
    take: impl Fn(&mut Rows<'_>) -> Result<(), SqlError> + Send + Sync + 'static,
) -> Result<u64, SqlError> {
    let Pass { contract, sources, columns, questions } = pass;
    let scan = Scan { contract, sources, columns, queries: questions };
    Ok(scan::run(scan, session, take).await?.rows_read)
}

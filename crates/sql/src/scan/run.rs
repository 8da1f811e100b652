//! The loop over the sources of a scan: each is read by one of several workers, who fill the same accumulators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use futures::StreamExt;
use object_store::ObjectStore;
use tranche_schema::Contract;

use super::files;
use super::partial::{Partial, Scanned};
use super::queries::{Expressions, RowQuery, may_fail, only_in_conditions};
use super::reading::Reading;
use super::rows::Rows;
use super::source::{Source, TableSources};
use crate::{Session, SqlError, parallel};

/// What is read of a table.
#[derive(Debug)]
pub struct Scan<'a> {
    /// The contract of the table.
    pub contract: &'a Contract,
    /// Where its rows are; all of these are read.
    pub sources: TableSources,
    /// Columns that the accumulators look at themselves.
    pub columns: Vec<&'a str>,
    /// What is asked of each row.
    pub queries: Vec<RowQuery>,
}

/// What the rows of a scan are added to, on one machine. Several workers call it at the same time.
pub trait Accumulators: Send + Sync + 'static {
    /// What was added up, as data.
    type Partial: Partial;

    /// What is needed of a source, by its place among those of the scan.
    fn reading(&self, source: usize) -> Reading {
        let _ = source;
        Reading::default()
    }

    /// Adds the rows of a batch; rows without an event time are among them.
    ///
    /// # Errors
    /// [`SqlError::Row`] when an expression fails for a row, or what the accumulators cannot take.
    fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError>;

    /// What was added up, once all rows were taken.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be put together.
    fn into_partial(self) -> Result<Self::Partial, SqlError>;
}

/// Reads the sources once and adds their rows to accumulators. What these added up is the partial result of
/// these sources.
///
/// # Errors
/// [`SqlError::Store`] when a file cannot be read, [`SqlError::Row`] when an expression fails for a row, or what the accumulators
/// say.
pub async fn run<A: Accumulators>(
    scan: Scan<'_>,
    session: &Session,
    accumulators: A,
) -> Result<Scanned<A::Partial>, SqlError> {
    let TableSources { objects, sources, .. } = scan.sources;
    let from_files = sources.iter().all(|source| matches!(source, Source::File(_)));
    let mut sources: Vec<(usize, Source)> = sources.into_iter().enumerate().collect();
    // Large files first, so that no worker is left alone with one at the end.
    sources.sort_by_key(|(_, source)| std::cmp::Reverse(source.size().1));
    let bytes_read = sources.iter().map(|(_, source)| source.size().1).sum();
    let rows_in_memory = sources.iter().map(|(_, source)| source.rows_in_memory()).sum();
    let keys = keys_of_failing(&scan.queries, scan.contract);
    let columns: Vec<&str> = scan.columns.iter().copied().chain(keys.iter().map(String::as_str)).collect();
    let schema = columns_of(&scan.queries, &columns, scan.contract, from_files);
    let df_schema = DFSchema::try_from(Arc::clone(&schema)).map_err(SqlError::engine)?;
    let shared = Arc::new(Shared {
        expressions: Expressions::plan(&scan.queries, scan.contract, session, &df_schema)?,
        schema,
        objects,
        next: AtomicUsize::new(0),
        rows_read: AtomicU64::new(0),
        workers: session.threads().count().min(sources.len()),
        sources,
        accumulators,
    });
    parallel::workers(shared.workers, |worker| {
        let shared = Arc::clone(&shared);
        async move { shared.work(worker).await }
    })
    .await?;
    let not_ended = || SqlError::Engine("a scan has not ended".to_owned());
    let Shared { accumulators, rows_read, .. } = Arc::into_inner(shared).ok_or_else(not_ended)?;
    let (partial, rows_read) = (accumulators.into_partial()?, rows_read.into_inner());
    Ok(Scanned { partial, rows_read, rows_in_memory, bytes_read })
}

/// The columns that name a row for which a query may fail: a table's key, where there is such a query.
pub(super) fn keys_of_failing<'q>(
    queries: impl IntoIterator<Item = &'q RowQuery>,
    contract: &Contract,
) -> Vec<String> {
    let may_fail = queries.into_iter().any(|query| may_fail(query, contract));
    if may_fail { contract.key.clone() } else { Vec::new() }
}

/// The columns that a scan reads, texts as such.
#[must_use]
pub fn schema(contract: &Contract, columns: &[&str], queries: &[RowQuery]) -> SchemaRef {
    columns_of(queries, columns, contract, false)
}

/// The type of an expression over the rows of a contract's table.
///
/// # Errors
/// [`SqlError::Engine`] when it has none.
pub fn type_of(expr: &Expr, contract: &Contract) -> Result<DataType, SqlError> {
    let schema = DFSchema::try_from(contract.arrow_schema()).map_err(SqlError::engine)?;
    expr.get_type(&schema).map_err(SqlError::engine)
}

/// What the queries name and these columns, as the contract has them; texts as dictionaries where that saves work.
fn columns_of(queries: &[RowQuery], whole: &[&str], contract: &Contract, dictionaries: bool) -> SchemaRef {
    let exprs = queries.iter().flat_map(RowQuery::exprs);
    let named: Vec<String> = exprs.flat_map(Expr::column_refs).map(|column| column.name.clone()).collect();
    let is_whole = |field: &Field| whole.contains(&field.name().as_str());
    let wanted = |field: &&Arc<Field>| named.contains(field.name()) || is_whole(field);
    let contract = contract.arrow_schema();
    let encoded = if dictionaries { only_in_conditions(queries, &contract) } else { Vec::new() };
    let field = |field: &Arc<Field>| match encoded.contains(field.name()) && !is_whole(field) {
        true => Field::new_dictionary(field.name(), DataType::Int32, DataType::Utf8, true),
        false => field.as_ref().clone().with_nullable(true),
    };
    Arc::new(Schema::new(contract.fields().iter().filter(wanted).map(field).collect::<Vec<_>>()))
}

/// What all workers look at.
struct Shared<A> {
    expressions: Expressions,
    schema: SchemaRef,
    objects: Arc<dyn ObjectStore>,
    sources: Vec<(usize, Source)>,
    next: AtomicUsize,
    rows_read: AtomicU64,
    workers: usize,
    accumulators: A,
}

impl<A: Accumulators> Shared<A> {
    async fn work(&self, worker: usize) -> Result<(), SqlError> {
        while let Some((place, source)) = self.sources.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            match source {
                Source::Rows { rows, .. } => self.hand_over(rows, (*place, source), worker)?,
                Source::File(file) => {
                    let reading = self.accumulators.reading(*place);
                    let objects = Arc::clone(&self.objects);
                    let mut stream = files::open(objects, file, &self.schema, reading).await?;
                    while let Some(batch) = stream.next().await {
                        let batch = batch.map_err(|error| files::unreadable(file, &error))?;
                        self.hand_over(&batch, (*place, source), worker)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn hand_over(
        &self,
        batch: &RecordBatch,
        (place, source): (usize, &Source),
        worker: usize,
    ) -> Result<(), SqlError> {
        self.rows_read.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let batch = files::conform(batch, &self.schema)?;
        let (from, to) = source.times();
        let mut rows = Rows::new(&batch, &self.expressions, (place, from..to), (worker, self.workers));
        self.accumulators.take(&mut rows)
    }
}

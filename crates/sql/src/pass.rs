//! One pass over the rows of an event table, on all cores: what is made of them is for the caller to know.
//!
//! A [`Pass`] names columns, conditions and values; [`run`] reads files, or rows in memory, once, evaluates each distinct
//! condition and value once a batch, and hands the batches to a function that several workers call at the same time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use futures::StreamExt;
use object_store::ObjectStore;
use tranche_schema::{Contract, platform};

use crate::fused::predicates::{Asked, Evaluated, Expressions, Uses};
use crate::fused::scan::columns_of;
use crate::fused::{ValueKind, files, values};
use crate::{Session, Source, SqlError, TableSources, parallel};

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

/// A condition and a value of a row; over the columns of the contract, unqualified.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// All of these hold for a row that counts.
    pub predicate: Vec<Expr>,
    /// The value of a row.
    pub value: Option<Expr>,
}

/// A batch of rows.
pub struct Rows<'a> {
    batch: &'a RecordBatch,
    evaluated: Evaluated<'a>,
    uses: &'a [Uses],
    /// The place of the batch's source among those of the pass.
    pub source: usize,
    /// The event times that it may hold, in microseconds.
    pub times: Range<i64>,
    /// The worker that has it, from 0.
    pub worker: usize,
    /// How many workers there are.
    pub workers: usize,
}

impl Rows<'_> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column that was asked for.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when it was not.
    pub fn column(&self, name: &str) -> Result<&ArrayRef, SqlError> {
        self.batch.column_by_name(name).ok_or_else(|| SqlError::Engine(format!("the scan lacks `{name}`")))
    }

    /// Some of the rows, with the columns that are read; texts as such.
    ///
    /// # Errors
    /// [`SqlError::Data`] when they cannot be copied.
    pub fn picked(&self, rows: &BooleanBuffer) -> Result<RecordBatch, SqlError> {
        let picked = filter_record_batch(self.batch, &BooleanArray::new(rows.clone(), None))?;
        let plain = |field: &Arc<Field>| match field.data_type() {
            DataType::Dictionary(_, values) => {
                Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone()))
            }
            _ => Arc::clone(field),
        };
        let schema = Schema::new(picked.schema().fields().iter().map(plain).collect::<Vec<_>>());
        files::conform(&picked, &Arc::new(schema))
    }

    /// A column of instants, in microseconds; what stands where there is none is undefined.
    ///
    /// # Errors
    /// [`SqlError`] when the column is missing, or holds no instants.
    pub fn instants(&self, name: &str) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>), SqlError> {
        let instants = cast(self.column(name)?, &platform::instant())?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        Ok((instants.values().clone(), instants.nulls().cloned()))
    }

    /// The rows that count for a question; `None` when all do.
    ///
    /// # Errors
    /// [`SqlError::Data`] when an expression fails on a value.
    pub fn counted(&mut self, question: usize) -> Result<Option<BooleanBuffer>, SqlError> {
        let uses = Uses { argument: None, order: None, ..self.uses[question] };
        self.evaluated.prepare(uses)?;
        Ok(self.evaluated.predicate(uses.predicate).cloned())
    }

    /// The values of a question that asks for one.
    ///
    /// # Errors
    /// [`SqlError::Data`] when an expression fails on a value.
    pub fn values(&mut self, question: usize) -> Result<Option<ArrayRef>, SqlError> {
        let uses = Uses { predicate: None, ..self.uses[question] };
        self.evaluated.prepare(uses)?;
        Ok(self.evaluated.value(uses.argument).cloned())
    }
}

/// Numbers of a column and where there is none.
#[derive(Debug, Clone)]
pub enum Numbers {
    /// Whole numbers; the digits of decimals.
    Digits(ScalarBuffer<i64>, Option<NullBuffer>),
    /// Floats.
    Floats(Vec<f64>, Option<NullBuffer>),
}

impl Numbers {
    /// The numbers of a column: exact where they have up to 18 digits.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column holds no numbers.
    pub fn of(column: &ArrayRef) -> Result<Self, SqlError> {
        if Self::are_digits(column.data_type()) {
            let (digits, nulls) = values::integers(column)?;
            return Ok(Self::Digits(digits, nulls));
        }
        let values::Values { values, nulls } = values::floats(column)?;
        Ok(Self::Floats(values, nulls))
    }

    /// Whether numbers of a type are held as digits.
    #[must_use]
    pub fn are_digits(data_type: &DataType) -> bool {
        ValueKind::of(data_type) == Some(ValueKind::Integer)
    }
}

/// Reads the rows once. `take` is called for each batch, by several workers at the same time; rows without an event time are among
/// them. Returns how many rows were read.
///
/// # Errors
/// [`SqlError::Store`] when a file cannot be read, [`SqlError::Data`] when an expression fails on a value, or what `take` says.
pub async fn run(
    pass: Pass<'_>,
    session: &Session,
    take: impl Fn(&mut Rows<'_>) -> Result<(), SqlError> + Send + Sync + 'static,
) -> Result<u64, SqlError> {
    let TableSources { objects, sources, .. } = pass.sources;
    let from_files = sources.iter().all(|source| matches!(source, Source::File(_)));
    let mut sources: Vec<(usize, Source)> = sources.into_iter().enumerate().collect();
    // Large files first, so that no worker is left alone with one at the end.
    sources.sort_by_key(|(_, source)| match source {
        Source::File(file) => std::cmp::Reverse(file.size_bytes),
        Source::Rows { .. } => std::cmp::Reverse(0),
    });
    let asked: Vec<Asked<'_>> = pass.questions.iter().map(Question::asked).collect();
    let schema = columns_of(&asked, &pass.columns, pass.contract, from_files);
    let df_schema = DFSchema::try_from(Arc::clone(&schema)).map_err(SqlError::engine)?;
    let shared = Arc::new(Shared {
        expressions: Expressions::plan(&asked, session, &df_schema)?,
        names: schema.fields().iter().map(|field| field.name().clone()).collect(),
        schema,
        objects,
        next: AtomicUsize::new(0),
        rows_read: AtomicU64::new(0),
        workers: session.threads().count().min(sources.len()),
        sources,
        take,
    });
    parallel::workers(shared.workers, |worker| {
        let shared = Arc::clone(&shared);
        async move { shared.work(worker).await }
    })
    .await?;
    Ok(shared.rows_read.load(Ordering::Relaxed))
}

/// The columns that a pass reads, texts as such.
#[must_use]
pub fn schema(contract: &Contract, columns: &[&str], questions: &[Question]) -> SchemaRef {
    let asked: Vec<Asked<'_>> = questions.iter().map(Question::asked).collect();
    columns_of(&asked, columns, contract, false)
}

/// The type of an expression over the rows of a contract's table.
///
/// # Errors
/// [`SqlError::Engine`] when it has none.
pub fn type_of(expr: &Expr, contract: &Contract) -> Result<DataType, SqlError> {
    let schema = DFSchema::try_from(contract.arrow_schema().as_ref().clone()).map_err(SqlError::engine)?;
    expr.get_type(&schema).map_err(SqlError::engine)
}

impl Question {
    fn asked(&self) -> Asked<'_> {
        Asked { predicate: &self.predicate, argument: self.value.as_ref(), order: None }
    }
}

/// What all workers look at.
struct Shared<F> {
    expressions: Expressions,
    schema: SchemaRef,
    names: Vec<String>,
    objects: Arc<dyn ObjectStore>,
    sources: Vec<(usize, Source)>,
    next: AtomicUsize,
    rows_read: AtomicU64,
    workers: usize,
    take: F,
}

impl<F: Fn(&mut Rows<'_>) -> Result<(), SqlError> + Send + Sync> Shared<F> {
    async fn work(&self, worker: usize) -> Result<(), SqlError> {
        while let Some((place, source)) = self.sources.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            match source {
                Source::Rows { rows, .. } => self.hand_over(rows, (*place, source), worker)?,
                Source::File(file) => {
                    let objects = Arc::clone(&self.objects);
                    let mut stream = files::open(objects, file, &self.names, &self.schema, "", None).await?;
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
        let evaluated = self.expressions.evaluate(&batch);
        let uses = &self.expressions.uses;
        let (from, to) = files::time_range(source);
        (self.take)(&mut Rows {
            batch: &batch,
            evaluated,
            uses,
            source: place,
            times: from..to,
            worker,
            workers: self.workers,
        })
    }
}

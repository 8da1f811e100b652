//! What a load records beside the rows: its rejects in quarantine, and its inputs in the table of loads. Each is recorded once, whichever
//! attempt or run reads it: rejects once for each reading of a file, inputs once for each set that is loaded.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tranche_schema::{Column, layout, platform};
use tranche_sql::SqlError;
use tranche_store::commit::Transaction;
use tranche_store::table::Transactions;
use tranche_store::{Commit, CommitMode, Snapshot, StoreError};

use crate::IngestError;
use crate::conform::InputCounts;
use crate::context::Load;
use crate::discover::{NewInputs, content_mark, edition_mark, number_mark};
use crate::read::Input;
use crate::rejects::StagedRejects;

/// The records of a load of some inputs, which were read.
pub(crate) struct Records<'a> {
    pub(crate) load: &'a Load<'a>,
    new: &'a NewInputs,
    counts: &'a [InputCounts],
    definitions: blake3::Hash,
}

/// How often rejects are recorded again when another run records its own in the meantime.
const ATTEMPTS: usize = 20;

impl<'a> Records<'a> {
    pub(crate) fn new(load: &'a Load<'a>, new: &'a NewInputs, counts: &'a [InputCounts]) -> Self {
        Self { load, new, counts, definitions: definitions(load) }
    }

    /// Records the rows that were rejected, but for those of readings that are recorded already.
    pub(crate) async fn rejects(&self, rejects: &StagedRejects) -> Result<(), IngestError> {
        if rejects.count == 0 {
            return Ok(());
        }
        for _ in 1..ATTEMPTS {
            match self.record_rejects(rejects).await {
                Err(IngestError::Store(StoreError::Conflict { .. })) => {}
                outcome => return outcome,
            }
        }
        self.record_rejects(rejects).await
    }

    async fn record_rejects(&self, rejects: &StagedRejects) -> Result<(), IngestError> {
        let (context, folder) = (self.load.context, layout::QUARANTINE.of(&self.load.source.name));
        let quarantine = context.lake.snapshot(&folder).await?;
        let known = known_to(quarantine.as_ref()).await?;
        let mark = |reading: &String| format!("reading/{reading}");
        let with_rejects = self.read().filter(|(_, counts)| counts.rejected > 0);
        let readings: HashMap<&str, String> = with_rejects
            .map(|(input, counts)| (input.name.as_str(), self.reading(input, counts)))
            .filter(|(_, reading)| known.version(&mark(reading)).is_none())
            .collect();
        if readings.is_empty() {
            return Ok(());
        }
        let mut marks: Vec<String> = readings.values().map(mark).collect();
        marks.sort();
        let identity = blake3::hash(marks.join("\n").as_bytes()).to_hex();
        let rows = rejects.of_readings(context.session, &readings)?.logical_plan().clone();
        let mut commit = Commit::new(&folder, &format!("rejects/{identity}"), CommitMode::Append, rows);
        commit.transactions.extend(marks.into_iter().map(|mark| Transaction::new(mark, 1)));
        context.lake.commit(context.session.shared_state(), commit.on(quarantine)).await?;
        Ok(())
    }

    /// Records the inputs, with the counts of each.
    pub(crate) async fn loads(&self) -> Result<(), IngestError> {
        let Load { source, contract, context } = *self.load;
        let (inputs, counts) = (&self.new.inputs, self.counts);
        let n = inputs.len();
        let text = |value: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, n)))
        };
        let number = |value: &dyn Fn(&InputCounts) -> u64| -> ArrayRef {
            Arc::new(counts.iter().map(|c| i64::try_from(value(c)).ok()).collect::<Int64Array>())
        };
        let as_of = context.session.as_of().as_microsecond();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_value(as_of, n).with_timezone("UTC")),
            text(&source.name),
            text(&contract.table),
            Arc::new(StringArray::from_iter_values(inputs.iter().map(|input| &input.name))),
            Arc::new(inputs.iter().map(|i| i64::try_from(i.bytes).ok()).collect::<Int64Array>()),
            number(&|c| c.rows),
            number(&|c| c.rejected),
            number(&|c| c.duplicates),
            text(context.run_id),
            Arc::new(StringArray::from_iter_values(self.read().map(|(input, c)| self.reading(input, c)))),
        ];
        let batch = RecordBatch::try_new(platform::loads::schema(), arrays).map_err(SqlError::from)?;
        let rows = context.session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
        let commit = Commit::new(layout::LOADS.folder, &self.identity(), CommitMode::Append, rows);
        context.lake.commit(context.session.shared_state(), commit).await?;
        Ok(())
    }

    /// The marks by which the table knows from then on what it has.
    pub(crate) fn marks(&self) -> impl Iterator<Item = Transaction> {
        let source = self.load.source;
        let contents = self.read().map(move |(input, counts)| content_mark(source, input, &counts.content()));
        let editions = self.new.inputs.iter().chain(&self.new.touched);
        let numbers =
            self.new.numbered().into_iter().map(move |(number, input)| number_mark(source, input, number));
        contents.chain(editions.map(move |input| edition_mark(source, input))).chain(numbers)
    }

    fn read(&self) -> impl Iterator<Item = (&'a Input, &'a InputCounts)> {
        self.new.inputs.iter().zip(self.counts)
    }

    /// What is recorded once: these inputs. Where one takes the place of another, that may happen again, in another step.
    fn identity(&self) -> String {
        let mut digest = blake3::Hasher::new();
        for (input, counts) in self.read() {
            digest.update(input.edition.as_bytes());
            digest.update(self.reading(input, counts).as_bytes());
        }
        if self.new.has_rewritten {
            digest.update(self.load.transaction().as_bytes());
        }
        format!("files/{}/{}", self.load.source.name, digest.finalize().to_hex())
    }

    /// What was read of an input: its content by the definitions of source and table.
    fn reading(&self, input: &Input, counts: &InputCounts) -> String {
        let mut digest = blake3::Hasher::new();
        digest.update(self.definitions.as_bytes()).update(counts.content().as_bytes());
        digest.update(input.name.as_bytes());
        digest.finalize().to_hex().as_str()[..READING_DIGITS].to_owned()
    }
}

/// Digits that tell readings apart: 128 bits.
const READING_DIGITS: usize = 32;

/// What decides which rows of an input are rejected, besides its content.
fn definitions(load: &Load<'_>) -> blake3::Hash {
    let Load { source, contract, .. } = *load;
    let mut text = String::new();
    for Column { name, data_type, nullable, check, .. } in &contract.columns {
        text += &format!("{name}\n{data_type:?}\n{nullable}\n{check:?}\n");
    }
    for (name, declared) in &source.types {
        text += &format!("{name}\n{:?}\n", declared.data_type);
    }
    for (name, sql) in &source.columns {
        text += &format!("{name}\n{}\n", sql.value);
    }
    blake3::hash(text.as_bytes())
}

/// The transactions of a table, none of one that is not there.
pub(crate) async fn known_to(table: Option<&Snapshot>) -> Result<Transactions, StoreError> {
    match table {
        Some(table) => table.transactions().await,
        None => Ok(Transactions::default()),
    }
}

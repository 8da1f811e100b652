//! From inputs to accepted rows: each raw row is mapped, conformed to the contract, compared by key and staged, or is a reject.

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use tranche_sql::SqlError;

use crate::IngestError;
use crate::conform::Conformer;
use crate::context::Load;
use crate::dedup::SeenKeys;
use crate::infer::numeric_columns;
use crate::mapping::{Mapping, NumericColumns};
use crate::quarantine::Reject;
use crate::read::{Input, RawRows};
use crate::stage::{Stage, Staged};

/// What the inputs of a load contain.
pub(crate) struct Accepted {
    /// The rows that keep the contract, the last one of each key.
    pub(crate) staged: Staged,
    /// The rows that do not.
    pub(crate) rejects: Vec<Reject>,
    /// The counts of each input.
    pub(crate) counts: Vec<InputCounts>,
}

/// The rows of an input, counted.
#[derive(Default)]
pub(crate) struct InputCounts {
    /// The position of its first accepted row among those of all inputs.
    first_row: u64,
    /// All rows.
    pub(crate) rows: u64,
    /// Those that do not keep the contract.
    pub(crate) rejected: u64,
    /// Those that replace an earlier one with the same key.
    pub(crate) duplicates: u64,
}

/// Reads the inputs in order.
pub(crate) async fn rows(load: &Load<'_>, inputs: &[Input]) -> Result<Accepted, IngestError> {
    let (source, progress) = (load.source, load.context.progress);
    let mut intake = Intake::new(load, numeric_columns(source, inputs).await?)?;
    let mut counts = Vec::new();
    for (done, input) in inputs.iter().enumerate() {
        progress(done, inputs.len());
        intake.begin();
        let mut batches = source.reader.open(input);
        while let Some(rows) =
            batches.try_next().await.map_err(|e| IngestError::file(&source.name, &input.name, e))?
        {
            intake.take(rows, input)?;
        }
        counts.push(std::mem::take(&mut intake.counts));
    }
    progress(inputs.len(), inputs.len());
    intake.finish(counts)
}

/// Takes raw rows in, batch by batch.
struct Intake<'a> {
    load: &'a Load<'a>,
    numeric: NumericColumns,
    /// How the raw rows of the current shape are mapped.
    mapping: Option<(SchemaRef, Mapping)>,
    conformer: Conformer,
    seen: SeenKeys,
    stage: Stage,
    rejects: Vec<Reject>,
    /// Those of the current input.
    counts: InputCounts,
}

impl<'a> Intake<'a> {
    fn new(load: &'a Load<'a>, numeric: NumericColumns) -> Result<Self, IngestError> {
        let conformer = Conformer::new(load)?;
        let schema = conformer.schema();
        let seen = SeenKeys::new(&schema, &load.contract.key)?;
        let (rejects, counts) = (Vec::new(), InputCounts::default());
        Ok(Self { load, numeric, mapping: None, conformer, seen, stage: Stage::new(schema), rejects, counts })
    }

    /// Begins the next input.
    fn begin(&mut self) {
        self.mapping = None;
        self.counts.first_row = self.seen.rows();
    }

    fn take(&mut self, rows: RawRows, input: &Input) -> Result<(), IngestError> {
        let failed = |e| IngestError::Sql(SqlError::from(e));
        let schema = rows.batch.schema();
        let mapping = match self.mapping.take() {
            Some((known, mapping)) if known == schema => mapping,
            _ => Mapping::new(self.load, &schema, &self.numeric, &input.name)?,
        };
        let mapped = mapping.apply(&rows, &input.name).map_err(failed)?;
        self.mapping = Some((schema, mapping));
        let mut conformed = self.conformer.conform(&rows, mapped, &input.name).map_err(failed)?;
        self.counts.rows += (rows.rows.len() + rows.unreadable.len()) as u64;
        conformed.rejects.extend(rows.unreadable.into_iter().map(|row| Reject::unreadable(&input.name, row)));
        conformed.rejects.sort_by_key(|reject| reject.row);
        self.counts.rejected += conformed.rejects.len() as u64;
        self.rejects.append(&mut conformed.rejects);
        self.seen.add(&conformed.batch)?;
        self.stage.add(conformed.batch)
    }

    /// `counts` are those of the inputs, in order.
    fn finish(self, mut counts: Vec<InputCounts>) -> Result<Accepted, IngestError> {
        let replaced = self.seen.finish()?;
        for later in replaced.later {
            let input = counts.partition_point(|input| input.first_row <= later) - 1;
            counts[input].duplicates += 1;
        }
        Ok(Accepted { staged: self.stage.finish(replaced.earlier)?, rejects: self.rejects, counts })
    }
}

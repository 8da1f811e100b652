//! From inputs to accepted rows: each raw row is mapped, conformed to the contract, compared by key and
//! staged, or is a reject.

use arrow::array::RecordBatch;
use futures::TryStreamExt;

use crate::IngestError;
use crate::conform::{Accepted, Conformer};
use crate::context::Load;
use crate::mapping::Mapper;
use crate::read::Input;

/// Reads inputs in their order, each with its number, and passes their rows from a mapper to the conformer, and by it to
/// deduplication and the stage.
pub(crate) async fn rows(load: &Load<'_>, inputs: &[(i64, &Input)]) -> Result<Accepted, IngestError> {
    read(load, inputs, Conformer::new(load)?).await
}

/// The same of inputs that were loaded before, for nothing but the rows with one of these keys: batches of nothing but key columns.
pub(crate) async fn rows_of_keys(
    load: &Load<'_>,
    inputs: &[(i64, &Input)],
    keys: &[RecordBatch],
) -> Result<Accepted, IngestError> {
    read(load, inputs, Conformer::new(load)?.only(keys)?).await.map_err(IngestError::while_restoring)
}

async fn read(
    load: &Load<'_>,
    inputs: &[(i64, &Input)],
    mut conformer: Conformer,
) -> Result<Accepted, IngestError> {
    let (source, progress) = (load.source, load.context.progress);
    let session = load.context.session.for_raw_rows();
    let wanted = source.raw_columns(load.contract).within(load.context.limits);
    for (done, (number, input)) in inputs.iter().enumerate() {
        progress(done, inputs.len());
        conformer.begin_input(*number);
        let mut mapper = Mapper::new(load, &session, &input.name);
        if conformer.takes_loaded() {
            mapper = mapper.of_loaded();
        }
        let mut batches = source.reader.open(input, &wanted);
        while let Some(rows) =
            batches.try_next().await.map_err(|e| IngestError::file(&source.name, &input.name, e))?
        {
            mapper.take(&rows, &mut conformer)?;
        }
    }
    progress(inputs.len(), inputs.len());
    conformer.finish()
}

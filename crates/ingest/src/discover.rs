//! Which inputs of a source are not in its table yet.

use tranche_store::Snapshot;

use crate::context::Load;
use crate::read::Input;
use crate::{IngestError, Source};

/// The inputs that the table does not have, in the order in which they are read.
///
/// # Errors
/// [`IngestError::NoFiles`] when there are none at all, new or old.
pub(crate) async fn new_inputs(load: &Load<'_>, table: Option<&Snapshot>) -> Result<Vec<Input>, IngestError> {
    let source = load.source;
    let all = source.reader.inputs(load.origin()).await?;
    if all.is_empty() {
        return Err(IngestError::NoFiles { source_name: source.name.clone(), path: source.path.clone() });
    }
    let Some(table) = table else { return Ok(all) };
    let mut new = Vec::new();
    for input in all {
        if !table.has_transaction(&mark(source, &input)).await? {
            new.push(input);
        }
    }
    Ok(new)
}

/// The application transaction by which a table remembers that it has an input.
pub(crate) fn mark(source: &Source, input: &Input) -> String {
    let identity = blake3::hash(format!("{}\n{}", input.name, input.edition).as_bytes());
    format!("file/{}/{}", source.name, identity.to_hex())
}

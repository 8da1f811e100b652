//! Which inputs of a source are not in its table yet.
//!
//! A table knows of each input, by its name, which edition of it was seen last and what that contained. So an input that was only touched
//! is told from one that was written anew, and what was replaced may come back.

use futures::TryStreamExt;
use tranche_store::commit::Transaction;
use tranche_store::table::Transactions;

use crate::context::Load;
use crate::digest::ContentDigest;
use crate::read::Input;
use crate::{IngestError, Source};

/// What there is to read.
#[derive(Debug, Default)]
pub(crate) struct NewInputs {
    /// The inputs that the table does not have, in the order in which they are read.
    pub(crate) inputs: Vec<Input>,
    /// The number of the first of them; the others follow.
    pub(crate) first_number: i64,
    /// Inputs that the table has, in editions that it does not know.
    pub(crate) touched: Vec<Input>,
    /// Whether one of the new ones takes the place of an edition that the table has.
    pub(crate) has_rewritten: bool,
    /// The numbers of those editions, as far as they have one, each with that of the new one.
    pub(crate) succeeded: Vec<(i64, i64)>,
    /// The inputs that the table has, with their numbers, and in that order.
    pub(crate) loaded: Vec<(i64, Input)>,
}

/// The number of each input from before inputs were numbered.
pub(crate) const UNNUMBERED: i64 = 0;

impl NewInputs {
    /// The inputs that are read, each with its number.
    pub(crate) fn numbered(&self) -> Vec<(i64, &Input)> {
        (self.first_number..).zip(&self.inputs).collect()
    }

    /// The number of the next input that is found.
    fn next_number(&self) -> i64 {
        self.first_number.saturating_add_unsigned(self.inputs.len() as u64)
    }
}

/// Finds what the table does not have, by the marks of its commits.
///
/// # Errors
/// [`IngestError::NoFiles`] when there are no inputs at all, new or old.
pub(crate) async fn new_inputs(load: &Load<'_>, known: &Transactions) -> Result<NewInputs, IngestError> {
    let source = load.source;
    let all = source.reader.inputs(load.origin()).await?;
    if all.is_empty() {
        return Err(IngestError::NoFiles { source_name: source.name.clone(), path: source.path.clone() });
    }
    let last_number = known.versions(NUMBERS).max().unwrap_or(UNNUMBERED);
    let mut found = NewInputs { first_number: last_number + 1, ..NewInputs::default() };
    for input in all {
        let edition = edition_mark(source, &input);
        let number = known.version(&number_mark(source, &input, UNNUMBERED).id);
        let loaded = number.unwrap_or(UNNUMBERED);
        match known.version(&edition.id) {
            Some(version) if version == edition.version => found.loaded.push((loaded, input)),
            Some(_) if is_unchanged(load, &input, known).await? => {
                found.loaded.push((loaded, input.clone()));
                found.touched.push(input);
            }
            Some(_) => {
                found.has_rewritten = true;
                found.succeeded.extend(number.map(|former| (former, found.next_number())));
                found.inputs.push(input);
            }
            None if known.version(&former_mark(source, &input)).is_some() => {
                found.loaded.push((loaded, input))
            }
            None => found.inputs.push(input),
        }
    }
    found.loaded.sort_by_key(|(number, _)| *number);
    Ok(found)
}

/// Whether an input contains what it did when the table took it in.
async fn is_unchanged(load: &Load<'_>, input: &Input, known: &Transactions) -> Result<bool, IngestError> {
    let mut digest = ContentDigest::default();
    let wanted = load.source.raw_columns(load.contract).within(load.context.limits);
    let mut rows = load.source.reader.open(input, &wanted);
    let failed = |problem| IngestError::file(&load.source.name, &input.name, problem);
    while let Some(rows) = rows.try_next().await.map_err(failed)? {
        digest.add(&rows)?;
    }
    let mark = content_mark(load.source, input, &digest.finish());
    Ok(known.version(&mark.id) == Some(mark.version))
}

/// How marks of numbers begin.
const NUMBERS: &str = "number/";

/// The mark of the number by which the table has an input.
pub(crate) fn number_mark(source: &Source, input: &Input, number: i64) -> Transaction {
    Transaction::new(id("number", source, input), number)
}

/// The mark of the edition of an input that the table has.
pub(crate) fn edition_mark(source: &Source, input: &Input) -> Transaction {
    mark("edition", source, input, &blake3::hash(input.edition.as_bytes()))
}

/// The mark of what an input contained when the table took it in.
pub(crate) fn content_mark(source: &Source, input: &Input, content: &blake3::Hash) -> Transaction {
    mark("content", source, input, content)
}

fn mark(what: &str, source: &Source, input: &Input, digest: &blake3::Hash) -> Transaction {
    Transaction::of_digest(id(what, source, input), digest.as_bytes())
}

fn id(what: &str, source: &Source, input: &Input) -> String {
    let name = blake3::hash(input.name.as_bytes()).to_hex();
    format!("{what}/{}/{name}", source.name)
}

/// How tables were marked with an edition before they knew contents.
fn former_mark(source: &Source, input: &Input) -> String {
    let identity = blake3::hash(format!("{}\n{}", input.name, input.edition).as_bytes());
    format!("file/{}/{}", source.name, identity.to_hex())
}

//! What a file no longer has: rows that its former edition brought, and that its present one lacks.
//!
//! Each row of a table knows the file that brought it. Where that was written again without the row, and no other file brought it since,
//! the row would not be there, had the file been so from the beginning. In its place would be the row that another file had brought before.

use datafusion::common::JoinType;
use datafusion::logical_expr::lit;
use datafusion::prelude::{DataFrame, ident};
use tranche_schema::{History, platform};
use tranche_sql::{Collected, SqlError};
use tranche_store::Snapshot;

use crate::change::Change;
use crate::context::Load;
use crate::discover::NewInputs;
use crate::source::Replace;
use crate::stage::Staged;
use crate::upsert::{count_rows, join};
use crate::versions::is_valid;
use crate::{IngestError, accept};

/// What becomes of a table by the rows of new inputs.
pub(crate) async fn change(
    load: &Load<'_>,
    table: Option<&Snapshot>,
    new: &NewInputs,
    accepted: Staged,
) -> Result<Change, IngestError> {
    let session = load.context.session;
    let change = Change::of(accepted.frame(session)?);
    let Some(table) = table.filter(|_| !new.succeeded.is_empty()) else { return Ok(change) };
    let withdrawn = withdrawn(load, table, new, &change.incoming).await?;
    if load.source.replace == Replace::Key {
        return Ok(Change { missing: count_rows(session, withdrawn).await?, ..change });
    }
    // A version of a later instant is the file's still, whatever that has at this one.
    let change = Change { succeeded: new.succeeded.clone(), ..change };
    let withdrawn = session.collect_frame(withdrawn).await?;
    if withdrawn.rows() == 0 { Ok(change) } else { without(change, load, new, withdrawn).await }
}

/// A change that also takes rows of these keys away, but for those that other inputs have: of each key the one that was loaded last.
async fn without(
    change: Change,
    load: &Load<'_>,
    new: &NewInputs,
    withdrawn: Collected,
) -> Result<Change, IngestError> {
    let session = load.context.session;
    let others: Vec<_> = new.loaded.iter().map(|(number, input)| (*number, input)).collect();
    let restored = accept::rows_of_keys(load, &others, &withdrawn.batches).await?.staged.frame(session)?;
    let count = withdrawn.rows() as u64;
    let keys = session.frame(withdrawn.schema, withdrawn.batches)?;
    let gone = join(&keys, &restored, load.contract, JoinType::LeftAnti)?;
    let removed = count_rows(session, gone.clone()).await?;
    Ok(Change {
        incoming: change.incoming.clone().union(restored).map_err(SqlError::engine)?,
        gone: Some(gone),
        removed,
        restored: count - removed,
        ..change
    })
}

/// The keys of rows that the former editions of inputs brought, and that the present ones lack.
async fn withdrawn(
    load: &Load<'_>,
    table: &Snapshot,
    new: &NewInputs,
    incoming: &DataFrame,
) -> Result<DataFrame, SqlError> {
    let (session, contract) = (load.context.session, load.contract);
    let former = new.succeeded.iter().map(|(former, _)| lit(*former)).collect();
    let mut brought = ident(platform::FILE_NUMBER).in_list(former, false);
    if contract.history() == History::Full {
        brought = brought.and(is_valid(session.as_of()));
    }
    let brought = session.read(table).await?.filter(brought).map_err(SqlError::engine)?;
    let key: Vec<_> = contract.key.iter().map(ident).collect();
    join(&brought, incoming, contract, JoinType::LeftAnti)?.select(key).map_err(SqlError::engine)
}

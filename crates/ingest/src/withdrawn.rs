//! What a file no longer has: rows that its former edition brought, and that its present one lacks.
//!
//! Each row of a table knows the load that brought it. A row whose file was written again without it, and that no other file brought since,
//! would not be there, had the file been so from the beginning: the row that another file had brought before would, if there is one.

use datafusion::common::JoinType;
use datafusion::logical_expr::lit;
use datafusion::prelude::{DataFrame, ident};
use tranche_schema::{History, platform};
use tranche_sql::{Collected, SqlError};
use tranche_store::Snapshot;

use crate::context::Load;
use crate::discover::NewInputs;
use crate::source::Replace;
use crate::stage::Staged;
use crate::upsert::{count_rows, join};
use crate::versions::is_valid;
use crate::{IngestError, accept};

/// What a load does to a table.
pub(crate) struct Change {
    /// The rows that come, of each key one.
    pub(crate) incoming: DataFrame,
    /// The keys of rows that go, none of them incoming; `None` when there are none.
    pub(crate) gone: Option<DataFrame>,
    /// Rows that go.
    pub(crate) removed: u64,
    /// Incoming rows that another file had brought before.
    pub(crate) restored: u64,
    /// Rows that stay, though their files no longer have them.
    pub(crate) missing: u64,
    /// Loads whose rows are from then on another one's: of each, its number and that one's.
    pub(crate) succeeded: Vec<(i64, i64)>,
}

impl Change {
    /// What becomes of a table by the rows of new inputs.
    pub(crate) async fn plan(
        load: &Load<'_>,
        table: Option<&Snapshot>,
        new: &NewInputs,
        accepted: Staged,
    ) -> Result<Self, IngestError> {
        let session = load.context.session;
        let incoming = accepted.frame(session)?;
        let change =
            Self { incoming, gone: None, removed: 0, restored: 0, missing: 0, succeeded: Vec::new() };
        let Some(table) = table.filter(|_| !new.succeeded.is_empty()) else { return Ok(change) };
        let withdrawn = withdrawn(load, table, new, &change.incoming).await?;
        if load.source.replace == Replace::Key {
            return Ok(Self { missing: count_rows(session, withdrawn).await?, ..change });
        }
        // A version of a later instant is the file's still, whatever that has at this one.
        let change = Self { succeeded: new.succeeded.clone(), ..change };
        let withdrawn = session.collect_frame(withdrawn).await?;
        if withdrawn.rows() == 0 { Ok(change) } else { change.without(load, new, withdrawn).await }
    }

    /// The same without rows of these keys, but for those that other inputs have: of each key the one that was loaded last.
    async fn without(
        self,
        load: &Load<'_>,
        new: &NewInputs,
        withdrawn: Collected,
    ) -> Result<Self, IngestError> {
        let session = load.context.session;
        let others: Vec<_> = new.loaded.iter().map(|(number, input)| (*number, input)).collect();
        let restored =
            accept::rows_of_keys(load, &others, &withdrawn.batches).await?.staged.frame(session)?;
        let count = withdrawn.rows() as u64;
        let keys = session.frame(withdrawn.schema, withdrawn.batches)?;
        let gone = join(&keys, &restored, load.contract, JoinType::LeftAnti)?;
        let removed = count_rows(session, gone.clone()).await?;
        Ok(Self {
            incoming: self.incoming.clone().union(restored).map_err(SqlError::engine)?,
            gone: Some(gone),
            removed,
            restored: count - removed,
            ..self
        })
    }
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
    let mut brought = ident(platform::LOAD).in_list(former, false);
    if contract.history() == History::Full {
        brought = brought.and(is_valid(session.as_of()));
    }
    let brought = session.read(table).await?.filter(brought).map_err(SqlError::engine)?;
    let key: Vec<_> = contract.key.iter().map(ident).collect();
    join(&brought, incoming, contract, JoinType::LeftAnti)?.select(key).map_err(SqlError::engine)
}

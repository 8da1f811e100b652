//! The commit that makes accepted rows visible.

use tranche_schema::{History, layout};
use tranche_sql::remember_contract;
use tranche_store::{Commit, Snapshot};

use crate::bookkeeping::Records;
use crate::context::Load;
use crate::stage::Staged;
use crate::{IngestError, upsert, versions};

/// Commits accepted rows to the table as it was when the load began, and returns how many rows of it they
/// replace.
pub(crate) async fn publish(
    records: &Records<'_>,
    accepted: Staged,
    table: Option<Snapshot>,
) -> Result<u64, IngestError> {
    let Load { contract, context, .. } = *records.load;
    let incoming = accepted.frame(context.session)?;
    let upsert = match contract.history() {
        History::Full => versions::plan(context.session, contract, table.as_ref(), incoming).await?,
        History::Latest => upsert::plan(context.session, contract, table.as_ref(), incoming).await?,
    };
    // Recorded before the commit: an attempt that is cut short between the two is recorded once.
    records.loads(table.as_ref()).await?;
    let folder = layout::TABLES.of(&contract.table);
    let mut commit = Commit::new(&folder, &records.load.transaction(), upsert.mode, upsert.rows)
        .on(table)
        .partitioned_by(layout::TABLES.partition_columns(contract));
    commit.transactions.push(remember_contract(context.lake, contract).await?);
    commit.transactions.extend(records.marks());
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(upsert.replaced)
}

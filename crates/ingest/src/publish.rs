//! The commit that makes accepted rows visible.

use tranche_schema::{History, layout};
use tranche_sql::remember_contract;
use tranche_store::commit::Transaction;
use tranche_store::{Commit, CommitMode, Snapshot};

use crate::bookkeeping::Records;
use crate::change::Change;
use crate::context::Load;
use crate::read::Input;
use crate::{IngestError, discover, upsert, versions};

/// Commits a change that was planned on the table as it was when the load began, with the number of rows that it changes, and returns how
/// many stored rows are replaced.
pub(crate) async fn publish(
    records: &Records<'_>,
    change: Change,
    table: Option<Snapshot>,
    changed: u64,
) -> Result<u64, IngestError> {
    let Load { contract, context, .. } = *records.load;
    let upsert = match contract.history() {
        History::Full => versions::plan(context.session, contract, table.as_ref(), change).await?,
        History::Latest => upsert::plan(context.session, contract, table.as_ref(), change).await?,
    };
    // Recorded before the commit: an attempt that is cut short between the two is recorded once.
    records.loads().await?;
    let folder = layout::TABLES.of(&contract.table);
    let mut commit = Commit::new(&folder, &records.load.transaction(), upsert.mode, upsert.rows)
        .on(table)
        .partitioned_by(layout::TABLES.partition_columns(contract));
    commit.transactions.push(remember_contract(context.lake, contract).await?);
    commit.transactions.extend(records.marks());
    let rows = i64::try_from(changed).unwrap_or(i64::MAX);
    commit.transactions.push(Transaction::new(records.load.rows_mark(), rows));
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(upsert.replaced)
}

/// Commits nothing but the editions of inputs that the table has already, so that they are not read again.
pub(crate) async fn note_touched(
    load: &Load<'_>,
    touched: &[Input],
    table: Snapshot,
) -> Result<(), IngestError> {
    let (context, folder) = (load.context, layout::TABLES.of(&load.contract.table));
    let none = context.session.frame(table.schema()?, Vec::new())?.logical_plan().clone();
    let mut commit = Commit::new(&folder, &load.transaction(), CommitMode::Append, none).on(Some(table));
    commit.transactions.push(remember_contract(context.lake, load.contract).await?);
    commit.transactions.extend(touched.iter().map(|input| discover::edition_mark(load.source, input)));
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(())
}

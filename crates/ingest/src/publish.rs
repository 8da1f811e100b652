//! The commit that makes accepted rows visible.

use tranche_schema::layout;
use tranche_store::{Commit, Snapshot};

use crate::bookkeeping::Records;
use crate::conform::Accepted;
use crate::context::Load;
use crate::{IngestError, discover, upsert};

/// Commits accepted rows to the table as it was when the load began, and returns how many rows of it they
/// replace.
pub(crate) async fn publish(
    records: &Records<'_>,
    accepted: Accepted,
    table: Option<Snapshot>,
) -> Result<u64, IngestError> {
    let Load { source, contract, context } = *records.load;
    let incoming = accepted.staged.frame(context.session)?;
    let upsert = upsert::plan(context.session, contract, table.as_ref(), incoming).await?;
    // Recorded before the commit: an attempt that is cut short between the two is recorded once.
    records.loads(&accepted.counts).await?;
    let folder = layout::TABLES.of(&contract.table);
    let mut commit = Commit::new(&folder, &records.load.transaction(), upsert.mode, upsert.rows)
        .on(table)
        .partitioned_by(layout::TABLES.partition_columns(contract));
    commit.transactions.extend(records.inputs.iter().map(|input| discover::mark(source, input)));
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(upsert.replaced)
}

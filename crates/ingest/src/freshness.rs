//! Freshness: when each table was last loaded into.

use std::collections::BTreeMap;

use datafusion::functions_aggregate::expr_fn::max;
use datafusion::prelude::ident;
use jiff::Timestamp;
use tranche_schema::layout;
use tranche_schema::platform::{AS_OF, loads};
use tranche_sql::{Session, SqlError, column_i64, column_text};
use tranche_store::Lake;

use crate::IngestError;

/// The instant of the last load of each table into which something was loaded.
///
/// # Errors
/// [`IngestError`] when the table of loads cannot be read.
pub async fn last_loads(lake: &Lake, session: &Session) -> Result<BTreeMap<String, Timestamp>, IngestError> {
    let Some(snapshot) = lake.snapshot(layout::LOADS.folder).await? else { return Ok(BTreeMap::new()) };
    let frame = session.read(&snapshot).await?;
    let frame =
        frame.aggregate(vec![ident(loads::TABLE)], vec![max(ident(AS_OF))]).map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let instants = column_i64(&batches, 1)?.into_iter().map(|at| Timestamp::from_microsecond(at?).ok());
    let loads = column_text(&batches, 0)?.into_iter().zip(instants);
    Ok(loads.filter_map(|(table, at)| table.zip(at)).collect())
}

//! `quarantine list`: rejected rows and why.

use datafusion::logical_expr::ident;
use tranche_schema::platform::quarantine as columns;

use crate::args::Quarantine;
use crate::failure::Failure;
use crate::output::Rows;
use crate::workbench::Workbench;

const SHOWN: [&str; 7] = [
    columns::SOURCE,
    columns::FILE,
    columns::ROW,
    columns::COLUMN,
    columns::REASON,
    columns::RAW,
    columns::REJECTED_AT,
];

pub(super) async fn run(quarantine: &Quarantine, bench: &Workbench) -> Result<(), Failure> {
    let Quarantine::List { source, limit } = quarantine;
    let known = || bench.workspace.pipelines.values().flat_map(|p| p.sources.keys());
    if let Some(source) = source
        && !known().any(|name| name == source)
    {
        return Err(Failure::definition(format!("there is no source `{source}`")));
    }
    let lake = bench.lake()?;
    let session = bench.engine.session(bench.instant_or_latest(None)?);
    let mut batches = Vec::new();
    let mut left = *limit;
    for name in known().filter(|name| source.as_ref().is_none_or(|source| source == *name)) {
        let Some(snapshot) = lake.snapshot(&tranche_schema::layout::QUARANTINE.of(name)).await? else {
            continue;
        };
        let order =
            [columns::REJECTED_AT, columns::FILE, columns::ROW].map(|name| ident(name).sort(true, false));
        let frame = session
            .read(&snapshot)
            .await?
            .sort(order.to_vec())
            .and_then(|f| f.limit(0, Some(left)))
            .and_then(|f| f.select(SHOWN.map(ident).to_vec()))
            .map_err(tranche_sql::SqlError::engine)?;
        let found = session.collect_frame(frame).await?;
        left -= found.rows().min(left);
        batches.extend(found.batches);
    }
    match batches.first() {
        Some(first) => Rows::from_batches(&first.schema(), &batches)?.print(bench.global.format),
        None => Rows::new(&SHOWN).print(bench.global.format),
    }
}

//! `schedule explain`: every slot, its local time, and what became of it.

use serde_json::json;
use tranche_pipeline::scheduler::explain;
use tranche_pipeline::{Clock, Pipeline, SystemClock};

use crate::failure::Failure;
use crate::output::Rows;
use crate::workbench::Workbench;

pub(super) async fn run(
    from: &str,
    to: &str,
    wanted: Option<&str>,
    bench: &Workbench,
) -> Result<(), Failure> {
    let (from, to) = (bench.instant(from)?, bench.instant(to)?);
    if to <= from {
        return Err(Failure::definition("--to must lie after --from"));
    }
    if let Some(wanted) = wanted {
        bench.workspace.pipeline(wanted)?;
    }
    let ledger = Workbench::ledger(&bench.lake()?);
    let now = SystemClock.now();
    let pipelines =
        bench.workspace.pipelines.values().filter_map(|definitions| definitions.pipeline.as_ref());
    let mut rows = Rows::new(&["pipeline", "slot", "local", "dst", "fate", "reason", "run_id"]);
    for pipeline in
        pipelines.filter(|pipeline: &&Pipeline| wanted.is_none_or(|wanted| wanted == pipeline.name))
    {
        let zone = &bench.workspace.settings.timezone;
        for slot in explain(&ledger, pipeline, zone, (from, to), now).await? {
            rows.push(vec![
                json!(slot.pipeline),
                json!(slot.slot),
                json!(slot.local),
                json!(slot.dst),
                json!(slot.outcome),
                json!(slot.reason),
                json!(slot.run_id),
            ]);
        }
    }
    rows.print(bench.global.format)
}

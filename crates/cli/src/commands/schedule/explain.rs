//! `schedule explain`: every slot, its local time, and what became of it.

use serde_json::json;
use tranche_pipeline::{Clock, Pipeline, SystemClock, explain};

use crate::app::App;
use crate::failure::Failure;
use crate::output::Rows;

pub(super) async fn run(from: &str, to: &str, wanted: Option<&str>, app: &App) -> Result<(), Failure> {
    let (from, to) = (app.tranche.instant(from)?, app.tranche.instant(to)?);
    if to <= from {
        return Err(Failure::definition("--to must lie after --from"));
    }
    if let Some(wanted) = wanted {
        app.tranche.definitions.pipeline(wanted)?;
    }
    let ledger = app.tranche.ledger()?;
    let now = SystemClock.now();
    let pipelines =
        app.tranche.definitions.pipelines.values().filter_map(|definitions| definitions.pipeline.as_ref());
    let mut rows = Rows::new(&["pipeline", "slot", "local", "dst", "fate", "reason", "run_id"]);
    for pipeline in
        pipelines.filter(|pipeline: &&Pipeline| wanted.is_none_or(|wanted| wanted == pipeline.name))
    {
        let zone = &app.tranche.definitions.settings.timezone;
        for slot in explain(&ledger, pipeline, zone, (from, to), now).await? {
            rows.push(vec![
                json!(slot.pipeline),
                json!(slot.slot),
                json!(slot.local),
                json!(slot.dst),
                json!(slot.fate),
                json!(slot.reason),
                json!(slot.run_id),
            ]);
        }
    }
    rows.print(app.global.format)
}

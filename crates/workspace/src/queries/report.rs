//! A report now, from what the lake holds.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_pipeline::{Progress, StepContext, SystemClock, new_run_id};

use crate::action::ActionContext;
use crate::actions::publish;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// A report that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MadeReport {
    /// The report.
    pub report: String,
    /// The instant that it is about.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// Where its page is.
    pub page: String,
}

/// Makes a report about an instant, or that of the last refresh.
///
/// # Errors
/// [`Failure`] when there is no such report, a definition has a problem, or the lake cannot be read or written.
pub async fn make(tranche: &Tranche, name: &str, as_of: Option<&str>) -> Result<MadeReport, Failure> {
    tranche.check().await?;
    let found = tranche.definitions.find(|pipeline| pipeline.reports.get(name));
    let Some((pipeline_name, pipeline, report)) = found else {
        return Err(Failure::definition(format!("there is no report `{name}`")));
    };
    let as_of = match as_of {
        Some(text) => tranche.instant(text)?,
        None => last_refresh(tranche).await?,
    };
    let run_id = new_run_id(&SystemClock);
    let transaction = format!("{pipeline_name}/report/{run_id}");
    let pipeline_name = pipeline_name.to_owned();
    let run = StepContext {
        run_id,
        pipeline: pipeline_name,
        slot: None,
        as_of,
        full: false,
        transaction,
        progress: Progress::default(),
    };
    let resources = tranche.resources()?;
    let context = ActionContext { resources: &resources, pipeline, run: &run };
    let page = publish(report, &context).await?.page;
    Ok(MadeReport { report: name.to_owned(), as_of, page })
}

/// The instant of the last refresh: what a report without an instant is about.
async fn last_refresh(tranche: &Tranche) -> Result<Timestamp, Failure> {
    let session = tranche.engine.session(tranche.instant_or_latest(None)?);
    let history = tranche_segment::store::history(&tranche.lake()?, &session).await?;
    history
        .last()
        .map(|row| row.as_of)
        .ok_or_else(|| Failure::data("no segment was refreshed yet; run the pipeline, or give --as-of"))
}

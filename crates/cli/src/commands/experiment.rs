//! `experiment list` and `show`: what was measured.

use serde_json::{Value, json};
use tranche_experiment::{EstimateRow, ExperimentResult};

use crate::args::{AsOf, Experiment, Format};
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};
use crate::workbench::Workbench;

pub(super) async fn run(experiment: &Experiment, bench: &Workbench) -> Result<(), Failure> {
    match experiment {
        Experiment::List => list(bench).await,
        Experiment::Show { experiment, as_of } => show(experiment, as_of, bench).await,
    }
}

async fn read(name: &str, as_of: Option<&str>, bench: &Workbench) -> Result<Option<ExperimentResult>, Failure> {
    let session = bench.engine.session(bench.instant_or_latest(as_of)?);
    Ok(tranche_experiment::store::read(&bench.lake()?, &session, name).await?)
}

async fn list(bench: &Workbench) -> Result<(), Failure> {
    let mut rows = Rows::new(&["experiment", "pipeline", "hypothesis", "as_of", "units", "trustworthy"]);
    for (pipeline, definitions) in &bench.workspace.pipelines {
        for (name, experiment) in &definitions.experiments {
            let result = read(name, None, bench).await?;
            let units = result.as_ref().map(|r| r.srm.observed.iter().map(|v| v.count).sum::<u64>());
            rows.push(vec![
                json!(name),
                json!(pipeline),
                json!(experiment.hypothesis),
                json!(result.as_ref().map(|r| r.as_of)),
                json!(units),
                json!(result.as_ref().map(|r| r.trustworthy)),
            ]);
        }
    }
    rows.print(bench.global.format)
}

async fn show(name: &str, as_of: &AsOf, bench: &Workbench) -> Result<(), Failure> {
    if bench.workspace.find(|pipeline| pipeline.experiments.get(name)).is_none() {
        return Err(Failure::definition(format!("there is no experiment `{name}`; `tranche experiment list` shows all")));
    }
    let Some(result) = read(name, as_of.as_of.as_deref(), bench).await? else {
        return Err(Failure::data(format!("experiment `{name}` was not measured yet; run its pipeline")));
    };
    if bench.global.format == Format::Json {
        return print_json(&result, Format::Json);
    }
    if bench.global.format == Format::Table {
        print_text(&summary(&result))?;
    }
    let mut rows = Rows::new(&[
        "metric",
        "role",
        "segment",
        "variant",
        "n",
        "mean",
        "control_n",
        "control_mean",
        "absolute",
        "ci",
        "relative",
        "ci ",
        "p",
    ]);
    for row in &result.estimates {
        let rounded = |value: Option<f64>| value.map_or(Value::Null, |v| json!(format!("{v:.5}")));
        let number = |effect: &Value, part: &str| EstimateRow::number(effect, part);
        let range = |effect: &Value| match (number(effect, "lower"), number(effect, "upper")) {
            (Some(low), Some(high)) => json!(format!("[{low:.5}, {high:.5}]")),
            _ => Value::Null,
        };
        rows.push(vec![
            json!(row.metric),
            json!(row.role),
            json!(row.segment),
            json!(row.variant),
            json!(row.n),
            rounded(row.mean),
            json!(row.control_n),
            rounded(row.control_mean),
            rounded(number(&row.absolute, "effect")),
            range(&row.absolute),
            rounded(number(&row.relative, "effect")),
            range(&row.relative),
            number(&row.absolute, "p").map_or_else(|| json!(row.undefined), |p| json!(format!("{p:.4e}"))),
        ]);
    }
    rows.print(bench.global.format)
}

fn summary(result: &ExperimentResult) -> String {
    let mut lines =
        vec![format!("{} as of {}: {}", result.experiment, result.as_of, result.hypothesis.as_deref().unwrap_or_default())];
    let split: Vec<String> = result.srm.observed.iter().map(|v| format!("{} {}", v.variant, v.count)).collect();
    let p = result.srm.p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
    lines.push(format!("units: {} (sample ratio p = {p})", split.join(", ")));
    lines.extend(result.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

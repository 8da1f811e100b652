//! `experiment validate`: whether error rates and intervals hold on an experiment's own data.

use std::process::ExitCode;
use std::sync::OnceLock;

use serde_json::json;
use tranche_workspace::FailureClass;
use tranche_workspace::queries::experiments::{self, Validation, ValidationRequest, ValidationRow};

use crate::app::App;
use crate::args::{Format, Validate};
use crate::failure::{Failure, exit_code};
use crate::output::{Column, Rows, note, paragraph, print_json, print_text};
use crate::progress::Progress;

pub(super) async fn run(wanted: &Validate, app: &App) -> Result<ExitCode, Failure> {
    let name = &wanted.experiment;
    let request = ValidationRequest {
        iterations: wanted.iterations,
        seed: wanted.seed,
        metrics: wanted.metric.clone(),
        inferences: wanted.inference.clone(),
    };
    let (progress, count) = (Progress::new(), OnceLock::new());
    let drawn = |done: usize| {
        count.get_or_init(|| progress.count(&format!("draws of {name}"), wanted.iterations)).done(done);
    };
    let as_of = wanted.as_of.as_deref();
    let found = experiments::validate(&app.tranche, name, &request, as_of, &drawn).await?;
    match app.global.format {
        Format::Json => print_json(&found, Format::Json)?,
        format @ (Format::Csv | Format::Markdown) => rows(&found).print(format)?,
        Format::Table => table(&found)?,
    }
    note_failures(&found)?;
    Ok(if found.holds { ExitCode::SUCCESS } else { exit_code(FailureClass::Data) })
}

fn table(found: &Validation) -> Result<(), Failure> {
    print_text(&paragraph(&format!(
        "{} before {}: variants of {} units redrawn {} times from seed {}; alpha {}, simulated lift {}, simultaneous bounds of \
         {} %",
        found.experiment,
        found.as_of,
        found.units,
        found.iterations,
        found.seed,
        found.alpha,
        found.lift,
        100.0 * found.confidence
    )))?;
    rows(found).print(Format::Table)
}

fn rows(found: &Validation) -> Rows {
    let mut rows = Rows::new(&[
        Column::key("check"),
        Column::text("metric").main(),
        Column::text("variant"),
        Column::text("inference"),
        Column::number("looks").detail(),
        Column::number("draws").detail(),
        Column::number("count").detail(),
        Column::estimate("rate").main(),
        Column::text("relation"),
        Column::estimate("expected").main(),
        Column::estimate("low"),
        Column::estimate("high"),
        Column::any("holds").main(),
        Column::prose("advice").detail(),
    ]);
    for row in &found.rows {
        rows.push(vec![
            json!(row.check),
            json!(row.metric),
            json!(row.variant),
            json!(row.inference),
            json!(row.looks),
            json!(row.draws),
            json!(row.count),
            json!(row.rate),
            json!(row.relation),
            json!(row.expected),
            json!(row.bounds.map(|[low, _]| low)),
            json!(row.bounds.map(|[_, high]| high)),
            json!(row.holds),
            json!(row.advice),
        ]);
    }
    rows
}

/// Notes on stderr what does not hold and what that means, each advice once.
fn note_failures(found: &Validation) -> Result<(), Failure> {
    let broken: Vec<&ValidationRow> = found.rows.iter().filter(|row| row.holds == Some(false)).collect();
    let mut given: Vec<&str> = Vec::new();
    for row in found.rows.iter().filter(|row| row.holds != Some(true)) {
        let Some(advice) = row.advice.as_deref().filter(|advice| !given.contains(advice)) else { continue };
        given.push(advice);
        let place = [row.metric.as_deref(), row.variant.as_deref(), row.inference].into_iter().flatten();
        let place: String = place.map(|part| format!(" {part}")).collect();
        note(&format!("{}{place}: {advice}", row.check))?;
    }
    match broken.len() {
        0 => note(&format!(
            "all {} rows that can be judged hold",
            found.rows.iter().filter(|row| row.holds.is_some()).count()
        )),
        broken => note(&format!("error: {broken} of {} rows do not hold", found.rows.len())),
    }
}

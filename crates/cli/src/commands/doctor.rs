//! `doctor`: whether the bucket, the clock, the project and the lake are as they must be.

use std::process::ExitCode;

use serde_json::json;
use tranche_workspace::queries::examination::{CheckResult, examine};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, note, print_json};

pub(super) async fn run(app: &App, deep: bool) -> Result<ExitCode, Failure> {
    let progress = |what: &str| {
        // A terminal that went away is no reason to stop.
        let _ = note(&format!("… {what}"));
    };
    let results = examine(&app.tranche, deep, &progress).await?;
    print(&results, app.global.format)?;
    let ok = results.iter().all(|result| result.ok);
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(results: &[CheckResult], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&results, format);
    }
    let mut rows = Rows::new(&["check", "ok", "finding", "advice"]);
    for result in results {
        rows.push(vec![json!(result.check), json!(result.ok), json!(result.finding), json!(result.advice)]);
    }
    rows.print(format)
}

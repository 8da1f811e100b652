//! `segment test`: known answers, held against a replay.

use std::process::ExitCode;

use serde_json::json;
use tranche_workspace::FailureClass;
use tranche_workspace::queries::segment_tests::{TestReport, test};

use crate::app::App;
use crate::args::Format;
use crate::failure::{Failure, exit_code};
use crate::output::{Rows, note, print_json};

pub(super) async fn run(segments: &[String], app: &App) -> Result<ExitCode, Failure> {
    let reports = test(&app.tranche, segments).await?;
    print(&reports, app.global.format)?;
    for failure in reports.iter().flat_map(|report| &report.failures) {
        note(&format!("{}\n", failure.problem))?;
    }
    for problem in reports.iter().flat_map(|report| &report.unknown) {
        note(&format!("warning: {problem}\n"))?;
    }
    let failed = reports.iter().filter(|report| !report.passed).count();
    note(&match (failed, reports.len()) {
        (_, 0) => "there are no tests; a segment has them under `tests:` in its front matter".to_owned(),
        (0, 1) => "1 test passed".to_owned(),
        (0, all) => format!("{all} tests passed"),
        (failed, all) => format!("error: {failed} of {all} tests failed"),
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { exit_code(FailureClass::Data) })
}

fn print(reports: &[TestReport], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&reports, format);
    }
    let mut rows = Rows::new(&["segment", "as_of", "status", "members", "not_members", "failures"]);
    for report in reports {
        let failures = report.failures.iter().map(|failure| {
            let wanted = if failure.expected_member { "not a member" } else { "a member" };
            format!(
                "{}:{}:{} {} is {wanted}",
                failure.problem.file, failure.problem.line, failure.problem.column, failure.key
            )
        });
        rows.push(vec![
            json!(report.segment),
            json!(report.as_of),
            json!(if report.passed { "passed" } else { "failed" }),
            json!(report.members),
            json!(report.not_members),
            json!(failures.collect::<Vec<_>>().join("\n")),
        ]);
    }
    rows.print(format)
}

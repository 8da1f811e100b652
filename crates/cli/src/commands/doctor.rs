//! `doctor`: whether the bucket, the clock, the project and the lake are as they must be.

mod lake;

use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tranche_pipeline::{Clock, SystemClock};
use tranche_store::{Finding, RACES, WRITERS, probe};

use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, note, print_json};
use crate::workbench::Workbench;

/// How far this machine's clock may be from the storage's: runs are dated by it, and a schedule fires by it.
const CLOCK_TOLERANCE_SECONDS: i64 = 30;

/// A line of `doctor --format json`: a check that holds, or one finding of it.
#[derive(Debug, Serialize)]
struct Line {
    check: &'static str,
    ok: bool,
    finding: String,
    advice: String,
}

/// What was looked at so far.
#[derive(Default)]
struct Examination {
    lines: Vec<Line>,
}

impl Examination {
    /// What a check found; `holds` says what is so when that is nothing.
    fn add(&mut self, check: &'static str, holds: &str, findings: Vec<Finding>) {
        if findings.is_empty() {
            self.lines.push(Line { check, ok: true, finding: holds.to_owned(), advice: String::new() });
        }
        let line =
            |finding: Finding| Line { check, ok: false, finding: finding.problem, advice: finding.advice };
        self.lines.extend(findings.into_iter().map(line));
    }

    /// The same of a check that may not come to its end: then that is what it found.
    fn add_result(&mut self, check: &'static str, holds: &str, findings: Result<Vec<Finding>, Failure>) {
        let findings = findings.unwrap_or_else(|failure| {
            let advice = "mend what the other findings name, then look again";
            vec![Finding::new(failure.message, advice)]
        });
        self.add(check, holds, findings);
    }
}

pub(super) async fn run(bench: &Workbench) -> Result<ExitCode, Failure> {
    let mut examination = Examination::default();
    note("… project")?;
    examination.add("project", "every definition and statement is sound", project(bench).await?);
    let lake = bench.lake()?;
    note(&format!("… storage {}", lake.url()))?;
    let before = SystemClock.now();
    let tried = probe(&lake.objects()).await?;
    let now = SystemClock.now();
    let kept = format!(
        "{RACES} races of {WRITERS} writers had one winner each, and all was read and listed at once"
    );
    examination.add("storage", &kept, tried.findings);
    let (holds, findings) = clock(before, now, tried.storage_millis);
    examination.add("clock", &holds, findings);
    let storage_now = Timestamp::from_millisecond(tried.storage_millis).unwrap_or(now);
    lake::examine(bench, &lake, storage_now, &mut examination).await?;
    print(&examination.lines, bench.global.format)?;
    let ok = examination.lines.iter().all(|line| line.ok);
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The problems of the definitions; a storage that fails meanwhile is no problem of theirs.
async fn project(bench: &Workbench) -> Result<Vec<Finding>, Failure> {
    let Err(failure) = bench.check().await else { return Ok(Vec::new()) };
    if failure.diagnostics.is_empty() {
        return Err(failure);
    }
    let finding = |problem: tranche_project::Diagnostic| {
        let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
        Finding::new(
            format!("{place}: {}", problem.message),
            problem.help.unwrap_or_else(|| "see `tranche check`".to_owned()),
        )
    };
    Ok(failure.diagnostics.into_iter().map(finding).collect())
}

/// How this machine's clock stands to that of the storage, which dated an object between two looks at ours.
fn clock(before: Timestamp, after: Timestamp, storage_millis: i64) -> (String, Vec<Finding>) {
    // Storages date objects to the second.
    let early = (before.as_millisecond() - 1_000 - storage_millis).max(0);
    let late = (storage_millis - after.as_millisecond()).max(0);
    let seconds = early.max(late) / 1_000;
    if seconds <= CLOCK_TOLERANCE_SECONDS {
        return (format!("within {CLOCK_TOLERANCE_SECONDS} seconds of the storage's"), Vec::new());
    }
    let direction = if early > 0 { "ahead of" } else { "behind" };
    let problem = format!("this machine's clock is {seconds} seconds {direction} the storage's");
    (String::new(), vec![Finding::new(problem, "set it by NTP: slots begin when it says so")])
}

fn print(lines: &[Line], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&lines, format);
    }
    let mut rows = Rows::new(&["check", "ok", "finding", "advice"]);
    for line in lines {
        rows.push(vec![json!(line.check), json!(line.ok), json!(line.finding), json!(line.advice)]);
    }
    rows.print(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(storage_after_seconds: i64, expected: Option<&str>) {
        let before: Timestamp = "2026-11-01T02:00:00Z".parse().unwrap();
        let after = "2026-11-01T02:00:02Z".parse().unwrap();
        let (_, findings) = clock(before, after, before.as_millisecond() + storage_after_seconds * 1_000);
        let problems: Vec<&str> = findings.iter().map(|finding| finding.problem.as_str()).collect();
        assert_eq!(problems.first().copied(), expected, "{storage_after_seconds}");
    }

    #[test]
    fn a_clock_may_differ_by_as_much_as_does_no_harm() {
        for near in [-31, -1, 0, 1, 2, 32] {
            check(near, None);
        }
        check(-3_601, Some("this machine's clock is 3600 seconds ahead of the storage's"));
        check(3_602, Some("this machine's clock is 3600 seconds behind the storage's"));
    }
}

//! Whether the bucket, the clock, the project and the lake are as they must be.

mod lake;
mod results;

use jiff::Timestamp;
use tranche_pipeline::{Clock, SystemClock};
use tranche_segment::Published;
use tranche_store::Lake;
use tranche_store::integrity::{Finding, RACES, WRITERS, probe};

use crate::failure::Failure;
use crate::tranche::Tranche;

pub use results::CheckResult;
use results::Examination;

/// How far this machine's clock may be from the storage's: runs are dated by it, and a schedule fires by it.
const CLOCK_TOLERANCE_SECONDS: i64 = 30;

/// Examines everything, and if `deep`, the content of everything; `progress` receives the name of the current check.
///
/// # Errors
/// [`Failure`] when the storage cannot be reached, or a check that others rest on cannot be made.
pub async fn examine(
    tranche: &Tranche,
    deep: bool,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Vec<CheckResult>, Failure> {
    let mut examination = Examination::default();
    progress("project");
    examination.add("project", "every definition and statement is sound", project(tranche).await?);
    let lake = tranche.lake()?;
    progress(&format!("storage {}", lake.url()));
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
    lake::examine(tranche, &lake, storage_now, &mut examination, progress).await?;
    if deep {
        content(&lake, &mut examination, progress).await?;
        let values = values(tranche, &lake, progress).await;
        let holds =
            "traits and members of last refreshes are what their definitions give, computed once more";
        examination.add_result("values", holds, values);
    }
    Ok(examination.results)
}

/// Reads all that is stored.
async fn content(
    lake: &Lake,
    examination: &mut Examination,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Failure> {
    let (mut damaged, tables) = (Vec::new(), lake.tables().await?);
    for table in &tables {
        progress(&format!("content of {table}"));
        damaged.extend(lake.check_content(table).await?);
    }
    damaged.extend(lake.check_documents().await?);
    damaged.extend(lake.check_reports().await?);
    let holds =
        format!("every file of {} tables, every document and report is as it was written", tables.len());
    examination.add("content", &holds, damaged);
    Ok(())
}

/// What pipelines published last, computed once more where nothing has changed since.
async fn values(
    tranche: &Tranche,
    lake: &Lake,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Vec<Finding>, Failure> {
    let tables = tranche.tables(lake).await?;
    let mut findings = Vec::new();
    for (name, pipeline) in &tranche.definitions.pipelines {
        progress(&format!("values of {name}"));
        let published = Published {
            pipeline: name,
            definitions: &pipeline.definitions,
            lake,
            tables: &tables,
            engine: &tranche.engine,
        };
        findings.extend(published.recompute().await?.findings);
    }
    Ok(findings)
}

/// The problems of the definitions; a storage that fails meanwhile is no problem of theirs.
async fn project(tranche: &Tranche) -> Result<Vec<Finding>, Failure> {
    let Err(failure) = tranche.check_with_raw_files().await else { return Ok(Vec::new()) };
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
    (String::new(), vec![Finding::new(problem, "synchronise it by NTP: slots begin by this clock")])
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

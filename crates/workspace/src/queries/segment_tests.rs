//! The tests in segments' definitions, against a replay.

pub use tranche_segment::TestReport;
use tranche_segment::run_tests;

use crate::failure::Failure;
use crate::tranche::Tranche;

/// Runs the tests of all segments, or of those that are named.
///
/// # Errors
/// [`Failure`] when there is no such segment, a definition has a problem, or the lake cannot be read. A test that fails is in its
/// report.
pub async fn test(tranche: &Tranche, segments: &[String]) -> Result<Vec<TestReport>, Failure> {
    for segment in segments {
        tranche.definitions.segment(segment)?;
    }
    tranche.check().await?;
    let wanted = (!segments.is_empty()).then_some(segments);
    let tables = tranche.tables(&tranche.lake()?).await?;
    let zone = &tranche.definitions.settings.timezone;
    let mut reports = Vec::new();
    for pipeline in tranche.definitions.pipelines.values() {
        reports.extend(run_tests(&pipeline.definitions, wanted, &tables, &tranche.engine, zone).await?);
    }
    Ok(reports)
}

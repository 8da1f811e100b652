//! A report at one `as_of`, in three steps: what it is made from is gathered, KPIs and segments are computed from that, and the
//! document is put together.

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tranche_scorecard::ExperimentResult;
use tranche_segment::Scope;
use tranche_segment::evaluate::Evaluation;
use tranche_segment::store::{HistoryRow, history};

use crate::context::BuildContext;
use crate::definition::{Report, Section};
use crate::document::{ExperimentSummary, Period, ReportDocument, SourceQuality, Span, TableVersion};
use crate::error::ReportError;
use crate::facts::Measured;
use crate::measurement::CONFIDENCE;
use crate::period::Periods;
use crate::segments::Evaluations;
use crate::{facts, kpis, quality, segments};

/// Makes the document of a report; returns it with the rows that were read for it.
///
/// # Errors
/// [`ReportError`] with who is at fault.
pub fn build<'a>(
    report: &'a Report,
    context: &'a BuildContext<'a>,
) -> BoxFuture<'a, Result<(ReportDocument, u64), ReportError>> {
    // What awaits it is not compiled with all that it awaits.
    Box::pin(build_document(report, context))
}

async fn build_document(
    report: &Report,
    context: &BuildContext<'_>,
) -> Result<(ReportDocument, u64), ReportError> {
    let as_of = context.session.as_of();
    let periods = Periods::of(report, as_of, context.zone);
    let scope = segments::scope(report, context).await?;
    let facts = context.metrics.tables(report.metrics(context.metrics));
    let read = scope.tables(context.definitions);
    let tables =
        context.tables.cached(context.engine, |table| read.contains(table) || facts.contains(table)).await?;
    let session = context.engine.session_over(&tables, as_of).await?;
    let context =
        &BuildContext { tables: &tables, session: &session, sources: context.sources.clone(), ..*context };
    let gathered = gather(report, &scope, &periods, context).await?;
    let rows_read = tables.cached_rows() + gathered.rows_read;
    Ok((document(report, &periods, gathered, context), rows_read))
}

/// What a report is computed from; what none of its sections shows is not read.
struct Gathered {
    /// The segments at `as_of`.
    now: Evaluation,
    /// Every published refresh.
    history: Vec<HistoryRow>,
    measured: Option<Measured>,
    sources: Vec<SourceQuality>,
    rows_read: u64,
}

async fn gather(
    report: &Report,
    scope: &Scope,
    periods: &Periods,
    context: &BuildContext<'_>,
) -> Result<Gathered, ReportError> {
    let evaluations = Evaluations::read(report, scope, periods, context).await?;
    let rows_read = evaluations.rows_read();
    let Evaluations { now, at_start } = evaluations;
    let measured = match at_start {
        Some(at_start) => {
            Some(facts::measure(&report.metrics(context.metrics), at_start, periods, context).await?)
        }
        None => None,
    };
    let history = match report.shows(Section::Segments) {
        true => history(context.lake, context.session).await?,
        false => Vec::new(),
    };
    let sources = match report.shows(Section::DataQuality) {
        true => quality::sources(context).await?,
        false => Vec::new(),
    };
    Ok(Gathered { now, history, measured, sources, rows_read })
}

fn document(
    report: &Report,
    periods: &Periods,
    gathered: Gathered,
    context: &BuildContext<'_>,
) -> ReportDocument {
    let Gathered { now, history, measured, sources, .. } = gathered;
    ReportDocument {
        report: report.name.clone(),
        title: report.title.clone(),
        description: report.description.clone(),
        pipeline: context.pipeline.to_owned(),
        run_id: context.run_id.to_owned(),
        as_of: context.session.as_of().to_string(),
        time_zone: context.zone.iana_name().unwrap_or("UTC").to_owned(),
        period: Period { unit: report.unit, span: periods.current.span() },
        previous_period: Some(periods.compared.span()),
        confidence: Some(CONFIDENCE),
        tables: tables(context),
        segments: match report.shows(Section::Segments) {
            true => segments::summaries(report, &now, &history, context),
            false => Vec::new(),
        },
        kpis: match &measured {
            Some(measured) => kpis::summaries(report, periods, measured, context.metrics),
            None => Vec::new(),
        },
        experiments: match report.shows(Section::Experiments) {
            true => context.experiments.iter().map(|result| summary(result, context.zone)).collect(),
            false => Vec::new(),
        },
        data_quality: match report.shows(Section::DataQuality) {
            true => quality::data_quality(sources, segments::unmatched(report, &now)),
            false => None,
        },
    }
}

fn tables(context: &BuildContext<'_>) -> Vec<TableVersion> {
    let versions = context.tables.versions().into_iter();
    versions.map(|t| TableVersion { table: t.table, version: t.version, rows: Some(t.rows) }).collect()
}

/// A result with its period in days of the project's time zone.
fn summary(result: &ExperimentResult, zone: &TimeZone) -> ExperimentSummary {
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date().to_string();
    let period = &result.period;
    let span = Span { from: day(period.from), to: day(period.to), label: period.label.clone() };
    ExperimentSummary { period: Some(span), result: result.clone() }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;

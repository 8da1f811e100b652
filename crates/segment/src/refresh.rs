//! Publishing: what an evaluation changes in the memberships, checked, and committed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::prelude::ident;
use jiff::Timestamp;
use serde::Serialize;
use tranche_schema::platform::{self, segment_history as columns};
use tranche_sql::{Engine, Session, SqlError, Tables, column_i64, instant_literal};
use tranche_store::{Commit, CommitMode, Lake};

use crate::definitions::{Definitions, Expectation, SegmentKind};
use crate::error::SegmentError;
use crate::evaluate::scans::Memory;
use crate::evaluate::{Evaluation, Sharing, evaluate_program};
use crate::intervals::{Change, Intervals};
use crate::plan::Program;
use crate::scope::Scope;
use crate::state::Sample;
use crate::store::{HISTORY_TABLE, memberships_table, traits_table};

/// What a refresh works with.
pub struct RefreshContext<'a> {
    /// Where tables are.
    pub lake: &'a Lake,
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine, for a session over tables that are kept in memory.
    pub engine: &'a Engine,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline.
    pub pipeline: &'a str,
    /// Whether memberships from `as_of` on are rebuilt.
    pub full: bool,
    /// The application transaction of the step.
    pub transaction: &'a str,
}

/// What a refresh did to one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// The segment.
    pub segment: String,
    /// The segmented entity.
    pub entity: String,
    /// Its members.
    pub size: u64,
    /// Members that the refresh before did not have.
    pub entered: u64,
    /// Members of the refresh before that are no longer.
    pub exited: u64,
    /// Ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// Rows whose key was null, so that nobody is meant.
    pub null_keys: u64,
}

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefreshReport {
    /// Each segment, in the order of the definitions.
    pub segments: Vec<SegmentReport>,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// Memberships that began or ended.
    pub rows_written: u64,
}

/// Refreshes the segments of a pipeline that `wanted` names, or all of them, and publishes each entity's memberships in one commit.
///
/// # Errors
/// [`SegmentError`]; then nothing was published for the entity at fault.
pub async fn refresh(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    context: &RefreshContext<'_>,
) -> Result<RefreshReport, SegmentError> {
    let mut report = RefreshReport::default();
    for entity in definitions.entities() {
        let scope = match wanted {
            Some(names) => Scope::of(definitions, entity, names, context.session).await?,
            None => Scope::everything(definitions, entity),
        };
        let program = Program::compile(definitions, &scope, context.session, Sharing::Shared).await?;
        let memory = Memory {
            lake: context.lake,
            pipeline: context.pipeline,
            entity,
            full: context.full,
            sample: Sample::default(),
        };
        let (evaluation, kept) =
            evaluate_program(definitions, &scope, &program, context.tables, context.session, Some(memory)).await?;
        report.rows_read += evaluation.rows_read;
        let index = Arc::new(evaluation.index.clone());
        let published = publish(definitions, wanted, evaluation, context).await?;
        // What is kept is true whatever is published; it is written last, because nothing depends on it.
        // A refresh of some segments knows only some measures.
        for (table, kept) in kept.into_iter().filter(|_| wanted.is_none()) {
            memory.place(&table).write(context.lake, kept, &index).await?;
        }
        report.rows_written += published.iter().map(|s| s.entered + s.exited).sum::<u64>();
        report.segments.extend(published);
    }
    Ok(report)
}

async fn publish(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    mut evaluation: Evaluation,
    context: &RefreshContext<'_>,
) -> Result<Vec<SegmentReport>, SegmentError> {
    let as_of = context.session.as_of();
    let entity = evaluation.entity.clone();
    refuse_earlier(context, &entity).await?;
    let stored = read_memberships(context, &mut evaluation).await?;
    let mut intervals = stored.clone();
    let is_wanted = |segment: &str| {
        wanted.is_none_or(|names| names.iter().any(|name| name == segment || segment.split('/').next() == Some(name.as_str())))
    };
    // A label that was there before and has no members now is a segment without members.
    let mut names: Vec<String> = evaluation.segments.keys().filter(|name| is_wanted(name)).cloned().collect();
    for gone in stored.0.keys().filter(|name| is_label_of(definitions, name) && is_wanted(name)) {
        if !names.contains(gone) {
            names.push(gone.clone());
        }
    }
    let mut reports = Vec::new();
    let mut violations = Vec::new();
    for name in names {
        let members = evaluation.segments.get(&name).cloned().unwrap_or_default();
        intervals.rewind(&name, as_of);
        let change = intervals.apply(&name, &members.entities, as_of);
        if let Some(definition) = definitions.definition_of(&name) {
            violations.extend(definition.expect.violations(&name, change, members.share(evaluation.universe)));
        }
        reports.push(SegmentReport {
            segment: name,
            entity: entity.clone(),
            size: change.size,
            entered: change.entered,
            exited: change.exited,
            unmatched: members.unmatched,
            null_keys: members.null_keys,
        });
    }
    if !violations.is_empty() {
        return Err(SegmentError::Expectation(violations));
    }
    // A refresh of some segments computes some traits; the table holds all of them.
    if wanted.is_none() {
        commit_traits(&evaluation, context).await?;
    }
    if !intervals.same_as(&stored) {
        commit_memberships(&intervals, &evaluation, context).await?;
    }
    commit_history(&reports, context).await?;
    Ok(reports)
}

fn is_label_of(definitions: &Definitions, segment: &str) -> bool {
    segment.contains('/') && definitions.definition_of(segment).is_some_and(|d| d.kind == SegmentKind::Set)
}

/// Membership is a history: it grows at its end, unless its author asks to rebuild it.
async fn refuse_earlier(context: &RefreshContext<'_>, entity: &str) -> Result<(), SegmentError> {
    let as_of = context.session.as_of();
    if context.full {
        return Ok(());
    }
    match crate::store::last_refresh(context.lake, context.session, context.pipeline, entity).await? {
        Some(last) if last > as_of => Err(SegmentError::Earlier { last, as_of }),
        _ => Ok(()),
    }
}

async fn read_memberships(context: &RefreshContext<'_>, evaluation: &mut Evaluation) -> Result<Intervals, SegmentError> {
    let Some(snapshot) = context.lake.snapshot(&memberships_table(&evaluation.entity)).await? else {
        return Ok(Intervals::default());
    };
    let frame = context.session.read(&snapshot).await?;
    let collected = context.session.collect_frame(frame).await?;
    Ok(Intervals::read(&collected.batches, &mut evaluation.index)?)
}

impl Expectation {
    #[expect(clippy::cast_precision_loss, reason = "shares of members")]
    fn violations(&self, segment: &str, change: Change, share: f64) -> Vec<String> {
        let mut found = Vec::new();
        let Change { size, entered, exited } = change;
        if let Some(min) = self.min_size.filter(|min| size < *min) {
            found.push(format!("segment `{segment}` has {size} members, expected at least {min}"));
        }
        if let Some(max) = self.max_size.filter(|max| size > *max) {
            found.push(format!("segment `{segment}` has {size} members, expected at most {max}"));
        }
        if let Some([low, high]) = self.share.filter(|[low, high]| share < *low || share > *high) {
            found.push(format!("segment `{segment}` is {share:.4} of everyone, expected {low} to {high}"));
        }
        let before = size + exited - entered;
        let turnover = if before == 0 { 0.0 } else { entered.max(exited) as f64 / before as f64 };
        if let Some(max) = self.max_turnover.filter(|max| turnover > *max) {
            found.push(format!("segment `{segment}` changed by {turnover:.4} of its members, expected at most {max}"));
        }
        found
    }
}

async fn commit_traits(evaluation: &Evaluation, context: &RefreshContext<'_>) -> Result<(), SegmentError> {
    let table = traits_table(&evaluation.entity);
    let batch = evaluation.traits.clone();
    commit(context, &table, CommitMode::Overwrite, batch).await
}

async fn commit_memberships(
    intervals: &Intervals,
    evaluation: &Evaluation,
    context: &RefreshContext<'_>,
) -> Result<(), SegmentError> {
    let schema = evaluation.traits.schema();
    let key_type = schema.field_with_name(&evaluation.key).map_err(SqlError::from)?.data_type();
    let batch = intervals.to_batch(&evaluation.key, key_type, &evaluation.index)?;
    commit(context, &memberships_table(&evaluation.entity), CommitMode::Overwrite, batch).await
}

async fn commit_history(reports: &[SegmentReport], context: &RefreshContext<'_>) -> Result<(), SegmentError> {
    if reports.is_empty() {
        return Ok(());
    }
    let n = reports.len();
    let text = |value: &dyn Fn(&SegmentReport) -> String| -> ArrayRef {
        Arc::new(reports.iter().map(|r| Some(value(r))).collect::<StringArray>())
    };
    let count = |value: &dyn Fn(&SegmentReport) -> u64| -> ArrayRef {
        Arc::new(reports.iter().map(|r| i64::try_from(value(r)).ok()).collect::<Int64Array>())
    };
    let as_of = context.session.as_of();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_value(as_of.as_microsecond(), n).with_timezone("UTC")),
        text(&|_| context.pipeline.to_owned()),
        text(&|r| r.entity.clone()),
        text(&|r| r.segment.clone()),
        count(&|r| r.size),
        count(&|r| r.entered),
        count(&|r| r.exited),
        count(&|r| r.unmatched),
        count(&|r| r.null_keys),
    ];
    let batch = RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?;
    let names = reports.iter().map(|r| datafusion::logical_expr::lit(r.segment.clone())).collect();
    let same = ident(platform::AS_OF)
        .gt_eq(instant_literal(as_of))
        .and(ident(columns::PIPELINE).eq(datafusion::logical_expr::lit(context.pipeline)))
        .and(ident(platform::SEGMENT).in_list(names, false));
    // A first refresh at an instant replaces nothing, and need not look for what it would replace.
    let mode = match crate::store::last_refresh(context.lake, context.session, context.pipeline, &reports[0].entity).await? {
        Some(last) if last >= as_of => CommitMode::OverwriteWhere(same),
        _ => CommitMode::Append,
    };
    let transaction = format!("{}/{}", context.transaction, reports[0].entity);
    let rows = context.session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
    context.lake.commit(context.session.shared_state(), Commit::new(HISTORY_TABLE, &transaction, mode, rows)).await?;
    Ok(())
}

async fn commit(context: &RefreshContext<'_>, table: &str, mode: CommitMode, batch: RecordBatch) -> Result<(), SegmentError> {
    let rows = context.session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
    context.lake.commit(context.session.shared_state(), Commit::new(table, context.transaction, mode, rows)).await?;
    Ok(())
}

/// Microseconds of a column as instants.
pub(crate) fn instants(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<Timestamp>>, SqlError> {
    let microseconds = column_i64(batches, column)?;
    Ok(microseconds.into_iter().map(|value| value.and_then(|micros| Timestamp::from_microsecond(micros).ok())).collect())
}

//! Who is in the segments of a report, at the instants that it is about.

use indexmap::IndexMap;
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::store::HistoryRow;
use tranche_segment::{EVERYONE, Pattern, Scope, SegmentKind};
use tranche_sql::Engine;

use crate::context::BuildContext;
use crate::definition::Report;
use crate::document::{SegmentSummary, SizeAt, UnmatchedIds};
use crate::error::ReportError;
use crate::period::{Days, Periods};

/// The definitions that the segments of a report need.
pub(crate) async fn scope(report: &Report, context: &BuildContext<'_>) -> Result<Scope, ReportError> {
    let entity = entity_of(report, context)?;
    let named = report.segments.iter().map(|segment| &segment.value);
    let wanted: Vec<String> = named.filter(|name| *name != EVERYONE).cloned().collect();
    Ok(Scope::of(context.definitions, &entity, &wanted, context.session).await?)
}

/// The entity whose members are counted: that of the report's segments, or the only one there is.
fn entity_of(report: &Report, context: &BuildContext<'_>) -> Result<String, ReportError> {
    let named = report
        .segments
        .iter()
        .filter_map(|s| context.definitions.definition_of(&s.value))
        .map(|d| d.entity.as_str());
    let mut entities: Vec<&str> = named.collect();
    if entities.is_empty() {
        entities = context.definitions.contracts.values().filter_map(|c| c.entity()).collect();
    }
    entities.dedup();
    match entities.as_slice() {
        [entity] => Ok((*entity).to_owned()),
        [] => Err(ReportError::Entity {
            report: report.name.clone(),
            reason: "no contract defines an entity".to_owned(),
        }),
        several => Err(ReportError::Entity {
            report: report.name.clone(),
            reason: format!(
                "its segments are of different entities ({}); make a report for each",
                several.join(", ")
            ),
        }),
    }
}

/// The segments of a report at the instants that it is about.
pub(crate) struct Evaluations {
    /// At its `as_of`.
    pub(crate) now: Evaluation,
    /// For its KPIs, if it shows any.
    pub(crate) at_start: Option<AtStart>,
}

/// The segments when periods begin. Who a KPI is about is settled then: a segment that is made of what people did in a period
/// would only tell that they did it.
pub(crate) struct AtStart {
    pub(crate) current: Evaluation,
    pub(crate) compared: Evaluation,
}

/// Instants that are evaluated side by side.
const SIDE_BY_SIDE: usize = 3;

impl Evaluations {
    /// Evaluates the segments at all instants, side by side.
    pub(crate) async fn read(
        report: &Report,
        scope: &Scope,
        periods: &Periods,
        context: &BuildContext<'_>,
    ) -> Result<Self, ReportError> {
        let now = context.session.as_of();
        if !report.shows_kpis() {
            let now = evaluation(scope, now, context.engine, context).await?;
            return Ok(Self { now, at_start: None });
        }
        let engine = context.engine.with_threads(context.engine.threads().shared_by(SIDE_BY_SIDE));
        let at = |instant: Timestamp| evaluation(scope, instant, &engine, context);
        let start = |days: Days| days.instants(context.zone).0;
        let (now, current, compared) =
            tokio::try_join!(at(now), at(start(periods.current)), at(start(periods.compared)))?;
        Ok(Self { now, at_start: Some(AtStart { current, compared }) })
    }

    /// Rows that were read for all of them.
    pub(crate) fn rows_read(&self) -> u64 {
        let at_start = self.at_start.iter().flat_map(|at_start| [&at_start.current, &at_start.compared]);
        at_start.chain([&self.now]).map(|evaluation| evaluation.rows_read).sum()
    }
}

async fn evaluation(
    scope: &Scope,
    as_of: Timestamp,
    engine: &Engine,
    context: &BuildContext<'_>,
) -> Result<Evaluation, ReportError> {
    let session = engine.session_over(context.tables, as_of).await?;
    Ok(evaluate(context.definitions, scope, context.tables, &session, Sharing::Shared).await?)
}

/// The segments of a report with their members, in its order; `all` is everyone.
pub(crate) fn shown<'a>(report: &Report, evaluation: &'a Evaluation) -> IndexMap<&'a str, RoaringBitmap> {
    let mut found = IndexMap::new();
    for pattern in &report.segments {
        if pattern.value == EVERYONE {
            found.insert(EVERYONE, (0..evaluation.universe).collect::<RoaringBitmap>());
        }
        for (name, members) in &evaluation.segments {
            if Pattern::parse(&pattern.value).covers(name) {
                found.insert(name.as_str(), members.entities.clone());
            }
        }
    }
    found
}

/// The segments of a report at its `as_of`, each with its published history.
pub(crate) fn summaries(
    report: &Report,
    now: &Evaluation,
    history: &[HistoryRow],
    context: &BuildContext<'_>,
) -> Vec<SegmentSummary> {
    let mut by_segment: IndexMap<&str, Vec<&HistoryRow>> = IndexMap::new();
    for row in history {
        by_segment.entry(&row.segment).or_default().push(row);
    }
    let names = shown(report, now).into_iter().filter(|(name, _)| *name != EVERYONE);
    names
        .map(|(name, members)| {
            let definition = context.definitions.definition_of(name);
            let rows = by_segment.get(name).map(Vec::as_slice).unwrap_or_default();
            let last = rows.last().filter(|row| row.as_of == context.session.as_of());
            let share =
                f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX)) / f64::from(now.universe.max(1));
            SegmentSummary {
                segment: name.to_owned(),
                description: definition.and_then(|d| d.description.clone()),
                set: definition.filter(|d| d.kind == SegmentKind::Set).map(|d| d.name.clone()),
                size: members.len(),
                share: Some(share),
                entered: last.map(|row| row.entered),
                exited: last.map(|row| row.exited),
                unmatched: unmatched_of(name, now),
                history: rows
                    .iter()
                    .map(|row| SizeAt { as_of: row.as_of.to_string(), size: row.size })
                    .collect(),
            }
        })
        .collect()
}

/// The segments of a report that return ids which the universe lacks.
pub(crate) fn unmatched(report: &Report, now: &Evaluation) -> Vec<UnmatchedIds> {
    let ids = |name: &str| UnmatchedIds { segment: name.to_owned(), count: unmatched_of(name, now) };
    shown(report, now).into_keys().map(ids).filter(|ids| ids.count > 0).collect()
}

fn unmatched_of(segment: &str, now: &Evaluation) -> u64 {
    now.segments.get(segment).map_or(0, |members| members.unmatched)
}

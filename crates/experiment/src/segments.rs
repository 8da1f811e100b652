//! Which segments units were in before they could be changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::{EVERYONE, Scope};
use tranche_sql::Tables;

use crate::error::ExperimentError;
use crate::experiment::Experiment;
use crate::exposure::Exposed;
use crate::measure::MeasureContext;

/// Which units were in each segment and stratum just before their first exposure: the segments are replayed at the beginning of each day on
/// which somebody was first exposed, so that nothing that the treatment did can leak into them.
pub(crate) async fn segments_at_exposure(
    experiment: &Experiment,
    units: &Exposed,
    context: &MeasureContext<'_>,
) -> Result<(IndexMap<String, Vec<usize>>, u64), ExperimentError> {
    let mut segments = IndexMap::from([(EVERYONE.to_owned(), (0..units.at.len()).collect::<Vec<_>>())]);
    let named = experiment.segments.iter().chain(&experiment.statistics.strata).map(|written| &written.value);
    let wanted: IndexSet<String> = named.filter(|name| *name != EVERYONE).cloned().collect();
    let wanted = Vec::from_iter(wanted);
    if wanted.is_empty() {
        return Ok((segments, 0));
    }
    let mut by_day: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (unit, at) in units.at.iter().enumerate() {
        by_day.entry(at.as_second().div_euclid(86_400)).or_default().push(unit);
    }
    let scope = Scope::of(context.definitions, &experiment.entity, &wanted, context.session).await?;
    let read = scope.tables(context.definitions);
    let tables = context.tables.cached(context.engine, |table| read.contains(table)).await?;
    let mut rows_read = tables.cached_rows();
    for (day, members) in by_day {
        let mut evaluation = replay(experiment, &scope, day, &tables, context).await?;
        rows_read += evaluation.rows_read;
        let numbers = Arc::make_mut(&mut evaluation.index).insert(&units.keys)?;
        for (name, found) in &evaluation.segments {
            if !wanted.iter().any(|pattern| matches(pattern, name)) {
                continue;
            }
            let own = members.iter().filter(|&&unit| numbers[unit].is_some_and(|number| found.entities.contains(number)));
            segments.entry(name.clone()).or_default().extend(own);
        }
    }
    // Everyone first, then in the order that the author gave.
    let place = |name: &str| wanted.iter().position(|pattern| matches(pattern, name)).map_or(0, |place| place + 1);
    segments.sort_by(|a, _, b, _| (place(a), a).cmp(&(place(b), b)));
    Ok((segments, rows_read))
}

async fn replay(
    experiment: &Experiment,
    scope: &Scope,
    day: i64,
    tables: &Tables,
    context: &MeasureContext<'_>,
) -> Result<Evaluation, ExperimentError> {
    let at = Timestamp::from_second(day * 86_400).unwrap_or(Timestamp::UNIX_EPOCH);
    let session = context.engine.session_over(tables, at).await?;
    let replayed = evaluate(context.definitions, scope, tables, &session, Sharing::Shared).await;
    replayed.map_err(|source| ExperimentError::Segment { experiment: experiment.name.clone(), source: Box::new(source) })
}

/// Whether an entry of `segments:` names a segment.
pub(crate) fn matches(pattern: &str, segment: &str) -> bool {
    pattern == segment || pattern.strip_suffix("/*").is_some_and(|set| segment.split('/').next() == Some(set))
}

//! Which segments units were in before they could be changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::{EVERYONE, Pattern, Scope};
use tranche_sql::Tables;

use crate::error::ExperimentError;
use crate::experiment::Experiment;
use crate::exposure::Exposed;
use crate::measure::MeasureContext;

/// The places of an experiment's units in each segment.
pub(crate) type Membership = IndexMap<String, Vec<usize>>;

/// Which units of each experiment were in each segment and stratum just before their first exposure: the segments are replayed at the beginning of
/// each day on which somebody was first exposed, so that nothing that the treatment did can leak into them. A day is replayed once for
/// all experiments, and segments that do not depend on the day are found once. Returns the rows that were read, too.
pub(crate) async fn segments_at_exposure(
    experiments: &[(&Experiment, &Arc<Exposed>)],
    context: &MeasureContext<'_>,
) -> Result<(Vec<Arc<Membership>>, u64), ExperimentError> {
    let mut distinct: Vec<Breakdown<'_>> = Vec::new();
    let mut places = Vec::new();
    for (experiment, units) in experiments {
        let named =
            experiment.segments.iter().chain(&experiment.statistics.strata).map(|written| &written.value);
        let wanted: IndexSet<String> = named.filter(|name| *name != EVERYONE).cloned().collect();
        let wanted = Vec::from_iter(wanted);
        let is_same = |known: &Breakdown<'_>| Arc::ptr_eq(known.units, units) && known.wanted == wanted;
        let place = distinct.iter().position(is_same).unwrap_or(distinct.len());
        places.push(place);
        if place == distinct.len() {
            let found = IndexMap::from([(EVERYONE.to_owned(), (0..units.at.len()).collect::<Vec<_>>())]);
            distinct.push(Breakdown { experiment, units, wanted, found });
        }
    }
    let mut rows_read = 0;
    let mut entities: Vec<&str> = distinct.iter().map(|one| one.experiment.entity.as_str()).collect();
    entities.sort_unstable();
    entities.dedup();
    for entity in entities {
        let own: Vec<&mut Breakdown<'_>> = distinct
            .iter_mut()
            .filter(|one| one.experiment.entity == entity && !one.wanted.is_empty())
            .collect();
        rows_read += of_entity(entity, own, context).await?;
    }
    let found: Vec<Arc<Membership>> = distinct.into_iter().map(|one| Arc::new(one.sorted())).collect();
    Ok((places.into_iter().map(|place| Arc::clone(&found[place])).collect(), rows_read))
}

/// The units of an experiment by segment.
struct Breakdown<'a> {
    experiment: &'a Experiment,
    units: &'a Arc<Exposed>,
    wanted: Vec<String>,
    found: Membership,
}

impl Breakdown<'_> {
    /// The units first exposed on each day.
    fn by_day(&self) -> BTreeMap<i64, Vec<usize>> {
        let mut by_day: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (unit, at) in self.units.at.iter().enumerate() {
            by_day.entry(at.as_second().div_euclid(SECONDS_OF_DAY)).or_default().push(unit);
        }
        by_day
    }

    /// Notes in which of the evaluated segments these units are.
    fn take(&mut self, evaluation: &Evaluation, members: &[usize]) -> Result<(), ExperimentError> {
        let numbers = evaluation.index.numbers(&self.units.keys)?;
        for (name, found) in &evaluation.segments {
            if !self.wanted.iter().any(|pattern| matches(pattern, name)) {
                continue;
            }
            let mut is_member = vec![false; evaluation.index.len() as usize];
            found.entities.iter().for_each(|number| is_member[number as usize] = true);
            let is_in = |unit: &&usize| is_member.get(numbers[**unit] as usize).copied().unwrap_or(false);
            self.found.entry(name.clone()).or_default().extend(members.iter().filter(is_in));
        }
        Ok(())
    }

    /// Everyone first, then in the order that the author gave; units in their order.
    fn sorted(mut self) -> Membership {
        let place = |name: &str| {
            self.wanted.iter().position(|pattern| matches(pattern, name)).map_or(0, |place| place + 1)
        };
        self.found.sort_by(|a, _, b, _| (place(a), a).cmp(&(place(b), b)));
        self.found.values_mut().for_each(|units| units.sort_unstable());
        self.found
    }
}

const SECONDS_OF_DAY: i64 = 86_400;

/// Finds the segments of the units of one entity; returns the rows that were read.
async fn of_entity(
    entity: &str,
    mut breakdowns: Vec<&mut Breakdown<'_>>,
    context: &MeasureContext<'_>,
) -> Result<u64, ExperimentError> {
    let wanted_of = |breakdowns: &[&mut Breakdown<'_>], is_wanted: &dyn Fn(&str) -> bool| {
        let mut wanted: Vec<String> =
            breakdowns.iter().flat_map(|one| one.wanted.clone()).filter(|name| is_wanted(name)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    };
    let mut timeless = Vec::new();
    for name in wanted_of(&breakdowns, &|_| true) {
        let scope =
            Scope::of(context.definitions, entity, std::slice::from_ref(&name), context.session).await?;
        if scope.is_timeless(context.definitions) {
            timeless.push(name);
        }
    }
    let mut rows_read = 0;
    if let Some(first) = breakdowns.first().filter(|_| !timeless.is_empty()) {
        let scope = Scope::of(context.definitions, entity, &timeless, context.session).await?;
        let evaluation =
            replay(first.experiment, &scope, context.session.as_of(), context.tables, context).await?;
        rows_read += evaluation.rows_read;
        for one in &mut breakdowns {
            let everyone: Vec<usize> = (0..one.units.at.len()).collect();
            one.take(&evaluation, &everyone)?;
        }
    }
    let is_timed = |name: &str| !timeless.iter().any(|known| known == name);
    let all = wanted_of(&breakdowns, &is_timed);
    if all.is_empty() {
        return Ok(rows_read);
    }
    let read =
        Scope::of(context.definitions, entity, &all, context.session).await?.tables(context.definitions);
    let tables = context.tables.cached(context.engine, |table| read.contains(table)).await?;
    rows_read += tables.cached_rows();
    let mut days: BTreeMap<i64, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
    for (place, one) in
        breakdowns.iter().enumerate().filter(|(_, one)| one.wanted.iter().any(|name| is_timed(name)))
    {
        for (day, units) in one.by_day() {
            days.entry(day).or_default().push((place, units));
        }
    }
    let mut scopes: Vec<(Vec<String>, Scope)> = Vec::new();
    for (day, exposed) in days {
        let mut wanted: Vec<String> =
            exposed.iter().flat_map(|(place, _)| breakdowns[*place].wanted.clone()).collect();
        wanted.retain(|name| is_timed(name));
        wanted.sort_unstable();
        wanted.dedup();
        let place = match scopes.iter().position(|(known, _)| *known == wanted) {
            Some(place) => place,
            None => {
                let scope = Scope::of(context.definitions, entity, &wanted, context.session).await?;
                scopes.push((wanted, scope));
                scopes.len() - 1
            }
        };
        let at = Timestamp::from_second(day * SECONDS_OF_DAY).unwrap_or(Timestamp::UNIX_EPOCH);
        let first = breakdowns[exposed[0].0].experiment;
        let evaluation = replay(first, &scopes[place].1, at, &tables, context).await?;
        rows_read += evaluation.rows_read;
        for (place, members) in exposed {
            breakdowns[place].take(&evaluation, &members)?;
        }
    }
    Ok(rows_read)
}

async fn replay(
    experiment: &Experiment,
    scope: &Scope,
    at: Timestamp,
    tables: &Tables,
    context: &MeasureContext<'_>,
) -> Result<Evaluation, ExperimentError> {
    let session = context.engine.session_over(tables, at).await?;
    let replayed = evaluate(context.definitions, scope, tables, &session, Sharing::Shared).await;
    replayed.map_err(|source| ExperimentError::Segment {
        experiment: experiment.name.clone(),
        source: Box::new(source),
    })
}

/// Whether an entry of `segments:` names a segment.
pub(crate) fn matches(pattern: &str, segment: &str) -> bool {
    Pattern::parse(pattern).covers(segment)
}

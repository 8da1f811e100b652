//! The segments of units just before their first exposure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use tranche_project::Spanned;
use tranche_segment::evaluate::{Evaluation, Sharing, evaluate};
use tranche_segment::{EVERYONE, Pattern, Scope};
use tranche_sql::Tables;

use super::cells::{Cells, Membership};
use super::exposed::Exposed;
use super::status::Observed;
use super::strata::Strata;
use crate::context::MeasureContext;
use crate::definition::Experiment;
use crate::error::ExperimentError;

/// An experiment with the segments that its units were in.
#[derive(Debug)]
pub(super) struct Segmented<'a> {
    pub(super) observed: Observed<'a>,
    pub(super) divided: Arc<Divided>,
}

/// Units by segment and stratum at first exposure, and by variant.
#[derive(Debug)]
pub(crate) struct Divided {
    /// The places of the units in each segment, rising; everyone first, then in the author's order.
    pub(crate) segments: Membership,
    /// What units are weighed by, where that is declared.
    pub(crate) strata: Option<Strata>,
    /// The units by variant and segments.
    pub(crate) cells: Cells,
}

/// Which units of each experiment were in each segment and stratum just before their first exposure: the
/// segments are replayed at the beginning of each day with a first exposure, so that nothing that the
/// treatment did can leak into them. A day is replayed once for all experiments, and segments that do not
/// depend on the day are found once. Returns the rows that were read, too.
pub(super) async fn segments_at_exposure<'a>(
    observed: Vec<Observed<'a>>,
    context: &MeasureContext<'_>,
) -> Result<(Vec<Segmented<'a>>, u64), ExperimentError> {
    let mut distinct: Vec<Breakdown<'a>> = Vec::new();
    let mut placed: Vec<(Observed<'a>, usize)> = Vec::new();
    for observed in observed {
        let is_same = |known: &Breakdown<'_>| known.is_of(&observed);
        let place = distinct.iter().position(is_same).unwrap_or(distinct.len());
        if place == distinct.len() {
            distinct.push(Breakdown::of(&observed));
        }
        placed.push((observed, place));
    }
    let mut rows_read = 0;
    let entities: BTreeSet<&str> = distinct.iter().map(|one| one.experiment.entity.as_str()).collect();
    for entity in entities {
        let own: Vec<&mut Breakdown<'_>> = distinct
            .iter_mut()
            .filter(|one| one.experiment.entity == entity && !one.wanted.is_empty())
            .collect();
        rows_read += of_entity(entity, own, context).await?;
    }
    let divided: Vec<Arc<Divided>> = distinct.into_iter().map(|one| Arc::new(one.divided())).collect();
    let with_segments = |(observed, place): (Observed<'a>, usize)| Segmented {
        observed,
        divided: Arc::clone(&divided[place]),
    };
    Ok((placed.into_iter().map(with_segments).collect(), rows_read))
}

/// The units of an experiment by segment.
struct Breakdown<'a> {
    experiment: &'a Experiment,
    units: Arc<Exposed>,
    wanted: Vec<String>,
    found: Membership,
}

impl<'a> Breakdown<'a> {
    fn of(observed: &Observed<'a>) -> Self {
        let (experiment, units) = (observed.experiment, Arc::clone(&observed.units));
        let named = experiment.segments.iter().chain(&experiment.statistics.strata).map(|entry| &entry.value);
        let wanted: IndexSet<String> = named.filter(|name| *name != EVERYONE).cloned().collect();
        let everyone = (0..units.at.len()).collect::<Vec<_>>();
        let found = IndexMap::from([(EVERYONE.to_owned(), everyone)]);
        Self { experiment, units, wanted: Vec::from_iter(wanted), found }
    }

    /// Whether an experiment has the same units, and looks at them by the same segments and strata.
    fn is_of(&self, observed: &Observed<'_>) -> bool {
        let names = |entries: &[Spanned<String>]| -> Vec<String> {
            entries.iter().map(|entry| entry.value.clone()).collect()
        };
        let declared =
            |experiment: &Experiment| (names(&experiment.segments), names(&experiment.statistics.strata));
        Arc::ptr_eq(&self.units, &observed.units)
            && declared(self.experiment) == declared(observed.experiment)
    }

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
            if !self.wanted.iter().any(|pattern| Pattern::parse(pattern).covers(name)) {
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
    fn divided(mut self) -> Divided {
        let place = |name: &str| {
            self.wanted
                .iter()
                .position(|pattern| Pattern::parse(pattern).covers(name))
                .map_or(0, |place| place + 1)
        };
        self.found.sort_by(|a, _, b, _| (place(a), a).cmp(&(place(b), b)));
        self.found.values_mut().for_each(|units| units.sort_unstable());
        let mut segments = self.found;
        let strata = Strata::declared(self.experiment, &segments, self.units.at.len());
        // What is nothing but a stratum is no dimension of the result.
        segments.retain(|name, _| {
            name == EVERYONE
                || self.experiment.segments.iter().any(|own| Pattern::parse(&own.value).covers(name))
        });
        let cells = Cells::new(&self.units.variants, &segments);
        Divided { segments, strata, cells }
    }
}

const SECONDS_OF_DAY: i64 = 86_400;

/// Finds the segments of the units of one entity; returns the rows that were read.
async fn of_entity(
    entity: &str,
    mut breakdowns: Vec<&mut Breakdown<'_>>,
    context: &MeasureContext<'_>,
) -> Result<u64, ExperimentError> {
    let mut timeless = Vec::new();
    for name in wanted_by(&breakdowns, |_| true) {
        let scope =
            Scope::of(context.definitions, entity, std::slice::from_ref(&name), context.session).await?;
        if scope.is_timeless(context.definitions) {
            timeless.push(name);
        }
    }
    let once = replay_once(entity, &timeless, &mut breakdowns, context).await?;
    Ok(once + replay_by_day(entity, &timeless, &mut breakdowns, context).await?)
}

/// The segments that any of the experiments wants, each once.
fn wanted_by(breakdowns: &[&mut Breakdown<'_>], is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let names: BTreeSet<&String> = breakdowns.iter().flat_map(|one| &one.wanted).collect();
    names.into_iter().filter(|name| is_wanted(name)).cloned().collect()
}

/// Replays the segments that are the same on every day; returns the rows that were read.
async fn replay_once(
    entity: &str,
    timeless: &[String],
    breakdowns: &mut [&mut Breakdown<'_>],
    context: &MeasureContext<'_>,
) -> Result<u64, ExperimentError> {
    let Some(first) = breakdowns.first().filter(|_| !timeless.is_empty()) else { return Ok(0) };
    let scope = Scope::of(context.definitions, entity, timeless, context.session).await?;
    let evaluation =
        replay(first.experiment, &scope, context.session.as_of(), context.tables, context).await?;
    for one in breakdowns {
        let everyone: Vec<usize> = (0..one.units.at.len()).collect();
        one.take(&evaluation, &everyone)?;
    }
    Ok(evaluation.rows_read)
}

/// Replays all other segments at the beginning of each day with a first exposure; returns the rows that were
/// read.
async fn replay_by_day(
    entity: &str,
    timeless: &[String],
    breakdowns: &mut [&mut Breakdown<'_>],
    context: &MeasureContext<'_>,
) -> Result<u64, ExperimentError> {
    let is_timed = |name: &str| !timeless.iter().any(|known| known == name);
    let all = wanted_by(breakdowns, is_timed);
    if all.is_empty() {
        return Ok(0);
    }
    let read =
        Scope::of(context.definitions, entity, &all, context.session).await?.tables(context.definitions);
    let tables = context.tables.cached(context.engine, |table| read.contains(table)).await?;
    let mut rows_read = tables.cached_rows();
    let mut days: BTreeMap<i64, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
    let timed = breakdowns.iter().enumerate().filter(|(_, one)| one.wanted.iter().any(|name| is_timed(name)));
    for (place, one) in timed {
        for (day, units) in one.by_day() {
            days.entry(day).or_default().push((place, units));
        }
    }
    let mut scopes: BTreeMap<Vec<String>, Scope> = BTreeMap::new();
    for (day, exposed) in days {
        let names: BTreeSet<&String> =
            exposed.iter().flat_map(|(place, _)| &breakdowns[*place].wanted).collect();
        let wanted: Vec<String> = names.into_iter().filter(|name| is_timed(name)).cloned().collect();
        if !scopes.contains_key(&wanted) {
            let scope = Scope::of(context.definitions, entity, &wanted, context.session).await?;
            scopes.insert(wanted.clone(), scope);
        }
        let at = Timestamp::from_second(day * SECONDS_OF_DAY).unwrap_or(Timestamp::UNIX_EPOCH);
        let first = breakdowns[exposed[0].0].experiment;
        let evaluation = replay(first, &scopes[&wanted], at, &tables, context).await?;
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

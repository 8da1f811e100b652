//! Backfills: segments are replayed at many instants in a row and published as if they had been refreshed at each of them.
//!
//! Tables are opened once and stay in memory, evaluations save no state for each other, and each entity has one publication.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use indexmap::IndexMap;
use jiff::Timestamp;
use roaring::RoaringBitmap;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Engine, Session, SqlError, Tables};
use tranche_store::Lake;

use super::destination::Destination;
use super::forgotten_entities;
use super::history_policy::HistoryPolicy;
use super::publish::{Findings, Publication, key_of, publish};
use super::report::SegmentReport;
use crate::definition::definitions::Definitions;
use crate::definition::elsewhere::Elsewhere;
use crate::definition::names::is_wanted;
use crate::definition::scope::Scope;
use crate::definition::traits::universe;
use crate::error::SegmentError;
use crate::evaluate::{Evaluation, EvaluationContext, Members, Sharing, evaluate_program};
use crate::history::OwnHistory;
use crate::memberships::Key;
use crate::plan::{Plans, Program};
use crate::recomputed::UNKNOWN_INPUTS;
use crate::store::memberships_table;

/// The subject of a backfill.
#[derive(Clone, Copy)]
pub struct Backfill<'a> {
    /// The definitions of a pipeline.
    pub definitions: &'a Definitions,
    /// The segments and sets that are published; all of the pipeline's where none are named.
    pub wanted: Option<&'a [String]>,
    /// The instants, each after the one before.
    pub instants: &'a [Timestamp],
    /// Whether history and memberships that there are from the first instant on are replaced.
    pub rebuild: bool,
    /// Where tables are.
    pub lake: &'a Lake,
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine.
    pub engine: &'a Engine,
    /// The pipeline.
    pub pipeline: &'a str,
    /// What other pipelines of the project define.
    pub elsewhere: &'a Elsewhere,
}

/// What a backfill would do to an entity's segments.
#[derive(Debug)]
pub struct PlannedBackfill {
    /// The entity.
    pub entity: String,
    /// The segments and sets that are defined, then those that are no longer and have history that is replaced.
    pub segments: Vec<PlannedSegment>,
    /// Why it would be refused.
    pub refused: Option<SegmentError>,
}

/// What a backfill would do to a segment or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSegment {
    /// The segment or set.
    pub segment: String,
    /// The instant of its last refresh.
    pub last_refresh: Option<Timestamp>,
    /// Published instants that are replaced.
    pub replaced: usize,
}

/// What a backfill did to an entity's segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfilled {
    /// The entity.
    pub entity: String,
    /// Each segment, over all instants.
    pub segments: Vec<SegmentReport>,
}

impl Backfill<'_> {
    /// What would be done, entity by entity; nothing is evaluated.
    ///
    /// # Errors
    /// [`SegmentError`] when the history cannot be read.
    pub async fn plan(&self) -> Result<Vec<PlannedBackfill>, SegmentError> {
        let (first, last) = self.ends()?;
        let session = self.engine.session(last);
        let mut planned = Vec::new();
        for entity in self.entities(&session).await? {
            let base = self.lake.snapshot(&memberships_table(&entity)).await?;
            let history =
                OwnHistory::read(self.lake, &session, self.pipeline, &entity, base.as_ref()).await?;
            let mut segments: IndexMap<&str, (Option<Timestamp>, BTreeSet<Timestamp>)> = IndexMap::new();
            for definition in
                self.definitions.segments.values().filter(|d| d.entity == entity && self.wants(&d.name))
            {
                segments.insert(&definition.name, (None, BTreeSet::new()));
            }
            for row in history.rows.iter().filter(|row| self.wants(&row.segment)) {
                let name = match self.definitions.definition_of(&row.segment) {
                    Some(definition) => &definition.name,
                    None if row.as_of >= first => &row.segment,
                    None => continue,
                };
                let (last_refresh, replaced) = segments.entry(name).or_default();
                *last_refresh = (*last_refresh).max(Some(row.as_of));
                replaced.extend(Some(row.as_of).filter(|as_of| *as_of >= first));
            }
            let segments = segments.into_iter().map(|(segment, (last_refresh, replaced))| PlannedSegment {
                segment: segment.to_owned(),
                last_refresh,
                replaced: replaced.len(),
            });
            let segments = segments.collect();
            let refused = self.policy().allow(&history.rows, self.wanted, self.instants).err();
            planned.push(PlannedBackfill { entity, segments, refused });
        }
        Ok(planned)
    }

    /// Does it, and says of each entity how many instants are evaluated so far. What must hold before a refresh is published must
    /// hold at the last instant.
    ///
    /// # Errors
    /// [`SegmentError`]; then nothing was published for the entity at fault, and nothing at all when it is refused.
    pub async fn run(
        &self,
        transaction: &str,
        progress: &(dyn Fn(&str, usize) + Send + Sync),
    ) -> Result<Vec<Backfilled>, SegmentError> {
        let planned = self.plan().await?;
        let entities: Vec<String> = planned.iter().map(|entity| entity.entity.clone()).collect();
        if let Some(refused) = planned.into_iter().find_map(|entity| entity.refused) {
            return Err(refused);
        }
        let (first, last) = self.ends()?;
        let tables = self.tables(&entities, first).await?;
        let session = self.engine.session(last);
        let to = self.destination(&session, transaction);
        let lake = self.lake;
        let mut done = Vec::new();
        for entity in entities {
            let publication = match self.definitions.entities().contains(&entity.as_str()) {
                true => self.evaluate(&entity, &tables, progress).await?,
                false => Publication::without_members(lake, &entity, self.instants).await?,
            };
            let Some(mut publication) = publication else { continue };
            let segments = publish(self.definitions, self.wanted, &mut publication, &to).await?;
            done.push(Backfilled { entity, segments });
        }
        Ok(done)
    }

    fn destination<'d>(&'d self, session: &'d Session, transaction: &'d str) -> Destination<'d> {
        let Self { lake, pipeline, elsewhere, .. } = *self;
        Destination { lake, session, pipeline, policy: self.policy(), transaction, elsewhere }
    }

    fn policy(&self) -> HistoryPolicy {
        HistoryPolicy::FilledIn { rebuild: self.rebuild }
    }

    /// Instants are evaluated side by side, each on a thread of its own.
    fn engine_of_instant(&self) -> Engine {
        self.engine.with_threads(self.engine.threads().shared_by(self.instants.len()))
    }

    fn wants(&self, segment: &str) -> bool {
        is_wanted(self.wanted, segment)
    }

    fn ends(&self) -> Result<(Timestamp, Timestamp), SegmentError> {
        match (self.instants.first(), self.instants.last()) {
            (Some(&first), Some(&last)) if self.instants.is_sorted_by(|before, after| before < after) => {
                Ok((first, last))
            }
            _ => Err(SegmentError::Instants),
        }
    }

    /// The entities whose segments are published.
    async fn entities(&self, session: &Session) -> Result<Vec<String>, SegmentError> {
        let definitions = self.definitions;
        let defined = definitions.entities().into_iter();
        let Some(wanted) = self.wanted else {
            let forgotten = forgotten_entities(definitions, &self.destination(session, "")).await?;
            return Ok(defined.map(str::to_owned).chain(forgotten).collect());
        };
        if let Some(unknown) = wanted.iter().find(|name| definitions.definition_of(name).is_none()) {
            return Err(SegmentError::Unknown(unknown.clone()));
        }
        let is_segmented =
            |entity: &str| definitions.segments.values().any(|d| d.entity == entity && self.wants(&d.name));
        Ok(defined.filter(|entity| is_segmented(entity)).map(str::to_owned).collect())
    }

    /// What an evaluation at an instant computes. What a definition reads of the traits may change with the instant.
    async fn scope(&self, entity: &str, session: &Session) -> Result<Scope, SegmentError> {
        Ok(match self.wanted {
            Some(names) => Scope::of(self.definitions, entity, names, session).await?,
            None => Scope::everything(self.definitions, entity),
        })
    }

    /// The tables, with those that are read at every instant in memory.
    async fn tables(&self, entities: &[String], first: Timestamp) -> Result<Tables, SegmentError> {
        let mut read = BTreeSet::new();
        for entity in entities {
            let session = self.engine.session_over(self.tables, first).await?;
            read.extend(self.scope(entity, &session).await?.tables(self.definitions));
        }
        Ok(self.tables.cached(&self.engine_of_instant(), |table| read.contains(table)).await?)
    }

    async fn evaluate(
        &self,
        entity: &str,
        tables: &Tables,
        progress: &(dyn Fn(&str, usize) + Send + Sync),
    ) -> Result<Option<Publication>, SegmentError> {
        let mut found: Option<Found> = None;
        let plans = Plans::default();
        let engine = self.engine_of_instant();
        let evaluated = |place: usize| self.evaluation(entity, &engine, tables, &plans, self.instants[place]);
        self.engine.threads().in_order(self.instants.len(), evaluated, |place, evaluation| {
            let as_of = self.instants[place];
            match &mut found {
                Some(found) => found.add(evaluation, as_of)?,
                None => found.insert(Found::new(&evaluation)?).add(evaluation, as_of)?,
            }
            progress(entity, place + 1);
            Ok(())
        })?;
        Ok(found.map(|found| Publication {
            entity: entity.to_owned(),
            key: found.key,
            index: Arc::new(found.index),
            findings: found.findings,
            traits: found.traits,
            copy_of: None,
            failed: BTreeSet::new(),
            inputs: UNKNOWN_INPUTS,
        }))
    }
}

impl Backfill<'_> {
    async fn evaluation(
        &self,
        entity: &str,
        engine: &Engine,
        tables: &Tables,
        plans: &Plans,
        as_of: Timestamp,
    ) -> Result<Evaluation, SegmentError> {
        let session = engine.session_over(tables, as_of).await?;
        let scope = self.scope(entity, &session).await?;
        let program =
            Program::compile_from(plans, self.definitions, &scope, &session, Sharing::Shared).await?;
        let universe = universe(self.definitions, entity, &session).await?;
        let context = EvaluationContext {
            definitions: self.definitions,
            scope: &scope,
            program: &program,
            tables,
            session: &session,
        };
        evaluate_program(&context, universe, None).await?.0.complete()
    }
}

/// What evaluations found, in the numbers of one index.
struct Found {
    key: Key,
    index: KeyIndex,
    findings: Vec<Findings>,
    /// The wide table of the last evaluation.
    traits: Option<RecordBatch>,
    /// The keys of the last evaluation's universe, and their numbers.
    universe: Option<(ArrayRef, Numbers)>,
}

/// The numbers, in an index, of the keys that are numbered from 0 on in another.
enum Numbers {
    Same,
    Other(Vec<u32>),
}

impl Found {
    fn new(evaluation: &Evaluation) -> Result<Self, SegmentError> {
        let key = key_of(evaluation)?;
        let index = KeyIndex::new(evaluation.index.data_type());
        Ok(Self { key, index, findings: Vec::new(), traits: None, universe: None })
    }

    fn add(&mut self, evaluation: Evaluation, as_of: Timestamp) -> Result<(), SegmentError> {
        let keys = evaluation.index.column(0..evaluation.universe)?;
        let numbers = match self.universe.take() {
            // Most universes are what they were at the instant before.
            Some((before, numbers)) if before.as_ref() == keys.as_ref() => numbers,
            _ => Numbers::of(&keys, &mut self.index)?,
        };
        let segments = evaluation.segments.into_iter();
        let segments = segments
            .map(|(name, found)| (name, Members { entities: numbers.of_all(found.entities), ..found }));
        self.findings.push(Findings { as_of, universe: evaluation.universe, segments: segments.collect() });
        self.traits = Some(evaluation.traits);
        self.universe = Some((keys, numbers));
        Ok(())
    }
}

impl Numbers {
    fn of(keys: &ArrayRef, index: &mut KeyIndex) -> Result<Self, SqlError> {
        let numbers: Vec<u32> =
            index.insert(keys)?.into_iter().map(|number| number.unwrap_or(KeyIndex::NULL)).collect();
        let is_same = numbers.iter().zip(0_u32..).all(|(number, place)| *number == place);
        Ok(if is_same { Self::Same } else { Self::Other(numbers) })
    }

    fn of_all(&self, entities: RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Same => entities,
            Self::Other(numbers) => {
                let mut found: Vec<u32> =
                    entities.iter().filter_map(|entity| numbers.get(entity as usize).copied()).collect();
                found.sort_unstable();
                found.into_iter().collect()
            }
        }
    }
}

#[cfg(test)]
#[path = "backfill_tests.rs"]
mod tests;

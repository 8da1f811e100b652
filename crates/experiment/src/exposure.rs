//! Who was first exposed to which variant, and when.

mod first;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, filter};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction_owned;
use jiff::Timestamp;
use tranche_project::Spanned;
use tranche_schema::Contract;
use tranche_sql::keys::KeyIndex;
use tranche_sql::pass::{self, Pass, Question, Rows};
use tranche_sql::{Session, SqlError, SqlProblem};

use crate::clusters::{self, ClusterColumn, ClusterNames, Clusters};
use crate::error::ExperimentError;
use crate::experiment::Experiment;
use crate::measure::MeasureContext;
pub(crate) use first::ClusterLosses;
use first::{Exposure, First, lost_clusters};

/// The units of an experiment.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Their keys, each once.
    pub(crate) keys: ArrayRef,
    /// The variant of each unit, as its place among the experiment's variants.
    pub(crate) variants: Vec<usize>,
    /// The first exposure of each unit.
    pub(crate) at: Vec<Timestamp>,
    /// The cluster of each unit, where clusters were randomised.
    pub(crate) clusters: Option<Clusters>,
    /// Units that are left out because they saw several variants.
    pub(crate) several_variants: u64,
    /// What is left out because of its cluster.
    pub(crate) cluster_losses: ClusterLosses,
    /// Units that are left out because the entity table lacks them.
    pub(crate) unmatched: u64,
    /// Exposures with a variant that the experiment does not have, by variant.
    pub(crate) unknown_variants: BTreeMap<String, u64>,
    /// Rows that were read.
    pub(crate) rows_read: u64,
}

impl Exposed {
    /// The units exposed before `until`; what was left out stays counted.
    pub(crate) fn before(self: &Arc<Self>, until: Timestamp) -> Result<Arc<Self>, ExperimentError> {
        let is_before: Vec<bool> = self.at.iter().map(|at| *at < until).collect();
        if is_before.iter().all(|is_before| *is_before) {
            return Ok(Arc::clone(self));
        }
        fn kept<T: Copy>(values: &[T], is_before: &[bool]) -> Vec<T> {
            values
                .iter()
                .zip(is_before)
                .filter(|(_, is_before)| **is_before)
                .map(|(value, _)| *value)
                .collect()
        }
        Ok(Arc::new(Self {
            keys: filter(&self.keys, &BooleanArray::from(is_before.clone())).map_err(SqlError::from)?,
            variants: kept(&self.variants, &is_before),
            at: kept(&self.at, &is_before),
            clusters: self.clusters.as_ref().map(|clusters| clusters.kept(&is_before)),
            several_variants: self.several_variants,
            cluster_losses: self.cluster_losses,
            unmatched: self.unmatched,
            unknown_variants: self.unknown_variants.clone(),
            rows_read: self.rows_read,
        }))
    }
}

/// An SQL predicate over the rows of a contract's table.
pub(crate) fn filter_expression(
    sql: &str,
    contract: &Contract,
    session: &Session,
) -> Result<Expr, SqlProblem> {
    let failed = |e: datafusion::error::DataFusionError| {
        SqlProblem::new(tranche_project::Position::START, e.strip_backtrace())
    };
    session.expression(sql, &DFSchema::try_from(contract.arrow_schema().as_ref().clone()).map_err(failed)?)
}

/// Finds the units of experiments within their periods: each table of exposures is read once, and experiments with the same exposures
/// share their units. `universes` hold the keys of the entity tables.
pub(crate) async fn exposed(
    experiments: &[&Experiment],
    context: &MeasureContext<'_>,
    universes: &HashMap<String, Arc<KeyIndex>>,
) -> Result<Vec<Arc<Exposed>>, ExperimentError> {
    let mut distinct: Vec<&Experiment> = Vec::new();
    let mut places = Vec::new();
    for experiment in experiments {
        let known = distinct.iter().position(|known| have_same_exposures(known, experiment));
        places.push(known.unwrap_or(distinct.len()));
        if known.is_none() {
            distinct.push(experiment);
        }
    }
    let mut found: Vec<Option<Arc<Exposed>>> = distinct.iter().map(|_| None).collect();
    let tables: BTreeSet<&str> = distinct.iter().map(|experiment| experiment.table.value.as_str()).collect();
    for table in tables {
        let own: Vec<usize> =
            (0..distinct.len()).filter(|&place| distinct[place].table.value == table).collect();
        let mut readers = Vec::new();
        for &place in &own {
            readers.push(reader(distinct[place], context, universes).await?);
        }
        for (place, exposed) in own.into_iter().zip(read(table, readers, context).await?) {
            found[place] = Some(Arc::new(exposed));
        }
    }
    Ok(places.into_iter().filter_map(|place| found[place].clone()).collect())
}

/// Whether two experiments have the same units in the same variants.
fn have_same_exposures(a: &Experiment, b: &Experiment) -> bool {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let of = |e: &Experiment| {
        let exposure =
            (e.entity.clone(), e.table.value.clone(), text(&e.filter), e.variant.value.clone(), text(&e.at));
        (exposure, text(&e.cluster), e.from, e.to, e.variants.keys().cloned().collect::<Vec<_>>())
    };
    of(a) == of(b)
}

/// What is looked at in each exposure for one experiment.
struct Reader {
    question: Question,
    key: String,
    variant: String,
    at: String,
    /// The column with the cluster, where it is one of the exposures.
    cluster: Option<String>,
    /// The cluster of each entity by its number, where it is the entity's.
    entity_clusters: Option<Vec<Option<u32>>>,
    variants: Vec<String>,
    period: Range<i64>,
    universe: Arc<KeyIndex>,
    seen: Mutex<Seen>,
}

/// What was seen so far, in no order.
struct Seen {
    exposures: Vec<Exposure>,
    /// The names of the exposures' clusters.
    clusters: ClusterNames,
    /// Keys that the universe lacks; their numbers follow its own.
    strangers: KeyIndex,
    unknown_variants: BTreeMap<String, u64>,
}

async fn reader(
    experiment: &Experiment,
    context: &MeasureContext<'_>,
    universes: &HashMap<String, Arc<KeyIndex>>,
) -> Result<Reader, ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let table = &experiment.table.value;
    let contract = context
        .definitions
        .contracts
        .get(table)
        .ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    let key = contract
        .entity_column(&experiment.entity)
        .ok_or_else(|| failed("no column names the entity".to_owned()))?;
    let event_time =
        contract.event_time().ok_or_else(|| failed(format!("`{table}` is not an event table")))?;
    let filter =
        experiment.filter.as_ref().map(|filter| filter_expression(&filter.value, contract, context.session));
    let predicate =
        filter.transpose().map_err(|problem| failed(problem.message))?.map(split_conjunction_owned);
    let universe =
        universes.get(&experiment.entity).ok_or_else(|| failed("its entity has no table".to_owned()))?;
    let (mut cluster, mut entity_clusters) = (None, None);
    if let Some(column) = &experiment.cluster {
        match ClusterColumn::of(
            &column.value,
            contract,
            context.definitions.entity_contract(&experiment.entity),
        ) {
            Some(ClusterColumn::Exposure) => cluster = Some(column.value.clone()),
            Some(ClusterColumn::Entity) => {
                entity_clusters =
                    Some(clusters::of_entities(experiment, &column.value, context, universe).await?);
            }
            None => return Err(failed(format!("there is no column `{}`", column.value))),
        }
    }
    Ok(Reader {
        question: Question { predicate: predicate.unwrap_or_default(), value: None },
        key: key.to_owned(),
        variant: experiment.variant.value.clone(),
        at: experiment.at.as_ref().map_or_else(|| event_time.to_owned(), |at| at.value.clone()),
        cluster,
        entity_clusters,
        variants: experiment.variants.keys().cloned().collect(),
        period: experiment.from.as_microsecond()..experiment.to.as_microsecond(),
        universe: Arc::clone(universe),
        seen: Mutex::new(Seen {
            exposures: Vec::new(),
            clusters: ClusterNames::default(),
            strangers: KeyIndex::new(universe.data_type()),
            unknown_variants: BTreeMap::new(),
        }),
    })
}

/// Reads a table of exposures once.
async fn read(
    table: &str,
    readers: Vec<Reader>,
    context: &MeasureContext<'_>,
) -> Result<Vec<Exposed>, ExperimentError> {
    let Some(contract) = context.definitions.contracts.get(table) else { return Ok(Vec::new()) };
    let event_time = contract.event_time().unwrap_or_default().to_owned();
    let as_of = context.session.as_of().as_microsecond();
    let names = readers
        .iter()
        .flat_map(|reader| [&reader.key, &reader.variant, &reader.at].into_iter().chain(&reader.cluster));
    let columns: BTreeSet<String> = names.chain([&event_time]).cloned().collect();
    // Where the instant is another column, an event of any time may be an exposure of the period.
    let starts =
        readers.iter().map(|reader| if reader.at == event_time { reader.period.start } else { i64::MIN });
    let ends =
        readers.iter().map(|reader| if reader.at == event_time { reader.period.end } else { i64::MAX });
    let times = starts.min().unwrap_or(i64::MIN)..ends.max().unwrap_or(i64::MAX).min(as_of);
    let readers = Arc::new(readers);
    let mut rows_read = 0;
    if let Some(found) = context.tables.sources(table)? {
        let pass = Pass {
            contract,
            sources: found.within(&times),
            columns: columns.iter().map(String::as_str).collect(),
            questions: readers.iter().map(|reader| reader.question.clone()).collect(),
        };
        let shared = Arc::clone(&readers);
        rows_read = pass::run(pass, context.session, move |rows| {
            let visible = before(as_of, rows.instants(&event_time)?);
            shared.iter().enumerate().try_for_each(|(number, reader)| reader.take(number, &visible, rows))
        })
        .await?;
    }
    let readers =
        Arc::try_unwrap(readers).map_err(|_| SqlError::Engine("a pass has not ended".to_owned()))?;
    readers.into_iter().map(|reader| reader.exposed(rows_read)).collect()
}

/// The rows whose event is before an instant.
fn before(as_of: i64, (instants, nulls): (ScalarBuffer<i64>, Option<NullBuffer>)) -> BooleanBuffer {
    let visible = BooleanBuffer::collect_bool(instants.len(), |row| instants[row] < as_of);
    match nulls {
        Some(nulls) => &visible & nulls.inner(),
        None => visible,
    }
}

impl Reader {
    fn take(&self, question: usize, visible: &BooleanBuffer, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let (instants, nulls) = rows.instants(&self.at)?;
        let mut counted =
            rows.counted(question)?.map_or_else(|| visible.clone(), |counted| &counted & visible);
        if let Some(nulls) = nulls {
            counted = &counted & nulls.inner();
        }
        let keys = rows.column(&self.key)?;
        let numbers = self.universe.numbers(keys)?;
        let variants = cast(rows.column(&self.variant)?, &DataType::Utf8)?;
        let variants = variants.as_string::<i32>();
        let clusters = self
            .cluster
            .as_ref()
            .map(|column| cast(rows.column(column)?, &DataType::Utf8).map_err(SqlError::from));
        let clusters = clusters.transpose()?;
        let clusters = clusters.as_ref().map(|clusters| clusters.as_string::<i32>());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for row in counted.set_indices() {
            let (at, number) = (instants[row], numbers[row]);
            if number == KeyIndex::NULL || !self.period.contains(&at) {
                continue;
            }
            let variant = if variants.is_null(row) { "(none)" } else { variants.value(row) };
            let Some(place) = self.variants.iter().position(|known| known == variant) else {
                *seen.unknown_variants.entry(variant.to_owned()).or_default() += 1;
                continue;
            };
            let number = match number {
                KeyIndex::UNKNOWN => match seen.strangers.insert(&keys.slice(row, 1))?.first() {
                    Some(Some(stranger)) => self.universe.len() + stranger,
                    _ => continue,
                },
                number => number,
            };
            let cluster =
                clusters.filter(|clusters| clusters.is_valid(row)).map(|clusters| clusters.value(row));
            let cluster = cluster.map(|name| seen.clusters.number(name));
            seen.exposures.push(Exposure {
                number,
                variant: u16::try_from(place).unwrap_or(u16::MAX),
                at,
                cluster,
            });
        }
        Ok(())
    }

    /// The units: who saw one variant only and is in the universe, and whose cluster, where there are any, saw no other.
    fn exposed(self, rows_read: u64) -> Result<Exposed, ExperimentError> {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let size = self.universe.len() as usize;
        let has_clusters = self.cluster.is_some() || self.entity_clusters.is_some();
        let mut firsts = vec![First::NEVER; size + seen.strangers.len() as usize];
        for exposure in seen.exposures {
            firsts[exposure.number as usize].see(&exposure);
        }
        for (first, cluster) in firsts.iter_mut().zip(self.entity_clusters.into_iter().flatten()) {
            first.cluster = cluster;
        }
        let several_variants = firsts.iter().filter(|first| first.is_several()).count() as u64;
        let (is_lost, cluster_losses) = if has_clusters {
            lost_clusters(&firsts, size)
        } else {
            (vec![false; firsts.len()], ClusterLosses::default())
        };
        let (known, strangers) = firsts.split_at(size);
        let units = || {
            (0u32..).zip(known).zip(&is_lost).filter(|((_, first), is_lost)| first.is_unit() && !**is_lost)
        };
        Ok(Exposed {
            keys: self.universe.column(units().map(|((number, _), _)| number))?,
            variants: units().map(|((_, first), _)| usize::from(first.variant)).collect(),
            at: units()
                .map(|((_, first), _)| Timestamp::from_microsecond(first.at).unwrap_or(Timestamp::UNIX_EPOCH))
                .collect(),
            clusters: has_clusters
                .then(|| Clusters::new(units().filter_map(|((_, first), _)| first.cluster).collect())),
            several_variants,
            cluster_losses,
            unmatched: strangers.iter().filter(|first| first.is_unit()).count() as u64,
            unknown_variants: seen.unknown_variants,
            rows_read,
        })
    }
}

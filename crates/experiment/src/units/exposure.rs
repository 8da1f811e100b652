//! Reading exposures: which unit saw which variant, and when.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::logical_expr::utils::split_conjunction_owned;
use tranche_project::Spanned;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::{self, Accumulators, RowQuery, Rows, Scan};

use super::clusters;
use super::exposed::Exposed;
use super::first::{Exposure, SeenExposures, UnitOrigin};
use super::universe::universes;
use crate::context::MeasureContext;
use crate::definition::{ClusterColumn, Experiment};
use crate::error::ExperimentError;

/// An experiment with everyone who was exposed.
pub(super) struct Exposures<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) units: Arc<Exposed>,
}

/// Finds the units of experiments within their periods: each table of exposures is read once, and experiments
/// with the same exposures share their units.
pub(super) async fn exposures<'a>(
    experiments: &[&'a Experiment],
    context: &MeasureContext<'_>,
) -> Result<Vec<Exposures<'a>>, ExperimentError> {
    let universes = universes(experiments, context).await?;
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
            readers.push(reader(distinct[place], context, &universes).await?);
        }
        for (place, exposed) in own.into_iter().zip(read(table, readers, context).await?) {
            found[place] = Some(Arc::new(exposed));
        }
    }
    let of = |(&experiment, place): (&&'a Experiment, usize)| {
        Some(Exposures { experiment, units: found[place].clone()? })
    };
    Ok(experiments.iter().zip(places).filter_map(of).collect())
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
    query: RowQuery,
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
    seen: Mutex<SeenExposures>,
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
        experiment.filter.as_ref().map(|filter| context.session.row_expression(contract, &filter.value));
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
        query: RowQuery { predicate: predicate.unwrap_or_default(), value: None },
        key: key.to_owned(),
        variant: experiment.variant.value.clone(),
        at: experiment.at.as_ref().map_or_else(|| event_time.to_owned(), |at| at.value.clone()),
        cluster,
        entity_clusters,
        variants: experiment.variants.keys().cloned().collect(),
        period: experiment.from.as_microsecond()..experiment.to.as_microsecond(),
        universe: Arc::clone(universe),
        seen: Mutex::new(SeenExposures::none(universe)),
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
    let mut exposures = ExposureScan { readers, event_time, as_of };
    let mut rows_read = 0;
    if let Some(found) = context.tables.sources(table)? {
        let scan = Scan {
            contract,
            sources: found.within(&times),
            columns: columns.iter().map(String::as_str).collect(),
            queries: exposures.readers.iter().map(|reader| reader.query.clone()).collect(),
        };
        let found = scan::run(scan, context.session, exposures).await?;
        (exposures, rows_read) = (found.accumulators, found.rows_read);
    }
    exposures.readers.into_iter().map(|reader| reader.into_units(rows_read)).collect()
}

/// What several experiments see in the same exposures.
struct ExposureScan {
    readers: Vec<Reader>,
    event_time: String,
    /// Microseconds.
    as_of: i64,
}

impl Accumulators for ExposureScan {
    fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let visible = before(self.as_of, rows.instants(&self.event_time)?);
        let mut readers = self.readers.iter().enumerate();
        readers.try_for_each(|(number, reader)| reader.take(number, &visible, rows))
    }
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
    fn into_units(self, rows_read: u64) -> Result<Exposed, ExperimentError> {
        let has_clusters = self.cluster.is_some() || self.entity_clusters.is_some();
        let origin =
            UnitOrigin { universe: self.universe, entity_clusters: self.entity_clusters, has_clusters };
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner).units(origin, rows_read)
    }

    /// Notes the exposures among some rows.
    fn take(&self, query: usize, visible: &BooleanBuffer, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let (instants, nulls) = rows.instants(&self.at)?;
        let mut counted = rows.counted(query)?.map_or_else(|| visible.clone(), |counted| &counted & visible);
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
                seen.count_unknown(variant);
                continue;
            };
            let number = match number {
                KeyIndex::UNKNOWN => match seen.stranger(&keys.slice(row, 1))? {
                    Some(stranger) => self.universe.len() + stranger,
                    None => continue,
                },
                number => number,
            };
            let cluster =
                clusters.filter(|clusters| clusters.is_valid(row)).map(|clusters| clusters.value(row));
            let cluster = cluster.map(|name| seen.cluster(name));
            seen.push(Exposure { number, variant: u16::try_from(place).unwrap_or(u16::MAX), at, cluster });
        }
        Ok(())
    }
}

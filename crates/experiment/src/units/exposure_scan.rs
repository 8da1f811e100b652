//! The scan of a table of exposures: a request that is data, and what its rows are added to.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tranche_schema::Contract;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::{self, Accumulators, RowQuery, Rows, Scan, Scanned, TableSources};
use tranche_sql::{Session, SqlError};

use super::first::{FirstExposure, PartialExposures, SeenExposures};

/// A scan for the first exposures of the units of experiments, as data.
pub(super) struct ExposureScan<'a> {
    /// The contract of the table.
    pub(super) contract: &'a Contract,
    /// What is read, as far as it may have exposures.
    pub(super) sources: TableSources,
    /// What is asked of each row, by experiment.
    pub(super) queries: Vec<ExposureQuery>,
}

/// What is looked at in each row for an experiment.
#[derive(Debug, Clone)]
pub(super) struct ExposureQuery {
    /// Which rows are exposures.
    pub(super) rows: RowQuery,
    /// What units are.
    pub(super) entity: String,
    /// The column that names the unit.
    pub(super) key: String,
    /// The column with the variant.
    pub(super) variant: String,
    /// The column with the instant.
    pub(super) at: String,
    /// The column with the cluster, where it is one of the exposures.
    pub(super) cluster: Option<String>,
    /// The variants that there are.
    pub(super) variants: Vec<String>,
    /// When exposures count, microseconds.
    pub(super) period: Range<i64>,
}

impl ExposureScan<'_> {
    /// Reads the sources that may have exposures of the periods, each once. `universes` are the keys of the
    /// entities.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a file cannot be read, [`SqlError::Data`] when an expression fails on a value.
    pub(super) async fn run(
        self,
        universes: &HashMap<String, Arc<KeyIndex>>,
        session: &Session,
    ) -> Result<Scanned<PartialExposures>, SqlError> {
        let Self { contract, sources, queries } = self;
        let event_time = contract.event_time().unwrap_or_default().to_owned();
        let as_of = session.as_of().as_microsecond();
        let names = queries.iter().flat_map(ExposureQuery::columns);
        let columns: BTreeSet<String> = names.chain([&event_time]).cloned().collect();
        let starts = queries.iter().map(|query| query.times(&event_time).start);
        let ends = queries.iter().map(|query| query.times(&event_time).end);
        let times = starts.min().unwrap_or(i64::MIN)..ends.max().unwrap_or(i64::MAX).min(as_of);
        let scan = Scan {
            contract,
            sources: sources.within(&times),
            columns: columns.iter().map(String::as_str).collect(),
            queries: queries.iter().map(|query| query.rows.clone()).collect(),
        };
        let experiment = |query: ExposureQuery| {
            let unknown = || SqlError::Engine(format!("the universe of `{}` is not known", query.entity));
            let universe = Arc::clone(universes.get(&query.entity).ok_or_else(unknown)?);
            let seen = Mutex::new(SeenExposures::none(&universe));
            Ok(ExperimentExposures { query, universe, seen })
        };
        let experiments = queries.into_iter().map(experiment).collect::<Result<Vec<_>, SqlError>>()?;
        scan::run(scan, session, ExposureAccumulators { experiments, event_time, as_of }).await
    }
}

impl ExposureQuery {
    /// The columns that are looked at.
    fn columns(&self) -> impl Iterator<Item = &String> {
        [&self.key, &self.variant, &self.at].into_iter().chain(&self.cluster)
    }

    /// The event times that rows with exposures of the period may have. Where the instant is another column,
    /// an event of any time may be one.
    fn times(&self, event_time: &str) -> Range<i64> {
        if self.at == event_time { self.period.clone() } else { i64::MIN..i64::MAX }
    }
}

/// What several experiments see in the same rows.
struct ExposureAccumulators {
    experiments: Vec<ExperimentExposures>,
    event_time: String,
    /// Microseconds.
    as_of: i64,
}

/// The exposures of one of them.
struct ExperimentExposures {
    query: ExposureQuery,
    /// The keys of all entities.
    universe: Arc<KeyIndex>,
    seen: Mutex<SeenExposures>,
}

impl Accumulators for ExposureAccumulators {
    type Partial = PartialExposures;

    fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let visible = before(self.as_of, rows.instants(&self.event_time)?);
        let mut experiments = self.experiments.iter().enumerate();
        experiments.try_for_each(|(number, experiment)| experiment.take(number, &visible, rows))
    }

    fn into_partial(self) -> Result<PartialExposures, SqlError> {
        let firsts = self.experiments.into_iter().map(|experiment| {
            let seen = experiment.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
            seen.into_firsts()
        });
        Ok(PartialExposures(firsts.collect()))
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

impl ExperimentExposures {
    /// Notes the exposures among some rows.
    fn take(&self, number: usize, visible: &BooleanBuffer, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let Self { query, universe, seen } = self;
        let (instants, nulls) = rows.instants(&query.at)?;
        let mut of_period = BooleanBuffer::collect_bool(instants.len(), |row| {
            visible.value(row) && query.period.contains(&instants[row])
        });
        if let Some(nulls) = nulls {
            of_period = &of_period & nulls.inner();
        }
        let counted = rows.counted(number, Some(&of_period))?.unwrap_or(of_period);
        let keys = rows.column(&query.key)?;
        let numbers = universe.numbers(keys)?;
        let variants = cast(rows.column(&query.variant)?, &DataType::Utf8)?;
        let variants = variants.as_string::<i32>();
        let clusters = query
            .cluster
            .as_ref()
            .map(|column| cast(rows.column(column)?, &DataType::Utf8).map_err(SqlError::from));
        let clusters = clusters.transpose()?;
        let clusters = clusters.as_ref().map(|clusters| clusters.as_string::<i32>());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for row in counted.set_indices() {
            let (at, number) = (instants[row], numbers[row]);
            if number == KeyIndex::NULL {
                continue;
            }
            let variant = if variants.is_null(row) { "(none)" } else { variants.value(row) };
            let Some(place) = query.variants.iter().position(|known| known == variant) else {
                seen.count_unknown(variant);
                continue;
            };
            let number = match number {
                KeyIndex::UNKNOWN => match seen.stranger(&keys.slice(row, 1))? {
                    Some(stranger) => universe.len() + stranger,
                    None => continue,
                },
                number => number,
            };
            let cluster =
                clusters.filter(|clusters| clusters.is_valid(row)).map(|clusters| clusters.value(row));
            let cluster = cluster.map(|name| seen.cluster(name));
            let variant = u16::try_from(place).unwrap_or(u16::MAX);
            seen.push(FirstExposure { number, variant, at, cluster });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "exposure_scan_tests.rs"]
mod tests;

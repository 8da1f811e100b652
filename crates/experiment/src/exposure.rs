//! Who was first exposed to which variant, and when.

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

use crate::error::ExperimentError;
use crate::experiment::Experiment;
use crate::measure::MeasureContext;

/// The units of an experiment.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Their keys, each once.
    pub(crate) keys: ArrayRef,
    /// The variant of each unit, as its place among the experiment's variants.
    pub(crate) variants: Vec<usize>,
    /// The first exposure of each unit.
    pub(crate) at: Vec<Timestamp>,
    /// Units that are left out because they saw several variants.
    pub(crate) several_variants: u64,
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
            values.iter().zip(is_before).filter(|(_, is_before)| **is_before).map(|(value, _)| *value).collect()
        }
        Ok(Arc::new(Self {
            keys: filter(&self.keys, &BooleanArray::from(is_before.clone())).map_err(SqlError::from)?,
            variants: kept(&self.variants, &is_before),
            at: kept(&self.at, &is_before),
            several_variants: self.several_variants,
            unmatched: self.unmatched,
            unknown_variants: self.unknown_variants.clone(),
            rows_read: self.rows_read,
        }))
    }
}

/// An SQL predicate over the rows of a contract's table.
pub(crate) fn filter_expression(sql: &str, contract: &Contract, session: &Session) -> Result<Expr, SqlProblem> {
    let failed = |e: datafusion::error::DataFusionError| SqlProblem {
        position: tranche_project::Position::START,
        message: e.strip_backtrace(),
        help: None,
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
        let own: Vec<usize> = (0..distinct.len()).filter(|&place| distinct[place].table.value == table).collect();
        let readers = own.iter().map(|&place| reader(distinct[place], context, universes)).collect::<Result<Vec<_>, _>>()?;
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
        let exposure = (e.entity.clone(), e.table.value.clone(), text(&e.filter), e.variant.value.clone(), text(&e.at));
        (exposure, e.from, e.to, e.variants.keys().cloned().collect::<Vec<_>>())
    };
    of(a) == of(b)
}

/// What is looked at in each exposure for one experiment.
struct Reader {
    question: Question,
    key: String,
    variant: String,
    at: String,
    variants: Vec<String>,
    period: Range<i64>,
    universe: Arc<KeyIndex>,
    seen: Mutex<Seen>,
}

/// What was seen so far, in no order.
struct Seen {
    /// Number, variant and instant.
    exposures: Vec<(u32, u16, i64)>,
    /// Keys that the universe lacks; their numbers follow its own.
    strangers: KeyIndex,
    unknown_variants: BTreeMap<String, u64>,
}

fn reader(
    experiment: &Experiment,
    context: &MeasureContext<'_>,
    universes: &HashMap<String, Arc<KeyIndex>>,
) -> Result<Reader, ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let table = &experiment.table.value;
    let contract = context.definitions.contracts.get(table).ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    let key = contract.entity_column(&experiment.entity).ok_or_else(|| failed("no column names the entity".to_owned()))?;
    let event_time = contract.event_time().ok_or_else(|| failed(format!("`{table}` is not an event table")))?;
    let filter = experiment.filter.as_ref().map(|filter| filter_expression(&filter.value, contract, context.session));
    let predicate = filter.transpose().map_err(|problem| failed(problem.message))?.map(split_conjunction_owned);
    let universe = universes.get(&experiment.entity).ok_or_else(|| failed("its entity has no table".to_owned()))?;
    Ok(Reader {
        question: Question { predicate: predicate.unwrap_or_default(), value: None },
        key: key.to_owned(),
        variant: experiment.variant.value.clone(),
        at: experiment.at.as_ref().map_or_else(|| event_time.to_owned(), |at| at.value.clone()),
        variants: experiment.variants.keys().cloned().collect(),
        period: experiment.from.as_microsecond()..experiment.to.as_microsecond(),
        universe: Arc::clone(universe),
        seen: Mutex::new(Seen {
            exposures: Vec::new(),
            strangers: KeyIndex::new(universe.data_type()),
            unknown_variants: BTreeMap::new(),
        }),
    })
}

/// Reads a table of exposures once.
async fn read(table: &str, readers: Vec<Reader>, context: &MeasureContext<'_>) -> Result<Vec<Exposed>, ExperimentError> {
    let Some(contract) = context.definitions.contracts.get(table) else { return Ok(Vec::new()) };
    let event_time = contract.event_time().unwrap_or_default().to_owned();
    let as_of = context.session.as_of().as_microsecond();
    let names = readers.iter().flat_map(|reader| [&reader.key, &reader.variant, &reader.at]);
    let columns: BTreeSet<String> = names.chain([&event_time]).cloned().collect();
    // Where the instant is another column, an event of any time may be an exposure of the period.
    let starts = readers.iter().map(|reader| if reader.at == event_time { reader.period.start } else { i64::MIN });
    let ends = readers.iter().map(|reader| if reader.at == event_time { reader.period.end } else { i64::MAX });
    let times = starts.min().unwrap_or(i64::MIN)..ends.max().unwrap_or(i64::MAX).min(as_of);
    let pass = Pass {
        contract,
        tables: context.tables,
        columns: columns.iter().map(String::as_str).collect(),
        questions: readers.iter().map(|reader| reader.question.clone()).collect(),
        times,
    };
    let readers = Arc::new(readers);
    let shared = Arc::clone(&readers);
    let rows_read = pass::run(pass, context.session, move |rows| {
        let visible = before(as_of, rows.instants(&event_time)?);
        shared.iter().enumerate().try_for_each(|(number, reader)| reader.take(number, &visible, rows))
    })
    .await?;
    let readers = Arc::try_unwrap(readers).map_err(|_| SqlError::Engine("a pass has not ended".to_owned()))?;
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
        let mut counted = rows.counted(question)?.map_or_else(|| visible.clone(), |counted| &counted & visible);
        if let Some(nulls) = nulls {
            counted = &counted & nulls.inner();
        }
        let keys = rows.column(&self.key)?;
        let numbers = self.universe.numbers(keys)?;
        let variants = cast(rows.column(&self.variant)?, &DataType::Utf8)?;
        let variants = variants.as_string::<i32>();
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
            seen.exposures.push((number, u16::try_from(place).unwrap_or(u16::MAX), at));
        }
        Ok(())
    }

    /// The units: who saw one variant only and is in the universe.
    fn exposed(self, rows_read: u64) -> Result<Exposed, ExperimentError> {
        const NEVER: i64 = i64::MAX;
        const SEVERAL: u16 = u16::MAX;
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let size = self.universe.len();
        let mut firsts = vec![(NEVER, 0u16); (size + seen.strangers.len()) as usize];
        for (number, variant, at) in seen.exposures {
            let (first, known) = &mut firsts[number as usize];
            if *first == NEVER {
                (*first, *known) = (at, variant);
            } else {
                *first = at.min(*first);
                if *known != variant {
                    *known = SEVERAL;
                }
            }
        }
        let several_variants = firsts.iter().filter(|(at, variant)| *at != NEVER && *variant == SEVERAL).count() as u64;
        let is_unit = |(at, variant): &(i64, u16)| *at != NEVER && *variant != SEVERAL;
        let (known, strangers) = firsts.split_at(size as usize);
        let units = || known.iter().zip(0u32..).filter(|(first, _)| is_unit(first));
        Ok(Exposed {
            keys: self.universe.column(units().map(|(_, number)| number))?,
            variants: units().map(|((_, variant), _)| usize::from(*variant)).collect(),
            at: units().map(|((at, _), _)| Timestamp::from_microsecond(*at).unwrap_or(Timestamp::UNIX_EPOCH)).collect(),
            several_variants,
            unmatched: strangers.iter().filter(|first| is_unit(first)).count() as u64,
            unknown_variants: seen.unknown_variants,
            rows_read,
        })
    }
}

//! One case: definitions over a world, answered in every way there is, and whether the answers are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use tranche_sql::{Session, Tables};

use super::data::World;
use super::duckdb::DuckDb;
use super::grammar::Definition;
use super::lake::Place;
use super::table::ENTITY;
use crate::evaluate::{Evaluation, Sharing, evaluate};
use crate::{Definitions, Scope, SegmentError};

/// Who is in a segment, by key as text. Rows without a key are no members, and are counted in a report only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) members: BTreeSet<String>,
    pub(super) unmatched: u64,
}

/// Answers by segment; an empty one equals one that is absent.
pub(super) type Answers = BTreeMap<String, Answer>;

type Evaluating<'a> = Pin<Box<dyn Future<Output = Result<Evaluation, SegmentError>> + 'a>>;

/// A way to evaluate definitions, by name.
type Evaluator =
    (&'static str, for<'a> fn(&'a Definitions, &'a Scope, &'a Tables, &'a Session) -> Evaluating<'a>);

/// Every way that we have. The first is what the others are held against.
const EVALUATORS: [Evaluator; 2] = [
    ("one by one", |definitions, scope, tables, session| {
        Box::pin(evaluate(definitions, scope, tables, session, Sharing::OneByOne))
    }),
    ("shared", |definitions, scope, tables, session| {
        Box::pin(evaluate(definitions, scope, tables, session, Sharing::Shared))
    }),
];

/// What one way to evaluate says: the answers, and the wide table where it is ours to publish.
#[derive(Debug, Clone)]
pub(super) struct Opinion {
    pub(super) whose: &'static str,
    pub(super) found: Result<Answers, String>,
    pub(super) traits: Option<Rows>,
}

/// Every opinion on a case.
#[derive(Debug, Clone)]
pub(super) struct Opinions(pub(super) Vec<Opinion>);

impl Opinions {
    /// Asks everyone. `tables` are the world's in `place`.
    pub(super) async fn of(
        world: &World,
        place: &Place,
        tables: &Tables,
        definitions: &[Definition],
        duckdb: Option<&Mutex<DuckDb>>,
    ) -> Self {
        let read = place.read(definitions);
        let scope = Scope::everything(&read, ENTITY);
        let mut opinions = Vec::new();
        for (whose, evaluator) in EVALUATORS {
            // A session of its own: what an evaluation registers is not there for the next.
            let session = place.engine.session_over(tables, world.as_of).await.unwrap();
            let evaluation = evaluator(&read, &scope, tables, &session).await;
            let traits = evaluation.as_ref().ok().map(|evaluation| rows(&evaluation.traits));
            let found = evaluation.map(|evaluation| answers(&evaluation)).map_err(|error| error.to_string());
            opinions.push(Opinion { whose, found, traits });
        }
        if let Some(duckdb) = duckdb {
            let found = duckdb
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .answers(world, definitions)
                .map(without_empty);
            opinions.push(Opinion { whose: "DuckDB", found, traits: None });
        }
        Self(opinions)
    }

    /// What is wrong, in a word that stays the same while a case is made smaller; `None` when all agree.
    pub(super) fn trouble(&self) -> Option<String> {
        let failed = |opinion: &Opinion| {
            let message = opinion.found.as_ref().err()?;
            Some(format!("{} fails: {}", opinion.whose, message.chars().take(60).collect::<String>()))
        };
        if let Some(failure) = self.0.iter().find_map(failed) {
            return Some(failure);
        }
        let first = self.0.first()?;
        for other in &self.0[1..] {
            if other.found != first.found {
                return Some(format!("{} and {} disagree", first.whose, other.whose));
            }
            if other.traits.is_some() && other.traits != first.traits {
                return Some(format!("{} and {} have other traits", first.whose, other.whose));
            }
        }
        None
    }

    /// The segments on which opinions differ, and what each is.
    pub(super) fn shown(&self) -> String {
        let mut shown = String::new();
        let names: BTreeSet<&String> =
            self.0.iter().filter_map(|o| o.found.as_ref().ok()).flat_map(BTreeMap::keys).collect();
        for opinion in &self.0 {
            if let Err(error) = &opinion.found {
                shown += &format!("{} fails: {error}\n", opinion.whose);
            }
        }
        for name in names {
            let of = |opinion: &Opinion| {
                opinion.found.as_ref().ok().map(|found| found.get(name).cloned().unwrap_or_default())
            };
            if self.0.iter().all(|opinion| of(opinion) == of(&self.0[0])) {
                continue;
            }
            for opinion in &self.0 {
                shown += &format!("{name}, {}: {:?}\n", opinion.whose, of(opinion));
            }
        }
        if !shown.is_empty() {
            return shown;
        }
        self.0.iter().map(|opinion| format!("traits, {}: {:#?}\n", opinion.whose, opinion.traits)).collect()
    }
}

/// The answers of an evaluation.
pub(super) fn answers(evaluation: &Evaluation) -> Answers {
    let answer = |found: &crate::evaluate::Members| {
        let keys = evaluation.index.column(found.entities.iter()).unwrap();
        let keys = cast(&keys, &DataType::Utf8).unwrap();
        let members = keys.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        Answer { members, unmatched: found.unmatched }
    };
    without_empty(evaluation.segments.iter().map(|(name, members)| (name.clone(), answer(members))).collect())
}

fn without_empty(mut answers: Answers) -> Answers {
    answers.retain(|_, answer| *answer != Answer::default());
    answers
}

/// The rows of a batch: the floating-point numbers of each by the rest of it as text.
pub(super) type Rows = BTreeMap<String, Vec<Float>>;

/// A floating-point number: sums in another order differ in the last digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Float(Option<f64>);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(a), Some(b)) => {
                a.total_cmp(&b).is_eq() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
            }
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

/// The rows of a batch.
pub(super) fn rows(batch: &RecordBatch) -> Rows {
    let schema = batch.schema();
    let (mut floats, mut others) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        match column.as_primitive_opt::<Float64Type>() {
            Some(column) => floats.push(column),
            None => others.push((field.name(), texts(column))),
        }
    }
    let text =
        |row: usize| others.iter().map(|(name, texts)| format!("{name}={} ", texts[row])).collect::<String>();
    let number = |row: usize| {
        floats.iter().map(|column| Float(column.is_valid(row).then(|| column.value(row)))).collect()
    };
    (0..batch.num_rows()).map(|row| (text(row), number(row))).collect()
}

fn texts(column: &arrow::array::ArrayRef) -> Vec<String> {
    let texts = cast(column, &DataType::Utf8).unwrap();
    let texts = texts.as_string::<i32>();
    (0..texts.len())
        .map(|row| if texts.is_valid(row) { texts.value(row).to_owned() } else { "NULL".to_owned() })
        .collect()
}

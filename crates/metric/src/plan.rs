//! Which columns there are to fill, so that what several metrics ask for is computed once.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::logical_expr::utils::split_conjunction_owned;
use indexmap::IndexMap;
use tranche_sql::SqlError;
use tranche_sql::pass::{self, Pass, Question};

use crate::columns::{Column, Making};
use crate::error::MetricError;
use crate::measure::Facts;
use crate::metrics::{Aggregate, Fact, Metric, MetricKind, Missing, Over, expression};
use crate::population::{Population, Span, Window};
use crate::reading::{Numbered, Reading};
use crate::recipe::{Made, Recipe};

/// A column to fill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) population: usize,
    pub(crate) table: String,
    pub(crate) window: Window,
    pub(crate) making: Making,
    /// The questions of the table whose rows count; several for the steps of a funnel, each with its step.
    pub(crate) questions: Vec<(u8, usize)>,
}

/// Which columns there are to fill, and how metrics are made of them.
pub(crate) struct Plan<'a> {
    facts: &'a Facts<'a>,
    pub(crate) populations: Vec<&'a Population>,
    /// What is asked of each table.
    tables: IndexMap<String, Vec<Question>>,
    slots: Vec<Slot>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, populations: Vec::new(), tables: IndexMap::new(), slots: Vec::new() }
    }

    /// The number of a population.
    pub(crate) fn population(&mut self, population: &'a Population) -> usize {
        if let Some(place) = self.populations.iter().position(|known| std::ptr::eq(*known, population)) {
            return place;
        }
        self.populations.push(population);
        self.populations.len() - 1
    }

    /// How a metric is measured; the columns that it needs are noted.
    pub(crate) fn recipe(&mut self, metric: &Metric, population: usize, span: Span) -> Result<Recipe, MetricError> {
        let window = span.window(metric);
        let mut recipe = Recipe { made: Made::Funnel(Vec::new(), 0), present: None, cap: metric.cap, closes_after: None };
        let entity = self.populations[population].entity.as_str();
        let failed = |reason: String| MetricError::Fact { metric: metric.name.clone(), entity: entity.to_owned(), reason };
        if let MetricKind::Funnel { steps, .. } = &metric.kind {
            let mut by_table: IndexMap<&str, Vec<(u8, usize)>> = IndexMap::new();
            let mut questions = Vec::new();
            for (step, number) in steps.iter().zip(0u8..) {
                let filter = step.filter.as_ref().map(|filter| filter.value.as_str());
                let table = step.table.value.as_str();
                questions.push((table, number, self.question(entity, table, filter, None).map_err(failed)?));
            }
            for (table, number, question) in questions {
                let question = self.ask(table, question);
                by_table.entry(table).or_default().push((number, question));
            }
            let count = u8::try_from(steps.len()).unwrap_or(u8::MAX);
            let slots = by_table.into_iter().map(|(table, questions)| {
                self.slot(Slot { population, table: table.to_owned(), window, making: Making::Steps, questions })
            });
            recipe.made = Made::Funnel(slots.collect(), count);
            return Ok(recipe);
        }
        let Some(fact) = metric.fact() else { return Err(failed("it has no fact of its own".to_owned())) };
        let making = match (&metric.kind, fact.aggregate) {
            (MetricKind::Quantile { over: Over::Events, .. }, _) => Making::Values,
            (_, Aggregate::Sum) => Making::Sum,
            (_, Aggregate::Count | Aggregate::Any) => Making::Count,
        };
        let questioned = self.fact_question(entity, fact, making).map_err(failed)?;
        let counted = Question { value: None, ..questioned.clone() };
        let table = fact.table.value.clone();
        let mut slot = |question: Question, making: Making| {
            let question = self.ask(&table, question);
            self.slot(Slot { population, table: table.clone(), window, making, questions: vec![(0, question)] })
        };
        let column = slot(questioned, making);
        recipe.made = match (making, fact.aggregate) {
            (Making::Values, _) => Made::Events(column),
            (_, Aggregate::Any) => Made::Any(column),
            _ => Made::Number(column),
        };
        if metric.missing == Missing::Exclude && !matches!(span, Span::Before(_)) {
            recipe.present = Some(slot(counted, Making::Count));
        }
        if let (MetricKind::Retention { .. }, Span::After(_)) = (&metric.kind, span) {
            recipe.closes_after = Some(window.to);
        }
        Ok(recipe)
    }

    fn fact_question(&self, entity: &str, fact: &Fact, making: Making) -> Result<Question, String> {
        let value = fact.value.as_ref().filter(|_| making != Making::Count).map(|value| value.value.as_str());
        self.question(entity, &fact.table.value, fact.filter.as_ref().map(|filter| filter.value.as_str()), value)
    }

    /// What is asked of a table that can be asked of this entity.
    fn question(&self, entity: &str, table: &str, filter: Option<&str>, value: Option<&str>) -> Result<Question, String> {
        let contract = self.facts.contracts.get(table).ok_or("its table has no contract")?;
        if contract.event_time().is_none() {
            return Err(format!("`{table}` is not an event table"));
        }
        if contract.entity_column(entity).is_none() {
            return Err(format!("table `{table}` does not say which column names it; add it to `entity:` in its contract"));
        }
        let parse = |sql: &str| expression(sql, contract, self.facts.session).map(|(expr, _)| expr).map_err(|p| p.message);
        let predicate = filter.map(parse).transpose()?.map(split_conjunction_owned).unwrap_or_default();
        Ok(Question { predicate, value: value.map(parse).transpose()? })
    }

    /// The number of a question to a table.
    fn ask(&mut self, table: &str, question: Question) -> usize {
        let questions = self.tables.entry(table.to_owned()).or_default();
        questions.iter().position(|known| *known == question).unwrap_or_else(|| {
            questions.push(question);
            questions.len() - 1
        })
    }

    fn slot(&mut self, slot: Slot) -> usize {
        self.slots.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        })
    }

    /// Reads every table; returns the columns of the slots.
    pub(crate) async fn read(&self) -> Result<(Vec<Option<Column>>, u64), MetricError> {
        let mut columns: Vec<Option<Column>> = self.slots.iter().map(|_| None).collect();
        let mut numbered: HashMap<String, Arc<Numbered>> = HashMap::new();
        for population in &self.populations {
            let entity = &population.entity;
            if !numbered.contains_key(entity) {
                let own = self.populations.iter().copied().enumerate().filter(|(_, other)| other.entity == *entity);
                numbered.insert(entity.clone(), Arc::new(Numbered::new(own)?));
            }
        }
        let Facts { contracts, tables, session, .. } = *self.facts;
        let mut rows_read = 0;
        for (table, questions) in &self.tables {
            let Some(contract) = contracts.get(table) else { continue };
            let asked = (self.slots.as_slice(), questions.as_slice());
            let reading = Arc::new(Reading::new(contract, asked, &self.populations, &numbered, session.as_of())?);
            let (questions, times) = (questions.clone(), reading.times());
            let pass = Pass { contract, tables, columns: reading.columns(), questions, times };
            let shared = Arc::clone(&reading);
            rows_read += pass::run(pass, session, move |rows| shared.take(rows)).await?;
            let ended = Arc::try_unwrap(reading).map_err(|_| SqlError::Engine("a pass has not ended".to_owned()))?;
            ended.into_columns().for_each(|(slot, column)| columns[slot] = Some(column));
        }
        Ok((columns, rows_read))
    }
}

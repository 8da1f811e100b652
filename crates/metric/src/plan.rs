//! Which columns there are to fill, so that what several metrics ask for is computed once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::logical_expr::utils::split_conjunction_owned;
use indexmap::IndexMap;
use jiff::SignedDuration;
use tranche_schema::Contract;
use tranche_sql::pass::Question;

use crate::columns::Making;
use crate::error::MetricError;
use crate::measure::Facts;
use crate::metrics::{Aggregate, Fact, Metric, MetricKind, Missing, Over, expression};
use crate::numbered::Numbered;
use crate::population::{Population, Span, Window};
use crate::recipe::{Made, Recipe};
use crate::table::Table;

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
    pub(crate) facts: Facts<'a>,
    pub(crate) populations: Vec<&'a Population>,
    /// What is asked of each table.
    tables: IndexMap<String, Vec<Question>>,
    pub(crate) slots: Vec<Slot>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(facts: Facts<'a>) -> Self {
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
    pub(crate) fn recipe(
        &mut self,
        metric: &Metric,
        population: usize,
        span: Span,
    ) -> Result<Recipe, MetricError> {
        let window = span.window(metric);
        let mut recipe =
            Recipe { made: Made::Funnel(Vec::new(), 0), present: None, cap: metric.cap, closes_after: None };
        let entity = self.populations[population].entity.as_str();
        let failed = |reason: String| MetricError::Fact {
            metric: metric.name.clone(),
            entity: entity.to_owned(),
            reason,
        };
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
                self.slot(Slot {
                    population,
                    table: table.to_owned(),
                    window,
                    making: Making::Steps,
                    questions,
                })
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
            self.slot(Slot {
                population,
                table: table.clone(),
                window,
                making,
                questions: vec![(0, question)],
            })
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
        self.question(
            entity,
            &fact.table.value,
            fact.filter.as_ref().map(|filter| filter.value.as_str()),
            value,
        )
    }

    /// What is asked of a table that can be asked of this entity.
    fn question(
        &self,
        entity: &str,
        table: &str,
        filter: Option<&str>,
        value: Option<&str>,
    ) -> Result<Question, String> {
        let contract = self.facts.contracts.get(table).ok_or("its table has no contract")?;
        if contract.event_time().is_none() {
            return Err(format!("`{table}` is not an event table"));
        }
        if contract.entity_column(entity).is_none() {
            return Err(format!(
                "table `{table}` does not say which column names it; add it to `entity:` in its contract"
            ));
        }
        let parse = |sql: &str| {
            expression(sql, contract, self.facts.session).map(|(expr, _)| expr).map_err(|p| p.message)
        };
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

    /// The tables whose facts are needed.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// What is asked of a table. `numbered` has the keys of the populations of each entity.
    pub(crate) fn table<'p>(
        &'p self,
        table: &str,
        numbered: &'p HashMap<String, Arc<Numbered>>,
    ) -> Option<Table<'p>> {
        let contract = self.facts.contracts.get(table)?;
        let questions = self.tables.get(table)?;
        let (slots, populations) = (self.slots.as_slice(), self.populations.as_slice());
        Some(Table { contract, questions, slots, populations, numbered, session: self.facts.session })
    }
}

impl Slot {
    /// What it is of for an entity, but for its population: the same text for the same meaning.
    pub(crate) fn identity(&self, questions: &[Question], contract: &Contract, entity: &str) -> String {
        let schema = contract.arrow_schema();
        let typed = |name: &str| {
            let data_type = schema.field_with_name(name).ok().map(|field| field.data_type().to_string());
            format!("{name} {}", data_type.unwrap_or_default())
        };
        let own: Vec<String> =
            contract.entity_column(entity).into_iter().chain(contract.event_time()).map(typed).collect();
        let mut parts = vec![format!("{:?} {:?} {own:?}", self.making, self.window)];
        for (step, question) in self.questions.iter().map(|(step, question)| (step, &questions[*question])) {
            let named = question.value.iter().chain(&question.predicate).flat_map(|expr| expr.column_refs());
            let types: BTreeSet<String> = named.map(|column| typed(&column.name)).collect();
            parts.push(format!("{step} {:?} {:?} {types:?}", question.value, question.predicate));
        }
        parts.join(" | ")
    }

    /// What it is of, for people.
    pub(crate) fn shown(&self, questions: &[Question]) -> String {
        let asked = self.questions.iter().map(|(_, question)| {
            let Question { predicate, value } = &questions[*question];
            let value = value.as_ref().map_or_else(|| "events".to_owned(), ToString::to_string);
            let conditions: Vec<String> = predicate.iter().map(ToString::to_string).collect();
            if conditions.is_empty() { value } else { format!("{value} where {}", conditions.join(" AND ")) }
        });
        let asked: Vec<String> = asked.collect();
        let length = SignedDuration::from_micros;
        format!(
            "{:?} of {} from {:#} to {:#}",
            self.making,
            asked.join(", "),
            length(self.window.from),
            length(self.window.to)
        )
    }
}

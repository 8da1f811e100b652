//! The columns to fill for all requests of a measurement, so that what several metrics need is computed once.

use datafusion::logical_expr::utils::split_conjunction_owned;
use indexmap::IndexMap;
use tranche_sql::scan::RowQuery;

use super::column_spec::{Accumulator, ColumnId, ColumnSpec, QueryId, StepQuery};
use super::formula::{Assembly, MetricFormula};
use super::id_list::{Id, IdList, id};
use super::population::{Population, PopulationId};
use super::request::{Facts, Wanted};
use super::window::{Span, Window};
use crate::definition::{Aggregate, Fact, Metric, MetricKind, Missing, Over, Step};
use crate::error::MetricError;

id! {
    /// A metric of a population over a window.
    FormulaId
}

/// The columns to fill, and the formulas of metrics over them.
pub(crate) struct FactPlan<'a> {
    pub(crate) facts: Facts<'a>,
    pub(crate) populations: IdList<PopulationId, &'a Population>,
    pub(crate) columns: IdList<ColumnId, ColumnSpec>,
    pub(crate) formulas: IdList<FormulaId, PlannedMetric>,
    /// The metrics of each request, by name.
    pub(crate) requests: Vec<Vec<(String, FormulaId)>>,
    /// What is evaluated for the rows of each table.
    queries: IndexMap<String, IdList<QueryId, RowQuery>>,
}

/// A metric of a population over a window.
pub(crate) struct PlannedMetric {
    pub(crate) population: PopulationId,
    pub(crate) formula: MetricFormula,
    metric: String,
    window: Window,
}

impl<'a> FactPlan<'a> {
    /// Plans what is wanted.
    ///
    /// # Errors
    /// [`MetricError::Fact`] when a fact cannot be read for an entity.
    pub(crate) fn new(wanted: &[Wanted<'a>], facts: Facts<'a>) -> Result<Self, MetricError> {
        let mut plan = Self {
            facts,
            populations: IdList::default(),
            columns: IdList::default(),
            formulas: IdList::default(),
            requests: Vec::new(),
            queries: IndexMap::new(),
        };
        for request in wanted {
            let is_it = |known: &&Population| std::ptr::eq(*known, request.population);
            let known = plan.populations.find(is_it);
            let population = known.unwrap_or_else(|| plan.populations.push(request.population));
            let mut formulas: Vec<(String, FormulaId)> = Vec::new();
            for metric in request.metrics.iter().flat_map(|metric| facts.metrics.parts(metric)) {
                let formula = plan.formula(metric, population, request.span)?;
                if !formulas.iter().any(|(_, known)| *known == formula) {
                    formulas.push((metric.name.clone(), formula));
                }
            }
            plan.requests.push(formulas);
        }
        Ok(plan)
    }

    /// The tables whose facts are needed.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.queries.keys().map(String::as_str)
    }

    /// What is evaluated for the rows of a table.
    pub(crate) fn queries(&self, table: &str) -> Option<&IdList<QueryId, RowQuery>> {
        self.queries.get(table)
    }

    /// The metrics that count what a query of a table finds, by the place of the query.
    pub(crate) fn metrics_of(&self, table: &str, query: usize) -> Vec<String> {
        let columns = self.columns.iter().filter(|(_, column)| {
            column.table == table && column.queries.iter().any(|step| step.query.place() == query)
        });
        let columns: Vec<ColumnId> = columns.map(|(id, _)| id).collect();
        let uses = |planned: &&PlannedMetric| columns.iter().any(|column| planned.formula.uses(*column));
        let mut names: Vec<String> =
            self.formulas.as_slice().iter().filter(uses).map(|planned| planned.metric.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn formula(
        &mut self,
        metric: &Metric,
        population: PopulationId,
        span: Span,
    ) -> Result<FormulaId, MetricError> {
        let window = span.window(metric);
        let is_it = |known: &PlannedMetric| {
            known.population == population && known.metric == metric.name && known.window == window
        };
        if let Some(known) = self.formulas.find(is_it) {
            return Ok(known);
        }
        let formula = match (&metric.kind, metric.fact()) {
            (MetricKind::Funnel { steps, .. }, _) => self.funnel(steps, population, window),
            (_, Some(fact)) => self.aggregate(metric, fact, population, span),
            _ => Err("it has no fact of its own".to_owned()),
        };
        let formula = formula.map_err(|reason| MetricError::Fact {
            metric: metric.name.clone(),
            entity: self.populations[population].entity.clone(),
            reason,
        })?;
        let formula = MetricFormula { cap: metric.cap, ..formula };
        Ok(self.formulas.push(PlannedMetric { population, formula, metric: metric.name.clone(), window }))
    }

    fn funnel(
        &mut self,
        steps: &[Step],
        population: PopulationId,
        window: Window,
    ) -> Result<MetricFormula, String> {
        let Population { entity, .. } = self.populations[population];
        let mut queries = Vec::new();
        for step in steps {
            let filter = step.filter.as_ref().map(|filter| filter.value.as_str());
            let table = step.table.value.as_str();
            queries.push((table, self.query(entity, table, filter, None)?));
        }
        let mut by_table: IndexMap<&str, Vec<StepQuery>> = IndexMap::new();
        for ((table, query), step) in queries.into_iter().zip(0u8..) {
            let query = self.queries.entry(table.to_owned()).or_default().intern(query);
            by_table.entry(table).or_default().push(StepQuery { step, query });
        }
        let columns = by_table.into_iter().map(|(table, queries)| {
            let (table, accumulator) = (table.to_owned(), Accumulator::Steps);
            self.columns.intern(ColumnSpec { population, table, window, accumulator, queries })
        });
        let columns = columns.collect();
        let steps = u8::try_from(steps.len()).unwrap_or(u8::MAX);
        let assembly = Assembly::Funnel { columns, steps };
        Ok(MetricFormula { assembly, present: None, cap: None, closes_after: None })
    }

    fn aggregate(
        &mut self,
        metric: &Metric,
        fact: &Fact,
        population: PopulationId,
        span: Span,
    ) -> Result<MetricFormula, String> {
        let window = span.window(metric);
        let accumulator = match (&metric.kind, fact.aggregate) {
            (MetricKind::Quantile { over: Over::Events, .. }, _) => Accumulator::Values,
            (_, Aggregate::Sum) => Accumulator::Sum,
            (_, Aggregate::Count | Aggregate::Any) => Accumulator::Count,
        };
        let value = fact.value.as_ref().filter(|_| accumulator != Accumulator::Count);
        let query = self.query(
            &self.populations[population].entity,
            &fact.table.value,
            fact.filter.as_ref().map(|filter| filter.value.as_str()),
            value.map(|value| value.value.as_str()),
        )?;
        let events = RowQuery { value: None, ..query.clone() };
        let mut column = |query: RowQuery, accumulator: Accumulator| {
            let table = fact.table.value.clone();
            let queries = vec![StepQuery {
                step: 0,
                query: self.queries.entry(table.clone()).or_default().intern(query),
            }];
            self.columns.intern(ColumnSpec { population, table, window, accumulator, queries })
        };
        let values = column(query, accumulator);
        let is_partial = metric.missing == Missing::Exclude && !matches!(span, Span::Before(_));
        let present = is_partial.then(|| column(events, Accumulator::Count));
        let assembly = match (accumulator, fact.aggregate) {
            (Accumulator::Values, _) => Assembly::Events(values),
            (_, Aggregate::Any) => Assembly::Any(values),
            _ => Assembly::Number(values),
        };
        let must_close = matches!((&metric.kind, span), (MetricKind::Retention { .. }, Span::After(_)));
        Ok(MetricFormula { assembly, present, cap: None, closes_after: must_close.then_some(window.to) })
    }

    /// A condition and a value over a table whose rows name this entity.
    fn query(
        &self,
        entity: &str,
        table: &str,
        filter: Option<&str>,
        value: Option<&str>,
    ) -> Result<RowQuery, String> {
        let contract = self.facts.contracts.get(table).ok_or("its table has no contract")?;
        if contract.event_time().is_none() {
            return Err(format!("`{table}` is not an event table"));
        }
        if contract.entity_column(entity).is_none() {
            return Err(format!(
                "table `{table}` does not say which column names it; add it to `entity:` in its contract"
            ));
        }
        let parse =
            |sql: &str| self.facts.session.row_expression(contract, sql).map_err(|problem| problem.message);
        let predicate = filter.map(parse).transpose()?.map(split_conjunction_owned).unwrap_or_default();
        Ok(RowQuery { predicate, value: value.map(parse).transpose()? })
    }
}

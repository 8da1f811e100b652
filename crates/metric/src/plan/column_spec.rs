//! A column to fill: one number per unit, or a list of its events.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tranche_schema::Contract;
use tranche_sql::scan::RowQuery;

use super::id_list::{IdList, id};
use super::population::PopulationId;
use super::window::Window;

id! {
    /// A column of a measurement.
    ColumnId
}

id! {
    /// A condition and a value that are evaluated for each row of a table.
    QueryId
}

/// How the events of a unit are accumulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Accumulator {
    /// Their number.
    Count,
    /// The sum of their values.
    Sum,
    /// Their values, one by one.
    Values,
    /// Their instants, and which steps of a funnel they are.
    Steps,
}

/// A column to fill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ColumnSpec {
    pub(crate) population: PopulationId,
    pub(crate) table: String,
    pub(crate) window: Window,
    pub(crate) accumulator: Accumulator,
    /// Which rows of the table count; several for the steps of a funnel.
    pub(crate) queries: Vec<StepQuery>,
}

/// Rows that count, and the step of a funnel that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StepQuery {
    /// From 0; 0 without a funnel.
    pub(crate) step: u8,
    pub(crate) query: QueryId,
}

impl ColumnSpec {
    /// What its values mean for an entity, apart from its population: the same text for the same meaning.
    pub(crate) fn identity(
        &self,
        queries: &IdList<QueryId, RowQuery>,
        contract: &Contract,
        entity: &str,
    ) -> String {
        let schema = contract.arrow_schema();
        let typed = |name: &str| {
            let data_type = schema.field_with_name(name).ok().map(|field| field.data_type().to_string());
            format!("{name} {}", data_type.unwrap_or_default())
        };
        let own: Vec<String> =
            contract.entity_column(entity).into_iter().chain(contract.event_time()).map(typed).collect();
        let mut parts = vec![format!("{:?} {:?} {own:?}", self.accumulator, self.window)];
        for StepQuery { step, query } in &self.queries {
            let query = &queries[*query];
            let named = query.value.iter().chain(&query.predicate).flat_map(|expr| expr.column_refs());
            let types: BTreeSet<String> = named.map(|column| typed(&column.name)).collect();
            parts.push(format!("{step} {:?} {:?} {types:?}", query.value, query.predicate));
        }
        parts.join(" | ")
    }

    /// What its values are, for people.
    pub(crate) fn describe(&self, queries: &IdList<QueryId, RowQuery>) -> String {
        let described = self.queries.iter().map(|StepQuery { query, .. }| {
            let RowQuery { predicate, value } = &queries[*query];
            let value = value.as_ref().map_or_else(|| "events".to_owned(), ToString::to_string);
            let conditions: Vec<String> = predicate.iter().map(ToString::to_string).collect();
            if conditions.is_empty() { value } else { format!("{value} where {}", conditions.join(" AND ")) }
        });
        let described: Vec<String> = described.collect();
        let length = SignedDuration::from_micros;
        let (from, to) = (length(self.window.from), length(self.window.to));
        format!("{:?} of {} from {from:#} to {to:#}", self.accumulator, described.join(", "))
    }
}

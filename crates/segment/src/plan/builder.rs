//! A program in the making: what the definitions compiled so far ask for.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use indexmap::{IndexMap, IndexSet};

use super::measure::{EventAggregate, Formula, Measure};
use super::not_fusable::NotFusable;
use super::plans::Plans;
use super::rows::{Events, Outer};
use super::wide::WideColumn;
use crate::definition::definitions::Definitions;

/// What is read from one event table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    /// The column with the entity's key.
    pub(crate) key: String,
    /// What is computed.
    pub(crate) measures: IndexSet<Measure>,
}

/// How definitions are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Each table is scanned once for all definitions that allow it.
    #[default]
    Shared,
    /// Every definition runs as it is, one by one: what the other way is held against.
    OneByOne,
}

/// A program in the making.
pub(crate) struct Builder<'a> {
    pub(super) plans: &'a Plans,
    pub(crate) definitions: &'a Definitions,
    pub(crate) entity: &'a str,
    pub(crate) key: String,
    /// Microseconds.
    pub(crate) as_of: i64,
    /// The names of all traits.
    pub(crate) traits: HashSet<String>,
    pub(crate) outer: Vec<Outer>,
    pub(super) sharing: Sharing,
    pub(super) scans: IndexMap<String, Scan>,
    pub(super) aggregates: IndexSet<EventAggregate>,
    pub(super) null_keys: IndexSet<Expr>,
    pub(super) uses: IndexMap<String, Vec<usize>>,
    /// The aggregates that the definition at hand asks for.
    pub(super) asked: Vec<usize>,
}

impl Builder<'_> {
    /// Compiles something; when that fails, nothing of it stays.
    pub(super) fn attempt<T>(
        &mut self,
        name: &str,
        compile: impl FnOnce(&mut Self) -> Result<T, NotFusable>,
    ) -> Result<T, NotFusable> {
        let measures: Vec<usize> = self.scans.values().map(|scan| scan.measures.len()).collect();
        let (aggregates, null_keys) = (self.aggregates.len(), self.null_keys.len());
        if self.sharing == Sharing::OneByOne {
            return NotFusable::because("sharing is switched off");
        }
        self.asked.clear();
        let outcome = compile(self);
        let mut asked = std::mem::take(&mut self.asked);
        if outcome.is_ok() {
            asked.sort_unstable();
            asked.dedup();
            self.uses.insert(name.to_owned(), asked);
        } else {
            self.aggregates.truncate(aggregates);
            self.null_keys.truncate(null_keys);
            self.scans.truncate(measures.len());
            for (scan, length) in self.scans.values_mut().zip(measures) {
                scan.measures.truncate(length);
            }
            self.outer.clear();
        }
        outcome
    }

    pub(crate) fn add_measure(&mut self, events: &Events, measure: Measure) -> usize {
        let scan = self.scans.entry(events.table.clone()).or_default();
        scan.key.clone_from(&events.key);
        scan.measures.insert_full(measure).0
    }

    pub(crate) fn event_aggregate(&mut self, table: &str, formula: Formula, data_type: DataType) -> Expr {
        let aggregate = EventAggregate { table: table.to_owned(), formula, data_type };
        let number = self.aggregates.insert_full(aggregate).0;
        self.asked.push(number);
        WideColumn::Aggregate(number).expr()
    }

    /// Whether a relation has a row without a key.
    pub(crate) fn null_key(&mut self, present: &Expr) -> Expr {
        WideColumn::NullKey(self.null_keys.insert_full(present.clone()).0).expr()
    }

    pub(crate) fn never_null(&self, table: &str, column: &str) -> bool {
        let contract = self.definitions.contracts.get(table);
        contract
            .is_some_and(|c| c.arrow_schema().field_with_name(column).is_ok_and(|field| !field.is_nullable()))
    }

    pub(crate) fn table_schema(&self, table: &str) -> Result<DFSchema, NotFusable> {
        match self.definitions.contracts.get(table) {
            Some(contract) => Ok(DFSchema::try_from(contract.arrow_schema())?),
            None => NotFusable::because(format!("`{table}` is not a table of a contract")),
        }
    }
}

//! How often each production of the grammar was used: what never was is not tested.

use std::collections::BTreeMap;

/// Every production.
const PRODUCTIONS: [&str; 136] = [
    "aggregate: avg",
    "aggregate: bool",
    "aggregate: coalesce",
    "aggregate: count",
    "aggregate: count distinct",
    "aggregate: count of a case",
    "aggregate: count of a column",
    "aggregate: difference",
    "aggregate: distinct days",
    "aggregate: filter",
    "aggregate: first or last",
    "aggregate: max",
    "aggregate: max of a case",
    "aggregate: min",
    "aggregate: quotient",
    "aggregate: sum",
    "aggregate: sum of a case",
    "aggregate: sum of an expression",
    "aggregate: variance",
    "compare: between",
    "compare: day",
    "compare: decimal",
    "compare: float",
    "compare: in list",
    "compare: instant",
    "compare: integer",
    "compare: like",
    "compare: list with null",
    "compare: not in list",
    "compare: rough",
    "compare: text",
    "compare: truth",
    "compare: two lists",
    "group",
    "guard: and",
    "guard: case",
    "guard: filter",
    "guard: having",
    "guard: nullif",
    "guard: or",
    "having: and",
    "having: is null",
    "having: or",
    "having: two aggregates",
    "member: columns",
    "member: cte",
    "member: cte in a subquery",
    "member: except",
    "member: from a subquery",
    "member: grouped by two",
    "member: having",
    "member: intersect",
    "member: join and group",
    "member: join on",
    "member: join using",
    "member: keys of events",
    "member: latest row",
    "member: limit",
    "member: ntile",
    "member: or of tests",
    "member: outer join",
    "member: outer join of the missing",
    "member: outer join with coalesce",
    "member: rank",
    "member: several tests",
    "member: tests of events",
    "member: tests of people",
    "member: tests of traits",
    "member: three sets of rows",
    "member: traits",
    "member: traits and a segment",
    "member: two ctes",
    "member: union",
    "member: union all",
    "nested: exists",
    "nested: in",
    "nested: scalar",
    "predicate: and",
    "predicate: is null",
    "predicate: key is known",
    "predicate: nested",
    "predicate: not",
    "predicate: or",
    "relation: group by place",
    "relation: having",
    "set: else",
    "set: groups",
    "set: joined aggregates",
    "set: traits",
    "test: correlation reversed",
    "test: exists",
    "test: in",
    "test: in groups",
    "test: in or",
    "test: in segment",
    "test: not exists",
    "test: not in",
    "test: not in groups",
    "test: not in segment",
    "test: scalar aggregate",
    "test: scalar count",
    "trait condition: coalesce",
    "trait condition: column",
    "trait condition: is null",
    "trait condition: trait",
    "trait condition: two traits",
    "traits: cte",
    "traits: default",
    "traits: filtered",
    "traits: of events",
    "traits: of people",
    "value: case",
    "value: coalesce",
    "value: correlated by key",
    "value: correlated by less",
    "value: is not true",
    "value: is null",
    "value: not",
    "value: of a column",
    "value: of a constant",
    "value: or",
    "value: uncorrelated",
    "where: both",
    "where: nothing",
    "where: predicate",
    "where: window",
    "window: before",
    "window: between",
    "window: days",
    "window: hours",
    "window: literal",
    "window: month",
    "window: reversed",
    "window: since",
    "window: strictly since",
    "window: two sides",
];

/// Uses of each production.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Fired(BTreeMap<&'static str, u64>);

impl Fired {
    pub(super) fn count(&mut self, production: &'static str) {
        assert!(PRODUCTIONS.contains(&production), "`{production}` is not in the list of productions");
        *self.0.entry(production).or_default() += 1;
    }

    pub(in super::super) fn add(&mut self, other: &Self) {
        for (production, count) in &other.0 {
            *self.0.entry(production).or_default() += count;
        }
    }

    /// Productions that were not used at all.
    pub(in super::super) fn missing(&self) -> Vec<&'static str> {
        PRODUCTIONS.into_iter().filter(|production| !self.0.contains_key(production)).collect()
    }

    /// The production that was used least, and how many there are.
    pub(in super::super) fn rarest(&self) -> Option<(&'static str, u64, usize)> {
        let (production, count) = self.0.iter().min_by_key(|(_, count)| **count)?;
        Some((*production, *count, PRODUCTIONS.len()))
    }
}

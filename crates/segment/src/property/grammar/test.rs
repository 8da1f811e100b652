//! Tests of an entity's key against other rows: subqueries of every form, and other segments.

use super::super::table::Value;
use super::{Grammar, Sort};

impl Grammar<'_> {
    /// A test of `key`, a column with its alias, as a condition that stands alone or beside others that hold too.
    pub(super) fn test(&mut self, key: &str) -> String {
        self.any_test(key)
    }

    /// A test of `key` that stands beside others of which one suffices.
    pub(super) fn test_in_or(&mut self, key: &str) -> String {
        self.fire("test: in or");
        self.any_test(key)
    }

    fn any_test(&mut self, key: &str) -> String {
        match self.random.below(22) {
            0 | 1 => {
                self.fire("test: in");
                format!("{key} IN ({})", self.event_keys())
            }
            2 => {
                self.fire("test: not in");
                format!("{key} NOT IN ({})", self.event_keys())
            }
            3 => {
                self.fire("test: in groups");
                format!("{key} IN ({})", self.grouped_keys())
            }
            4 => {
                self.fire("test: not in groups");
                format!("{key} NOT IN ({})", self.grouped_keys())
            }
            5..8 => {
                self.fire("test: exists");
                self.exists(key)
            }
            8 | 9 => {
                self.fire("test: not exists");
                format!("NOT {}", self.exists(key))
            }
            10 | 11 => {
                self.fire("test: scalar count");
                let (rows, _) = self.correlated(key, "count(*)");
                self.compare(&rows, Sort::Integer)
            }
            12 => {
                self.fire("test: scalar aggregate");
                let table = self.events();
                let (aggregate, sort) = self.aggregate(table, "e");
                let conditions = self.event_conditions(table, "e");
                let conditions =
                    [vec![format!("e.{} = {key}", table.entity_column())], conditions].concat().join(" AND ");
                self.compare(
                    &format!("(SELECT {aggregate} FROM {} AS e WHERE {conditions})", table.name),
                    sort,
                )
            }
            13..17 => self.truth_of_subquery(key),
            17 | 18 => self.nested(key),
            19 | 20 => self.segment_test(key, false),
            _ => self.segment_test(key, true),
        }
    }

    fn exists(&mut self, key: &str) -> String {
        let (_, rows) = self.correlated(key, "1");
        format!("EXISTS ({rows})")
    }

    /// A subquery over the events of the entity `key`: in parentheses, and without.
    fn correlated(&mut self, key: &str, selected: &str) -> (String, String) {
        let table = self.events();
        let mut conditions = vec![format!("e.{} = {key}", table.entity_column())];
        if self.random.chance(30) {
            self.fire("test: correlation reversed");
            conditions = vec![format!("{key} = e.{}", table.entity_column())];
        }
        conditions.extend(self.event_conditions(table, "e"));
        let rows = format!("SELECT {selected} FROM {} AS e WHERE {}", table.name, conditions.join(" AND "));
        (format!("({rows})"), rows)
    }

    /// A test for another segment, or for some events while there is none.
    fn segment_test(&mut self, key: &str, negated: bool) -> String {
        if self.segments.is_empty() {
            return format!("{key} IN ({})", self.event_keys());
        }
        let name = Value::Text(self.random.pick(&self.segments)).to_string();
        if negated {
            self.fire("test: not in segment");
            return format!("NOT in_segment({name}, {key})");
        }
        self.fire("test: in segment");
        format!("in_segment({name}, {key})")
    }
}

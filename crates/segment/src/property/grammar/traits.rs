//! Traits: aggregates with names and defaults, and conditions on them.

use super::super::table::KEY;
use super::{Definition, Grammar, Role, Sort, where_all};

impl Grammar<'_> {
    /// A file of one to five traits.
    pub(super) fn traits(&mut self, number: usize) -> Definition {
        let table = self.events();
        let (name, whom) = (table.name, table.entity_column());
        let form = self.random.below(4);
        let alias = if form == 0 { "e" } else { "" };
        let mut columns = Vec::new();
        for place in 0..1 + self.random.below(5) {
            let (aggregate, sort) = self.aggregate(table, alias);
            columns.push((format!("t{number}_{place}"), aggregate, sort));
        }
        let selected: Vec<String> =
            columns.iter().map(|(name, sql, _)| format!("  {sql} AS {name}")).collect();
        let selected = selected.join(",\n");
        let sql = match form {
            0 => {
                self.fire("traits: of people");
                let on = [vec![format!("e.{whom} = p.{KEY}")], self.event_conditions(table, "e")]
                    .concat()
                    .join(" AND ");
                format!(
                    "SELECT p.{KEY},\n{selected}\nFROM people AS p LEFT JOIN {name} AS e ON {on}\nGROUP BY p.{KEY}"
                )
            }
            1 => {
                self.fire("traits: filtered");
                let conditions = where_all(&self.event_conditions(table, ""));
                let by = self.grouped_by(table);
                format!("SELECT {whom},\n{selected}\nFROM {name}{conditions}\nGROUP BY {by}")
            }
            2 => {
                self.fire("traits: cte");
                let conditions = where_all(&self.event_conditions(table, ""));
                format!(
                    "WITH e AS (SELECT * FROM {name}{conditions})\nSELECT {whom},\n{selected}\nFROM e\nGROUP BY {whom}"
                )
            }
            _ => {
                self.fire("traits: of events");
                format!("SELECT {whom},\n{selected}\nFROM {name}\nGROUP BY {whom}")
            }
        };
        let mut defaults = Vec::new();
        for (name, _, sort) in &columns {
            if self.random.chance(35)
                && let Some(value) = self.default(*sort)
            {
                self.fire("traits: default");
                defaults.push((name.clone(), value));
            }
        }
        self.traits.extend(columns.into_iter().map(|(name, _, sort)| (name, sort)));
        Definition { role: Role::Traits, name: format!("g{number}"), sql, defaults, group: None }
    }

    fn default(&mut self, sort: Sort) -> Option<String> {
        Some(match sort {
            Sort::Integer => self.random.pick(&["0", "2", "-1"]).to_owned(),
            Sort::Decimal => self.random.pick(&["0", "10.5"]).to_owned(),
            Sort::Float => self.random.pick(&["0", "1.5"]).to_owned(),
            Sort::Truth => self.random.pick(&["true", "false"]).to_owned(),
            Sort::Text(_) => self.random.pick(&["'none'", "'it''s'"]).to_owned(),
            Sort::Rough | Sort::Day | Sort::Instant => return None,
        })
    }

    /// A condition on a trait, or on a column of the entity.
    pub(super) fn trait_condition(&mut self, alias: &str) -> String {
        if self.traits.is_empty() || self.random.chance(20) {
            self.fire("trait condition: column");
            let people = self.world.people();
            return self.predicate(people, alias);
        }
        let (name, sort) = self.random.pick(&self.traits);
        let name = Self::qualified(alias, &name);
        if self.random.chance(12) {
            self.fire("trait condition: is null");
            return format!("{name} IS {}NULL", self.random.pick(&["", "NOT "]));
        }
        if sort == Sort::Integer {
            let others: Vec<String> =
                self.traits.iter().filter(|(_, s)| *s == sort).map(|(name, _)| name.clone()).collect();
            if self.random.chance(25) {
                self.fire("trait condition: two traits");
                let operator = self.random.pick(&["=", "<>", "<", ">="]);
                return format!("{name} {operator} {}", Self::qualified(alias, &self.random.pick(&others)));
            }
            if self.random.chance(20) {
                self.fire("trait condition: coalesce");
                return self.compare(&format!("coalesce({name}, 0)"), sort);
            }
        }
        self.fire("trait condition: trait");
        self.compare(&name, sort)
    }
}

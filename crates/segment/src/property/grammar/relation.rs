//! Relations with a row for each entity: aggregated events, as a CTE or a subquery has them.

use super::super::table::{KEY, Table};
use super::{Grammar, Sort, where_all};

/// A SELECT with the key as `person_id` and one or two aggregates.
pub(super) struct Aggregated {
    pub(super) sql: String,
    /// The aggregates by name.
    pub(super) columns: Vec<(String, Sort)>,
}

impl Grammar<'_> {
    /// Events aggregated by entity; the aggregates are named after `prefix`.
    pub(super) fn aggregated(&mut self, prefix: &str) -> Aggregated {
        let table = self.events();
        let conditions = self.event_conditions(table, "");
        let mut columns = Vec::new();
        let mut selected = format!("SELECT {} AS {KEY}", table.entity_column());
        for number in 0..1 + self.random.below(2) {
            let (aggregate, sort) = self.aggregate(table, "");
            let name = format!("{prefix}{number}");
            selected += &format!(", {aggregate} AS {name}");
            columns.push((name, sort));
        }
        let having = if self.random.chance(15) {
            self.fire("relation: having");
            format!(" HAVING {}", self.having(table, ""))
        } else {
            String::new()
        };
        let by = self.grouped_by(table);
        Aggregated {
            sql: format!("{selected} FROM {}{} GROUP BY {by}{having}", table.name, where_all(&conditions)),
            columns,
        }
    }

    /// The key that events are grouped by: its name, or its place in the select list.
    pub(super) fn grouped_by(&mut self, table: &Table) -> String {
        if self.random.chance(15) {
            self.fire("relation: group by place");
            return "1".to_owned();
        }
        table.entity_column().to_owned()
    }

    /// A comparison of one of the aggregates of a relation under an alias.
    pub(super) fn aggregated_condition(&mut self, alias: &str, relation: &Aggregated) -> String {
        let (name, sort) = self.random.pick(&relation.columns);
        self.compare(&Self::qualified(alias, &name), sort)
    }

    /// The keys of events, as many times as they happened.
    pub(super) fn event_keys(&mut self) -> String {
        let table = self.events();
        let conditions = self.event_conditions(table, "");
        let distinct = if self.random.chance(25) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{} FROM {}{}", table.entity_column(), table.name, where_all(&conditions))
    }

    /// The keys for whose events an aggregate holds.
    pub(super) fn grouped_keys(&mut self) -> String {
        let table = self.events();
        let conditions = where_all(&self.event_conditions(table, ""));
        let having = self.having(table, "");
        let by = self.grouped_by(table);
        format!(
            "SELECT {} FROM {}{conditions} GROUP BY {by} HAVING {having}",
            table.entity_column(),
            table.name
        )
    }
}

//! Subqueries as values, beneath NOT, OR, CASE and IS NULL, and subqueries within subqueries.

use super::super::table::{Kind, Table};
use super::{Grammar, Sort};

impl Grammar<'_> {
    /// A condition made of whether something is among the rows of a subquery, which may be unknown.
    pub(super) fn truth_of_subquery(&mut self, key: &str) -> String {
        let truth = self.among_rows(key);
        match self.random.below(6) {
            0 => {
                self.fire("value: is null");
                format!("({truth}) IS {}NULL", self.random.pick(&["", "NOT "]))
            }
            1 => {
                self.fire("value: is not true");
                format!("({truth}) IS {}", self.random.pick(&["NOT TRUE", "NOT FALSE", "FALSE"]))
            }
            2 => {
                self.fire("value: coalesce");
                format!("coalesce({truth}, {})", self.random.pick(&["true", "false"]))
            }
            3 => {
                self.fire("value: case");
                let label = self.random.pick(&["1", "2", "3"]);
                format!("CASE WHEN {truth} THEN 1 WHEN NOT ({truth}) THEN 2 ELSE 3 END = {label}")
            }
            4 => {
                self.fire("value: not");
                format!("NOT ({truth})")
            }
            _ => {
                self.fire("value: or");
                format!("({truth} OR {})", self.any_of_two(key))
            }
        }
    }

    /// Another one of the same kind, for OR.
    fn any_of_two(&mut self, key: &str) -> String {
        let other = self.among_rows(key);
        if self.random.chance(50) { format!("NOT ({other})") } else { other }
    }

    /// `x IN (SELECT y ...)` and its like, of whole numbers.
    fn among_rows(&mut self, key: &str) -> String {
        let table = self.events();
        let number = whole_number(table);
        let of_people = match key.split_once('.') {
            Some((alias @ ("p" | "t"), _)) => Some(format!("{alias}.age")),
            _ => None,
        };
        let compared = match &of_people {
            Some(age) if self.random.chance(60) => {
                self.fire("value: of a column");
                age.clone()
            }
            _ => {
                self.fire("value: of a constant");
                self.random.pick(&["0", "1", "3", "7"]).to_owned()
            }
        };
        let mut conditions = Vec::new();
        match (self.random.below(4), of_people) {
            (0, _) => self.fire("value: uncorrelated"),
            (1, Some(age)) => {
                self.fire("value: correlated by less");
                conditions.push(format!("e.{number} {} {age}", self.random.pick(&["<", ">="])));
            }
            _ => {
                self.fire("value: correlated by key");
                conditions.push(format!("e.{} = {key}", table.entity_column()));
            }
        }
        conditions.extend(self.event_conditions(table, "e"));
        let rows = format!("SELECT e.{number} FROM {} AS e{}", table.name, super::where_all(&conditions));
        let operator =
            self.random.pick(&["IN", "IN", "NOT IN", "NOT IN", "= ANY", "<> ALL", "> ANY", "<= ALL"]);
        format!("{compared} {operator} ({rows})")
    }

    /// A subquery over events that asks another one about each event.
    pub(super) fn nested(&mut self, key: &str) -> String {
        let table = self.events();
        let (number, whom, own) = (whole_number(table), table.entity_column(), table.columns[0].name);
        let mut outer = vec![format!("e.{whom} = {key}")];
        outer.extend(self.event_conditions(table, "e"));
        let same = format!("FROM {} AS f WHERE f.{whom} = e.{whom}", table.name);
        let tested = match self.random.below(3) {
            0 => {
                self.fire("nested: exists");
                format!("EXISTS (SELECT 1 {same} AND f.{own} <> e.{own} AND f.{number} = e.{number})")
            }
            1 => {
                self.fire("nested: in");
                format!("e.{number} NOT IN (SELECT f.{number} {same} AND f.{own} <> e.{own})")
            }
            _ => {
                self.fire("nested: scalar");
                format!("e.{number} >= (SELECT max(f.{number}) {same})")
            }
        };
        outer.push(tested);
        let rows = format!("FROM {} AS e WHERE {}", table.name, outer.join(" AND "));
        if self.random.chance(50) {
            return format!("EXISTS (SELECT 1 {rows})");
        }
        self.compare(&format!("(SELECT count(*) {rows})"), Sort::Integer)
    }

    /// A condition that would divide by zero, but for its guard. (`x <> 0` would be changed with every other `> 0`.)
    pub(super) fn guarded(&mut self, column: &str) -> String {
        let dividend = self.random.pick(&["12", "100", "7"]);
        match self.random.below(4) {
            0 => {
                self.fire("guard: case");
                format!("CASE WHEN 0 <> {column} THEN {dividend} % {column} ELSE 1 END = 1")
            }
            1 => {
                self.fire("guard: and");
                format!("(0 <> {column} AND {dividend} % {column} > 0)")
            }
            2 => {
                self.fire("guard: or");
                format!("({column} = 0 OR {dividend} % {column} = 0)")
            }
            _ => {
                self.fire("guard: nullif");
                format!("coalesce({dividend} % nullif({column}, 0), 1) = 1")
            }
        }
    }
}

/// A column of whole numbers that is no key; every event table has one.
pub(super) fn whole_number(table: &Table) -> &'static str {
    let mut columns = table.columns.iter().enumerate().filter(|(index, column)| {
        *index > 0 && *index != table.entity && matches!(column.kind, Kind::Int32 | Kind::Int64)
    });
    columns.next().map_or(table.columns[0].name, |(_, column)| column.name)
}

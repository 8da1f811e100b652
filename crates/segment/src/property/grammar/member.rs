//! Segments: the forms of a query that selects entities, and of one that labels them.

use super::super::table::KEY;
use super::{Definition, Grammar, Role, where_all};

const LABELS: [&str; 4] = ["'new'", "'at risk'", "'can''t lose'", "'lapsed'"];

impl Grammar<'_> {
    /// A SELECT of the keys of a segment's members.
    pub(super) fn members(&mut self) -> String {
        match self.random.below(32) {
            0..4 => self.by_traits(),
            4 | 5 => self.by_columns(),
            6..9 => {
                self.fire("member: having");
                self.grouped_keys()
            }
            9..13 => self.by_tests("people", "p"),
            13 | 14 => self.by_tests("traits", "t"),
            15 | 16 => self.by_cte(),
            17 => self.by_two_ctes(),
            18 | 19 => self.by_join_and_group(),
            20 | 21 => self.by_joined_aggregates(),
            22 | 23 => self.by_outer_join(),
            24 => {
                self.fire("member: keys of events");
                self.event_keys()
            }
            25 | 26 => self.by_sets_of_rows(),
            27 => self.by_events_with_tests(),
            28 => self.by_two_keys(),
            29 | 30 => self.by_rank(),
            _ => self.by_place(),
        }
    }

    fn by_traits(&mut self) -> String {
        self.fire("member: traits");
        let mut conditions = vec![self.trait_condition("")];
        if self.random.chance(40) {
            conditions.push(self.trait_condition(""));
        }
        let joined = conditions.join(self.random.pick(&[" AND ", " OR "]));
        if !self.segments.is_empty() && self.random.chance(35) {
            self.fire("member: traits and a segment");
            let name = super::super::table::Value::Text(self.random.pick(&self.segments)).to_string();
            let not = self.random.pick(&["", "NOT "]);
            return format!("SELECT {KEY} FROM traits WHERE {not}in_segment({name}) AND ({joined})");
        }
        format!("SELECT {KEY} FROM traits WHERE {joined}")
    }

    fn by_columns(&mut self) -> String {
        self.fire("member: columns");
        let people = self.world.people();
        format!("SELECT {KEY} FROM people WHERE {}", self.predicate(people, ""))
    }

    /// Entities by one to three tests, joined by AND or OR, with conditions on their own columns between them.
    fn by_tests(&mut self, relation: &'static str, alias: &str) -> String {
        self.fire(if relation == "people" { "member: tests of people" } else { "member: tests of traits" });
        let key = format!("{alias}.{KEY}");
        let in_or = self.random.chance(30);
        let test = |grammar: &mut Self| if in_or { grammar.test_in_or(&key) } else { grammar.test(&key) };
        let mut tests = vec![test(self)];
        if self.random.chance(40) {
            self.fire("member: several tests");
            tests.push(test(self));
        }
        if self.random.chance(40) {
            let people = self.world.people();
            tests.push(self.predicate(people, alias));
        }
        if tests.len() > 1 && in_or {
            self.fire("member: or of tests");
            return format!("SELECT {key} FROM {relation} AS {alias} WHERE {}", tests.join(" OR "));
        }
        format!("SELECT {key} FROM {relation} AS {alias} WHERE {}", tests.join(" AND "))
    }

    fn by_cte(&mut self) -> String {
        let inner = self.aggregated("x");
        let condition = self.aggregated_condition("", &inner);
        if self.random.chance(40) {
            self.fire("member: from a subquery");
            return format!("SELECT {KEY} FROM ({}) AS a WHERE {condition}", inner.sql);
        }
        if self.random.chance(40) {
            self.fire("member: cte in a subquery");
            return format!(
                "WITH a AS ({}) SELECT p.{KEY} FROM people AS p WHERE p.{KEY} IN (SELECT {KEY} FROM a WHERE {condition})",
                inner.sql
            );
        }
        self.fire("member: cte");
        format!("WITH a AS ({}) SELECT {KEY} FROM a WHERE {condition}", inner.sql)
    }

    fn by_two_ctes(&mut self) -> String {
        self.fire("member: two ctes");
        let (first, second) = (self.aggregated("x"), self.aggregated("y"));
        let conditions = format!(
            "{} AND {}",
            self.aggregated_condition("a", &first),
            self.aggregated_condition("b", &second)
        );
        let join = self.random.pick(&["JOIN", "LEFT JOIN"]);
        format!(
            "WITH a AS ({}), b AS ({}) SELECT a.{KEY} FROM a {join} b ON a.{KEY} = b.{KEY} WHERE {conditions}",
            first.sql, second.sql
        )
    }

    fn by_join_and_group(&mut self) -> String {
        self.fire("member: join and group");
        let table = self.events();
        let mut conditions = self.event_conditions(table, "e");
        if self.random.chance(40) {
            let people = self.world.people();
            conditions.push(self.predicate(people, "p"));
        }
        let having = self.having(table, "e");
        let (name, whom) = (table.name, table.entity_column());
        format!(
            "SELECT p.{KEY} FROM people AS p JOIN {name} AS e ON e.{whom} = p.{KEY}{} GROUP BY p.{KEY} HAVING {having}",
            where_all(&conditions)
        )
    }

    fn by_joined_aggregates(&mut self) -> String {
        let inner = self.aggregated("x");
        let mut conditions = vec![self.aggregated_condition("a", &inner)];
        if self.random.chance(40) {
            let people = self.world.people();
            conditions.push(self.predicate(people, "p"));
        }
        let conditions = where_all(&conditions);
        if self.random.chance(50) {
            self.fire("member: join using");
            return format!(
                "SELECT {KEY} FROM people AS p JOIN ({}) AS a USING ({KEY}){conditions}",
                inner.sql
            );
        }
        self.fire("member: join on");
        format!("SELECT p.{KEY} FROM people AS p JOIN ({}) AS a ON p.{KEY} = a.{KEY}{conditions}", inner.sql)
    }

    fn by_outer_join(&mut self) -> String {
        let inner = self.aggregated("x");
        let (name, sort) = self.random.pick(&inner.columns);
        let condition = if self.random.chance(25) {
            self.fire("member: outer join of the missing");
            format!("a.{KEY} IS NULL")
        } else if matches!(sort, super::Sort::Integer | super::Sort::Decimal | super::Sort::Float) {
            self.fire("member: outer join with coalesce");
            self.compare(&format!("coalesce(a.{name}, 0)"), sort)
        } else {
            self.fire("member: outer join");
            self.compare(&format!("a.{name}"), sort)
        };
        format!(
            "SELECT p.{KEY} FROM people AS p LEFT JOIN ({}) AS a ON a.{KEY} = p.{KEY} WHERE {condition}",
            inner.sql
        )
    }

    fn by_sets_of_rows(&mut self) -> String {
        let operand = |grammar: &mut Self| match grammar.random.below(3) {
            0 => grammar.event_keys(),
            1 => grammar.grouped_keys(),
            _ => grammar.by_columns(),
        };
        let (left, right) = (operand(self), operand(self));
        let operator = self.random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
        self.fire(match operator {
            "UNION" => "member: union",
            "UNION ALL" => "member: union all",
            "INTERSECT" => "member: intersect",
            _ => "member: except",
        });
        if self.random.chance(30) {
            self.fire("member: three sets of rows");
            let outer = self.random.pick(&["UNION", "INTERSECT", "EXCEPT"]);
            return format!("({left} {operator} {right}) {outer} {}", operand(self));
        }
        format!("{left} {operator} {right}")
    }

    fn by_events_with_tests(&mut self) -> String {
        self.fire("member: tests of events");
        let table = self.events();
        let key = format!("o.{}", table.entity_column());
        let mut conditions = self.event_conditions(table, "o");
        conditions.push(self.test(&key));
        let distinct = self.random.pick(&["", "DISTINCT "]);
        format!("SELECT {distinct}{key} FROM {} AS o{}", table.name, where_all(&conditions))
    }

    /// Entities with several events of one kind: grouped by more than the entity.
    fn by_two_keys(&mut self) -> String {
        self.fire("member: grouped by two");
        let table = self.events();
        let conditions = where_all(&self.event_conditions(table, ""));
        let (whom, kind) =
            (table.entity_column(), table.columns.iter().rev().find(|c| c.name != "score").unwrap().name);
        let inner = format!(
            "SELECT {whom}, {kind}, count(*) AS n FROM {}{conditions} GROUP BY {whom}, {kind}",
            table.name
        );
        format!("SELECT DISTINCT {whom} FROM ({inner}) AS a WHERE n > 1")
    }

    /// Entities by their latest event.
    fn by_place(&mut self) -> String {
        self.fire("member: latest row");
        let table = self.events();
        let (whom, time, own) = (table.entity_column(), table.time_column().unwrap(), table.columns[0].name);
        let inner = format!(
            "SELECT *, row_number() OVER (PARTITION BY {whom} ORDER BY {time} DESC, {own}) AS place FROM {}",
            table.name
        );
        format!("SELECT {whom} FROM ({inner}) AS a WHERE place = 1 AND {}", self.predicate(table, ""))
    }

    /// Entities by how many events they have, among the others: by their rank, their part, or as one of the first.
    fn by_rank(&mut self) -> String {
        let table = self.events();
        let whom = table.entity_column();
        let grouped = format!(
            "SELECT {whom}, count(*) AS n FROM {}{} GROUP BY {whom}",
            table.name,
            where_all(&self.event_conditions(table, ""))
        );
        let order = format!("n DESC NULLS LAST, {whom} NULLS LAST");
        match self.random.below(3) {
            0 => {
                self.fire("member: rank");
                let function = self.random.pick(&["rank", "dense_rank"]);
                format!(
                    "SELECT {whom} FROM (SELECT {whom}, {function}() OVER (ORDER BY n DESC) AS place FROM ({grouped}) AS a) AS b WHERE place <= 2"
                )
            }
            1 => {
                self.fire("member: ntile");
                let parts = self.random.pick(&["2", "3", "5"]);
                format!(
                    "SELECT {whom} FROM (SELECT {whom}, ntile({parts}) OVER (ORDER BY {order}) AS part FROM ({grouped}) AS a) AS b WHERE part = 1"
                )
            }
            _ => {
                self.fire("member: limit");
                let rows = self.random.pick(&["1", "3", "10"]);
                format!("SELECT {whom} FROM ({grouped} ORDER BY {order} LIMIT {rows}) AS a")
            }
        }
    }

    /// A set of segments: each entity has one label, or none.
    pub(super) fn set(&mut self, number: usize) -> Definition {
        let name = format!("s{number}");
        let sql = match self.random.below(3) {
            0 => {
                self.fire("set: traits");
                let conditions = [self.trait_condition(""), self.trait_condition("")];
                format!("SELECT {KEY}, {} AS label FROM traits", self.case(&conditions))
            }
            1 => {
                self.fire("set: groups");
                let table = self.events();
                let conditions = [self.having(table, ""), self.having(table, "")];
                let case = self.case(&conditions);
                let whom = table.entity_column();
                let filter = where_all(&self.event_conditions(table, ""));
                format!("SELECT {whom}, {case} AS label FROM {}{filter} GROUP BY {whom}", table.name)
            }
            _ => {
                self.fire("set: joined aggregates");
                let inner = self.aggregated("x");
                let people = self.world.people();
                let conditions = [self.aggregated_condition("a", &inner), self.predicate(people, "p")];
                let case = self.case(&conditions);
                format!(
                    "SELECT p.{KEY}, {case} AS label FROM people AS p LEFT JOIN ({}) AS a ON a.{KEY} = p.{KEY}",
                    inner.sql
                )
            }
        };
        self.segments.extend(["new", "at risk"].map(|label| format!("{name}/{label}")));
        Definition { role: Role::Set, name, sql, defaults: Vec::new(), group: None }
    }

    fn case(&mut self, conditions: &[String]) -> String {
        let mut case = "CASE".to_owned();
        for condition in conditions {
            case += &format!(" WHEN {condition} THEN {}", self.random.pick(&LABELS));
        }
        if self.random.chance(50) {
            self.fire("set: else");
            case += &format!(" ELSE {}", self.random.pick(&LABELS));
        }
        case + " END"
    }
}

//! Predicates over a row: of every operator, on every type, and windows of time.

use super::super::data::WINDOW_DAYS;
use super::super::table::{Kind, Table, Value};
use super::{Grammar, Sort};

const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];
const INTEGERS: [&str; 7] = ["0", "1", "2", "3", "5", "10", "-1"];
const DECIMALS: [&str; 6] = ["0", "10", "25.50", "99.99", "100", "-5.25"];
const FLOATS: [&str; 5] = ["0", "1.5", "2.25", "4", "-0.5"];
/// No engine comes upon these by rounding.
const ROUGH: [&str; 3] = ["1.23456789", "3.1415926535", "0.7071067"];
const PATTERNS: [&str; 8] = ["%a%", "p%", "%''%", "_o%", "%", "a_b", "%\"%", "o%n"];

impl Grammar<'_> {
    /// One to three conditions on a row, joined by AND, OR and NOT.
    pub(super) fn predicate(&mut self, table: &Table, alias: &str) -> String {
        let first = self.condition(table, alias);
        match self.random.below(10) {
            0 => {
                self.fire("predicate: and");
                format!("({first} AND {})", self.condition(table, alias))
            }
            1 => {
                self.fire("predicate: or");
                format!("({first} OR {})", self.condition(table, alias))
            }
            2 => {
                self.fire("predicate: not");
                format!("NOT ({first})")
            }
            3 => {
                self.fire("predicate: nested");
                let (second, third) = (self.condition(table, alias), self.condition(table, alias));
                format!("({first} OR NOT ({second} AND {third}))")
            }
            _ => first,
        }
    }

    /// A condition on one column.
    fn condition(&mut self, table: &Table, alias: &str) -> String {
        let columns: Vec<_> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(i, c)| {
                *i != 0 && (table.time.is_none() || *i != table.entity) && c.kind != Kind::Instant
            })
            .map(|(_, column)| (column.name, column.kind, column.nullable))
            .collect();
        let (name, kind, nullable) = self.random.pick(&columns);
        let name = Self::qualified(alias, name);
        if nullable && self.random.chance(10) {
            self.fire("predicate: is null");
            return format!("{name} IS {}NULL", self.random.pick(&["", "NOT "]));
        }
        if matches!(kind, Kind::Int32 | Kind::Int64) && self.random.chance(15) {
            return self.guarded(&name);
        }
        self.compare(&name, kind.into())
    }

    /// A comparison of an expression with what it may be compared with.
    pub(super) fn compare(&mut self, expression: &str, sort: Sort) -> String {
        match sort {
            Sort::Integer => {
                self.fire("compare: integer");
                self.compare_with(expression, &INTEGERS.map(str::to_owned))
            }
            Sort::Decimal => {
                self.fire("compare: decimal");
                self.compare_with(expression, &DECIMALS.map(str::to_owned))
            }
            Sort::Float => {
                self.fire("compare: float");
                self.compare_with(expression, &FLOATS.map(str::to_owned))
            }
            Sort::Rough => {
                self.fire("compare: rough");
                format!("{expression} {} {}", self.random.pick(&["<", ">"]), self.random.pick(&ROUGH))
            }
            Sort::Text(texts) => {
                if self.random.chance(25) {
                    self.fire("compare: like");
                    let not = self.random.pick(&["", "", "NOT "]);
                    return format!("{expression} {not}LIKE '{}'", self.random.pick(&PATTERNS));
                }
                self.fire("compare: text");
                let texts: Vec<String> =
                    texts.iter().map(|text| Value::Text((*text).to_owned()).to_string()).collect();
                self.compare_with(expression, &texts)
            }
            Sort::Truth => {
                self.fire("compare: truth");
                let form = self.random.pick(&[
                    "#",
                    "NOT #",
                    "# = true",
                    "# IS TRUE",
                    "# IS NOT TRUE",
                    "# IS FALSE",
                    "# <> false",
                ]);
                form.replace('#', expression)
            }
            Sort::Day => {
                self.fire("compare: day");
                let operator = self.random.pick(&OPERATORS);
                if self.random.chance(50) {
                    let day =
                        self.world.as_of - jiff::SignedDuration::from_hours(24 * self.random.between(0, 40));
                    return format!("{expression} {operator} DATE '{}'", day.strftime("%Y-%m-%d"));
                }
                let days = self.random.pick(&WINDOW_DAYS);
                format!("{expression} {operator} CAST(as_of() AS DATE) - INTERVAL '{days} days'")
            }
            Sort::Instant => {
                self.fire("compare: instant");
                self.window(expression)
            }
        }
    }

    fn compare_with(&mut self, expression: &str, literals: &[String]) -> String {
        let literal = self.random.pick(literals);
        match self.random.below(12) {
            0 => {
                self.fire("compare: in list");
                format!("{expression} IN ({}, {literal})", self.random.pick(literals))
            }
            1 => {
                self.fire("compare: not in list");
                format!("{expression} NOT IN ({}, {literal})", self.random.pick(literals))
            }
            2 if self.random.chance(30) => {
                self.fire("compare: list with null");
                let list = format!("{expression} {}IN ({literal}, NULL)", self.random.pick(&["", "NOT "]));
                match self.random.pick(&["", "TRUE", "NOT TRUE", "NULL"]) {
                    "" => list,
                    truth => format!("({list}) IS {truth}"),
                }
            }
            2 if self.random.chance(40) => {
                self.fire("compare: two lists");
                let (all, join) = (self.random.pick(&["", "NOT "]), self.random.pick(&["AND", "OR"]));
                let mut list = || {
                    let items: Vec<String> =
                        (0..self.random.between(1, 5)).map(|_| self.random.pick(literals)).collect();
                    format!("{expression} {}IN ({})", self.random.pick(&["", "NOT "]), items.join(", "))
                };
                let (first, second) = (list(), list());
                format!("{all}({first} {join} {second})")
            }
            2 | 3 => {
                self.fire("compare: between");
                let not = self.random.pick(&["", "", "NOT "]);
                format!("{expression} {not}BETWEEN {} AND {literal}", self.random.pick(literals))
            }
            _ => format!("{expression} {} {literal}", self.random.pick(&OPERATORS)),
        }
    }

    /// A window of time before `as_of`.
    pub(super) fn window(&mut self, time: &str) -> String {
        let days =
            |grammar: &mut Self| format!("as_of() - INTERVAL '{} days'", grammar.random.pick(&WINDOW_DAYS));
        match self.random.below(14) {
            4 => {
                self.fire("window: strictly since");
                format!("{time} > {}", days(self))
            }
            5 => {
                self.fire("window: before");
                format!("{time} {} {}", self.random.pick(&["<", "<="]), days(self))
            }
            6 | 7 => {
                self.fire("window: two sides");
                let (from, to) =
                    (self.random.pick(&["30", "60", "90"]), self.random.pick(&["1", "7", "14", "30"]));
                let (lower, upper) = (self.random.pick(&[">=", ">"]), self.random.pick(&["<", "<="]));
                format!(
                    "({time} {lower} as_of() - INTERVAL '{from} days' AND {time} {upper} as_of() - INTERVAL '{to} days')"
                )
            }
            8 => {
                self.fire("window: between");
                let (from, to) = (self.random.pick(&["30", "60"]), self.random.pick(&["2", "7"]));
                format!("{time} BETWEEN as_of() - INTERVAL '{from} days' AND as_of() - INTERVAL '{to} days'")
            }
            9 => {
                self.fire("window: hours");
                let hours = self.random.pick(&[1, 6, 24, 36, 48]);
                format!("{time} {} as_of() - INTERVAL '{hours} hours'", self.random.pick(&[">", ">="]))
            }
            10 => {
                self.fire("window: reversed");
                format!("{} {} {time}", days(self), self.random.pick(&["<", "<="]))
            }
            11 => {
                self.fire("window: month");
                format!("{time} >= as_of() - INTERVAL '1 month'")
            }
            12 => {
                self.fire("window: literal");
                let at = self.world.as_of - jiff::SignedDuration::from_hours(24 * self.random.between(0, 30));
                format!(
                    "{time} {} TIMESTAMP '{}'",
                    self.random.pick(&[">=", "<"]),
                    at.strftime("%Y-%m-%d 00:00:00")
                )
            }
            13 => {
                self.fire("window: days");
                let days = self.random.pick(&WINDOW_DAYS);
                format!("CAST({time} AS DATE) >= CAST(as_of() AS DATE) - INTERVAL '{days} days'")
            }
            _ => {
                self.fire("window: since");
                format!("{time} >= {}", days(self))
            }
        }
    }

    /// A window, a predicate or both, on rows of an event table.
    pub(super) fn event_condition(&mut self, table: &Table, alias: &str) -> String {
        let time = Self::qualified(alias, table.time_column().unwrap());
        match self.random.below(3) {
            0 => self.window(&time),
            1 => self.predicate(table, alias),
            _ => format!("{} AND {}", self.window(&time), self.predicate(table, alias)),
        }
    }

    /// The conditions of a WHERE on an event table: often a window, often none.
    pub(super) fn event_conditions(&mut self, table: &Table, alias: &str) -> Vec<String> {
        let mut found = Vec::new();
        if self.random.chance(10) {
            self.fire("predicate: key is known");
            found.push(format!("{} IS NOT NULL", Self::qualified(alias, table.entity_column())));
        }
        match self.random.below(4) {
            0 => {
                self.fire("where: nothing");
            }
            1 => {
                self.fire("where: window");
                found.push(self.window(&Self::qualified(alias, table.time_column().unwrap())));
            }
            2 => {
                self.fire("where: predicate");
                found.push(self.predicate(table, alias));
            }
            _ => {
                self.fire("where: both");
                found.push(self.window(&Self::qualified(alias, table.time_column().unwrap())));
                found.push(self.predicate(table, alias));
            }
        }
        found
    }
}

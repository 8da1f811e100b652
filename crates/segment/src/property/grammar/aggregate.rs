//! Aggregates over the events of an entity, with FILTER, CASE and coalesce.

use super::super::table::{Column, Kind, Table};
use super::avoided::DISTINCT_DAYS;
use super::logic::whole_number;
use super::{Grammar, Sort};

impl Grammar<'_> {
    /// An aggregate over rows of a table, and what it gives.
    pub(super) fn aggregate(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        match self.random.below(20) {
            0 => self.conditional_sum(table, alias),
            1 => self.conditional_count(table, alias),
            2 => self.latest_when(table, alias),
            3 => self.difference(table, alias),
            4 => self.mean_by_hand(table, alias),
            5 if self.avoided.may_count_distinct() => self.distinct_days(table, alias),
            6 => self.guarded_sum(table, alias),
            _ => {
                let (plain, sort) = self.plain(table, alias);
                let filtered = if self.random.chance(45) {
                    self.fire("aggregate: filter");
                    format!("{plain} FILTER (WHERE {})", self.event_condition(table, alias))
                } else {
                    plain
                };
                self.or_zero(filtered, sort)
            }
        }
    }

    /// A sum that would divide by zero, but for its FILTER.
    fn guarded_sum(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("guard: filter");
        let number = Self::qualified(alias, whole_number(table));
        let sum = format!("sum(100 % {number}) FILTER (WHERE 0 <> {number})");
        self.or_zero(sum, Sort::Integer)
    }

    /// One or two comparisons of aggregates, or of two aggregates with each other.
    pub(super) fn having(&mut self, table: &Table, alias: &str) -> String {
        let first = self.compared_aggregate(table, alias);
        match self.random.below(7) {
            6 => {
                self.fire("guard: having");
                let number = Self::qualified(alias, whole_number(table));
                format!("(count({number}) > 0 AND sum({number}) % count({number}) = 0)")
            }
            0 => {
                self.fire("having: and");
                format!("{first} AND {}", self.compared_aggregate(table, alias))
            }
            1 => {
                self.fire("having: or");
                format!("({first} OR NOT ({}))", self.compared_aggregate(table, alias))
            }
            2 => {
                self.fire("having: two aggregates");
                let condition = self.event_condition(table, alias);
                let operator = self.random.pick(&["=", ">", "<="]);
                format!("2 * count(*) FILTER (WHERE {condition}) {operator} count(*)")
            }
            _ => first,
        }
    }

    fn compared_aggregate(&mut self, table: &Table, alias: &str) -> String {
        let (aggregate, sort) = self.aggregate(table, alias);
        if self.random.chance(6) {
            self.fire("having: is null");
            return format!("{aggregate} IS {}NULL", self.random.pick(&["", "NOT "]));
        }
        self.compare(&aggregate, sort)
    }

    /// A column of one of the wanted kinds, with its sort; every event table has one.
    fn column(&mut self, table: &Table, alias: &str, wanted: impl Fn(Kind) -> bool) -> (String, Sort) {
        let fits = |(index, column): &(usize, &Column)| *index > 1 && wanted(column.kind);
        let columns: Vec<_> =
            table.columns.iter().enumerate().filter(fits).map(|(_, c)| (c.name, c.kind)).collect();
        let (name, kind) = self.random.pick(&columns);
        (Self::qualified(alias, name), kind.into())
    }

    /// A number of any kind, for aggregates that give what they are given.
    fn number(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.column(table, alias, |kind| {
            matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Decimal | Kind::Float)
        })
    }

    /// A number to be summed up.
    fn addend(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        let (column, sort) = self.number(table, alias);
        if sort == Sort::Decimal && !self.avoided.may_sum_money() {
            return self.column(table, alias, |kind| matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Float));
        }
        (column, sort)
    }

    fn plain(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        match self.random.below(16) {
            3 => {
                self.fire("aggregate: count of a column");
                let (column, _) = self.column(table, alias, |_| true);
                (format!("count({column})"), Sort::Integer)
            }
            4 if self.avoided.may_count_distinct() => {
                self.fire("aggregate: count distinct");
                let (column, _) = self.column(table, alias, |_| true);
                (format!("count(DISTINCT {column})"), Sort::Integer)
            }
            0..3 | 4 => {
                self.fire("aggregate: count");
                ("count(*)".to_owned(), Sort::Integer)
            }
            5..8 => {
                self.fire("aggregate: sum");
                let (column, sort) = self.addend(table, alias);
                (format!("sum({column})"), sort)
            }
            8 => {
                self.fire("aggregate: sum of an expression");
                let (column, sort) = self.addend(table, alias);
                let form = self.random.pick(&[
                    "sum(# * 2)",
                    "sum(# + 1)",
                    "sum(# * #)",
                    "sum(coalesce(#, 1))",
                    "sum(-#)",
                ]);
                (form.replace('#', &column), sort)
            }
            9 => {
                self.fire("aggregate: min");
                let (column, sort) = self.column(table, alias, |kind| kind != Kind::Truth);
                (format!("min({column})"), sort)
            }
            10 | 11 => {
                self.fire("aggregate: max");
                let (column, sort) = self.column(table, alias, |kind| kind != Kind::Truth);
                (format!("max({column})"), sort)
            }
            12 => {
                self.fire("aggregate: avg");
                let (column, sort) = self.addend(table, alias);
                (format!("avg({column})"), if sort == Sort::Decimal { sort } else { Sort::Float })
            }
            13 => {
                self.fire("aggregate: bool");
                let function = self.random.pick(&["bool_or", "bool_and"]);
                (format!("{function}({})", self.event_condition(table, alias)), Sort::Truth)
            }
            14 => {
                self.fire("aggregate: first or last");
                let (column, sort) = self.column(table, alias, |_| true);
                let function = self.random.pick(&["first_value", "last_value"]);
                let (time, key) = (table.time_column().unwrap(), table.columns[0].name);
                let (time, key) = (Self::qualified(alias, time), Self::qualified(alias, key));
                (
                    format!(
                        "{function}({column} ORDER BY {time}{}, {key})",
                        self.random.pick(&["", " DESC"])
                    ),
                    sort,
                )
            }
            _ => {
                self.fire("aggregate: variance");
                let (column, _) = self.number(table, alias);
                (format!("{}({column})", self.random.pick(&["var_samp", "stddev"])), Sort::Rough)
            }
        }
    }

    fn or_zero(&mut self, aggregate: String, sort: Sort) -> (String, Sort) {
        let zero = matches!(sort, Sort::Integer | Sort::Decimal | Sort::Float);
        if zero && self.random.chance(20) {
            self.fire("aggregate: coalesce");
            return (format!("coalesce({aggregate}, 0)"), sort);
        }
        (aggregate, sort)
    }

    fn conditional_sum(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: sum of a case");
        let condition = self.event_condition(table, alias);
        let (column, sort) = self.addend(table, alias);
        let form = self.random.pick(&["ELSE 0 END", "END"]);
        (format!("sum(CASE WHEN {condition} THEN {column} {form})"), sort)
    }

    fn conditional_count(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: count of a case");
        let condition = self.event_condition(table, alias);
        let (column, _) = self.column(table, alias, |_| true);
        let distinct = self.random.chance(50) && self.avoided.may_count_distinct();
        let form =
            if distinct { "count(DISTINCT CASE WHEN ? THEN # END)" } else { "count(CASE WHEN ? THEN 1 END)" };
        (form.replace('?', &condition).replace('#', &column), Sort::Integer)
    }

    fn latest_when(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: max of a case");
        let condition = self.predicate(table, alias);
        let time = Self::qualified(alias, table.time_column().unwrap());
        (format!("max(CASE WHEN {condition} THEN {time} END)"), Sort::Instant)
    }

    fn difference(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: difference");
        let (column, _) = self.column(table, alias, |_| true);
        let condition = self.event_condition(table, alias);
        (format!("count(*) FILTER (WHERE {condition}) - count({column})"), Sort::Integer)
    }

    /// A mean as a quotient; a group has a row, so nothing is divided by zero.
    fn mean_by_hand(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: quotient");
        let (column, _) =
            self.column(table, alias, |kind| matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Float));
        (format!("CAST(sum({column}) AS DOUBLE) / count(*)"), Sort::Float)
    }

    fn distinct_days(&mut self, table: &Table, alias: &str) -> (String, Sort) {
        self.fire("aggregate: distinct days");
        let time = Self::qualified(alias, table.time_column().unwrap());
        (DISTINCT_DAYS.replace('#', &time), Sort::Integer)
    }
}

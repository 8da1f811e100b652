//! Aggregates of events by the entity's key, as columns of the wide row.

use arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, Case, NullTreatment};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate as AggregatePlan, BinaryExpr, Expr, ExprSchemable, Operator, SortExpr, cast, lit,
};
use datafusion::scalar::ScalarValue;
use tranche_sql::scan::{Aggregate, ValueKind};

use super::builder::Builder;
use super::measure::{Formula, Measure};
use super::not_fusable::NotFusable;
use super::rows::{Events, Relation, Rows, case, is_key};
use super::wide::{Subject, WideColumn, subject, without_prefix};
use super::window::Window;

/// An aggregate as the query writes it.
struct Call<'a> {
    name: &'a str,
    distinct: bool,
    argument: &'a Expr,
    order_by: &'a [SortExpr],
    /// What the query takes its value for.
    output: &'a DataType,
}

impl Builder<'_> {
    /// The relation of an aggregation, if it is by the entity's key.
    pub(crate) fn aggregated(&mut self, plan: &AggregatePlan) -> Result<Relation, NotFusable> {
        let input = self.relation(&plan.input)?;
        let groups =
            plan.group_expr.iter().map(|expr| self.resolve(expr, &input)).collect::<Result<Vec<_>, _>>()?;
        let Rows::Events(events) = input.rows.clone() else {
            return match plan.aggr_expr.is_empty() && groups.iter().any(|group| is_key(group, None)) {
                true => Ok(Relation {
                    schema: DFSchemaRef::clone(&plan.schema),
                    columns: groups,
                    rows: input.rows,
                }),
                false => NotFusable::because("it aggregates rows that are not events"),
            };
        };
        let of_rows = if events.optional { None } else { Some(&events) };
        let by_key = |group: &Expr| is_key(group, of_rows);
        let of_the_query_around = groups.is_empty() && self.is_correlated();
        if !of_the_query_around && !groups.iter().any(by_key) {
            return NotFusable::because(format!("it does not group by the key of `{}`", self.entity));
        }
        let mut columns = Vec::new();
        for group in groups {
            match subject(&group) {
                _ if by_key(&group) => columns.push(WideColumn::Key.expr()),
                Subject::Entity | Subject::Nothing => columns.push(group),
                _ => return NotFusable::because("it groups by more than the entity"),
            }
        }
        for (position, expr) in plan.aggr_expr.iter().enumerate() {
            let output = plan.schema.field(plan.group_expr.len() + position).data_type().clone();
            let Expr::AggregateFunction(function) = expr.clone().unalias() else {
                return NotFusable::because("an aggregate in an expression");
            };
            columns.push(self.aggregate(&function, &input, &events, &output)?);
        }
        let present = if plan.group_expr.is_empty() { lit(true) } else { self.entities_with(&events) };
        Ok(Relation { schema: DFSchemaRef::clone(&plan.schema), columns, rows: Rows::Entities { present } })
    }

    /// One aggregate of events as a column of the wide row.
    fn aggregate(
        &mut self,
        function: &AggregateFunction,
        input: &Relation,
        events: &Events,
        output: &DataType,
    ) -> Result<Expr, NotFusable> {
        let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = &function.params;
        let name = function.func.name().to_lowercase();
        let mut scope = events.clone();
        if let Some(filter) = filter {
            let filter = self.resolve(filter, input)?;
            narrow(&mut scope, &filter, events.optional)?;
        }
        let mut argument = match &args[..] {
            [argument] => self.resolve(argument, input)?,
            _ => return NotFusable::because(format!("`{name}` of several values")),
        };
        if !matches!(subject(&argument), Subject::Event | Subject::Nothing) {
            return NotFusable::because(format!("`{name}` of a column of the entity"));
        }
        if null_treatment.is_some_and(|treatment| treatment == NullTreatment::IgnoreNulls) {
            return NotFusable::because(format!("`{name}` that ignores nulls"));
        }
        let ignores_null = !matches!(name.as_str(), "first_value" | "last_value");
        let mut otherwise_zero = false;
        let mut of_all_rows = filter.is_none();
        if ignores_null && let Some((condition, value, zero)) = conditional(&argument, &name) {
            otherwise_zero = zero;
            of_all_rows = false;
            narrow(&mut scope, &condition, events.optional)?;
            argument = value;
        }
        if events.optional && !(is_null_of_nulls(&argument) || is_row_count(&name, &argument)) {
            return NotFusable::because(format!("`{name}` of a value that a row of nulls has, too"));
        }
        let call = Call { name: &name, distinct: *distinct, argument: &argument, order_by, output };
        let column = self.aggregate_of(&call, input, &scope)?;
        if otherwise_zero {
            // The other rows count as zeros: without them, a sum of nothing is null.
            let (all, some) = (self.row_count(events), self.row_count(&scope));
            let zero = cast(lit(0_i64), output.clone());
            // After a LEFT JOIN without a match, the row of nulls is such a zero.
            let others =
                if events.optional { all.clone().gt(some).or(all.eq(lit(0_i64))) } else { all.gt(some) };
            return Ok(case(vec![(column.clone().is_not_null(), column), (others, zero)], None));
        }
        if events.optional && of_all_rows && is_row_count(&name, &argument) {
            let any = self.any_event(events);
            return Ok(case(vec![(any, column)], Some(lit(1_i64))));
        }
        Ok(column)
    }

    fn aggregate_of(
        &mut self,
        call: &Call<'_>,
        input: &Relation,
        events: &Events,
    ) -> Result<Expr, NotFusable> {
        let Call { name, distinct, argument, output, .. } = *call;
        let value = without_prefix(argument)?;
        let data_type = value.get_type(&self.table_schema(&events.table)?)?;
        let kind = ValueKind::of(&data_type);
        let constant = matches!(&value, Expr::Literal(value, _) if !value.is_null());
        let number = |what: &str| match kind {
            Some(kind) => Ok(kind),
            None => Err(NotFusable(format!("`{what}` of a {data_type}"))),
        };
        let narrow_number = |what: &str| match number(what)? {
            ValueKind::Decimal => {
                NotFusable::because(format!("`{what}` of a decimal of more than 18 digits"))
            }
            _ => Ok(()),
        };
        if distinct && !matches!(name, "count" | "min" | "max" | "bool_or" | "bool_and") {
            return NotFusable::because(format!("`{name}` of distinct values"));
        }
        let formula = match name {
            // Distinct values are counted exactly: within any bounds that a sketch would have.
            "approx_distinct" => self.distinct_count(events, value),
            "count" if distinct => self.distinct_count(events, value),
            "count" if constant => Formula::Count(self.count_measure(events)),
            "count" => Formula::Count(self.count_of(events, value)?),
            "sum" => {
                number("sum")?;
                Formula::Value {
                    value: self.measure(events, Aggregate::Sum, Some(value.clone()), None),
                    count: self.count_of(events, value)?,
                }
            }
            "avg" | "mean" => {
                number("avg")?;
                let scale = if let DataType::Decimal128(_, scale) = data_type { scale } else { 0 };
                let sum = self.measure(events, Aggregate::Sum, Some(value.clone()), None);
                Formula::Average { sum, count: self.count_of(events, value)?, scale }
            }
            "min" | "max" | "bool_or" | "bool_and" => {
                narrow_number(name)?;
                let aggregate =
                    if matches!(name, "min" | "bool_and") { Aggregate::Min } else { Aggregate::Max };
                Formula::Value {
                    value: self.measure(events, aggregate, Some(value.clone()), None),
                    count: self.count_of(events, value)?,
                }
            }
            "var" | "var_samp" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop" => {
                number(name)?;
                let moments = self.measure(events, Aggregate::Variance, Some(value), None);
                Formula::Variance {
                    moments,
                    sample: !name.ends_with("_pop"),
                    root: name.starts_with("stddev"),
                }
            }
            "first_value" | "last_value" => {
                narrow_number(name)?;
                Formula::Edge(self.edge(call, value, input, events)?)
            }
            _ => return NotFusable::because(format!("scans do not share the aggregate `{name}`")),
        };
        Ok(self.event_aggregate(&events.table, formula, output.clone()))
    }

    fn distinct_count(&mut self, events: &Events, value: Expr) -> Formula {
        Formula::Count(self.measure(events, Aggregate::CountDistinct, Some(value), None))
    }

    /// The value of the first or last event.
    fn edge(
        &mut self,
        call: &Call<'_>,
        value: Expr,
        input: &Relation,
        events: &Events,
    ) -> Result<usize, NotFusable> {
        let (order, ascending) = self.order(call.name, call.order_by, input, events)?;
        let first = (call.name == "first_value") == ascending;
        let aggregate = if first { Aggregate::First } else { Aggregate::Last };
        Ok(self.measure(events, aggregate, Some(value), Some(order)))
    }

    /// The one column, never null, that says which event is first.
    fn order(
        &mut self,
        name: &str,
        order_by: &[SortExpr],
        input: &Relation,
        events: &Events,
    ) -> Result<(Expr, bool), NotFusable> {
        let [order] = order_by else {
            return NotFusable::because(format!("`{name}` without ORDER BY one column"));
        };
        let expr = without_prefix(&self.resolve(&order.expr, input)?)?;
        let schema = self.table_schema(&events.table)?;
        let ordered = ValueKind::of(&expr.get_type(&schema)?).is_some_and(|kind| kind != ValueKind::Decimal);
        if !ordered || expr.nullable(&schema)? {
            return NotFusable::because(format!("`{name}` by a column that may be null, or is a text"));
        }
        Ok((expr, order.asc))
    }

    /// Events as a number in the wide row.
    fn row_count(&mut self, events: &Events) -> Expr {
        let count = self.count_measure(events);
        self.event_aggregate(&events.table, Formula::Count(count), DataType::Int64)
    }

    /// How many events there are.
    pub(crate) fn count_measure(&mut self, events: &Events) -> usize {
        self.measure(events, Aggregate::Count, None, None)
    }

    /// How many values are not null.
    fn count_of(&mut self, events: &Events, value: Expr) -> Result<usize, NotFusable> {
        match value.nullable(&self.table_schema(&events.table)?)? {
            true => Ok(self.measure(events, Aggregate::Count, Some(value), None)),
            false => Ok(self.count_measure(events)),
        }
    }

    fn measure(
        &mut self,
        events: &Events,
        aggregate: Aggregate,
        argument: Option<Expr>,
        order: Option<Expr>,
    ) -> usize {
        let mut predicate: Vec<Expr> =
            events.predicate.iter().filter_map(|condition| without_prefix(condition).ok()).collect();
        predicate.sort_by_cached_key(ToString::to_string);
        predicate.dedup();
        let window = if events.window.is_empty() { Window { from: 0, to: 0 } } else { events.window };
        self.add_measure(events, Measure { aggregate, argument, order, predicate, window })
    }
}

/// Adds a condition on events to a scope.
fn narrow(scope: &mut Events, condition: &Expr, optional: bool) -> Result<(), NotFusable> {
    for condition in split_conjunction(condition) {
        match subject(condition) {
            Subject::Event | Subject::Nothing if !optional || is_untrue_of_nulls(condition) => {
                if !scope.window.narrow(condition, &scope.event_time) {
                    scope.predicate.push(condition.clone());
                }
            }
            Subject::Event | Subject::Nothing => {
                return NotFusable::because(
                    "a FILTER after a LEFT JOIN of events that a row of nulls may pass",
                );
            }
            _ => return NotFusable::because("a FILTER on columns of the entity"),
        }
    }
    Ok(())
}

/// `CASE WHEN condition THEN value [ELSE NULL | 0] END` as condition and value, and whether it is zero elsewhere.
fn conditional(argument: &Expr, name: &str) -> Option<(Expr, Expr, bool)> {
    let Expr::Case(Case { expr: None, when_then_expr, else_expr }) = argument else { return None };
    let [(condition, value)] = &when_then_expr[..] else { return None };
    let zero = match else_expr.as_deref() {
        None => false,
        Some(Expr::Literal(value, _)) if value.is_null() => false,
        Some(Expr::Literal(value, _)) if name == "sum" && is_zero(value) => true,
        Some(_) => return None,
    };
    Some((condition.as_ref().clone(), value.as_ref().clone(), zero))
}

fn is_zero(value: &ScalarValue) -> bool {
    ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
}

/// Whether it counts rows.
fn is_row_count(name: &str, argument: &Expr) -> bool {
    name == "count" && matches!(argument, Expr::Literal(value, _) if !value.is_null())
}

/// Whether an expression is null wherever all columns are null.
fn is_null_of_nulls(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Cast(cast) => is_null_of_nulls(&cast.expr),
        Expr::Negative(inner) | Expr::Not(inner) => is_null_of_nulls(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            // Of a null and a truth value, the truth value may win.
            Operator::And | Operator::Or => is_null_of_nulls(left) && is_null_of_nulls(right),
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => false,
            _ => is_null_of_nulls(left) || is_null_of_nulls(right),
        },
        Expr::Like(like) => is_null_of_nulls(&like.expr),
        Expr::InList(list) => is_null_of_nulls(&list.expr),
        Expr::Between(between) => is_null_of_nulls(&between.expr),
        other => tranche_sql::operands(other).is_some_and(|operands| operands.iter().any(is_null_of_nulls)),
    }
}

/// Whether a condition is not true wherever all columns are null.
fn is_untrue_of_nulls(condition: &Expr) -> bool {
    is_null_of_nulls(condition)
        || match condition {
            Expr::IsNotNull(inner) => is_null_of_nulls(inner),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                is_untrue_of_nulls(left) || is_untrue_of_nulls(right)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                is_untrue_of_nulls(left) && is_untrue_of_nulls(right)
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::ident;

    use super::*;

    #[test]
    fn aggregates_of_a_row_of_nulls() {
        let (a, known) = (|| ident("a"), || ident("b").is_not_null());
        for (expr, null, untrue) in [
            (a(), true, true),
            (a().gt(lit(1)), true, true),
            (known(), false, true),
            (a().and(known()), false, true),
            (a().or(known()), false, true),
            (a().and(ident("c")), true, true),
            (a().or(lit(true)), false, false),
            (a().is_null(), false, false),
            (known().eq(lit(false)), false, false),
            (Expr::Not(Box::new(known())), false, false),
            (Expr::Not(Box::new(a())), true, true),
            (a().in_list(vec![lit(1)], true), true, true),
        ] {
            assert_eq!((is_null_of_nulls(&expr), is_untrue_of_nulls(&expr)), (null, untrue), "{expr}");
        }
    }
}

//! Which columns of tables the columns of a result are made from.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, Join, JoinType, LogicalPlan};

/// A column of a table: (table, column).
pub type Origin = (String, String);

type Origins = BTreeSet<Origin>;

/// The columns of tables whose values go into each column of a plan's result. What only decides which rows there are, such as a filter, is not
/// among them; of a node that is not known, every column counts for every other.
#[must_use]
pub fn column_lineage(plan: &LogicalPlan) -> BTreeMap<String, BTreeSet<Origin>> {
    by_name(plan, of_one)
}

/// The columns of tables whose values each column of a plan's result tells, as they are or in part. What is only counted or compared, or
/// decides which of several results there is, is not among them.
#[must_use]
pub fn copied_columns(plan: &LogicalPlan) -> BTreeMap<String, BTreeSet<Origin>> {
    by_name(plan, copied_by)
}

/// What an expression over columns with these origins has of them.
type OfExpression = fn(&Expr, &DFSchema, &[Origins]) -> Origins;

fn by_name(plan: &LogicalPlan, of: OfExpression) -> BTreeMap<String, BTreeSet<Origin>> {
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    names.zip(origins(plan, of)).collect()
}

/// The origins of each column of a plan, in their order.
fn origins(plan: &LogicalPlan, of: OfExpression) -> Vec<Origins> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = scan.table_name.table();
            let origin = |column: &str| Origins::from([(table.to_owned(), column.to_owned())]);
            scan.projected_schema.fields().iter().map(|field| origin(field.name())).collect()
        }
        LogicalPlan::Projection(node) => of_all(node.expr.iter(), &node.input, of),
        LogicalPlan::Aggregate(node)
            if node.group_expr.len() + node.aggr_expr.len() == node.schema.fields().len() =>
        {
            of_all(node.group_expr.iter().chain(&node.aggr_expr), &node.input, of)
        }
        LogicalPlan::Window(node) => {
            let mut columns = origins(&node.input, of);
            columns.extend(of_all(node.window_expr.iter(), &node.input, of));
            columns
        }
        LogicalPlan::Distinct(Distinct::On(node)) => of_all(node.select_expr.iter(), &node.input, of),
        LogicalPlan::Join(join) => of_join(join, of),
        LogicalPlan::Union(union) => {
            let inputs: Vec<Vec<Origins>> = union.inputs.iter().map(|input| origins(input, of)).collect();
            let column =
                |at: usize| inputs.iter().filter_map(|input| input.get(at)).flatten().cloned().collect();
            (0..union.schema.fields().len()).map(column).collect()
        }
        other => passed_on(other, of),
    }
}

/// Nodes that only choose rows, or rename them, pass the columns of their input on.
fn passed_on(plan: &LogicalPlan, of: OfExpression) -> Vec<Origins> {
    let width = plan.schema().fields().len();
    let inputs: Vec<Vec<Origins>> = plan.inputs().into_iter().map(|input| origins(input, of)).collect();
    match <[Vec<Origins>; 1]>::try_from(inputs) {
        Ok([only]) if only.len() == width => only,
        Ok([only]) => vec![only.into_iter().flatten().collect(); width],
        Err(inputs) => vec![inputs.into_iter().flatten().flatten().collect(); width],
    }
}

fn of_join(join: &Join, of: OfExpression) -> Vec<Origins> {
    let (mut left, right) = (origins(&join.left, of), origins(&join.right, of));
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => {
            left.push(Origins::new());
            left
        }
        JoinType::RightMark => right.into_iter().chain([Origins::new()]).collect(),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            left.extend(right);
            left
        }
    }
}

fn of_all<'e>(exprs: impl Iterator<Item = &'e Expr>, input: &LogicalPlan, of: OfExpression) -> Vec<Origins> {
    let columns = origins(input, of);
    exprs.map(|expr| of(expr, input.schema(), &columns)).collect()
}

fn of_one(expr: &Expr, schema: &DFSchema, columns: &[Origins]) -> Origins {
    let mut found = Origins::new();
    // What is not found adds nothing: the walk itself cannot fail.
    let _ = expr.apply(|expr| {
        match expr {
            Expr::Column(column) => {
                let at = schema.maybe_index_of_column(column);
                found.extend(at.and_then(|at| columns.get(at)).into_iter().flatten().cloned());
            }
            Expr::ScalarSubquery(subquery) => {
                found.extend(origins(&subquery.subquery, of_one).into_iter().flatten())
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// What an expression has of the values of columns: nothing of what is only compared or counted, nor of conditions that choose a result.
fn copied_by(expr: &Expr, schema: &DFSchema, columns: &[Origins]) -> Origins {
    let parts: Vec<&Expr> = match expr {
        Expr::ScalarSubquery(subquery) => {
            return origins(&subquery.subquery, copied_by).into_iter().flatten().collect();
        }
        Expr::Column(_) => return of_one(expr, schema, columns),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, result)| result);
            results.chain(&case.else_expr).map(Box::as_ref).collect()
        }
        Expr::AggregateFunction(call) if REDUCING.contains(&call.func.name()) => Vec::new(),
        Expr::WindowFunction(call) if REDUCING.contains(&call.fun.name()) => Vec::new(),
        Expr::ScalarFunction(call) if REDUCING.contains(&call.name()) || is_part_of_many(call) => Vec::new(),
        Expr::AggregateFunction(call) => call.params.args.iter().collect(),
        Expr::WindowFunction(call) => call.params.args.iter().collect(),
        other if expr_type_is_boolean(other, schema) => Vec::new(),
        other => {
            let mut parts = Vec::new();
            let _ = other.apply_children(|part| {
                parts.push(part);
                Ok(TreeNodeRecursion::Continue)
            });
            parts
        }
    };
    parts.into_iter().flat_map(|part| copied_by(part, schema, columns)).collect()
}

fn expr_type_is_boolean(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type == DataType::Boolean)
}

/// Whether it is a part of a date that many dates have.
fn is_part_of_many(call: &ScalarFunction) -> bool {
    let part = match call.args.first() {
        Some(Expr::Literal(part, _)) if call.name() == "date_part" => part.try_as_str().flatten(),
        _ => None,
    };
    part.is_some_and(|part| matches!(part.to_lowercase().as_str(), "year" | "quarter" | "decade" | "century"))
}

/// Functions whose result tells little of the value that it is made from.
const REDUCING: [&str; 17] = [
    "approx_distinct",
    "ascii",
    "bit_length",
    "bucket",
    "cardinality",
    "char_length",
    "character_length",
    "count",
    "cume_dist",
    "dense_rank",
    "length",
    "ntile",
    "octet_length",
    "percent_rank",
    "rank",
    "row_number",
    "width_bucket",
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use jiff::Timestamp;

    use super::*;
    use crate::dialect::AsWritten;
    use crate::{Engine, EngineOptions};

    async fn check(sql: &str, expected: &[(&str, &[&str])]) {
        let engine = Engine::new(&EngineOptions::default()).unwrap();
        let session = engine.session(Timestamp::UNIX_EPOCH);
        for table in ["a", "b"] {
            let fields = ["k", "x", "y"].map(|name| Field::new(name, DataType::Int64, true));
            session.register_empty(table, Arc::new(Schema::new(fields.to_vec()))).unwrap();
        }
        let plan = session.plan(sql, &AsWritten).await.unwrap();
        let found: Vec<(String, Vec<String>)> = column_lineage(&plan)
            .into_iter()
            .map(|(column, from)| {
                (column, from.into_iter().map(|(table, column)| format!("{table}.{column}")).collect())
            })
            .collect();
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(column, from)| ((*column).to_owned(), from.iter().map(|f| (*f).to_owned()).collect()))
            .collect();
        assert_eq!(found, expected, "{sql}\n{plan}");
    }

    #[tokio::test]
    async fn a_column_is_of_what_its_value_is_made_from() {
        check("SELECT k, x + y AS s FROM a WHERE y > 0", &[("k", &["a.k"]), ("s", &["a.x", "a.y"])]).await;
        check(
            "SELECT k, sum(x) AS s, count(*) AS n FROM a GROUP BY k HAVING max(y) > 1",
            &[("k", &["a.k"]), ("n", &[]), ("s", &["a.x"])],
        )
        .await;
        check(
            "SELECT a.k, b.x AS bx FROM a JOIN b ON a.k = b.k AND a.y = b.y",
            &[("bx", &["b.x"]), ("k", &["a.k"])],
        )
        .await;
        check("SELECT x FROM a UNION ALL SELECT y FROM b", &[("x", &["a.x", "b.y"])]).await;
        check("SELECT k FROM a WHERE k IN (SELECT k FROM b)", &[("k", &["a.k"])]).await;
        check(
            "WITH t AS (SELECT k, max(y) AS m FROM a GROUP BY k) SELECT t.k, coalesce(t.m, 0) AS v FROM t",
            &[("k", &["a.k"]), ("v", &["a.y"])],
        )
        .await;
        check(
            "SELECT k, row_number() OVER (PARTITION BY x ORDER BY y) AS n FROM a",
            &[("k", &["a.k"]), ("n", &["a.x", "a.y"])],
        )
        .await;
        check("SELECT k, (SELECT max(x) FROM b) AS m FROM a", &[("k", &["a.k"]), ("m", &["b.x"])]).await;
    }
}

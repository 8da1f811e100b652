//! IN and NOT IN over lists as three-valued logic, whatever the engine makes of them.
//!
//! The engine joins two lists for one expression that stand side by side: `x IN (1, 2) AND x NOT IN (2)` becomes `x IN (1)`. It does
//! so where it must not. Items are compared as they are written, so that a null or a column is taken for a value unlike all others;
//! and where no item is left, the answer is true or false, though for `x` that is null it is null. [`InListRule`] goes before:
//!
//! - NOT is moved to the lists, so that which of them stand side by side can be seen.
//! - A zero is written without its sign: `x IN (0.0, 1.0) AND x IN (-0.0, 1.0)` is true of both zeros.
//! - What is no literal leaves its list: `x NOT IN (1, NULL)` is `x NOT IN (1) AND x <> NULL`.
//! - A NOT IN whose null counts has a comparison beside it, which has that null whatever becomes of the list: `x NOT IN (1, 2, 3)` is
//!   `x <> 1 AND x NOT IN (2, 3)`.
//! - Lists for one `x` that are joined by AND have that null beside them, where it is not as good as false:
//!   `(x IS NULL AND NULL) OR (x IN (1) AND x IN (2))`.
//!
//! Conditions of a WHERE that are joined by AND, which select files and row groups, keep their lists.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{
    conjunction, disjunction, split_binary_owned, split_conjunction_owned,
};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, in_list, lit, not};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

use crate::zeros;

/// The rule, to stand before the one that simplifies expressions.
#[derive(Debug)]
pub(crate) struct InListRule;

/// What the value of an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// One of the conditions that all have to hold.
    Condition,
    /// Part of a condition, beneath OR: null is as good as false.
    Alternative,
    /// Anything else: null is not false.
    Value,
}

impl OptimizerRule for InListRule {
    fn name(&self) -> &'static str {
        "lists"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let used = match plan {
            LogicalPlan::Filter(_) | LogicalPlan::TableScan(_) => Use::Condition,
            _ => Use::Value,
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            if !expr.exists(|part| Ok(listed(part).is_some()))? {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let rewritten = guarded(plain(expr.clone())?, used)?;
            Ok(if rewritten == expr {
                Transformed::no(expr)
            } else {
                Transformed::yes(name.restore(rewritten))
            })
        })
    }
}

/// An expression whose value is of use, null included, with lists that the engine may simplify.
pub(crate) fn as_value(expr: Expr) -> Result<Expr> {
    if expr.exists(|part| Ok(listed(part).is_some()))? { guarded(plain(expr)?, Use::Value) } else { Ok(expr) }
}

/// The same with literals alone in lists, and with no NOT over what lists are in.
fn plain(expr: Expr) -> Result<Expr> {
    let plain = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::InList(InList { expr, list, negated }) => {
                let list = list.into_iter().map(zeros::literal).collect();
                literals_alone(InList { expr, list, negated })
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                let [left, right] = [left, right].map(|side| Box::new(zeros::literal(*side)));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }))
            }
            Expr::Not(inner) => Transformed::yes(negated(*inner)),
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

fn literals_alone(InList { expr, list, negated }: InList) -> Transformed<Expr> {
    // The engine reads one subquery in parentheses as the rows that it selects.
    if list.iter().all(is_value) || matches!(list.as_slice(), [Expr::ScalarSubquery(_)]) {
        return Transformed::no(Expr::InList(InList { expr, list, negated }));
    }
    let (values, others): (Vec<_>, Vec<_>) = list.into_iter().partition(is_value);
    let values = (!values.is_empty()).then(|| in_list((*expr).clone(), values, negated));
    let compared = |other| if negated { (*expr).clone().not_eq(other) } else { (*expr).clone().eq(other) };
    let terms = values.into_iter().chain(others.into_iter().map(compared));
    let joined = if negated { conjunction(terms) } else { disjunction(terms) };
    Transformed::yes(joined.unwrap_or_else(|| lit(negated)))
}

/// Whether an item of a list is a literal, of whatever type, that is not null.
fn is_value(item: &Expr) -> bool {
    match item {
        Expr::Literal(value, _) => !value.is_null(),
        Expr::Cast(cast) => is_value(&cast.expr),
        _ => false,
    }
}

/// NOT of an expression, which has no NOT over AND, OR, NOT or a list in it.
fn negated(expr: Expr) -> Expr {
    match expr {
        Expr::Not(inner) => *inner,
        Expr::InList(InList { expr, list, negated }) => in_list(*expr, list, !negated),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => negated(*left).or(negated(*right)),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => negated(*left).and(negated(*right)),
        other => not(other),
    }
}

/// The same, with what is null for a null beside lists that may be joined.
fn guarded(expr: Expr, used: Use) -> Result<Expr> {
    if let Expr::Alias(_) = expr {
        return Ok(expr.map_children(|inner| Ok(Transformed::yes(guarded(inner, used)?)))?.data);
    }
    if is_or(&expr) {
        let beneath = if used == Use::Condition { Use::Alternative } else { used };
        let terms = split_binary_owned(expr, Operator::Or).into_iter().map(|term| guarded(term, beneath));
        return Ok(disjunction(terms.collect::<Result<Vec<_>>>()?).unwrap_or_else(|| lit(false)));
    }
    let within = |term: Expr| {
        if is_or(&term) {
            return guarded(term, used);
        }
        Ok(term.map_children(|inner| Ok(Transformed::yes(guarded(inner, Use::Value)?)))?.data)
    };
    let mut terms = split_conjunction_owned(expr).into_iter().map(within).collect::<Result<Vec<_>>>()?;
    if used != Use::Condition {
        terms = with_comparisons(terms);
    }
    if used == Use::Value {
        terms = with_nulls(terms);
    }
    Ok(conjunction(terms).unwrap_or_else(|| lit(true)))
}

fn is_or(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }))
}

/// Of each expression with a NOT IN among these terms, one item is compared on its own.
fn with_comparisons(terms: Vec<Expr>) -> Vec<Expr> {
    let mut compared: Vec<Expr> = terms.iter().filter_map(not_equal).cloned().collect();
    let mut found = Vec::new();
    for term in terms {
        match term {
            Expr::InList(InList { expr, mut list, negated: true })
                if !list.is_empty() && !compared.contains(&expr) =>
            {
                found.push((*expr).clone().not_eq(list.remove(0)));
                compared.push((*expr).clone());
                if !list.is_empty() {
                    found.push(in_list(*expr, list, true));
                }
            }
            other => found.push(other),
        }
    }
    found
}

fn not_equal(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::NotEq, .. }) => Some(left),
        _ => None,
    }
}

/// Terms that are lists for the same expression stand together, beside what is null where it is.
fn with_nulls(mut terms: Vec<Expr>) -> Vec<Expr> {
    let mut found = Vec::new();
    while !terms.is_empty() {
        let term = terms.remove(0);
        let Some(expr) = listed(&term).cloned() else {
            found.push(term);
            continue;
        };
        let (others, rest): (Vec<_>, Vec<_>) =
            terms.into_iter().partition(|other| listed(other) == Some(&expr));
        terms = rest;
        if others.is_empty() {
            found.push(term);
        } else {
            let null = expr.is_null().and(lit(ScalarValue::Boolean(None)));
            found.push(null.or(others.into_iter().fold(term, Expr::and)));
        }
    }
    found
}

/// The expression of a list, or of what the engine makes a list of: `x = 1 OR x = 2`.
fn listed(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::InList(list) => Some(&list.expr),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            listed_or_equal(left).filter(|expr| listed_or_equal(right) == Some(expr))
        }
        _ => None,
    }
}

fn listed_or_equal(expr: &Expr) -> Option<&Expr> {
    listed(expr).or_else(|| equal(expr))
}

fn equal(expr: &Expr) -> Option<&Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else { return None };
    match (left.as_ref(), right.as_ref()) {
        (column @ Expr::Column(_), value) | (value, column @ Expr::Column(_)) if is_value(value) => {
            Some(column)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};

    use crate::dialect::AsWritten;
    use crate::{Engine, EngineOptions, Session};

    /// `x` is null, or 0 to 9; `y` is null or 1.
    fn session() -> Session {
        let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for x in std::iter::once(None).chain((0..10).map(Some)) {
            for y in [None, Some(1)] {
                xs.push(x);
                ys.push(y);
            }
        }
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![field("x"), field("y")]));
        let rows = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![Arc::new(Int64Array::from(xs)) as _, Arc::new(Int64Array::from(ys)) as _],
        );
        session.register_rows("t", schema, vec![rows.unwrap()]).unwrap();
        session
    }

    type Row = (Option<i64>, Option<i64>);

    /// A column of truths by row.
    async fn truths(session: &Session, sql: &str) -> BTreeMap<Row, Option<bool>> {
        let plan = session.plan(sql, &AsWritten).await.unwrap();
        let found = session.collect(&plan).await.unwrap();
        let mut truths = BTreeMap::new();
        for batch in found.batches {
            let number = |column: usize, row: usize| {
                let numbers = batch.column(column).as_primitive::<arrow::datatypes::Int64Type>();
                numbers.is_valid(row).then(|| numbers.value(row))
            };
            let last = batch.column(2).as_boolean();
            for row in 0..batch.num_rows() {
                truths.insert((number(0, row), number(1, row)), last.is_valid(row).then(|| last.value(row)));
            }
        }
        truths
    }

    fn negate(a: Option<bool>) -> Option<bool> {
        a.map(|a| !a)
    }

    fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
        if a == Some(true) || b == Some(true) { Some(true) } else { a.zip(b).map(|_| false) }
    }

    /// What `x IN (list)` is for a row, by the definition of IN.
    fn is_in(row: Row, list: &str) -> Option<bool> {
        let equal = |item: &str| {
            let item = match item {
                "NULL" => None,
                "y" => row.1,
                number => Some(number.parse::<i64>().unwrap()),
            };
            row.0.zip(item).map(|(x, item)| x == item)
        };
        list.split(", ").map(equal).fold(Some(false), either)
    }

    const LISTS: [&str; 7] =
        ["1, 2", "2, 3", "3, 4, 5, 6", "5, 6, 7, 8, 9", "1, NULL", "1, 3, 4, 5, NULL", "1, 2, y"];

    /// Two lists, each IN or NOT IN, joined by AND or OR, with or without NOT over it: as a condition and as a value.
    #[tokio::test]
    async fn two_lists_side_by_side_are_three_valued_logic() {
        let session = session();
        for (first, second) in LISTS.into_iter().flat_map(|first| LISTS.map(|second| (first, second))) {
            for form in 0..16 {
                let (not_first, not_second, and, not_both) =
                    (form & 1 > 0, form & 2 > 0, form & 4 > 0, form & 8 > 0);
                let not = |negated: bool| if negated { "NOT " } else { "" };
                let expression = format!(
                    "{}(x {}IN ({first}) {} x {}IN ({second}))",
                    not(not_both),
                    not(not_first),
                    if and { "AND" } else { "OR" },
                    not(not_second)
                );
                let expected = |row: Row| {
                    let flip = |flips: bool, truth| if flips { negate(truth) } else { truth };
                    let (a, b) = (flip(not_first, is_in(row, first)), flip(not_second, is_in(row, second)));
                    let both = if and { negate(either(negate(a), negate(b))) } else { either(a, b) };
                    flip(not_both, both)
                };
                let values = truths(&session, &format!("SELECT x, y, {expression} AS z FROM t")).await;
                assert_eq!(values.len(), 22, "{expression}");
                let wanted = values.values().filter(|truth| **truth == Some(true)).count();
                for (row, found) in values {
                    assert_eq!(found, expected(row), "{expression} for {row:?}");
                }
                let selected =
                    truths(&session, &format!("SELECT x, y, true AS z FROM t WHERE {expression}")).await;
                assert!(
                    selected.keys().all(|row| expected(*row) == Some(true)),
                    "{expression}: {selected:?}"
                );
                assert_eq!(selected.len(), wanted, "{expression}: {selected:?}");
            }
        }
    }

    /// A condition on rows of `from` that holds for some, and for no `x` that is null.
    async fn check_without_null(from: &str, condition: &str) {
        let found =
            truths(&session(), &format!("SELECT x, y, true AS z FROM {from} WHERE {condition}")).await;
        assert!(!found.is_empty(), "{condition}");
        assert!(found.keys().all(|(x, _)| x.is_some()), "{condition}");
    }

    #[tokio::test]
    async fn lists_that_the_engine_brings_side_by_side_are_three_valued_logic() {
        check_without_null("t", "(y = 1 AND x NOT IN (1, 2)) OR (y = 1 AND x NOT IN (3, 4))").await;
        check_without_null("t", "(y = 1 AND x NOT IN (1, 2, 3, 4)) OR (y = 1 AND x NOT IN (5, 6, 7, 8))")
            .await;
        check_without_null("t", "NOT ((x = 1 OR x = 2) AND (x = 3 OR x = 4))").await;
        check_without_null("t", "NOT (x IN (1, 2) AND y = 1) OR x NOT IN (3, 4) AND y = 1").await;
        check_without_null("t", "coalesce(NOT (x IN (1, 2) AND x IN (3, 4)), false)").await;
        check_without_null("t", "coalesce(NOT (x IN (1, 2) AND y = 1 AND x NOT IN (1, 2, 5)), false)").await;
        let below = "(SELECT x, y, x NOT IN (1, 2) AS f, x NOT IN (3, 4) AS g FROM t) AS u";
        check_without_null(below, "f OR g").await;
    }

    async fn filter(condition: &str) -> String {
        let session = session();
        let plan = session.plan(&format!("SELECT x FROM t WHERE {condition}"), &AsWritten).await.unwrap();
        let plan = session.optimized(&plan).unwrap().to_string();
        let line = plan.lines().find_map(|line| line.trim().strip_prefix("Filter: "));
        line.unwrap_or_default().replace("t.", "").replace("Int64", "")
    }

    #[tokio::test]
    async fn a_list_that_selects_files_stays_a_list() {
        assert_eq!(filter("x IN (1, 2, 3, 4)").await, "x IN ([(1), (2), (3), (4)])");
        assert_eq!(
            filter("x NOT IN (1, 2, 3, 4) AND y = 1").await,
            "x NOT IN ([(1), (2), (3), (4)]) AND y = (1)"
        );
        assert_eq!(
            filter("x IN (1, 2, 3, 4) AND x IN (2, 3, 4, 5, 6)").await,
            "x = (2) OR x = (3) OR x = (4)"
        );
        assert_eq!(filter("x IN (1, 2, 3, 4, NULL)").await, "x IN ([(1), (2), (3), (4)]) OR Boolean(NULL)");
    }
}

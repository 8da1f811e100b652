//! Relations with at most one row per entity, and the events that become such by aggregation.

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, lit};

use super::wide::{WideColumn, as_event_column, without_casts};
use super::window::Window;

/// A relation, with the schema of the plan that it stands for and an expression for each of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) schema: DFSchemaRef,
    pub(crate) columns: Vec<Expr>,
    pub(crate) rows: Rows,
}

/// The rows of a relation.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// At most one per entity, where `present` is true. Columns are over the wide row.
    Entities { present: Expr },
    /// One per event. Columns are over the event, or over the wide row of its entity.
    Events(Events),
}

/// Events of one table.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) table: String,
    /// The column with the entity's key.
    pub(crate) key: String,
    pub(crate) event_time: String,
    /// Conditions on the event besides its time.
    pub(crate) predicate: Vec<Expr>,
    pub(crate) window: Window,
    /// A condition on the entity.
    pub(crate) entity: Expr,
    /// Whether an entity without such an event has one row of nulls.
    pub(crate) optional: bool,
}

/// What a subquery sees of the query around it.
#[derive(Debug, Clone)]
pub(crate) struct Outer {
    pub(crate) schema: DFSchemaRef,
    pub(crate) columns: Vec<Expr>,
    pub(crate) events: Option<Events>,
    /// Whether the subquery asks for the rows of the same key.
    pub(crate) correlated: bool,
}

/// Whether an expression is the entity's key: in the wide row or, in events, the column that holds it.
pub(crate) fn is_key(expr: &Expr, events: Option<&Events>) -> bool {
    let expr = without_casts(expr);
    *expr == WideColumn::Key.expr() || events.is_some_and(|events| as_event_column(expr) == Some(&events.key))
}

/// A column where a condition holds, null elsewhere.
pub(crate) fn only_where(condition: &Expr, column: Expr) -> Expr {
    case(vec![(condition.clone(), column)], None)
}

/// The first value whose condition is true, or else another, or null.
pub(crate) fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    let when_then_expr = branches.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Expr::Case(Case { expr: None, when_then_expr, else_expr: otherwise.map(Box::new) })
}

/// Both, without a constant that says nothing.
pub(crate) fn and(left: Expr, right: Expr) -> Expr {
    match (left == lit(true), right == lit(true)) {
        (true, _) => right,
        (_, true) => left,
        _ => left.and(right),
    }
}

pub(crate) fn or(left: Expr, right: Expr) -> Expr {
    match (left == lit(false), right == lit(false)) {
        (true, _) => right,
        (_, true) => left,
        _ => left.or(right),
    }
}

pub(crate) fn is_true(expr: Expr) -> Expr {
    expr.is_true()
}

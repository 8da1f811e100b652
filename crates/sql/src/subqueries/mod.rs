//! IN, NOT IN and EXISTS over subqueries as three-valued logic, wherever they stand.
//!
//! `x IN (SELECT y ...)` is null where `x` is not found and the subquery has a null, or where `x` is null and the subquery has a row.
//! The engine knows that of a NOT IN on a plain column at the top of a WHERE; elsewhere null is false to it, and in a SELECT list it
//! plans no such subquery at all. [`SubqueryRule`] goes first, and leaves to the engine what it is right about:
//!
//! | where | `x IN (S)` becomes |
//! |---|---|
//! | a condition of a WHERE or HAVING | itself |
//! | NOT IN as such a condition | itself for a column and an uncorrelated `S`, else `NOT EXISTS (S with y = x) AND (NOT EXISTS (S) OR ...)` |
//! | a value | `CASE WHEN EXISTS (S with y = x) THEN true WHEN NOT EXISTS (S) THEN false WHEN ... THEN NULL ELSE false END` |
//!
//! EXISTS as a value outside of a WHERE becomes a join that marks the rows that have a match.

mod scalar;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, JoinType, Result, plan_err};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, Subquery, exists,
    lit, not, when,
};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

use scalar::Unplanned;

/// The rule, to stand before all others.
#[derive(Debug)]
pub(crate) struct SubqueryRule;

impl OptimizerRule for SubqueryRule {
    fn name(&self) -> &'static str {
        "subqueries"
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|plan| {
            let exprs = plan.expressions();
            exprs.iter().try_for_each(refuse_correlation_in_outer_joins)?;
            if !exprs.iter().any(has_subquery) {
                return Ok(Transformed::no(plan));
            }
            let unchanged = plan.clone();
            let rewritten = match plan {
                LogicalPlan::Filter(filter) => filtered(filter, config)?,
                LogicalPlan::Join(_) if exprs.iter().any(has_truth_of_subquery) => {
                    return plan_err!(
                        "a subquery in the ON of a join; write it in the WHERE, or join what it selects"
                    );
                }
                LogicalPlan::Join(_) => return Ok(Transformed::no(unchanged)),
                plan => marked(plan, config)?,
            };
            Ok(if rewritten == unchanged { Transformed::no(unchanged) } else { Transformed::yes(rewritten) })
        })
    }
}

/// A filter whose conditions are right, over its rows.
fn filtered(filter: Filter, config: &dyn OptimizerConfig) -> Result<LogicalPlan> {
    let Filter { predicate, input, .. } = filter;
    let columns = input.schema().columns();
    let mut rows = LogicalPlan::clone(&input);
    let predicate = scalar::joined(
        scalar::with_null_for_no_row(predicate)?.data,
        Unplanned::Inequalities,
        &mut rows,
        config,
    )?;
    let around = Arc::clone(rows.schema());
    let conditions = split_conjunction_owned(predicate.data).into_iter().map(|expr| condition(expr, &around));
    let conditions = conditions.collect::<Result<Vec<_>>>()?;
    let filter = Filter::try_new(conjunction(conditions).unwrap_or_else(|| lit(true)), Arc::new(rows))?;
    let filter = LogicalPlanBuilder::from(LogicalPlan::Filter(filter));
    match predicate.transformed {
        true => filter.project(columns.into_iter().map(Expr::Column))?.build(),
        false => filter.build(),
    }
}

fn has_subquery(expr: &Expr) -> bool {
    let found = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)
        ))
    };
    expr.exists(found).unwrap_or(false)
}

fn has_truth_of_subquery(expr: &Expr) -> bool {
    let found =
        |part: &Expr| Ok(matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)));
    expr.exists(found).unwrap_or(false)
}

/// A condition that rows of `around` have to fulfil: null is as good as false.
fn condition(expr: Expr, around: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::Not(inner) if matches!(*inner, Expr::InSubquery(_)) => match *inner {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                condition(Expr::InSubquery(InSubquery { expr, subquery, negated: !negated }), around)
            }
            other => Ok(not(other)),
        },
        Expr::Exists(_) => Ok(expr),
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(expr),
        Expr::InSubquery(InSubquery { expr, subquery, negated: true }) => {
            if matches!(*expr, Expr::Column(_)) && subquery.outer_ref_columns.is_empty() {
                return Ok(Expr::InSubquery(InSubquery { expr, subquery, negated: true }));
            }
            let Parts { found, any, unknown } = Parts::of(*expr, &subquery, around)?;
            Ok(not(found).and(not(any).or(not(unknown))))
        }
        other => value(other, around),
    }
}

/// An expression over rows of `around` whose value is of use, null included.
fn value(expr: Expr, around: &DFSchema) -> Result<Expr> {
    let rewritten = expr.transform_up(|part| {
        let InSubquery { expr, subquery, negated } = match part {
            Expr::InSubquery(is_in) => is_in,
            Expr::SetComparison(comparison) => return Ok(Transformed::yes(compared(comparison, around)?)),
            other => return Ok(Transformed::no(other)),
        };
        let Parts { found, any, unknown } = Parts::of(*expr, &subquery, around)?;
        let null = lit(ScalarValue::Boolean(None));
        let is_in = when(found, lit(!negated))
            .when(not(any), lit(negated))
            .when(unknown, null)
            .otherwise(lit(negated))?;
        Ok(Transformed::yes(is_in))
    })?;
    Ok(rewritten.data)
}

/// `x > ANY (S)` and `x > ALL (S)`, of whatever operator.
fn compared(comparison: SetComparison, around: &DFSchema) -> Result<Expr> {
    let SetComparison { expr, subquery, op, quantifier } = comparison;
    let selected = Selected::of(&subquery.subquery)?;
    let inside = as_outer(*expr, around)?;
    let holds = Expr::BinaryExpr(BinaryExpr::new(Box::new(inside), op, Box::new(selected.y.clone())));
    // One row decides: for ANY one that it holds for, for ALL one that it does not hold for.
    let (decides, decided) = match quantifier {
        SetQuantifier::Any => (holds.clone().is_true(), true),
        SetQuantifier::All => (holds.clone().is_false(), false),
    };
    when(selected.exists(Some(decides))?, lit(decided))
        .when(selected.exists(Some(holds.is_unknown()))?, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(!decided))
}

/// What decides about `x IN (S)`.
struct Parts {
    /// `S` has a row that equals `x`.
    found: Expr,
    /// `S` has a row.
    any: Expr,
    /// `x` is null, or `S` has a null.
    unknown: Expr,
}

impl Parts {
    fn of(x: Expr, subquery: &Subquery, around: &DFSchema) -> Result<Self> {
        let selected = Selected::of(&subquery.subquery)?;
        let y = selected.y.clone();
        let inside = as_outer(x.clone(), around)?;
        Ok(Self {
            found: selected.exists(Some(y.clone().eq(inside)))?,
            any: selected.exists(None)?,
            unknown: x.is_null().or(selected.exists(Some(y.is_null()))?),
        })
    }
}

/// The rows of a subquery, and the expression over them that it selects.
struct Selected {
    rows: Arc<LogicalPlan>,
    y: Expr,
}

impl Selected {
    fn of(subquery: &Arc<LogicalPlan>) -> Result<Self> {
        match subquery.as_ref() {
            // Whether a row is there does not depend on how often it is.
            LogicalPlan::Distinct(Distinct::All(input)) => Self::of(input),
            LogicalPlan::Projection(Projection { expr, input, .. }) if expr.len() == 1 => {
                Ok(Self { rows: Arc::clone(input), y: expr[0].clone().unalias_nested().data })
            }
            plan => match plan.schema().columns().as_slice() {
                [column] => Ok(Self { rows: Arc::clone(subquery), y: Expr::Column(column.clone()) }),
                _ => plan_err!("a subquery that is compared with a value selects one column"),
            },
        }
    }

    /// Whether there is a row for which a condition holds.
    fn exists(&self, condition: Option<Expr>) -> Result<Expr> {
        // One filter, not two: the engine finds the conditions on the query around in the upper one alone.
        let (predicate, rows) = match self.rows.as_ref() {
            LogicalPlan::Filter(Filter { predicate, input, .. }) => (Some(predicate.clone()), input),
            _ => (None, &self.rows),
        };
        let mut builder = LogicalPlanBuilder::from(LogicalPlan::clone(rows));
        if let Some(condition) = conjunction(predicate.into_iter().chain(condition)) {
            builder = builder.filter(condition)?;
        }
        // What is selected does not matter.
        Ok(exists(Arc::new(builder.project([lit(1)])?.build()?)))
    }
}

/// An expression over rows of `around`, for use inside of a subquery.
fn as_outer(expr: Expr, around: &DFSchema) -> Result<Expr> {
    let renamed = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(around.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        Expr::OuterReferenceColumn(..) => plan_err!(
            "IN with a subquery compares a column of a query further out; write EXISTS (SELECT ... WHERE y = x)"
        ),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(renamed.data)
}

/// The engine pulls conditions on the query around out of a subquery, past outer joins, where they say something else.
fn refuse_correlation_in_outer_joins(expr: &Expr) -> Result<()> {
    let mut subqueries = Vec::new();
    expr.apply(|part| {
        subqueries.extend(match part {
            Expr::InSubquery(InSubquery { subquery, .. }) | Expr::Exists(Exists { subquery, .. }) => {
                Some(Arc::clone(&subquery.subquery))
            }
            Expr::ScalarSubquery(subquery) => Some(Arc::clone(&subquery.subquery)),
            _ => None,
        });
        Ok(TreeNodeRecursion::Continue)
    })?;
    subqueries.iter().try_for_each(|subquery| refuse_conditions_in_outer_joins(subquery))
}

fn refuse_conditions_in_outer_joins(subquery: &LogicalPlan) -> Result<()> {
    let mut wrong = false;
    subquery.apply(|plan| {
        if let LogicalPlan::Join(Join { left, right, join_type, filter, on, .. }) = plan {
            let within = |plan: &LogicalPlan| {
                plan.exists(|inner| Ok(inner.expressions().iter().any(Expr::contains_outer)))
            };
            let condition =
                filter.iter().chain(on.iter().flat_map(|(a, b)| [a, b])).any(Expr::contains_outer);
            wrong |= match join_type {
                JoinType::Left => condition || within(right)?,
                JoinType::Right => condition || within(left)?,
                JoinType::Full => condition || within(left)? || within(right)?,
                _ => false,
            };
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if wrong {
        return plan_err!(
            "a condition on the query around it inside of an outer join; write it in the WHERE of the subquery, or join there what it needs"
        );
    }
    Ok(())
}

/// A plan other than a filter, with a joined column in place of each EXISTS.
fn marked(plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<LogicalPlan> {
    let [input] = plan.inputs()[..] else {
        return plan_err!("a subquery stands where the engine takes none; join what it selects");
    };
    let mut input = input.clone();
    let is_sort = matches!(plan, LogicalPlan::Sort(_));
    let unplanned = match plan {
        LogicalPlan::Projection(_) => Unplanned::Inequalities,
        _ => Unplanned::All,
    };
    let exprs = plan.expressions().into_iter().map(|expr| {
        let name = expr.schema_name().to_string();
        let expr =
            scalar::joined(scalar::with_null_for_no_row(expr)?.data, unplanned, &mut input, config)?.data;
        let around = Arc::clone(input.schema());
        let rewritten = value(expr, &around)?.transform_up(|part| match part {
            Expr::Exists(Exists { subquery, negated }) => {
                let mark = with_mark(&mut input, &subquery, config)?;
                Ok(Transformed::yes(if negated { not(mark) } else { mark }))
            }
            other => Ok(Transformed::no(other)),
        })?;
        if is_sort { Ok(rewritten.data) } else { rewritten.data.alias_if_changed(name) }
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    plan.with_new_exprs(exprs, vec![input])
}

/// Joins to each row of `input` whether the subquery has a row for it; returns that column.
fn with_mark(input: &mut LogicalPlan, subquery: &Subquery, config: &dyn OptimizerConfig) -> Result<Expr> {
    let alias = config.alias_generator().next("__exists");
    let mut pull_up = PullUpCorrelatedExpr::new().with_exists_sub_query(true);
    let inner = LogicalPlan::clone(&subquery.subquery).rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up {
        return plan_err!("a subquery of this form stands where the engine takes none; join what it selects");
    }
    let columns: BTreeSet<Column> =
        pull_up.correlated_subquery_cols_map.values().flatten().cloned().collect();
    let right = LogicalPlanBuilder::from(inner).alias(alias.clone())?.build()?;
    let condition = conjunction(pull_up.join_filters).unwrap_or_else(|| lit(true));
    let condition = condition.transform_up(|part| match part {
        Expr::Column(column) if columns.contains(&column) => {
            Ok(Transformed::yes(Expr::Column(Column::new(Some(alias.clone()), column.name))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    *input = LogicalPlanBuilder::from(input.clone())
        .join_on(right, JoinType::LeftMark, Some(condition.data))?
        .build()?;
    Ok(Expr::Column(Column::new(Some(alias), "mark")))
}

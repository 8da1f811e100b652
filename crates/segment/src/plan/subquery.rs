//! Subqueries about the entity's key: IN, EXISTS and scalar ones, as expressions over the wide row.

use datafusion::common::Column;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Subquery, lit};
use datafusion::scalar::ScalarValue;

use super::builder::Builder;
use super::not_fusable::NotFusable;
use super::rows::{Outer, Relation, Rows, and, case, is_key};
use super::wide::WideColumn;

impl Builder<'_> {
    /// `key IN (SELECT key ...)`. A null in the list makes unknown what is not in it.
    pub(crate) fn in_subquery(
        &mut self,
        subquery: &InSubquery,
        input: &Relation,
    ) -> Result<Expr, NotFusable> {
        let outer = self.outer_of(input);
        let subject = self.resolve(&subquery.expr, input)?;
        if !is_key(&subject, outer.events.as_ref()) {
            return NotFusable::because(format!(
                "IN with a subquery of something else than the key of `{}`",
                self.entity
            ));
        }
        let (inner, correlated) = self.within(outer, &subquery.subquery.subquery)?;
        if correlated {
            return NotFusable::because("IN with a subquery that refers to the query around it");
        }
        let present = self.key_presence(inner)?;
        let null_key = self.null_key(&present);
        let unknown = || lit(ScalarValue::Boolean(None));
        // Unknown for a row without a key, else true for what is in the list, else unknown for a list with a null, else false; in
        // three-valued logic, which costs a few operations on bits.
        let has_key = || WideColumn::HasKey.expr();
        let of_key = present.is_true().or(null_key.and(unknown()));
        let found = has_key().and(of_key).or(Expr::Not(Box::new(has_key())).and(unknown()));
        Ok(if subquery.negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// `EXISTS (SELECT ... WHERE inner key = outer key)`.
    pub(crate) fn exists(&mut self, exists: &Exists, input: &Relation) -> Result<Expr, NotFusable> {
        let outer = self.outer_of(input);
        // What EXISTS selects does not matter; a projection may be of anything.
        let mut plan = &exists.subquery.subquery;
        while let LogicalPlan::Projection(projection) = plan.as_ref() {
            plan = &projection.input;
        }
        let (inner, correlated) = self.within(outer, plan)?;
        if !correlated {
            return NotFusable::because("EXISTS without a condition that the keys are equal");
        }
        let present = match &inner.rows {
            Rows::Entities { present } => present.clone(),
            Rows::Events(events) => self.entities_with(events),
        };
        let found = and(present, WideColumn::HasKey.expr()).is_true();
        Ok(if exists.negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// `(SELECT sum(x) FROM events WHERE inner key = outer key)`.
    pub(crate) fn scalar_subquery(
        &mut self,
        subquery: &Subquery,
        input: &Relation,
    ) -> Result<Expr, NotFusable> {
        let outer = self.outer_of(input);
        let (inner, correlated) = self.within(outer, &subquery.subquery)?;
        match (inner.rows, &inner.columns[..]) {
            (Rows::Entities { present }, [column]) if correlated => Ok(match present == lit(true) {
                true => column.clone(),
                false => case(vec![(present, column.clone())], None),
            }),
            _ => NotFusable::because("a subquery with one value for all entities"),
        }
    }

    /// The relation of a plan inside a query, and whether it asks for rows of the same key.
    fn within(&mut self, outer: Outer, plan: &LogicalPlan) -> Result<(Relation, bool), NotFusable> {
        self.outer.push(outer);
        let inner = self.relation(plan);
        let correlated = self.outer.pop().is_some_and(|outer| outer.correlated);
        Ok((inner?, correlated))
    }

    /// Whether a condition says that the key is that of the query around; it is remembered there.
    pub(crate) fn correlates(&mut self, condition: &Expr, input: &Relation) -> Result<bool, NotFusable> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
            return Ok(false);
        };
        let names_outer =
            |expr: &Expr| matches!(super::wide::without_casts(expr), Expr::OuterReferenceColumn(..));
        let (inner, around) = match (names_outer(left), names_outer(right)) {
            (false, true) => (left, right),
            (true, false) => (right, left),
            _ => return Ok(false),
        };
        let (inner, around) = (self.resolve(inner, input)?, self.resolve(around, input)?);
        let events = match &input.rows {
            Rows::Events(events) => Some(events),
            Rows::Entities { .. } => None,
        };
        let Some(outer) = self.outer.last_mut() else { return Ok(false) };
        let correlates = is_key(&inner, events) && is_key(&around, outer.events.as_ref());
        outer.correlated |= correlates;
        Ok(correlates)
    }

    /// A column of the query around. Only the entity's own can be used: an event around and an event inside are different ones.
    pub(crate) fn resolve_outer(&mut self, column: &Column) -> Result<Expr, NotFusable> {
        let Some(outer) = self.outer.last() else {
            return NotFusable::because("a reference to a query further out");
        };
        let expr = outer.columns[outer.schema.index_of_column(column)?].clone();
        let is_outer_key = is_key(&expr, outer.events.as_ref());
        match super::wide::subject(&expr) {
            super::wide::Subject::Event | super::wide::Subject::Both if !is_outer_key => {
                NotFusable::because("a subquery that refers to an event of the query around it")
            }
            _ if is_outer_key => Ok(WideColumn::Key.expr()),
            _ => Ok(expr),
        }
    }

    /// Whether the current query stands inside another whose key it asks for.
    pub(crate) fn is_correlated(&self) -> bool {
        self.outer.last().is_some_and(|outer| outer.correlated)
    }
}

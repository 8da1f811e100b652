//! The conditions of a simple SELECT, one by one: what a person asks who wants to know why a row is in a result.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, GroupByExpr, Query, SelectItem, SetExpr, TableFactor,
    UnaryOperator, Value,
};

use crate::dialect::Rewrite;
use crate::{Session, SqlProblem, dialect};

/// A SELECT of a key from one table, taken apart at the outermost ANDs of its WHERE.
#[derive(Debug, Clone)]
pub struct Conjuncts {
    /// The query without its WHERE.
    query: Query,
    /// What it selects first: the key.
    key: Expr,
    conditions: Vec<Expr>,
}

/// Which rows of a key are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of them.
    Any,
    /// Those for which the condition with this number is true.
    True(usize),
    /// Those for which the condition with this number is false; a null is neither.
    False(usize),
}

impl Conjuncts {
    /// Takes a SELECT apart; `None` when it has another form: joins, groups, unions, or a key that is computed.
    ///
    /// # Errors
    /// [`SqlProblem`] when the SQL cannot be parsed.
    pub fn of(sql: &str) -> Result<Option<Self>, SqlProblem> {
        Ok(take_apart(*dialect::parse_query(sql)?))
    }

    /// The conditions as SQL, in the order in which they stand.
    #[must_use]
    pub fn conditions(&self) -> Vec<String> {
        self.conditions.iter().map(Expr::to_string).collect()
    }

    /// Plans the SELECT for the rows of one key alone, whatever the conditions are but the one of `outcome`.
    ///
    /// # Errors
    /// [`SqlProblem`] when that cannot be planned.
    pub async fn plan(
        &self,
        session: &Session,
        rewrite: &dyn Rewrite,
        key: &str,
        outcome: Outcome,
    ) -> Result<LogicalPlan, SqlProblem> {
        let text = Expr::value(Value::SingleQuotedString(key.to_owned()));
        let own = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(self.key.clone()),
            data_type: DataType::Varchar(None),
            array: false,
            format: None,
        };
        let own = both(own, BinaryOperator::Eq, text);
        let condition = |number: usize| {
            self.conditions.get(number).map(|condition| Expr::Nested(Box::new(condition.clone())))
        };
        let wanted = match outcome {
            Outcome::Any => None,
            Outcome::True(number) => condition(number),
            Outcome::False(number) => {
                condition(number).map(|c| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(c) })
            }
        };
        let mut query = self.query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection = Some(match wanted {
                Some(wanted) => both(own, BinaryOperator::And, wanted),
                None => own,
            });
        }
        session.plan(&query.to_string(), rewrite).await
    }
}

fn both(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn take_apart(mut query: Query) -> Option<Conjuncts> {
    let shortened = query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
    if shortened || grouped || select.having.is_some() || select.qualify.is_some() || select.top.is_some() {
        return None;
    }
    let [table] = select.from.as_slice() else { return None };
    if !table.joins.is_empty() || !matches!(&table.relation, TableFactor::Table { args: None, .. }) {
        return None;
    }
    let key = match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
        _ => return None,
    };
    if !matches!(key, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
        return None;
    }
    // Rows are counted one by one: two conditions may be true of the same key and of no one row.
    select.distinct = None;
    let mut conditions = Vec::new();
    if let Some(selection) = select.selection.take() {
        split(selection, &mut conditions);
    }
    Some(Conjuncts { query, key, conditions })
}

/// AND is associative, so that parentheses around one change nothing.
fn split(expr: Expr, conditions: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(*left, conditions);
            split(*right, conditions);
        }
        Expr::Nested(inner)
            if matches!(*inner, Expr::BinaryOp { op: BinaryOperator::And, .. } | Expr::Nested(_)) =>
        {
            split(*inner, conditions);
        }
        other => conditions.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Option<&[&str]>) {
        let found = Conjuncts::of(sql).unwrap().map(|conjuncts| conjuncts.conditions());
        assert_eq!(
            found.as_deref(),
            expected.map(|e| e.iter().map(|&c| c.to_owned()).collect::<Vec<_>>()).as_deref(),
            "{sql}"
        );
    }

    #[test]
    fn a_where_is_taken_apart_at_its_outermost_ands() {
        check("SELECT id FROM traits", Some(&[]));
        check("SELECT id FROM traits WHERE a > 1", Some(&["a > 1"]));
        check(
            "SELECT t.id AS customer_id FROM traits t WHERE a > 1 AND (b = 'x' OR c) AND NOT in_segment('vip')",
            Some(&["a > 1", "(b = 'x' OR c)", "NOT in_segment('vip')"]),
        );
        check("SELECT id FROM traits WHERE ((a AND b) AND (c)) AND d", Some(&["a", "b", "(c)", "d"]));
        check("SELECT id FROM traits WHERE a BETWEEN 1 AND 2 AND b", Some(&["a BETWEEN 1 AND 2", "b"]));
        check("SELECT DISTINCT id FROM t WHERE a OR b AND c", Some(&["a OR b AND c"]));
        check(
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE x AND y)",
            Some(&["EXISTS (SELECT 1 FROM u WHERE x AND y)"]),
        );
        check("SELECT id, CASE WHEN a THEN 'x' END AS label FROM t WHERE b ORDER BY id", Some(&["b"]));
    }

    #[test]
    fn other_forms_are_left_alone() {
        for sql in [
            "SELECT id FROM a JOIN b USING (id) WHERE x",
            "SELECT id FROM a, b WHERE x",
            "SELECT id FROM a WHERE x UNION SELECT id FROM b",
            "SELECT id FROM a GROUP BY id HAVING count(*) > 1",
            "WITH w AS (SELECT 1) SELECT id FROM w WHERE x",
            "SELECT id FROM (SELECT id FROM a) WHERE x",
            "SELECT id FROM a WHERE x ORDER BY y LIMIT 10",
            "SELECT lower(id) FROM a WHERE x",
            "SELECT * FROM a WHERE x",
        ] {
            check(sql, None);
        }
    }
}

//! Long chains of AND and of OR, as trees of equal halves.
//!
//! A parser nests `a OR b OR c` to the left, as deep as the chain is long, and at each level the engine looks for the right side among all
//! terms of the left one: the time to plan a chain grows with the square of its length, and the stack with its length. Halves hold the same
//! terms in the same order, so that they mean the same. Many values of one column that follow each other are a list, for the same reason.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};

/// Rebuilds every chain.
pub(crate) fn balance(sql: &mut impl VisitMut) {
    let _ = sql.visit(&mut Balance);
}

/// So many values that follow each other are a list: lists of fewer cost the engine more than they save it.
const LISTED: usize = 8;

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr {
            let op = op.clone();
            let chain = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            let terms = terms(chain, &op);
            *expr = balanced(if op == BinaryOperator::Or { with_lists(terms) } else { terms }, &op);
        }
        ControlFlow::Continue(())
    }
}

/// The terms of a chain, in order. What stands in parentheses is a term.
fn terms(chain: Expr, op: &BinaryOperator) -> Vec<Expr> {
    let (mut terms, mut open) = (Vec::new(), vec![chain]);
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp { left, op: own, right } if own == *op => open.extend([*right, *left]),
            term => terms.push(term),
        }
    }
    terms
}

/// The terms, of which many that compare one column with texts, or with whole numbers, become one `IN` where they follow each other.
fn with_lists(terms: Vec<Expr>) -> Vec<Expr> {
    let lengths: Vec<usize> = terms.chunk_by(is_list).map(<[Expr]>::len).collect();
    let mut terms = terms.into_iter();
    let mut merged = Vec::new();
    for length in lengths {
        let run = terms.by_ref().take(length);
        match length {
            ..LISTED => merged.extend(run),
            _ => merged.extend(list(run)),
        }
    }
    merged
}

/// `column IN (values)` of terms `column = value`.
fn list(terms: impl Iterator<Item = Expr>) -> Option<Expr> {
    let operands = terms.filter_map(|term| match term {
        Expr::BinaryOp { left, right, .. } => Some((left, *right)),
        _ => None,
    });
    let (columns, list): (Vec<_>, Vec<_>) = operands.unzip();
    Some(Expr::InList { expr: columns.into_iter().next()?, list, negated: false })
}

/// Whether two terms are `column = value` of one column, and their values alike.
fn is_list(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (
            Expr::BinaryOp { left: column, op: BinaryOperator::Eq, right: a },
            Expr::BinaryOp { left: other, op: BinaryOperator::Eq, right: b },
        ) => {
            matches!(**column, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                && column == other
                && is_alike(a, b)
        }
        _ => false,
    }
}

/// Whether both are texts, or both are whole numbers of one type: a list of others would give its values a type that each alone does not
/// have.
fn is_alike(a: &Expr, b: &Expr) -> bool {
    let is_whole = |digits: &str| digits.parse::<i64>().is_ok();
    match (a, b) {
        (Expr::Value(a), Expr::Value(b)) => match (&a.value, &b.value) {
            (Value::SingleQuotedString(_), Value::SingleQuotedString(_)) => true,
            (Value::Number(a, _), Value::Number(b, _)) => is_whole(a) && is_whole(b),
            _ => false,
        },
        _ => false,
    }
}

fn balanced(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    let right = terms.split_off(terms.len().div_ceil(2));
    match (terms.pop(), right.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            terms.extend(last);
            let half = |terms| Box::new(balanced(terms, op));
            Expr::BinaryOp { left: half(terms), op: op.clone(), right: half(right) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::parse_expression;

    use super::*;

    /// How deep AND and OR lie in each other.
    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                1 + depth(left).max(depth(right))
            }
            _ => 0,
        }
    }

    #[test]
    fn a_chain_reads_as_it_did_and_is_not_deep() {
        for (sql, expected) in [
            ("a", 0),
            ("a OR b", 1),
            ("a OR b OR c", 2),
            ("a AND b AND c AND d", 2),
            ("a OR b AND c AND d AND e OR f", 4),
            ("a OR (b OR c OR d) OR NOT (e OR f)", 2),
        ] {
            let expr = parse_expression(sql).unwrap();
            assert_eq!((expr.to_string().as_str(), depth(&expr)), (sql, expected));
        }
        let same = |column: &str, values: &[&str]| -> Vec<String> {
            values.iter().map(|value| format!("{column} = {value}")).collect()
        };
        let words = ["'x'"; 8];
        let numbers = ["0", "1", "2", "3", "4", "5", "6", "9223372036854775807"];
        let others = ["2.5", "2.50", "9223372036854775808"];
        let mixed = [
            same("a", &words),
            same("a", &numbers),
            same("a", &others),
            same("b", &numbers),
            same("b", &words[1..]),
            same("\"B\"", &words),
        ];
        let expr = parse_expression(&mixed.concat().join(" OR ")).unwrap();
        let (texts, numbers) = (words.join(", "), numbers.join(", "));
        let expected = [
            format!("a IN ({texts}) OR a IN ({numbers})"),
            same("a", &others).join(" OR "),
            format!("b IN ({numbers})"),
            same("b", &words[1..]).join(" OR "),
            format!("\"B\" IN ({texts})"),
        ];
        assert_eq!(expr.to_string(), expected.join(" OR "));
        let many: Vec<String> = (0..4_000).map(|n| format!("a LIKE '{n}'")).collect();
        let expr = parse_expression(&many.join(" OR ")).unwrap();
        assert_eq!((expr.to_string(), depth(&expr)), (many.join(" OR "), 12));
    }
}

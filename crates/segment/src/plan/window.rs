//! Bounds of event time in a predicate.

use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;

use super::wide::as_event_column;

/// Events from an instant on and before another, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Window {
    /// Everything that a query at `as_of` sees.
    pub(crate) fn before(as_of: i64) -> Self {
        Self { from: i64::MIN, to: as_of }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// Narrows the window by a condition if that is a bound of the event time; says whether it was.
    pub(crate) fn narrow(&mut self, condition: &Expr, event_time: &str) -> bool {
        let is_time = |expr: &Expr| as_event_column(expr) == Some(event_time);
        let bound = match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_time(left) => {
                instant(right).map(|at| (*op, at))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_time(right) => {
                instant(left).and_then(|at| Some((op.swap()?, at)))
            }
            Expr::Between(Between { expr, negated: false, low, high }) if is_time(expr) => {
                let (Some(low), Some(high)) = (instant(low), instant(high)) else { return false };
                return self.apply(Operator::GtEq, low) && self.apply(Operator::LtEq, high);
            }
            _ => None,
        };
        bound.is_some_and(|(op, at)| self.apply(op, at))
    }

    fn apply(&mut self, op: Operator, at: i64) -> bool {
        match op {
            Operator::GtEq => self.from = self.from.max(at),
            Operator::Gt => self.from = self.from.max(at.saturating_add(1)),
            Operator::Lt => self.to = self.to.min(at),
            Operator::LtEq => self.to = self.to.min(at.saturating_add(1)),
            Operator::Eq => {
                self.from = self.from.max(at);
                self.to = self.to.min(at.saturating_add(1));
            }
            _ => return false,
        }
        true
    }
}

/// The instant of a literal, in microseconds; `None` for one between two microseconds.
fn instant(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::TimestampSecond(Some(at), _) => at.checked_mul(1_000_000),
        ScalarValue::TimestampMillisecond(Some(at), _) => at.checked_mul(1_000),
        ScalarValue::TimestampMicrosecond(Some(at), _) => Some(*at),
        ScalarValue::TimestampNanosecond(Some(at), _) if at % 1_000 == 0 => Some(at / 1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::lit;

    use super::super::wide::event_column;
    use super::*;

    fn at(instant: i64) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(instant), Some("UTC".into())))
    }

    fn check(condition: &Expr, expected: Option<(i64, i64)>) {
        let mut window = Window { from: 0, to: 100 };
        let narrowed = window.narrow(condition, "at");
        assert_eq!(narrowed.then_some((window.from, window.to)), expected, "{condition}");
    }

    #[test]
    fn bounds_of_the_event_time_are_windows() {
        let time = || event_column("at");
        check(&time().gt_eq(at(10)), Some((10, 100)));
        check(&time().gt(at(10)), Some((11, 100)));
        check(&time().lt(at(10)), Some((0, 10)));
        check(&time().lt_eq(at(10)), Some((0, 11)));
        check(&at(10).lt(time()), Some((11, 100)));
        check(&time().eq(at(10)), Some((10, 11)));
        check(&time().between(at(10), at(20)), Some((10, 21)));
        check(&time().not_between(at(10), at(20)), None);
        check(&time().not_eq(at(10)), None);
        check(&event_column("other").lt(at(10)), None);
        check(&time().lt(lit(ScalarValue::TimestampNanosecond(Some(10_001), None))), None);
    }
}

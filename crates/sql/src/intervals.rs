//! Days of an interval as lengths of time, where a day has 24 hours.
//!
//! `seen_at + INTERVAL '7 days'` asks the engine for the calendar of the instants' time zone, row by row. Platform tables hold instants
//! in UTC, whose days are all alike: with [`Intervals`] the seven days are a number of microseconds, and the sum is one of integers.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;
use tranche_schema::platform;

use crate::schema_below::schema_below;

/// The rule.
#[derive(Debug)]
pub(crate) struct Intervals;

impl OptimizerRule for Intervals {
    fn name(&self) -> &'static str {
        "intervals"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let schema = schema_below(&plan);
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|part| {
                Ok(match in_microseconds(&part, &schema) {
                    Some(sum) => Transformed::yes(sum),
                    None => Transformed::no(part),
                })
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }
}

/// The same sum or difference of integers, where the expression is one of an instant and days of an interval.
fn in_microseconds(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) = expr
    else {
        return None;
    };
    let (instant, interval) = match (left.as_ref(), right.as_ref()) {
        (instant, Expr::Literal(interval, _)) => (instant, interval),
        (Expr::Literal(interval, _), instant) if *op == Operator::Plus => (instant, interval),
        _ => return None,
    };
    let length = length_of(interval)?;
    let is_instant = matches!(platform::instant(), DataType::Timestamp(TimeUnit::Microsecond, Some(_)));
    (is_instant && instant.get_type(schema).ok()? == platform::instant()).then(|| {
        let length = Box::new(lit(ScalarValue::DurationMicrosecond(Some(length))));
        Expr::BinaryExpr(BinaryExpr { left: Box::new(instant.clone()), op: *op, right: length })
    })
}

/// The microseconds of an interval without months, whose length no calendar changes.
fn length_of(interval: &ScalarValue) -> Option<i64> {
    let (days, nanoseconds) = match interval {
        ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months: 0, days, nanoseconds })) => {
            (*days, *nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            (interval.days, i64::from(interval.milliseconds) * 1_000_000)
        }
        _ => return None,
    };
    let day = i64::from(days).checked_mul(86_400_000_000)?;
    (nanoseconds % 1_000 == 0).then(|| day.checked_add(nanoseconds / 1_000)).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};
    use arrow::util::pretty::pretty_format_batches;
    use tranche_schema::platform;

    use crate::dialect::AsWritten;
    use crate::{Engine, EngineOptions, Session};

    /// Two instants, and none.
    fn session() -> Session {
        let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
        let schema = Arc::new(Schema::new(vec![Field::new("at", platform::instant(), true)]));
        let instants = TimestampMicrosecondArray::from(vec![Some(1_709_210_096_789_012), None, Some(-1)])
            .with_timezone("UTC");
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(instants) as ArrayRef]).unwrap();
        session.register_rows("t", schema, vec![rows]).unwrap();
        session
    }

    async fn answer(sql: &str) -> (String, String) {
        let session = session();
        let plan = session.plan(sql, &AsWritten).await.unwrap();
        let optimized = session.optimized(&plan).unwrap().display_indent().to_string();
        let found = session.collect(&plan).await.unwrap();
        (pretty_format_batches(&found.batches).unwrap().to_string(), optimized)
    }

    /// 1,709,210,096.789012 s is 2024-02-29T12:34:56.789012Z.
    #[tokio::test]
    async fn days_are_added_to_instants_as_microseconds() {
        for (sum, expected) in [
            ("at + INTERVAL '1 day'", ["2024-03-01T12:34:56.789012Z", "1970-01-01T23:59:59.999999Z"]),
            ("at - INTERVAL '366 days'", ["2023-02-28T12:34:56.789012Z", "1968-12-30T23:59:59.999999Z"]),
            ("INTERVAL '36 hours' + at", ["2024-03-02T00:34:56.789012Z", "1970-01-02T11:59:59.999999Z"]),
            (
                "at + INTERVAL '2 minutes 1 microsecond'",
                ["2024-02-29T12:36:56.789013Z", "1970-01-01T00:02:00Z"],
            ),
        ] {
            let (rows, plan) = answer(&format!("SELECT {sum} AS later FROM t")).await;
            assert!(plan.contains("Duration"), "{sum}: {plan}");
            for instant in expected {
                assert!(rows.contains(instant), "{sum}: {rows}");
            }
        }
    }

    #[tokio::test]
    async fn months_are_left_to_the_calendar() {
        let (rows, plan) = answer(
            "SELECT at + INTERVAL '1 month' AS later FROM t WHERE at - INTERVAL '1 month' IS NOT NULL",
        )
        .await;
        assert!(!plan.contains("Duration"), "{plan}");
        assert!(
            rows.contains("2024-03-29T12:34:56.789012Z") && rows.contains("1970-01-31T23:59:59.999999Z"),
            "{rows}"
        );
    }
}

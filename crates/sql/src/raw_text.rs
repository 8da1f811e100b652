//! Raw text in expressions: a column of a text file is text, and where an expression needs it as something else it is read as that,
//! row by row.
//!
//! | where a text stands | it is read as |
//! |---|---|
//! | `+ - * %`, beside `/`, or after a minus | a number |
//! | beside a number in a comparison, BETWEEN, IN, `CASE x WHEN`, `nullif`, `greatest`, `least` | a number |
//! | beside an interval in `+` and `-`, or an instant in `-` | an instant |
//! | under AND, OR, NOT, after WHEN, beside TRUE or FALSE | a truth value |
//! | as an argument of a function that takes no text there | the first of number, instant and truth value that the function takes |
//! | anywhere else | text |

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, UnaryOperator, Value, visit_expressions_mut};

use crate::functions::number::{Number, NumberText, Numbers};
use crate::functions::to_timestamp;

/// Reads texts in expressions over raw rows as what the expression needs.
#[derive(Debug)]
pub(crate) struct RawText;

impl ExprPlanner for RawText {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let Some(needs) = needs_of_sql(&expr.op) else { return Ok(PlannerResult::Original(expr)) };
        expr.left = read(expr.left, schema)?;
        expr.right = read(expr.right, schema)?;
        (expr.left, expr.right) = operands(needs, expr.left, expr.right, schema);
        Ok(PlannerResult::Original(expr))
    }
}

/// The same expression, with texts read as what it needs.
///
/// # Errors
/// None of its own.
pub(crate) fn read(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|part| Ok(Transformed::yes(part_read(part, schema))))?.data)
}

/// The same expression with numbers in texts as floating point. `None` where there is no such text.
///
/// # Errors
/// None of its own.
pub(crate) fn widened(expr: Expr) -> Result<Option<Expr>> {
    let wide = expr.transform_up(|part| {
        Ok(match part {
            Expr::ScalarFunction(number) if number.func.name() == Number::NAME => {
                Transformed::yes(call(Number::function(Numbers::Floating), number.args))
            }
            part => Transformed::no(part),
        })
    })?;
    Ok(wide.transformed.then_some(wide.data))
}

/// Whether an expression reads numbers from texts.
///
/// # Errors
/// None of its own.
fn reads_numbers(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::ScalarFunction(call) if call.func.name() == Number::NAME)))
}

/// Signs and NOT as operators with two operands: the engine asks for the types of single operands before anyone is asked what they are
/// to be read as.
pub(crate) fn with_two_operands(expr: &mut ast::Expr) {
    let _: ControlFlow<()> = visit_expressions_mut(expr, |part| {
        let ast::Expr::UnaryOp { op, expr } = part else { return ControlFlow::Continue(()) };
        if matches!(**expr, ast::Expr::Value(_) | ast::Expr::Interval(_)) {
            return ControlFlow::Continue(());
        }
        let operand = Box::new(ast::Expr::Nested(expr.clone()));
        let value = |value: Value| Box::new(ast::Expr::Value(value.into()));
        let (left, op, right) = match op {
            UnaryOperator::Minus => {
                (value(Value::Number("0".to_owned(), false)), BinaryOperator::Minus, operand)
            }
            UnaryOperator::Plus => {
                (value(Value::Number("0".to_owned(), false)), BinaryOperator::Plus, operand)
            }
            UnaryOperator::Not => (operand, BinaryOperator::Eq, value(Value::Boolean(false))),
            _ => return ControlFlow::Continue(()),
        };
        *part = ast::Expr::Nested(Box::new(ast::Expr::BinaryOp { left, op, right }));
        ControlFlow::Continue(())
    });
}

/// What an operator needs of its operands.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Numbers,
    Quotient,
    SumOrDifference,
    Comparable,
    TruthValues,
}

fn needs_of_sql(operator: &BinaryOperator) -> Option<Needs> {
    use BinaryOperator as Op;
    Some(match operator {
        Op::Plus | Op::Minus => Needs::SumOrDifference,
        Op::Multiply | Op::Modulo => Needs::Numbers,
        Op::Divide => Needs::Quotient,
        Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq => Needs::Comparable,
        Op::And | Op::Or => Needs::TruthValues,
        _ => return None,
    })
}

fn needs_of(operator: Operator) -> Option<Needs> {
    use Operator as Op;
    Some(match operator {
        Op::Plus | Op::Minus => Needs::SumOrDifference,
        Op::Multiply | Op::Modulo => Needs::Numbers,
        Op::Divide => Needs::Quotient,
        Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq => Needs::Comparable,
        Op::IsDistinctFrom | Op::IsNotDistinctFrom => Needs::Comparable,
        Op::And | Op::Or => Needs::TruthValues,
        _ => return None,
    })
}

/// A part of an expression whose own parts are read already.
fn part_read(part: Expr, schema: &DFSchema) -> Expr {
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (left, right) = match needs_of(op) {
                Some(needs) => operands(needs, *left, *right, schema),
                None => (*left, *right),
            };
            Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
        }
        Expr::Negative(inner) => Expr::Negative(Box::new(text_as(*inner, As::Number, schema))),
        Expr::Not(inner) => Expr::Not(Box::new(text_as(*inner, As::TruthValue, schema))),
        Expr::IsTrue(inner) => Expr::IsTrue(Box::new(text_as(*inner, As::TruthValue, schema))),
        Expr::IsFalse(inner) => Expr::IsFalse(Box::new(text_as(*inner, As::TruthValue, schema))),
        Expr::IsNotTrue(inner) => Expr::IsNotTrue(Box::new(text_as(*inner, As::TruthValue, schema))),
        Expr::IsNotFalse(inner) => Expr::IsNotFalse(Box::new(text_as(*inner, As::TruthValue, schema))),
        Expr::Between(Between { expr, negated, low, high }) => {
            let target = compared_as([&*expr, &*low, &*high], schema);
            let boxed = |part: Box<Expr>| Box::new(text_as(*part, target, schema));
            Expr::Between(Between::new(boxed(expr), negated, boxed(low), boxed(high)))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let target = compared_as(std::iter::once(&*expr).chain(&list), schema);
            let list = list.into_iter().map(|item| text_as(item, target, schema)).collect();
            Expr::InList(InList::new(Box::new(text_as(*expr, target, schema)), list, negated))
        }
        Expr::Case(case) => Expr::Case(case_read(case, schema)),
        Expr::ScalarFunction(call) => Expr::ScalarFunction(call_read(call, schema)),
        Expr::Cast(Cast { expr, field }) => match field.data_type() {
            // The engine's nanoseconds end in 2262.
            DataType::Timestamp(TimeUnit::Nanosecond, zone) if kind(&expr, schema) == Kind::Text => {
                let in_zone = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                cast(call(to_timestamp(), vec![*expr]), in_zone)
            }
            _ => Expr::Cast(Cast { expr, field }),
        },
        other => other,
    }
}

fn operands(needs: Needs, left: Expr, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let (own, other) = (kind(&left, schema), kind(&right, schema));
    let both = |target| (text_as(left.clone(), target, schema), text_as(right.clone(), target, schema));
    match needs {
        Needs::TruthValues => both(As::TruthValue),
        // A quotient has no last digit: that of decimals would end somewhere.
        Needs::Quotient if [own, other].iter().any(|kind| matches!(kind, Kind::Text | Kind::Exact)) => {
            let (left, right) = both(As::Number);
            (floating(left, schema), floating(right, schema))
        }
        Needs::Quotient => (left, right),
        Needs::SumOrDifference if own == Kind::Interval || other == Kind::Interval => both(As::Instant),
        Needs::SumOrDifference if own == Kind::Instant || other == Kind::Instant => both(As::Instant),
        Needs::SumOrDifference | Needs::Numbers => both(As::Number),
        Needs::Comparable => both(compared_as([&left, &right], schema)),
    }
}

/// What texts are read as that are compared with each other and with these.
fn compared_as<'a>(all: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> As {
    let kinds: Vec<Kind> = all.into_iter().map(|expr| kind(expr, schema)).collect();
    if kinds.iter().any(|kind| kind.is_numeric()) {
        As::Number
    } else if kinds.contains(&Kind::TruthValue) {
        As::TruthValue
    } else {
        As::Text
    }
}

fn case_read(case: Case, schema: &DFSchema) -> Case {
    let Case { expr, when_then_expr, else_expr } = case;
    let target = match &expr {
        Some(expr) => compared_as(
            std::iter::once(&**expr).chain(when_then_expr.iter().map(|(when, _)| &**when)),
            schema,
        ),
        None => As::TruthValue,
    };
    let results = when_then_expr.iter().map(|(_, then)| then).chain(&else_expr);
    // Where a text is among the results, all are texts.
    let is_text = results.clone().any(|result| kind(result, schema) == Kind::Text);
    let result = |expr: Box<Expr>| match kind(&expr, schema) {
        Kind::Exact if is_text => Box::new(call(NumberText::function(), vec![*expr])),
        _ => expr,
    };
    let compared = |expr: Box<Expr>| Box::new(text_as(*expr, target, schema));
    let branches = when_then_expr.into_iter().map(|(when, then)| (compared(when), result(then))).collect();
    Case { expr: expr.map(compared), when_then_expr: branches, else_expr: else_expr.map(result) }
}

/// Functions that compare their arguments.
const COMPARING: [&str; 3] = ["nullif", "greatest", "least"];

/// At most so many texts of a call are tried as something else.
const TRIED: usize = 4;

fn call_read(call: ScalarFunction, schema: &DFSchema) -> ScalarFunction {
    let ScalarFunction { func, args } = call;
    if COMPARING.contains(&func.name()) {
        let target = compared_as(&args, schema);
        let args = args.into_iter().map(|argument| text_as(argument, target, schema)).collect();
        return ScalarFunction::new_udf(func, args);
    }
    let texts: Vec<usize> = (0..args.len())
        .filter(|&at| kind(&args[at], schema) == Kind::Text && !matches!(args[at], Expr::Literal(..)))
        .take(TRIED)
        .collect();
    if texts.is_empty() || accepts(&func, &args, schema) {
        return ScalarFunction::new_udf(func, args);
    }
    for target in [As::Number, As::Instant, As::TruthValue] {
        // As few as possible are read as something else.
        let mut choices: Vec<u32> = (1..1 << texts.len()).collect();
        choices.sort_by_key(|choice| choice.count_ones());
        for choice in choices {
            let mut changed = args.clone();
            for (_, &at) in texts.iter().enumerate().filter(|(bit, _)| choice & (1 << bit) != 0) {
                changed[at] = text_as(changed[at].clone(), target, schema);
            }
            if accepts(&func, &changed, schema) {
                return ScalarFunction::new_udf(func, changed);
            }
        }
    }
    ScalarFunction::new_udf(func, args)
}

/// Whether a function takes these arguments.
fn accepts(func: &Arc<ScalarUDF>, args: &[Expr], schema: &DFSchema) -> bool {
    call(Arc::clone(func), args.to_vec()).get_type(schema).is_ok()
}

/// What a text is read as.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    Instant,
    TruthValue,
}

/// What an expression is, as far as it matters here.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    /// A number that was read from a text, or computed from such.
    Exact,
    Number,
    Instant,
    Interval,
    TruthValue,
    Other,
}

impl Kind {
    fn is_numeric(self) -> bool {
        matches!(self, Self::Exact | Self::Number)
    }
}

fn kind(expr: &Expr, schema: &DFSchema) -> Kind {
    let Ok(data_type) = expr.get_type(schema) else { return Kind::Other };
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Decimal128(..) | DataType::Decimal256(..) if reads_numbers(expr).unwrap_or(false) => {
            Kind::Exact
        }
        DataType::Boolean => Kind::TruthValue,
        DataType::Interval(_) | DataType::Duration(_) => Kind::Interval,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Instant,
        other if other.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

fn text_as(expr: Expr, target: As, schema: &DFSchema) -> Expr {
    if kind(&expr, schema) != Kind::Text {
        return expr;
    }
    match target {
        As::Text => expr,
        As::Number => {
            let text = match expr.get_type(schema) {
                Ok(DataType::Utf8) => expr,
                _ => cast(expr, DataType::Utf8),
            };
            call(Number::function(Numbers::Exact), vec![text])
        }
        As::Instant => cast(expr, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        As::TruthValue => cast(expr, DataType::Boolean),
    }
}

fn floating(expr: Expr, schema: &DFSchema) -> Expr {
    if kind(&expr, schema) == Kind::Exact { cast(expr, DataType::Float64) } else { expr }
}

fn call(function: Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use arrow::datatypes::{Field, Schema};
    use arrow::util::display::array_value_to_string;
    use jiff::Timestamp;

    use crate::{Engine, EngineOptions};

    /// The value of an expression over one row of texts, called a, b and so on: exactly, else as floating point, else the error.
    fn value(sql: &str, texts: &[&str]) -> String {
        let engine =
            Engine::new(&EngineOptions { memory_bytes: 1 << 26, spill_folder: None, threads: 1 }).unwrap();
        let session = engine.session(Timestamp::UNIX_EPOCH).for_raw_rows();
        let names = ["a", "b", "c"];
        let fields: Vec<Field> =
            names.iter().zip(texts).map(|(name, _)| Field::new(*name, super::DataType::Utf8, true)).collect();
        let schema = std::sync::Arc::new(Schema::new(fields));
        let arrays = texts.iter().map(|text| {
            let text = Some(*text).filter(|text| *text != "NULL");
            std::sync::Arc::new(StringArray::from(vec![text])) as ArrayRef
        });
        let row = RecordBatch::try_new(std::sync::Arc::clone(&schema), arrays.collect()).unwrap();
        let planned = match session.raw_expression(sql, &schema) {
            Ok(planned) => planned,
            Err(problem) => return format!("refused: {}", problem.message),
        };
        let of = |expr: &std::sync::Arc<dyn datafusion::physical_expr::PhysicalExpr>| {
            let value = expr.evaluate(&row).and_then(|value| value.into_array(1));
            value.map(|array| array_value_to_string(&array, 0).unwrap())
        };
        match (of(&planned.exact), planned.wide.as_ref().map(of)) {
            (Ok(exact), _) => exact,
            (Err(_), Some(Ok(floating))) => format!("about {floating}"),
            (Err(error), _) => error.strip_backtrace(),
        }
    }

    fn check(sql: &str, texts: &[&str], expected: &str) {
        let found = value(sql, texts);
        assert!(found.starts_with(expected), "{sql} of {texts:?}: {found}, expected {expected}");
    }

    #[test]
    fn texts_stay_texts() {
        for text in ["12345678901234567890", "01067", "+4917012", "1.10", "12E4", "NaN", " x "] {
            check("a", &[text], text);
            check("upper(a)", &[text], &text.to_uppercase());
            check("coalesce(a, '-')", &[text], text);
            check("concat(a, '/', b)", &[text, "1.0"], &format!("{text}/1.0"));
        }
        check("trim(a)", &[" 007 "], "007");
        check("a = b", &["1.0", "1"], "false");
        check("CASE WHEN a = 'x' THEN b ELSE 0 END", &["y", "01"], "0");
        check("CASE WHEN a = 'x' THEN b ELSE -c END", &["y", "01", "2.50"], "-2.5");
        check("split_part(a, '-', 2)", &["x-007"], "007");
    }

    #[test]
    fn numbers_are_exact_where_they_are_needed() {
        check("a * b", &["19.99", "3"], "59.97000");
        check("a + 0", &["9007199254740993"], "9007199254740993.0");
        check("a = 9007199254740993", &["9007199254740992"], "false");
        check("a + b", &["0.1", "0.2"], "0.3000000000");
        check("a > 2", &["10"], "true");
        check("a BETWEEN 5 AND 20", &["10"], "true");
        check("a IN (7, 10)", &["10.0"], "true");
        check("CASE a WHEN 1 THEN 'one' ELSE 'other' END", &["1.0"], "one");
        check("nullif(a, 0)", &["0.00"], "");
        check("round(a, 1)", &["2.55"], "2.6");
        check(
            "CASE WHEN upper(a) = 'REFUND' THEN -round(b, 1) ELSE round(b, 1) END",
            &["refund", "2.55"],
            "-2.6",
        );
        check("replace(replace(a, '.', ''), ',', '.') * 1", &["1.234,56"], "1234.56");
        check("abs(a)", &["-3"], "3");
        check("-a", &["+3"], "-3");
        check("a / 3", &["10"], "3.333333333333333");
        check("100 / a", &["8"], "12.5");
        check("a % 10", &["9007199254740993"], "3");
    }

    #[test]
    fn what_has_too_many_digits_is_floating_point() {
        check("a * 2", &["1e300"], "about 2e300");
        check("a + 0", &["0.12345678901234"], "about 0.12345678901234");
        check("a * 2", &["dear"], "Execution error: `dear` is not a number");
        check("a * 2", &["NULL"], "");
        for text in ["NaN", "inf", "-Infinity", "1e400"] {
            check("a > 2", &[text], &format!("Execution error: `{text}` is not a number"));
            check("a BETWEEN 1 AND 2", &[text], &format!("Execution error: `{text}` is not a number"));
        }
        check("CASE WHEN a = 'n' THEN b * 2 ELSE 0 END", &["x", "dear"], "0");
    }

    #[test]
    fn instants_and_truth_values_are_read_where_they_are_needed() {
        check("a + INTERVAL '1 day'", &["2026-02-28"], "2026-03-01T00:00:00");
        check("date_trunc('month', a)", &["2026-02-28"], "2026-02-01T00:00:00");
        check("date_trunc('month', a)", &["9999-12-31"], "9999-12-01T00:00:00");
        check("CAST(a AS TIMESTAMP)", &["9999-12-31"], "9999-12-31T00:00:00");
        check("a::timestamp + INTERVAL '1 day'", &["2300-12-31"], "2301-01-01T00:00:00");
        check("to_char(a, 'YYYY')", &["9999-12-31"], "9999");
        check("NOT a", &["true"], "false");
        check("a AND b = 'x'", &["yes", "x"], "true");
        check("CASE WHEN a THEN 1 ELSE 2 END", &["no"], "2");
        check("a = true", &["true"], "true");
        check("coalesce(a, b)", &["NULL", "x"], "x");
        check("nvl(a, 'none')", &["NULL"], "none");
        check("nvl2(a, 'some', 'none')", &["x"], "some");
        check("arrow_cast(a, 'Int64')", &["12"], "12");
        check("NOT (a = 'x') AND NOT b IN ('y')", &["z", "z"], "true");
        check("nosuch(a)", &["12"], "refused:");
    }
}

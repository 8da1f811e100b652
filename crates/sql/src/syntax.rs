//! Forms that the engine lacks or has otherwise than PostgreSQL and DuckDB, as forms that it has; those that it cannot be given are
//! refused with what to write.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Spanned, TimezoneInfo, TypedString, UnaryOperator,
    Value, ValueWithSpan, VisitMut, visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use tranche_schema::platform;

use crate::functions::AtTimeZone;
use crate::span::position;
use crate::{SqlProblem, chains, templates};

/// Rewrites every such form.
///
/// # Errors
/// [`SqlProblem`] for the first form that means something else in the engine, at its position.
pub(crate) fn translate(sql: &mut impl VisitMut) -> Result<(), SqlProblem> {
    chains::balance(sql);
    let outcome = visit_expressions_mut(sql, |expr| match translated(expr) {
        Ok(None) => ControlFlow::Continue(()),
        Ok(Some(other)) => {
            *expr = other;
            ControlFlow::Continue(())
        }
        Err(problem) => ControlFlow::Break(problem),
    });
    match outcome {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(*problem),
    }
}

/// Another form of an expression; `None` for one that stays.
fn translated(expr: &Expr) -> Result<Option<Expr>, Box<SqlProblem>> {
    let refused = |at: Span, message: String, help: &str| {
        Box::new(SqlProblem::new(position(at), message).with_help(help.to_owned()))
    };
    match expr {
        Expr::AtTimeZone { timestamp, time_zone } => {
            let arguments = vec![timestamp.as_ref().clone(), time_zone.as_ref().clone()];
            Ok(Some(call(AtTimeZone::NAME, expr.span(), arguments)))
        }
        // Of a power of ten, the digits alone are no decimal.
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) if digits.contains(['e', 'E']) => {
            Ok(Some(floating(digits)))
        }
        Expr::Cast { kind, expr, data_type, .. } if has_zone(data_type) => {
            let function = match kind {
                CastKind::TryCast | CastKind::SafeCast => "arrow_try_cast",
                CastKind::Cast | CastKind::DoubleColon => "arrow_cast",
            };
            Ok(Some(as_instant(function, expr.as_ref().clone())))
        }
        // Of other values than texts, the engine's unit decides what a number means.
        Expr::Cast { kind, expr, data_type, array, format } if is_timestamp(data_type) && is_text(expr) => {
            Ok(Some(Expr::Cast {
                kind: kind.clone(),
                expr: expr.clone(),
                data_type: IN_MICROSECONDS,
                array: *array,
                format: format.clone(),
            }))
        }
        Expr::TypedString(text) if is_timestamp(&text.data_type) => {
            Ok(Some(Expr::TypedString(TypedString { data_type: IN_MICROSECONDS, ..text.clone() })))
        }
        Expr::TypedString(text) if has_zone(&text.data_type) => {
            Ok(Some(as_instant("arrow_cast", Expr::Value(text.value.clone()))))
        }
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
            let minus_one = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number("1")) };
            Ok(Some(binary(minus_one, BinaryOperator::Minus, expr.as_ref().clone())))
        }
        Expr::BinaryOp { left, op: BinaryOperator::BitwiseXor, .. } => Err(refused(
            left.span(),
            "`^` is a power in some dialects and combines bits in others".to_owned(),
            "write power(a, b)",
        )),
        Expr::Function(function) => function_translated(function),
        _ => Ok(None),
    }
}

fn function_translated(function: &Function) -> Result<Option<Expr>, Box<SqlProblem>> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(None) };
    let Some(arguments) = plain_arguments(function) else { return Ok(None) };
    let problem = |message: String, help: String| {
        Box::new(SqlProblem::new(position(name.span), message).with_help(help))
    };
    let renamed = |other: &str| call(other, name.span, arguments.clone());
    Ok(match (name.value.to_ascii_lowercase().as_str(), arguments.as_slice()) {
        ("mod", [left, right]) => Some(binary(left.clone(), BinaryOperator::Modulo, right.clone())),
        ("log", [base, of]) if is_number(base, "10") => Some(call("log10", name.span, vec![of.clone()])),
        ("log", [base, of]) if is_number(base, "2") => Some(call("log2", name.span, vec![of.clone()])),
        ("strftime", [_, _]) => Some(renamed("to_char")),
        ("strptime", [_, _]) => Some(as_instant("arrow_cast", renamed("to_timestamp"))),
        ("age", _) => {
            return Err(problem(
                "`age` counts months in some dialects and days in others".to_owned(),
                "write date_part('day', later - earlier) for days, or compare with as_of() - INTERVAL '1 month'"
                    .to_owned(),
            ));
        }
        ("to_char", [of, template]) => {
            let pattern =
                pattern_of(template, "to_char").map_err(|(message, help)| problem(message, help))?;
            pattern.map(|pattern| call("to_char", name.span, vec![of.clone(), pattern]))
        }
        (
            "to_timestamp"
            | "to_timestamp_seconds"
            | "to_timestamp_millis"
            | "to_timestamp_micros"
            | "to_timestamp_nanos",
            [_],
        ) => Some(as_instant("arrow_cast", renamed(&name.value))),
        (parser @ ("to_date" | "to_timestamp"), [of, rest @ ..]) if !rest.is_empty() => {
            let patterns = rest.iter().map(|template| {
                let found = pattern_of(template, parser).map_err(|(message, help)| problem(message, help))?;
                Ok(found.unwrap_or_else(|| template.clone()))
            });
            let mut arguments = vec![of.clone()];
            arguments.extend(patterns.collect::<Result<Vec<_>, Box<SqlProblem>>>()?);
            let parsed = call(parser, name.span, arguments);
            Some(if parser == "to_timestamp" { as_instant("arrow_cast", parsed) } else { parsed })
        }
        _ => None,
    })
}

/// Timestamps without zone, of which the engine counts nanoseconds from 1677 to 2262 where nothing is said.
const IN_MICROSECONDS: DataType = DataType::Timestamp(Some(6), TimezoneInfo::None);

/// Whether a type is that of timestamps without zone, in whatever unit.
fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone))
}

/// Whether a type is that of instants; to the engine, it is one of timestamps without zone.
fn has_zone(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz))
}

/// An instant in UTC, by a function that casts.
fn as_instant(function: &str, timestamp: Expr) -> Expr {
    let at = timestamp.span();
    let instant = Expr::Value(Value::SingleQuotedString(format!("{}", platform::instant())).into());
    call(function, at, vec![timestamp, instant])
}

/// The engine's pattern for a literal one; `None` where it is one already.
fn pattern_of(template: &Expr, function: &str) -> Result<Option<Expr>, (String, String)> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = template else {
        let message = format!("the pattern of `{function}` is to be a text in quotes");
        return Err((message, format!("write {function}(x, 'YYYY-MM-DD')")));
    };
    if text.contains('%') {
        return Ok(None);
    }
    match templates::engine_pattern(text) {
        Ok(pattern) => Ok(Some(Expr::Value(Value::SingleQuotedString(pattern).into()))),
        Err(unknown) => Err((
            format!("`{unknown}` in the pattern of `{function}` is not known"),
            format!(
                "a pattern has {}; other letters stand in double quotes; or write it as '%Y-%m-%d'",
                templates::words()
            ),
        )),
    }
}

/// The arguments of a call that has nothing but such.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
    if !is_plain || !list.clauses.is_empty() || list.duplicate_treatment.is_some() {
        return None;
    }
    let of = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(of).collect()
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))
}

fn is_number(expr: &Expr, digits: &str) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) if number == digits)
}

fn floating(digits: &str) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::Value(Value::SingleQuotedString(digits.to_owned()).into())),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

fn call(name: &str, at: Span, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::with_span(at, name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

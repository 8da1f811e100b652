//! What is nested in a raw column that is text: nothing can be taken out of it before its type is declared.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Subscript, Value,
    visit_expressions,
};

use crate::SqlProblem;
use crate::names::as_read;
use crate::span::position;

/// The first place where an expression takes something out of a text, with the type to declare.
pub(crate) fn taken_from_text(expr: &Expr, schema: &DFSchema) -> Option<SqlProblem> {
    let found = visit_expressions(expr, |part| {
        let (column, declared) = match part {
            Expr::CompoundFieldAccess { root, access_chain } => match root.as_ref() {
                Expr::Identifier(column) => (column, type_of(access_chain)),
                Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [column, fields @ ..] => (column, type_of_fields(fields, &type_of(access_chain))),
                    [] => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            },
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [column, fields @ ..] => (column, type_of_fields(fields, "utf8")),
                [] => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        stop_at_text(column, &declared, schema)
    });
    found.break_value()
}

/// The first function of lists or maps that is given a text, with the type to declare.
pub(crate) fn passed_as_text(expr: &Expr, schema: &DFSchema) -> Option<SqlProblem> {
    let found = visit_expressions(expr, |part| {
        let Expr::Function(function) = part else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_ascii_lowercase();
        let FunctionArguments::List(list) = &function.args else { return ControlFlow::Continue(()) };
        match (declared_for(&name), list.args.first()) {
            (Some(declared), Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column))))) => {
                stop_at_text(column, declared, schema)
            }
            _ => ControlFlow::Continue(()),
        }
    });
    found.break_value()
}

/// What the first argument of a function is, where that is nested.
fn declared_for(function: &str) -> Option<&'static str> {
    match function {
        "map_keys" | "map_values" | "map_entries" | "map_extract" | "element_at" => Some("map(utf8, utf8)"),
        "cardinality" | "empty" | "flatten" | "unnest" => Some("list(utf8)"),
        name if name.starts_with("array_") || name.starts_with("list_") => Some("list(utf8)"),
        _ => None,
    }
}

fn stop_at_text(column: &Ident, declared: &str, schema: &DFSchema) -> ControlFlow<SqlProblem> {
    let name = as_read(column);
    let field = schema.field_with_unqualified_name(&name);
    let is_text = field.is_ok_and(|field| {
        matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    });
    if !is_text {
        return ControlFlow::Continue(());
    }
    let problem =
        SqlProblem::new(position(column.span), format!("`{name}` is text: nothing can be taken out of it"));
    let key = if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        name
    } else {
        format!("\"{name}\"")
    };
    let help = format!("declare what is in it with `types: {{{key}: '{declared}'}}`");
    ControlFlow::Break(problem.with_help(help))
}

/// The type of what these accesses take something out of; what they end at is text.
fn type_of(accesses: &[AccessExpr]) -> String {
    let [access, rest @ ..] = accesses else { return "utf8".to_owned() };
    let inner = type_of(rest);
    match access {
        AccessExpr::Dot(Expr::Identifier(field)) => type_of_fields(std::slice::from_ref(field), &inner),
        AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => match &value.value {
            Value::SingleQuotedString(field) => type_of_fields(&[Ident::with_quote('"', field)], &inner),
            _ => format!("list({inner})"),
        },
        _ => format!("list({inner})"),
    }
}

fn type_of_fields(fields: &[Ident], inner: &str) -> String {
    fields.iter().rev().fold(inner.to_owned(), |inner, field| {
        let name = as_read(field);
        let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_word { format!("struct({name} {inner})") } else { format!("struct(\"{name}\" {inner})") }
    })
}

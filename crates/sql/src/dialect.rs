//! Our reading of SQL before it is planned: one SELECT, no clock but `as_of()`, and `in_segment('name')`.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, SelectItem, SetExpr, Spanned,
    Statement, Value, ValueWithSpan, Visit, visit_expressions, visit_expressions_mut, visit_relations,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token};
use tranche_project::Position;

use crate::{SqlProblem, segment_relation};

/// The segments that a query asks for with `in_segment`, each with the position of its first mention.
pub type SegmentReferences = Vec<(String, Position)>;

/// Functions that read a clock or a die, and what to write instead.
const REFUSED: [(&str, &str); 16] = [
    ("now", "write as_of()"),
    ("current_timestamp", "write as_of()"),
    ("current_date", "write as_of()::date"),
    ("current_time", "write as_of()::time"),
    ("localtimestamp", "write as_of()"),
    ("localtime", "write as_of()::time"),
    ("today", "write as_of()::date"),
    ("getdate", "write as_of()"),
    ("sysdate", "write as_of()"),
    ("clock_timestamp", "write as_of()"),
    ("transaction_timestamp", "write as_of()"),
    ("statement_timestamp", "write as_of()"),
    ("random", "write bucket('a name', key), which is the same tomorrow"),
    ("rand", "write bucket('a name', key), which is the same tomorrow"),
    ("uuid", "use the entity's key"),
    ("gen_random_uuid", "use the entity's key"),
];

/// Parses one SELECT and refuses clocks; the segments that it refers to become subqueries over `key`.
pub(crate) fn parse(sql: &str, key: Option<&str>) -> Result<(DfStatement, SegmentReferences), SqlProblem> {
    let query = parse_query(sql)?;
    refuse_clocks(query.as_ref())?;
    resolve(query, key)
}

/// A query as the engine plans it, with subqueries over `key` for the segments that it refers to.
pub(crate) fn resolve(
    mut query: Box<Query>,
    key: Option<&str>,
) -> Result<(DfStatement, SegmentReferences), SqlProblem> {
    let segments = resolve_segments(&mut query, key)?;
    Ok((DfStatement::Statement(Box::new(Statement::Query(query))), segments))
}

/// Where each item of the outermost select list stands; empty when the SQL cannot be parsed.
pub(crate) fn projection_positions(sql: &str) -> Vec<Position> {
    let Ok(query) = parse_query(sql) else { return Vec::new() };
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => select.projection.iter().map(|item| item_position(item, sql)).collect(),
        _ => Vec::new(),
    }
}

/// A star has no place of its own in the parser's tree: the first one of the statement is taken.
fn item_position(item: &SelectItem, sql: &str) -> Position {
    match item {
        SelectItem::Wildcard(_) => crate::locate::first_star(sql),
        item => position(item.span()),
    }
}

/// The relations that a query names, wherever they stand; empty when the SQL cannot be parsed.
pub(crate) fn relations(sql: &str) -> Vec<String> {
    let Ok(query) = parse_query(sql) else { return Vec::new() };
    let mut names = Vec::new();
    let _: ControlFlow<()> = visit_relations(&query, |name| {
        names.push(name.to_string().trim_matches('"').to_lowercase());
        ControlFlow::Continue(())
    });
    names
}

/// Whether a SELECT calls a function of this name; yes when it cannot be parsed.
pub(crate) fn calls(sql: &str, function: &str) -> bool {
    let Ok(query) = parse_query(sql) else { return true };
    let found = visit_expressions(&query, |expr| match expr {
        Expr::Function(called)
            if called.name.to_string().trim_matches('"').eq_ignore_ascii_case(function) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

pub(crate) fn parse_query(sql: &str) -> Result<Box<Query>, SqlProblem> {
    let syntax = |e: datafusion::sql::sqlparser::parser::ParserError| crate::locate::problem(&e.into(), sql);
    let dialect = GenericDialect {};
    let mut statements =
        Parser::new(&dialect).try_with_sql(sql).map_err(syntax)?.parse_statements().map_err(syntax)?;
    let at = |statement: &Statement| position(statement.span());
    let refused = |position, message: &str| SqlProblem { position, message: message.to_owned(), help: None };
    match statements.len() {
        0 => return Err(refused(Position::START, "there is no SQL here; write one SELECT")),
        1 => {}
        _ => return Err(refused(at(&statements[1]), "write one SELECT; this file has several statements")),
    }
    match statements.pop() {
        Some(Statement::Query(query))
            if matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)) =>
        {
            Err(refused(position(query.span()), "only a SELECT is allowed here"))
        }
        Some(Statement::Query(query)) => Ok(query),
        Some(other) => Err(refused(at(&other), "only a SELECT is allowed here")),
        None => Err(refused(Position::START, "there is no SQL here; write one SELECT")),
    }
}

/// Parses one expression and refuses clocks.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr, SqlProblem> {
    let syntax = |e: datafusion::sql::sqlparser::parser::ParserError| crate::locate::problem(&e.into(), sql);
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).try_with_sql(sql).map_err(syntax)?;
    let expr = parser.parse_expr().map_err(syntax)?;
    parser.expect_token(&Token::EOF).map_err(syntax)?;
    refuse_clocks(&expr)?;
    Ok(expr)
}

/// The columns that an expression names; empty when it cannot be parsed.
pub(crate) fn columns(sql: &str) -> Vec<String> {
    let Ok(expr) = parse_expression(sql) else { return Vec::new() };
    let mut names = Vec::new();
    let _: ControlFlow<()> = visit_expressions(&expr, |node| {
        if let Expr::Identifier(ident) = node {
            let name =
                if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        ControlFlow::Continue(())
    });
    names
}

fn refuse_clocks(sql: &impl Visit) -> Result<(), SqlProblem> {
    clocks(sql).into_iter().next().map_or(Ok(()), Err)
}

/// Every call of a clock or a die.
pub(crate) fn clocks(sql: &impl Visit) -> Vec<SqlProblem> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_expressions(sql, |expr| {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().to_ascii_lowercase();
            if let Some((_, fix)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
                found.push(SqlProblem {
                    position: position(function.name.span()),
                    message: format!(
                        "`{name}` changes from run to run; a definition must give the same result at the same as_of"
                    ),
                    help: Some((*fix).to_owned()),
                });
            }
        }
        ControlFlow::Continue(())
    });
    found
}

/// `in_segment('x')` becomes `key IN (SELECT key FROM "segment:x")`, `in_segment('x', t.id)` the same with `t.id`.
fn resolve_segments(query: &mut Query, key: Option<&str>) -> Result<SegmentReferences, SqlProblem> {
    let mut segments = SegmentReferences::new();
    let outcome = visit_expressions_mut(query, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if !function.name.to_string().eq_ignore_ascii_case("in_segment") {
            return ControlFlow::Continue(());
        }
        let at = position(function.name.span());
        let break_with = |message: String| {
            let help = Some(
                "write in_segment('name'), or in_segment('name', alias.key) when several tables have the key"
                    .to_owned(),
            );
            ControlFlow::Break(SqlProblem { position: at, message, help })
        };
        let Some((segment, subject)) = in_segment_arguments(&function.args) else {
            return break_with("in_segment takes the name of a segment in quotes".to_owned());
        };
        let Some(key) = key else {
            return break_with("in_segment has a meaning only where an entity is given".to_owned());
        };
        let subject = subject.unwrap_or_else(|| Expr::Identifier(Ident::new(key)));
        let subquery =
            format!("SELECT \"{key}\" FROM \"{}\"", segment_relation(&segment).replace('"', "\"\""));
        let Ok(subquery) = parse_query(&subquery) else {
            return break_with(format!("`{segment}` is not the name of a segment"));
        };
        if !segments.iter().any(|(known, _)| *known == segment) {
            segments.push((segment, at));
        }
        *expr =
            Expr::Nested(Box::new(Expr::InSubquery { expr: Box::new(subject), subquery, negated: false }));
        ControlFlow::Continue(())
    });
    match outcome {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(segments),
    }
}

fn in_segment_arguments(arguments: &FunctionArguments) -> Option<(String, Option<Expr>)> {
    let FunctionArguments::List(list) = arguments else { return None };
    let mut plain = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let Some(Some(Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }))) = plain.next()
    else {
        return None;
    };
    let subject = match plain.next() {
        None => None,
        Some(subject) => Some(subject?),
    };
    plain.next().is_none().then_some((name, subject))
}

fn position(span: Span) -> Position {
    let Location { line, column } = span.start;
    Position { line: line.max(1), column: column.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<(&str, &[&str]), (u64, u64, &str)>) {
        match (parse(sql, Some("id")), expected) {
            (Ok((statement, segments)), Ok((text, names))) => {
                assert_eq!(statement.to_string(), text);
                assert_eq!(segments.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
            }
            (Err(problem), Err((line, column, part))) => {
                assert_eq!((problem.position.line, problem.position.column), (line, column), "{problem:?}");
                let shown = format!("{problem} {}", problem.help.clone().unwrap_or_default());
                assert!(shown.contains(part), "{shown}");
            }
            (found, expected) => panic!("{sql}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn in_segment_becomes_a_subquery() {
        check(
            "SELECT id FROM traits WHERE NOT in_segment('vip')",
            Ok(("SELECT id FROM traits WHERE NOT (id IN (SELECT \"id\" FROM \"segment:vip\"))", &["vip"])),
        );
        check(
            "SELECT t.id FROM t WHERE in_segment('a/b', t.id)",
            Ok(("SELECT t.id FROM t WHERE (t.id IN (SELECT \"id\" FROM \"segment:a/b\"))", &["a/b"])),
        );
        check("SELECT id FROM t WHERE in_segment(vip)", Err((1, 24, "name of a segment in quotes")));
    }

    #[test]
    fn clocks_are_refused_with_the_fix() {
        check("SELECT id FROM t\nWHERE at > now()", Err((2, 12, "as_of()")));
        check("SELECT id FROM t WHERE d = current_date", Err((1, 28, "as_of()::date")));
        check("SELECT id FROM (SELECT id FROM t ORDER BY random()) x", Err((1, 43, "bucket(")));
    }

    #[test]
    fn only_one_select_is_a_definition() {
        check("DROP TABLE t", Err((1, 1, "only a SELECT")));
        check("SELECT 1; SELECT 2", Err((1, 11, "several statements")));
        check("SELECT id FROM t WHERE > 3", Err((1, 24, "expected: an expression")));
        check("-- nothing", Err((1, 1, "no SQL")));
    }
}

//! Our reading of SQL before it is planned: one SELECT, no clock but `as_of()`, and what a [`Rewrite`] makes of it.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, Spanned, Statement, Visit, visit_expressions, visit_relations,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, TokenizerError};
use tranche_project::Position;

use crate::limits::{self, StatementLimits};
use crate::names::as_read;
pub use crate::span::position;
use crate::{SqlProblem, functions, syntax};

/// What a domain above makes of a parsed SELECT before it is planned: it replaces functions of its own by SQL.
pub trait Rewrite: Sync {
    /// Replaces what is not SQL.
    ///
    /// # Errors
    /// [`SqlProblem`]: the author's mistake, at its position in the text.
    fn rewrite(&self, query: &mut Query) -> Result<(), SqlProblem>;

    /// A problem of planning, in the words of the domain.
    fn explain(&self, problem: SqlProblem) -> SqlProblem {
        problem
    }
}

/// Leaves a SELECT as it was written.
#[derive(Debug, Clone, Copy)]
pub struct AsWritten;

impl Rewrite for AsWritten {
    fn rewrite(&self, _: &mut Query) -> Result<(), SqlProblem> {
        Ok(())
    }
}

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
    ("random", "write bucket('a name', key), which never changes"),
    ("rand", "write bucket('a name', key), which never changes"),
    ("uuid", "use the entity's key"),
    ("gen_random_uuid", "use the entity's key"),
];

/// Parses one SELECT, refuses clocks, and rewrites it.
pub(crate) fn parse(sql: &str, rewrite: &dyn Rewrite) -> Result<DfStatement, SqlProblem> {
    let query = parse_query(sql)?;
    limits::deep(|| {
        refuse_clocks(query.as_ref())?;
        rewritten(query, rewrite)
    })
}

/// A query as the engine plans it.
pub(crate) fn rewritten(mut query: Box<Query>, rewrite: &dyn Rewrite) -> Result<DfStatement, SqlProblem> {
    syntax::translate(&mut query)?;
    rewrite.rewrite(&mut query)?;
    Ok(DfStatement::Statement(Box::new(Statement::Query(query))))
}

/// Where each item of the outermost select list stands in the text; empty when the SQL cannot be parsed.
#[must_use]
pub fn projection_positions(sql: &str) -> Vec<Position> {
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

/// The relations that a SELECT names, wherever they stand, as the engine reads their names; empty when it cannot be parsed.
#[must_use]
pub fn relations(sql: &str) -> Vec<String> {
    let Ok(query) = parse_query(sql) else { return Vec::new() };
    let mut names = Vec::new();
    let _: ControlFlow<()> = visit_relations(&query, |name| {
        names.extend(name.0.last().and_then(|part| part.as_ident()).map(as_read));
        ControlFlow::Continue(())
    });
    names
}

/// Whether the result of a SELECT depends on the instant that it is true for; yes when it cannot be parsed.
#[must_use]
pub fn reads_as_of(sql: &str) -> bool {
    calls(sql, functions::AS_OF)
}

/// Whether a SELECT calls a function of this name; yes when it cannot be parsed.
fn calls(sql: &str, function: &str) -> bool {
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

/// Parses one SELECT.
///
/// # Errors
/// [`SqlProblem`] when the text is something else.
pub fn parse_query(sql: &str) -> Result<Box<Query>, SqlProblem> {
    let syntax = |e: datafusion::sql::sqlparser::parser::ParserError| crate::locate::problem(&e.into(), sql);
    let mut parser = parser(sql)?;
    let mut statements = limits::deep(|| parser.parse_statements()).map_err(syntax)?;
    let at = |statement: &Statement| position(statement.span());
    match statements.len() {
        0 => return Err(SqlProblem::new(Position::START, "there is no SQL here; write one SELECT")),
        1 => {}
        _ => {
            return Err(SqlProblem::new(
                at(&statements[1]),
                "write one SELECT; this file has several statements",
            ));
        }
    }
    match statements.pop() {
        Some(Statement::Query(query))
            if matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)) =>
        {
            Err(SqlProblem::new(position(query.span()), "only a SELECT is allowed here"))
        }
        Some(Statement::Query(query)) => Ok(query),
        Some(other) => Err(SqlProblem::new(at(&other), "only a SELECT is allowed here")),
        None => Err(SqlProblem::new(Position::START, "there is no SQL here; write one SELECT")),
    }
}

/// Parses one expression and refuses clocks.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr, SqlProblem> {
    let syntax = |e: datafusion::sql::sqlparser::parser::ParserError| crate::locate::problem(&e.into(), sql);
    let mut parser = parser(sql)?;
    limits::deep(|| {
        let mut expr = parser.parse_expr().map_err(syntax)?;
        parser.expect_token(&Token::EOF).map_err(syntax)?;
        refuse_clocks(&expr)?;
        syntax::translate(&mut expr)?;
        Ok(expr)
    })
}

/// A parser of a text within the limits of a statement.
fn parser(sql: &str) -> Result<Parser<'static>, SqlProblem> {
    let syntax = |e: TokenizerError| crate::locate::problem(&ParserError::from(e).into(), sql);
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(syntax)?;
    StatementLimits::current().check(&tokens)?;
    // The limit of depth is ours; within it, the parser goes as deep as it needs to.
    Ok(Parser::new(&GenericDialect {}).with_recursion_limit(usize::MAX).with_tokens_with_locations(tokens))
}

/// The columns that an expression names; empty when it cannot be parsed.
#[must_use]
pub fn columns(sql: &str) -> Vec<String> {
    column_places(sql).into_iter().map(|(name, _)| name).collect()
}

/// The columns that an expression names, each with where it does so first; of `device.os` that is `device`.
#[must_use]
pub fn column_places(sql: &str) -> Vec<(String, Position)> {
    let Ok(expr) = parse_expression(sql) else { return Vec::new() };
    let mut places = Vec::<(String, Position)>::new();
    let _: ControlFlow<()> = visit_expressions(&expr, |node| {
        let named = match node {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        if let Some(ident) = named {
            let name = as_read(ident);
            if places.iter().all(|(known, _)| *known != name) {
                places.push((name, position(ident.span)));
            }
        }
        ControlFlow::Continue(())
    });
    places
}

fn refuse_clocks(sql: &impl Visit) -> Result<(), SqlProblem> {
    clocks(sql).into_iter().next().map_or(Ok(()), Err)
}

/// Every call of a clock or a die.
pub(crate) fn clocks(sql: &impl Visit) -> Vec<SqlProblem> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_expressions(sql, |expr| {
        if let Expr::Function(function) = expr {
            let last = function.name.0.last().and_then(|part| part.as_ident());
            let name = last.map(|name| name.value.to_ascii_lowercase()).unwrap_or_default();
            if let Some((_, fix)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
                let message = format!(
                    "`{name}` changes from run to run; a definition must give the same result at the same as_of"
                );
                found.push(SqlProblem::new(position(function.name.span()), message).with_help(*fix));
            }
        }
        ControlFlow::Continue(())
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<&str, (u64, u64, &str)>) {
        match (parse(sql, &AsWritten), expected) {
            (Ok(statement), Ok(text)) => assert_eq!(statement.to_string(), text),
            (Err(problem), Err((line, column, part))) => {
                assert_eq!((problem.position.line, problem.position.column), (line, column), "{problem:?}");
                let shown = format!("{problem} {}", problem.help.clone().unwrap_or_default());
                assert!(shown.contains(part), "{shown}");
            }
            (found, expected) => panic!("{sql}: {found:?}, expected {expected:?}"),
        }
    }

    /// Puts another query in its place.
    struct Replaced;

    impl Rewrite for Replaced {
        fn rewrite(&self, query: &mut Query) -> Result<(), SqlProblem> {
            *query = *parse_query("SELECT 1")?;
            Ok(())
        }
    }

    #[test]
    fn a_select_is_rewritten_before_it_is_planned() {
        check("SELECT id FROM t WHERE d > as_of()", Ok("SELECT id FROM t WHERE d > as_of()"));
        assert_eq!(parse("SELECT id FROM t", &Replaced).unwrap().to_string(), "SELECT 1");
        // Clocks are refused in what the author wrote.
        assert!(parse("SELECT id FROM t WHERE d > now()", &Replaced).is_err());
    }

    #[test]
    fn clocks_are_refused_with_the_fix() {
        check("SELECT id FROM t\nWHERE at > now()", Err((2, 12, "as_of()")));
        check("SELECT id FROM t WHERE at > \"now\"()", Err((1, 29, "as_of()")));
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

//! `in_segment('name')` in SQL: membership in another segment, as a subquery over the relation of its members.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, SelectItem, SetExpr,
    Spanned, TableFactor, Value, ValueWithSpan, visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use tranche_project::Position;
use tranche_sql::dialect::{self, Rewrite};
use tranche_sql::{MissingName, SqlProblem};

use crate::TRAITS;

/// What `in_segment` means where a SELECT stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InSegment<'a> {
    /// In a segment: membership of the entity whose key is this column.
    OfKey(&'a str),
    /// In traits, which segments are made from: nothing.
    InTraits,
    /// In a query about no entity: nothing.
    WithoutEntity,
}

/// A segment that a SELECT asks for, and where it does so first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `vip`, or `lifecycle/new`.
    pub(crate) segment: String,
    pub(crate) position: Position,
}

/// What the names of relations of members begin with.
const MEMBERS: &str = "segment:";

/// The relation that holds the members of a segment while others are computed.
pub(crate) fn members_relation(segment: &str) -> String {
    format!("{MEMBERS}{segment}")
}

/// The segment whose members a relation holds.
pub(crate) fn segment_of(relation: &str) -> Option<&str> {
    relation.strip_prefix(MEMBERS)
}

/// The segments that a SELECT asks for; none when it cannot be parsed.
pub(crate) fn references(sql: &str) -> Vec<Reference> {
    let Ok(query) = dialect::parse_query(sql) else { return Vec::new() };
    let mut found: Vec<Reference> = Vec::new();
    let _: ControlFlow<()> = visit_expressions(&query, |expr| {
        if let Some(Ok((segment, _))) = call(expr).map(|function| arguments(&function.args))
            && !found.iter().any(|known| known.segment == segment)
        {
            found.push(Reference { segment, position: dialect::position(expr.span()) });
        }
        ControlFlow::Continue(())
    });
    found
}

impl Rewrite for InSegment<'_> {
    /// `in_segment('x')` becomes `key IN (SELECT key FROM "segment:x")`, `in_segment('x', t.id)` the same with `t.id`.
    fn rewrite(&self, query: &mut Query) -> Result<(), SqlProblem> {
        let rewritten = visit_expressions_mut(query, |expr| {
            let Some(function) = call(expr) else { return ControlFlow::Continue(()) };
            match self.subquery(function) {
                Ok(subquery) => {
                    *expr = subquery;
                    ControlFlow::Continue(())
                }
                Err(problem) => ControlFlow::Break(problem),
            }
        });
        match rewritten {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn explain(&self, problem: SqlProblem) -> SqlProblem {
        if problem.missing.as_deref() == Some(&MissingName::Table(TRAITS.to_owned())) {
            let message =
                "there is no table `traits` here: it is made of all traits, and only segments can query it";
            return SqlProblem { message: message.to_owned(), ..problem };
        }
        problem
    }
}

impl InSegment<'_> {
    /// The key of the entity, where there is one.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::OfKey(key) => Some(key),
            Self::InTraits | Self::WithoutEntity => None,
        }
    }

    fn subquery(self, function: &Function) -> Result<Expr, SqlProblem> {
        let span = function.name.span();
        let problem = |message: String| SqlProblem::new(dialect::position(span), message);
        let with_help = |message: String| {
            problem(message).with_help(
                "write in_segment('name'), or in_segment('name', alias.key) when several tables have the key",
            )
        };
        let (segment, subject) =
            arguments(&function.args).map_err(|message| with_help(message.to_owned()))?;
        let key = match self {
            Self::OfKey(key) => key,
            Self::InTraits => {
                return Err(problem(
                    "in_segment has no meaning here: segments are made from traits".to_owned(),
                ));
            }
            Self::WithoutEntity => {
                return Err(with_help("in_segment has a meaning only where an entity is given".to_owned()));
            }
        };
        let subject = subject.unwrap_or_else(|| Expr::Identifier(identifier(key, Some('"'), span)));
        let relation = members_relation(&segment).replace('"', "\"\"");
        let subquery = dialect::parse_query(&format!("SELECT \"{key}\" FROM \"{relation}\""));
        let mut subquery =
            subquery.map_err(|_| with_help(format!("`{segment}` is not the name of a segment")))?;
        point_to(&mut subquery, span);
        Ok(Expr::Nested(Box::new(Expr::InSubquery { expr: Box::new(subject), subquery, negated: false })))
    }
}

/// Makes the names of a query of ours stand where the author wrote `in_segment`, so that errors point there.
fn point_to(query: &mut Query, span: Span) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item {
            ident.span = span;
        }
    }
    for table in &mut select.from {
        if let TableFactor::Table { name, .. } = &mut table.relation {
            let idents = name.0.iter().filter_map(|part| part.as_ident());
            let idents: Vec<Ident> =
                idents.map(|ident| identifier(&ident.value, ident.quote_style, span)).collect();
            *name = idents.into();
        }
    }
}

fn identifier(value: &str, quote_style: Option<char>, span: Span) -> Ident {
    Ident { value: value.to_owned(), quote_style, span }
}

/// The call of `in_segment` that an expression is, if it is one.
fn call(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("in_segment") => {
            Some(function)
        }
        _ => None,
    }
}

/// The segment that a call names, and whose membership it asks for.
fn arguments(arguments: &FunctionArguments) -> Result<(String, Option<Expr>), &'static str> {
    const WRONG: &str = "in_segment takes the name of a segment in quotes";
    let FunctionArguments::List(list) = arguments else { return Err(WRONG) };
    let plain = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        _ => Err(WRONG),
    });
    match plain.collect::<Result<Vec<_>, _>>()?.as_slice() {
        [Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }), subject @ ..]
            if subject.len() < 2 =>
        {
            Ok((name.clone(), subject.first().cloned()))
        }
        _ => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<(&str, &[&str]), (u64, u64, &str)>) {
        let mut query = dialect::parse_query(sql).unwrap();
        match (InSegment::OfKey("id").rewrite(&mut query), expected) {
            (Ok(()), Ok((text, names))) => {
                assert_eq!(query.to_string(), text);
                let found = references(sql);
                assert_eq!(found.iter().map(|found| found.segment.as_str()).collect::<Vec<_>>(), names);
            }
            (Err(problem), Err((line, column, part))) => {
                assert_eq!((problem.position.line, problem.position.column), (line, column), "{problem:?}");
                assert!(problem.message.contains(part), "{problem}");
            }
            (found, expected) => panic!("{sql}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn in_segment_becomes_a_subquery() {
        check(
            "SELECT id FROM traits WHERE NOT in_segment('vip')",
            Ok((
                "SELECT id FROM traits WHERE NOT (\"id\" IN (SELECT \"id\" FROM \"segment:vip\"))",
                &["vip"],
            )),
        );
        check(
            "SELECT t.id FROM t WHERE in_segment('a/b', t.id)",
            Ok(("SELECT t.id FROM t WHERE (t.id IN (SELECT \"id\" FROM \"segment:a/b\"))", &["a/b"])),
        );
        check("SELECT id FROM t WHERE in_segment(vip)", Err((1, 24, "name of a segment in quotes")));
        check("SELECT id FROM t WHERE in_segment('a', id, id)", Err((1, 24, "name of a segment in quotes")));
    }

    #[test]
    fn references_stand_where_they_are_written_first() {
        let found = references(
            "SELECT id FROM t\nWHERE in_segment('vip') AND NOT in_segment('a/b') OR in_segment('vip')",
        );
        let position = |line, column| Position { line, column };
        let expected = [("vip", position(2, 7)), ("a/b", position(2, 33))];
        assert_eq!(
            found,
            expected.map(|(segment, position)| Reference { segment: segment.to_owned(), position })
        );
        assert_eq!(references("SELECT FROM WHERE"), []);
        assert_eq!(segment_of(&members_relation("a/b")), Some("a/b"));
    }

    #[test]
    fn without_an_entity_it_means_nothing() {
        for (place, part) in
            [(InSegment::InTraits, "made from traits"), (InSegment::WithoutEntity, "an entity")]
        {
            let mut query = dialect::parse_query("SELECT 1 WHERE in_segment('vip')").unwrap();
            let problem = place.rewrite(&mut query).unwrap_err();
            assert_eq!((problem.position.line, problem.position.column), (1, 16));
            assert!(problem.message.contains(part), "{problem}");
        }
    }
}

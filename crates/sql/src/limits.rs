//! How large a statement may be, before the engine sees it: the engine's parser and planner take a stack that grows
//! with a statement's depth, time that grows with the square of its length, and compute constants while they plan.
//!
//! The limits are those of the process, which they protect.

use std::pin::Pin;
use std::sync::{PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use futures::future::BoxFuture;

use crate::SqlProblem;
use crate::span::position;

/// The limits of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementLimits {
    /// Operators, set operations, joins and branches: what a tree of expressions is as long as. Entries of a list
    /// are none.
    pub terms: u64,
    /// Parentheses, CASEs and signs within each other.
    pub depth: u64,
    /// Bytes of a value that a constant makes.
    pub value_bytes: u64,
    /// How long planning may take.
    pub planning: Duration,
}

static CURRENT: RwLock<StatementLimits> = RwLock::new(StatementLimits {
    terms: 10_000,
    depth: 200,
    value_bytes: 16 << 20,
    planning: Duration::from_secs(60),
});

impl StatementLimits {
    /// The limits of this process.
    #[must_use]
    pub fn current() -> Self {
        *CURRENT.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes these the limits of this process.
    pub fn apply(self) {
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = self;
    }

    /// Refuses a statement that is too long or too deep.
    pub(crate) fn check(&self, tokens: &[TokenWithSpan]) -> Result<(), SqlProblem> {
        let (mut terms, mut open, mut signs) = (0, 0, 0);
        // A sign after an opening parenthesis, a comma or an operator is no operator of two operands.
        let mut begins = true;
        for TokenWithSpan { token, span } in tokens {
            let kind = Kind::of(token, begins);
            match kind {
                Kind::Nothing => continue,
                Kind::Sign => signs += 1,
                Kind::Open => open += 1,
                Kind::Close => open = u64::saturating_sub(open, 1),
                Kind::Term => terms += 1,
                Kind::Separator | Kind::Operand => {}
            }
            if kind != Kind::Sign && kind != Kind::Open {
                signs = 0;
            }
            begins = matches!(kind, Kind::Sign | Kind::Open | Kind::Term | Kind::Separator);
            let refused = |what: &str, most: u64, key: &str, help: &str| {
                let message = format!("{what}: at most {most} are allowed (`limits.{key}` in tranche.yaml)");
                Err(SqlProblem::new(position(*span), message).with_help(help))
            };
            if terms > self.terms {
                let help = "write a list, as in `x IN (1, 2, 3)`, or put the values into a table and join it";
                return refused("this statement has too many operators", self.terms, "sql_terms", help);
            }
            if open + signs > self.depth {
                let help = "name the inner queries in a WITH, or write steps as traits of their own";
                return refused("this statement is nested too deeply", self.depth, "sql_depth", help);
            }
        }
        Ok(())
    }
}

/// What a token does to the tree of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Open,
    Close,
    /// In front of its operand.
    Sign,
    Term,
    Separator,
    Operand,
}

impl Kind {
    fn of(token: &Token, begins: bool) -> Self {
        match token {
            Token::Whitespace(_) | Token::EOF => Self::Nothing,
            Token::LParen | Token::LBracket | Token::LBrace => Self::Open,
            Token::RParen | Token::RBracket | Token::RBrace => Self::Close,
            Token::Comma | Token::SemiColon => Self::Separator,
            Token::Minus | Token::Plus | Token::Tilde if begins => Self::Sign,
            Token::Word(word) => match word.keyword {
                Keyword::CASE => Self::Open,
                Keyword::END => Self::Close,
                Keyword::NOT => Self::Sign,
                Keyword::SELECT | Keyword::WHERE | Keyword::THEN | Keyword::ELSE | Keyword::ON => {
                    Self::Separator
                }
                Keyword::AND
                | Keyword::OR
                | Keyword::WHEN
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::JOIN
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::BETWEEN
                | Keyword::AT => Self::Term,
                _ => Self::Operand,
            },
            Token::Number(..)
            | Token::Char(_)
            | Token::Period
            | Token::Placeholder(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::HexStringLiteral(_) => Self::Operand,
            _ => Self::Term,
        }
    }
}

/// What parsing and planning may take of a stack, and how much is got where less is left.
const LEFT: usize = 96 << 20;
const STACK: usize = 256 << 20;

/// Does work that goes as deep as a statement does.
pub(crate) fn deep<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(LEFT, STACK, work)
}

/// The same for a future.
pub(crate) struct Deep<'a, T>(BoxFuture<'a, T>);

impl<'a, T> Deep<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Deep<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        deep(|| self.0.as_mut().poll(context))
    }
}

/// Plans on a thread of its own, for as long as planning may take; `None` when that was not enough. The thread cannot
/// be stopped: it ends by itself, and nothing waits for it.
pub(crate) async fn in_time<T: Send + 'static>(
    planning: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let runtime = tokio::runtime::Handle::current();
    let planned = tokio::task::spawn_blocking(move || runtime.block_on(Deep::new(planning)));
    match tokio::time::timeout(StatementLimits::current().planning, planned).await {
        Ok(Ok(planned)) => Some(planned),
        Ok(Err(ended)) => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::{parse_expression, parse_query};

    fn check(sql: &str, expected: Option<&str>) {
        let found = parse_query(sql).err().map(|problem| problem.message);
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        let part = expected.unwrap_or_default();
        assert!(found.clone().unwrap_or_default().contains(part), "{found:?}");
    }

    #[test]
    fn a_statement_that_is_too_long_or_too_deep_is_refused_by_the_name_of_the_limit() {
        let chain = |times: usize| format!("SELECT {}", vec!["a"; times].join(" + "));
        check(&chain(10_001), None);
        check(&chain(10_002), Some("`limits.sql_terms`"));
        let casts = |times: usize| format!("SELECT a{}", "::int".repeat(times));
        check(&casts(10_001), Some("`limits.sql_terms`"));
        let nested = |times: usize| format!("SELECT {}a{}", "(".repeat(times), ")".repeat(times));
        check(&nested(200), None);
        check(&nested(201), Some("`limits.sql_depth`"));
        check(&format!("SELECT {}a", "- ".repeat(100_000)), Some("`limits.sql_depth`"));
        check(&format!("SELECT {}a", "NOT ".repeat(100_000)), Some("`limits.sql_depth`"));
        let cases = |times: usize| {
            format!("SELECT {}0{}", "CASE WHEN a THEN 1 ELSE ".repeat(times), " END".repeat(times))
        };
        check(&cases(190), None);
        check(&cases(300), Some("`limits.sql_depth`"));
        let problem = parse_expression(&format!("{}1{}", "(".repeat(300), ")".repeat(300))).unwrap_err();
        assert_eq!((problem.position.line, problem.position.column), (1, 201));
    }

    #[test]
    fn a_list_may_be_as_long_as_it_needs_to_be() {
        let keys: Vec<String> = (0..50_000).map(|key| format!("-{key}")).collect();
        check(&format!("SELECT a FROM t WHERE a IN ({})", keys.join(", ")), None);
    }
}

//! The columns of the wide row, and of an event, as names in expressions.

use datafusion::common::Column;
use datafusion::logical_expr::Expr;

/// A column of the wide row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum WideColumn {
    /// The entity's key.
    Key,
    /// Whether there is one.
    HasKey,
    /// Whether the entity is in its own table.
    Declared,
    /// Whether the entity is in the universe.
    Universe,
    /// A column of the entity's own table.
    Own(String),
    /// A trait.
    Trait(String),
    /// Whether the entity is in a segment.
    Member(String),
    /// An aggregate of events, by number.
    Aggregate(usize),
    /// Whether the relation with this number has a row without a key.
    NullKey(usize),
}

const EVENT: &str = "event:";

impl WideColumn {
    /// The column as an expression.
    pub(crate) fn expr(&self) -> Expr {
        let name = match self {
            Self::Key => "key".to_owned(),
            Self::HasKey => "haskey".to_owned(),
            Self::Declared => "declared".to_owned(),
            Self::Universe => "universe".to_owned(),
            Self::Own(name) => format!("own:{name}"),
            Self::Trait(name) => format!("trait:{name}"),
            Self::Member(name) => format!("member:{name}"),
            Self::Aggregate(number) => format!("aggregate:{number}"),
            Self::NullKey(number) => format!("nullkey:{number}"),
        };
        Expr::Column(Column::new_unqualified(name))
    }

    /// The column that a name means; `None` for a column of an event.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        Some(match kind {
            "key" => Self::Key,
            "haskey" => Self::HasKey,
            "declared" => Self::Declared,
            "universe" => Self::Universe,
            "own" => Self::Own(rest.to_owned()),
            "trait" => Self::Trait(rest.to_owned()),
            "member" => Self::Member(rest.to_owned()),
            "aggregate" => Self::Aggregate(rest.parse().ok()?),
            "nullkey" => Self::NullKey(rest.parse().ok()?),
            _ => return None,
        })
    }
}

/// A column of an event.
pub(crate) fn event_column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(format!("{EVENT}{name}")))
}

/// The name of the event's column, if the expression is one.
pub(crate) fn as_event_column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => column.name.strip_prefix(EVENT),
        _ => None,
    }
}

/// What an expression is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Nothing: it is constant.
    Nothing,
    /// An event.
    Event,
    /// The entity.
    Entity,
    /// An event and its entity.
    Both,
}

/// What an expression is about.
pub(crate) fn subject(expr: &Expr) -> Subject {
    let (mut event, mut entity) = (false, false);
    for column in expr.column_refs() {
        match column.name.starts_with(EVENT) {
            true => event = true,
            false => entity = true,
        }
    }
    match (event, entity) {
        (false, false) => Subject::Nothing,
        (true, false) => Subject::Event,
        (false, true) => Subject::Entity,
        (true, true) => Subject::Both,
    }
}

/// An expression over events with the columns' own names.
pub(crate) fn without_prefix(expr: &Expr) -> Result<Expr, datafusion::error::DataFusionError> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let renamed = expr.clone().transform(|node| {
        Ok(match as_event_column(&node) {
            Some(name) => Transformed::yes(Expr::Column(Column::new_unqualified(name))),
            None => Transformed::no(node),
        })
    })?;
    Ok(renamed.data)
}

/// An expression without casts around it that leave a key what it is.
pub(crate) fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => without_casts(&cast.expr),
        Expr::Alias(alias) => without_casts(&alias.expr),
        _ => expr,
    }
}

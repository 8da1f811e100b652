//! From an engine's error to a position in the SQL text, and to words that its author understands.

mod places;
pub(crate) mod words;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use tranche_project::Position;

pub(crate) use self::places::first_star;
use self::places::{end_of, find_word, is_within, mentioned_in, parser_position, position_at, start_of};
use self::words::{cause, in_plain_words, plain_types};
use crate::limits::StatementLimits;
use crate::names::write_quoted;
use crate::{MissingName, SqlProblem};

/// A diagnostic of the engine that says less than its error.
const UNSPECIFIC: &str = "expressions have incompatible types";

/// A name that stands for nothing.
pub(crate) enum UnknownName<'a> {
    /// A column, with those that there are where it stands.
    Column { field: &'a Column, valid: &'a [Column] },
    /// A table of no schema but the session's own.
    Table(String),
    /// A function.
    Function(String),
}

/// The name that planning stopped at, if it was one that stands for nothing.
pub(crate) fn unknown_name(error: &DataFusionError) -> Option<UnknownName<'_>> {
    let root = error.find_root();
    if let DataFusionError::SchemaError(schema_error, _) = root
        && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
    {
        return Some(UnknownName::Column { field, valid: valid_fields });
    }
    let text = cause(&root.strip_backtrace());
    let quoted = |before: &str| Some(text.strip_prefix(before)?.split('\'').next()?.to_owned());
    quoted("table 'datafusion.public.")
        .map(UnknownName::Table)
        .or_else(|| quoted("Invalid function '").map(UnknownName::Function))
}

/// The mistake that an error of parsing or planning `sql` is about.
pub(crate) fn problem(error: &DataFusionError, sql: &str) -> SqlProblem {
    if let Some(UnknownName::Column { field, valid }) = unknown_name(error) {
        return unknown_column(field, valid, sql);
    }
    if let DataFusionError::SQL(syntax, _) = error.find_root() {
        return unreadable(syntax, sql);
    }
    let diagnostic = error.diagnostic();
    let said = diagnostic.map(|d| d.message.as_str()).filter(|message| *message != UNSPECIFIC);
    let text = cause(&said.map_or_else(|| error.strip_backtrace(), str::to_owned));
    let (message, help) = in_plain_words(&text);
    let spanned = diagnostic
        .and_then(|d| d.span)
        .map(|span| Position { line: span.start.line, column: span.start.column });
    let missing = match unknown_name(error) {
        Some(UnknownName::Table(table)) => Some(Box::new(MissingName::Table(table))),
        _ => None,
    };
    // Our words quote the names that they are about; the engine's do not always.
    let position = spanned.unwrap_or_else(|| match message.starts_with("there is no field ") {
        true => mentioned_in(&message, sql),
        false => mentioned_in(&text, sql),
    });
    SqlProblem { position, message, help, missing }
}

/// A statement that was not planned in the time that there is.
pub(crate) fn takes_too_long(sql: &str) -> SqlProblem {
    let seconds = StatementLimits::current().planning.as_secs();
    let message =
        format!("planning this takes longer than {seconds} s (`limits.check_seconds` in tranche.yaml)");
    SqlProblem::new(position_at(sql, start_of(sql)), message)
        .with_help("write shorter conditions, or steps as traits of their own")
}

/// The name of a type as contracts have it, but for units and time zones.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    plain_types(&data_type.to_string())
}

/// Text that is no SQL.
fn unreadable(error: &ParserError, sql: &str) -> SqlProblem {
    let (ParserError::TokenizerError(text) | ParserError::ParserError(text)) = error else {
        let message = "this is nested too deeply".to_owned();
        let help = Some("name the inner queries in a WITH".to_owned());
        return SqlProblem { position: position_at(sql, start_of(sql)), message, help, missing: None };
    };
    let (text, parsed) =
        parser_position(text).map_or((text.clone(), None), |(text, position)| (text, Some(position)));
    let (message, help) = in_plain_words(text.trim_end_matches(['.', ' ']));
    let position = parsed.filter(|p| is_within(*p, sql)).unwrap_or_else(|| match parsed {
        Some(_) => end_of(sql),
        None => mentioned_in(&text, sql),
    });
    SqlProblem { position, message, help, missing: None }
}

/// A column that is not there, and the nearest of those that are.
pub(crate) fn unknown_column(field: &Column, valid: &[Column], sql: &str) -> SqlProblem {
    let shown = field
        .relation
        .as_ref()
        .map_or_else(|| field.name.clone(), |relation| format!("{}.{}", relation.table(), field.name));
    let position =
        find_word(sql, &shown).or_else(|| find_word(sql, &field.name)).unwrap_or_else(|| start_of(sql));
    let mut known: Vec<&str> =
        valid.iter().map(|column| column.name.as_str()).filter(|name| !name.starts_with('_')).collect();
    known.sort_unstable();
    known.dedup();
    let near = known.iter().find(|name| tranche_project::is_near(name, &field.name));
    let in_quotes = sql.contains(&format!("\"{}\"", field.name));
    let quoted = write_quoted(&field.name, known.iter().copied());
    let help = match near {
        _ if quoted.is_some() => quoted,
        _ if in_quotes => {
            Some(format!("double quotes name a column; a text stands in single quotes: '{}'", field.name))
        }
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.into_iter().take(40).collect::<Vec<_>>().join(", "))),
    };
    SqlProblem {
        position: position_at(sql, position),
        message: format!("there is no column `{shown}`"),
        help,
        missing: Some(Box::new(MissingName::Column(field.name.clone()))),
    }
}

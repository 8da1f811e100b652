//! A row that an expression fails for, as people are told of it.

use std::fmt;

/// An expression that fails for a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFailure {
    /// The number of the query of a scan that needs the row; 0 where there is no other.
    pub query: usize,
    /// The table that the row is of; empty for one without a name.
    pub table: String,
    /// The row: names and values of some of its columns.
    pub row: Vec<(String, String)>,
    /// The expression as SQL.
    pub expression: String,
    /// Why it fails.
    pub reason: String,
}

impl fmt::Display for RowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, row, expression, reason, .. } = self;
        write!(f, "{reason} in `{expression}`")?;
        if row.is_empty() {
            return Ok(());
        }
        match table.as_str() {
            "" => f.write_str(", for the row with ")?,
            table => write!(f, ", for the row of `{table}` with ")?,
        }
        for (place, (name, value)) in row.iter().enumerate() {
            write!(f, "{}{name} = {value}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

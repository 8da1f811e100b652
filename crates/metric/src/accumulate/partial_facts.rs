//! The facts of some of a table's sources, added up.

use std::collections::HashMap;

use tranche_sql::SqlError;
use tranche_sql::scan::Partial;

use super::column::Column;
use super::panes::{PaneId, PaneSum, add_up};
use super::sample_capture::CapturedFacts;
use crate::plan::{ColumnId, Id};

/// The facts of some of a table's sources, added up by pane.
#[derive(Debug, Clone)]
pub(crate) struct PartialFacts {
    /// The columns of the panes, in the order of their ids.
    pub(crate) panes: Vec<Column>,
    /// How the panes add up to columns.
    pub(crate) sums: Vec<PaneSum>,
    /// The copied facts of the sample.
    pub(crate) captured: CapturedFacts,
}

impl Partial for PartialFacts {
    fn merge(&mut self, other: Self) -> Result<(), SqlError> {
        if self.sums != other.sums || self.panes.len() != other.panes.len() {
            return Err(SqlError::Engine("partial results of two scans".to_owned()));
        }
        for (own, other) in self.panes.iter_mut().zip(&other.panes) {
            own.add_column(other)?;
        }
        self.captured.merge(other.captured);
        Ok(())
    }
}

impl PartialFacts {
    /// The columns, and the copied facts of the sample, once the facts of all sources are in.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the values of a unit add up to too much.
    pub(crate) fn finish(self) -> Result<(HashMap<ColumnId, Column>, CapturedFacts), SqlError> {
        let panes = self.panes.into_iter().enumerate().map(|(place, column)| (PaneId::at(place), column));
        Ok((add_up(panes.collect(), self.sums)?, self.captured))
    }
}

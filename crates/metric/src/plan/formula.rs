//! How a metric's values follow from columns.

use super::column_spec::ColumnId;
use crate::definition::Cap;

/// How the values of a metric follow from columns.
#[derive(Debug)]
pub(crate) struct MetricFormula {
    pub(crate) assembly: Assembly,
    /// The number of events, where units without one are left out.
    pub(crate) present: Option<ColumnId>,
    pub(crate) cap: Option<Cap>,
    /// Microseconds after its instant: units that have not been observed for so long are left out.
    pub(crate) closes_after: Option<i64>,
}

/// What columns become.
#[derive(Debug)]
pub(crate) enum Assembly {
    /// The number of each unit.
    Number(ColumnId),
    /// 1 for a unit with an event, 0 for others.
    Any(ColumnId),
    /// The values of each unit's events.
    Events(ColumnId),
    /// How far each unit gets in the steps, whose events are in these columns.
    Funnel { columns: Vec<ColumnId>, steps: u8 },
}

impl MetricFormula {
    /// Whether it needs a column.
    pub(crate) fn uses(&self, column: ColumnId) -> bool {
        let assembled = match &self.assembly {
            Assembly::Number(own) | Assembly::Any(own) | Assembly::Events(own) => *own == column,
            Assembly::Funnel { columns, .. } => columns.contains(&column),
        };
        assembled || self.present == Some(column)
    }
}

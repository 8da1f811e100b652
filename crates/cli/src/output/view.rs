//! What of a table is shown: the columns that were chosen, and the room that there is.

use std::sync::OnceLock;

use comfy_table::Table;

use crate::args::Global;

/// What every table of this process shows: the command line says so, once.
static VIEW: OnceLock<View> = OnceLock::new();

/// The shown part of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The columns that were chosen, in this order; all that fit where none is named.
    pub(super) columns: Vec<String>,
    /// How wide a table may be; `None` for no limit.
    pub(super) width: Option<usize>,
}

impl View {
    /// Shows every table as the options and the terminal have it.
    pub(crate) fn set(global: &Global) {
        let width = if global.wide { None } else { width() };
        // The first to say it is the command line.
        let _ = VIEW.set(Self { columns: global.columns.clone(), width });
    }

    /// Whether columns were chosen by --columns: then their table is all that is shown.
    pub(crate) fn has_chosen_columns() -> bool {
        !Self::current().columns.is_empty()
    }

    /// What is shown; everything where the command line was not read.
    pub(super) fn current() -> Self {
        VIEW.get().cloned().unwrap_or_default()
    }
}

/// The width that `COLUMNS` says, or that of the terminal; a pipe has none.
fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    said.filter(|&width| width > 0).or_else(|| Table::new().width().map(usize::from))
}

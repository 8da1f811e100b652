//! The kinds of steps there are, one file each.

mod ingest;
mod maintain;
mod measure;
mod refresh;
mod report;

pub(crate) use report::publish;

use crate::action::Actions;

/// Every action of Tranche.
#[must_use]
pub fn standard() -> Actions {
    Actions::default()
        .with(ingest::Ingest)
        .with(refresh::Refresh)
        .with(measure::Measure)
        .with(report::MakeReport)
        .with(maintain::Maintain)
}

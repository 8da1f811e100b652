//! `report`: a report now, from what the lake holds.

use tranche_workspace::queries::report::make;

use crate::app::App;
use crate::args::{Format, Report};
use crate::failure::Failure;
use crate::output::{print_document, print_text};

pub(super) async fn run(report: &Report, app: &App) -> Result<(), Failure> {
    let as_of = report.as_of.as_of.as_deref();
    let made = make(&app.tranche, &report.report, as_of).await?;
    match app.global.format {
        Format::Json => print_document(&made),
        _ => print_text(&made.page),
    }
}

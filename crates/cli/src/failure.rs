//! How a failure leaves the program: printed, and as an exit code that says who has to act.

use std::process::ExitCode;

use serde_json::json;
use tranche_pipeline::FailureClass;
pub(crate) use tranche_workspace::{Failure, chain};

use crate::args::{Format, Global};

/// Prints a failure and gives its exit code.
#[expect(clippy::print_stderr, clippy::print_stdout, reason = "the edge of the program")]
pub(crate) fn report(failure: &Failure, global: &Global) -> ExitCode {
    if global.format == Format::Json {
        let document =
            json!({"error": failure.message, "class": failure.class, "problems": failure.diagnostics});
        println!("{document}");
    }
    for diagnostic in &failure.diagnostics {
        eprintln!("{diagnostic}\n");
    }
    eprintln!("error: {}", failure.message);
    exit_code(failure.class)
}

/// The documented exit code of a failure.
pub(crate) fn exit_code(class: FailureClass) -> ExitCode {
    match class {
        FailureClass::Definition => ExitCode::from(2),
        FailureClass::Storage => ExitCode::from(3),
        FailureClass::Data | FailureClass::Timeout | FailureClass::Internal => ExitCode::from(1),
    }
}

//! How a failure leaves the program: printed, and as an exit code that says who has to act.

use std::io::Write;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
pub(crate) use tranche_workspace::Failure;
use tranche_workspace::{Diagnostic, FailureClass, legible, legible_json, without_secrets};

use crate::args::{Format, Global};

/// A failure as `--format json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailureDocument<'a> {
    /// Who has to act.
    class: FailureClass,
    /// What went wrong.
    error: &'a str,
    /// The problems of definitions, each at its place.
    problems: &'a [Diagnostic],
}

/// Prints a failure and gives its exit code. Where nobody can be told any more, the exit code tells.
pub(crate) fn report(failure: &Failure, global: &Global) -> ExitCode {
    if global.format == Format::Json {
        let Failure { class, message: error, diagnostics: problems } = failure;
        let error = &without_secrets(error);
        let document = json!(FailureDocument { class: *class, error, problems }).to_string();
        let _ = writeln!(std::io::stdout().lock(), "{}", legible_json(&document));
    }
    let mut stderr = std::io::stderr().lock();
    for diagnostic in &failure.diagnostics {
        let _ = writeln!(stderr, "{}\n", legible(&diagnostic.to_string()));
    }
    let _ = writeln!(stderr, "error: {}", legible(&without_secrets(&failure.message)));
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

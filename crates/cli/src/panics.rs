//! Defects of ours, or of what we are built from: told in a line, and as a failure with its exit code.

use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use futures::FutureExt;

use tranche_workspace::legible;

use crate::failure::Failure;

/// Tells of a panic in one line, wherever it happens.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let text = told(panic);
        if is_caught(panic) {
            tracing::debug!("{text}");
            return;
        }
        // Nobody may be there to be told.
        let _ =
            writeln!(std::io::stderr().lock(), "internal error: {}; please report this line", legible(&text));
    }));
}

/// The outcome of a command, whose panic is a failure like others.
pub(crate) async fn caught(
    command: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<ExitCode, Failure> {
    let outcome = AssertUnwindSafe(command).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Failure::internal("the command ended by an internal error")))
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    format!("{} at {place}", panic.payload_as_str().unwrap_or("no message"))
}

/// Whether whoever is called catches the panic: the table format ends an upload that the storage has refused once
/// more, which its client answers with a panic.
fn is_caught(panic: &PanicHookInfo<'_>) -> bool {
    let file = panic.location().map(|place| place.file()).unwrap_or_default();
    file.contains("object_store") && file.ends_with("buffered.rs")
}

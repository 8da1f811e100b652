//! How a process is asked to end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::console::Console;

/// How long notifications may take when a process is about to end: the rest is left to the next process.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit code of a process that is ended by a second signal.
const INTERRUPTED: i32 = 130;

/// Waits for Ctrl-C, or for a polite request to end.
async fn interrupted() -> bool {
    #[cfg(unix)]
    {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return tokio::signal::ctrl_c().await.is_ok(),
        };
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
            _ = terminate.recv() => true,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}

/// Cancels `stop` at the first signal, and calls `on_first` then; a second signal ends the process at once.
pub(crate) async fn cancel_on_signal(stop: CancellationToken, on_first: impl Fn()) {
    while interrupted().await {
        if stop.is_cancelled() {
            std::process::exit(INTERRUPTED);
        }
        stop.cancel();
        on_first();
    }
}

/// The same for a process that finishes its running steps first, and says so.
pub(crate) async fn drain_on_signal(drain: CancellationToken, console: &dyn Console) {
    let first = || console.line("ending: running steps are finished first; a second signal ends at once");
    cancel_on_signal(drain, first).await;
}

//! The `tranche` command: how people call Tranche.
//!
//! [`args`] says what can be typed; each of [`commands`] turns that into calls of the domain crates; [`steps`] binds them to the
//! pipeline. Results go to stdout, progress and logs to stderr, and every failure has one of the documented exit codes.
//!
//! Credentials come in here and stop here: the crates below receive an object store.

mod args;
mod commands;
mod demo;
mod failure;
mod freshness;
mod lineage;
mod logging;
mod maintenance;
mod output;
mod progress;
mod steps;
mod telling;
mod watching;
mod workbench;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Large columns come and go in a refresh: an allocator that keeps their pages need not ask the kernel for each again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let traces = match logging::start(&arguments) {
        Ok(traces) => traces,
        Err(failure) => return failure.report(&arguments.global),
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(16 << 20).build() {
            Ok(runtime) => runtime,
            Err(error) => return failure::Failure::internal(error.to_string()).report(&arguments.global),
        };
    let outcome = runtime.block_on(commands::run(&arguments));
    if let Some(Err(error)) = traces.map(|traces| traces.shutdown()) {
        tracing::warn!("traces were not exported: {error}");
    }
    // A reader of raw files may still wait for its consumer; nothing is owed to it any more.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(&arguments.global),
    }
}

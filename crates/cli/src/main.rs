//! The `tranche` command: how people call Tranche.
//!
//! [`args`] says what can be typed; each of [`commands`] turns that into a question or a run, and prints what comes of it. Results go to
//! stdout, progress and logs to stderr, and every failure has one of the documented exit codes.
//!
//! Credentials come in here and stop here: the crates below receive an object store.

mod app;
mod args;
mod commands;
mod failure;
mod logging;
mod output;
mod panics;
mod progress;

use std::process::ExitCode;

use clap::Parser;

/// Large columns come and go in a refresh: an allocator that keeps their pages need not ask the kernel for each again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a thread's stack may grow to: trees of expressions are as deep as statements are long. Memory is taken as far as
/// it is used.
const STACK_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    panics::install();
    // The first thread's stack is the system's.
    match std::thread::Builder::new().stack_size(STACK_BYTES).spawn(program) {
        Ok(program) => program.join().unwrap_or(ExitCode::FAILURE),
        Err(_) => program(),
    }
}

fn program() -> ExitCode {
    let arguments = args::Arguments::parse();
    output::View::set(&arguments.global);
    let traces = match logging::start(&arguments) {
        Ok(traces) => traces,
        Err(failure) => return failure::report(&failure, &arguments.global),
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let failure = failure::Failure::internal(error.to_string());
                return failure::report(&failure, &arguments.global);
            }
        };
    let outcome = runtime.block_on(panics::caught(commands::run(&arguments)));
    if let Some(Err(error)) = traces.map(|traces| traces.shutdown()) {
        tracing::warn!("traces were not exported: {error}");
    }
    // A reader of raw files may still wait for its consumer; nothing is owed to it any more.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(failure) => failure::report(&failure, &arguments.global),
    }
}

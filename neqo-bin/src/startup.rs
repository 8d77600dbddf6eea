//! What both programs do before and after their work.

use std::{
    fmt::Display,
    future::Future,
    io::{self, Write as _},
    process::ExitCode,
};

use log::LevelFilter;

/// Prints what clap has to say, which may be the help that was asked for.
#[must_use]
pub fn usage(e: &clap::Error) -> ExitCode {
    // Nobody to tell.
    drop(e.print());
    u8::try_from(e.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Prints one line about a failure.
#[must_use]
pub fn fail(program: &str, e: &dyn Display) -> ExitCode {
    complain(program, e);
    ExitCode::FAILURE
}

/// Prints one line about a failure.
pub fn complain(program: &str, e: &dyn Display) {
    drop(writeln!(io::stderr().lock(), "{program}: {e}"));
}

/// Sets logging up: `verbose` is how often `-v` was given; without one the level is `quiet`, with one `first`. RUST_LOG
/// overrides both.
pub fn log(verbose: u8, quiet: LevelFilter, first: LevelFilter) {
    let level = match verbose {
        0 => Some(quiet),
        1 => Some(first),
        2 => Some(LevelFilter::Debug),
        _ => Some(LevelFilter::Trace),
    };
    neqo_common::log::init(level);
}

/// Runs a future on a runtime of this thread. Work that still blocks other threads afterwards, such as reading a
/// terminal, is left alone.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(output)
}

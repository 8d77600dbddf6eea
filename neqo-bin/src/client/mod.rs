//! `neqo-client`.

pub mod args;
pub mod demo;
pub mod driver;
pub mod engine;
pub mod error;
pub mod exchanges;
pub mod exit;
pub mod fetch;
pub mod filename;
pub mod h3;
pub mod hq;
pub mod progress;
pub mod request;
pub mod resolve;
pub mod sink;
pub mod summary;
pub mod target;
pub mod transfer;
pub mod trust;
pub mod writer;

use std::{ffi::OsString, process::ExitCode};

use args::{Cli, Command};
use exit::Exit;
use fetch::{Failure, fetch};

use log::LevelFilter;

use crate::{runtime::signals::Signals, startup};

/// Runs the program.
pub fn main<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match args::parse(args) {
        Ok(cli) => cli,
        Err(e) => return startup::usage(&e),
    };
    let verbose = match &cli.command {
        Some(Command::Demo(demo)) => demo.verbose,
        None => cli.fetch.output.verbose,
    };
    // What goes wrong is reported once, by us.
    startup::log(verbose, LevelFilter::Off, LevelFilter::Warn);
    let exit = match startup::block_on(run(cli)) {
        Ok(Ok(())) => Exit::Success,
        Ok(Err(failure)) => failure.report(),
        Err(e) => {
            startup::complain("neqo-client", &e);
            Exit::Internal
        }
    };
    exit.into()
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let signals = Signals::listen()
        .map_err(|e| error::Error::Internal(format!("cannot listen for signals: {e}")))?;
    match cli.command {
        Some(Command::Demo(demo)) => demo::run(&demo, &signals).await,
        None => fetch(&cli.fetch, &signals).await,
    }
}

//! `neqo-server`.

pub mod access_log;
pub mod args;
pub mod connections;
pub mod driver;
pub mod error;
pub mod exchanges;
pub mod hq;
pub mod identity;
pub mod listen;
pub mod run;
pub mod service;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use log::LevelFilter;

use crate::{runtime::signals::Signals, startup};
use access_log::AccessLog;
use error::Error;

/// Runs the program.
pub fn main<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args = match args::Cli::try_parse_from(args) {
        Ok(args) => args,
        Err(e) => return startup::usage(&e),
    };
    startup::log(args.verbose, LevelFilter::Error, LevelFilter::Info);
    match startup::block_on(serve(args)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(e)) => startup::fail("neqo-server", &e),
        Err(e) => startup::fail("neqo-server", &e),
    }
}

async fn serve(args: args::Cli) -> Result<(), Error> {
    let system = |doing| move |source| Error::System { doing, source };
    let signals = Signals::listen().map_err(system("cannot listen for signals"))?;
    let quiet = args.quiet;
    let server = run::Bound::new(args).await?;
    if let Err(e) = server.announce(&mut io::stdout().lock()) {
        // Nobody reads; the server is of use nevertheless.
        drop(writeln!(io::stderr().lock(), "neqo-server: stdout: {e}"));
    }
    if quiet {
        return server.serve(AccessLog::disabled(), signals).await;
    }
    let (access_log, scribe) =
        AccessLog::to(io::stdout()).map_err(system("cannot start the access log"))?;
    let result = server.serve(access_log, signals).await;
    drop(scribe);
    result
}

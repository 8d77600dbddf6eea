//! Serves files over HTTP/3.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    neqo_bin::server::main(std::env::args_os())
}

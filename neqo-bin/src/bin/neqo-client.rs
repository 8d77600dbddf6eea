//! Fetches URLs over HTTP/3.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    neqo_bin::client::main(std::env::args_os())
}

//! `neqo-client` and `neqo-server`: tokio sockets wired to the sans-IO crates.
//!
//! This is the only crate that opens sockets, reads clocks ([`clock`]), touches files and knows tokio. Each program runs on
//! one thread, beside which files are read and written, names resolved and log lines printed. It is a library so that its
//! parts can be tested and measured; its interface is the two command lines, and their exit codes ([`client::exit`]).
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | [`client`] | from a command line to files: arguments, names, trust, connections ([`client::driver`]), transfers, progress and the [`client::demo`] |
//! | [`server`] | from a command line to responses: certificates, sockets, connections ([`server::driver`]), the files and generated bodies of [`server::service`], the access log |
//! | [`runtime`] | where both meet the system: a socket with its timer, and signals |
//! | [`body`] | bodies on their way out, read no further ahead than a bound |
//! | [`proto`], [`startup`] | what both command lines offer; logs and the end of a process |
//!
//! Both programs drive an *engine*, which is HTTP/3 or HTTP/0.9 (`hq-interop`), by the same few calls: [`client::engine`],
//! [`server::connections`].

#![forbid(unsafe_code)]

pub mod body;
pub mod client;
pub mod clock;
pub mod proto;
pub mod runtime;
pub mod server;
pub mod startup;

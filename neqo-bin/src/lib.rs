//! `neqo-client` and `neqo-server`: tokio sockets wired to the sans-IO crates.
#![forbid(unsafe_code)]

pub mod body;
pub mod client;
pub mod clock;
pub mod proto;
pub mod runtime;
pub mod server;
pub mod startup;

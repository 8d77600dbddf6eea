//! What the tests of every crate share: a deterministic network in virtual time, connections as its
//! nodes, an application protocol for them, and certificates.
//!
//! This crate is only ever a dev-dependency. It holds to the same rules as what it tests: time and
//! randomness are arguments, one owner for each thing, and a run with the same seed is the same run.

#![forbid(unsafe_code)]

pub mod node;
pub mod sim;
pub mod tls;
pub mod transfer;

use std::{sync::OnceLock, time::Instant};

/// The moment at which every test begins.
///
/// [`Instant`] cannot be made from a number, so the clock is read once in a process. Nothing may
/// depend on the value, only on the distance to it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one reading from which virtual time is counted"
)]
pub fn now() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

//! The one place where these tools read a clock: everything below takes time as an argument.

use std::time::{Instant, SystemTime};

/// The monotonic clock that all timers use.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the binaries own the clock; the crates below get it as an argument"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for log lines and HTTP dates only.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the binaries own the clock; the crates below get it as an argument"
)]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

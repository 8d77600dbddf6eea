//! The host's time as NSS counts it.

use std::{sync::OnceLock, time::Instant};

use crate::nss;

/// `now` in microseconds since 1970. The first `now` of the process is taken to be the system's present; from then on
/// only the host's time counts.
pub(super) fn micros(now: Instant) -> i64 {
    static BASE: OnceLock<(Instant, i64)> = OnceLock::new();
    let (base, micros) = *BASE.get_or_init(|| (now, nss::wall_clock()));
    let since = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    match now.checked_duration_since(base) {
        Some(later) => micros.saturating_add(since(later)),
        None => micros.saturating_sub(since(base.saturating_duration_since(now))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a base for the times passed in")]
    fn both_ways() {
        let now = Instant::now();
        let at = micros(now);
        assert_eq!(micros(now + Duration::from_secs(1)) - at, 1_000_000);
        assert_eq!(
            at - micros(now.checked_sub(Duration::from_millis(1)).unwrap()),
            1000
        );
    }
}

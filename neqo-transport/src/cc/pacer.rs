//! Pacing (RFC 9002 §7.7): a leaky bucket that hands out batches.
//!
//! A batch of datagrams costs one system call, and hosts' timers are no finer than a millisecond.
//! So nothing is handed out until about a millisecond's worth has gathered, then all of it.

use std::time::{Duration, Instant};

use super::window::initial_window;
use crate::recovery::rtt::GRANULARITY;

/// For how long a batch suffices.
const BATCH_TIME: Duration = GRANULARITY;
/// For how long unused allowance gathers: a batch, and a timer that fires two ticks late.
const BURST_TIME: Duration = Duration::from_millis(3);
/// No single send takes more: UDP with GSO ends here.
const MAX_BATCH: usize = 65_535;

/// How fast to send.
//= rfc9002#section-7.7
//# Using a value for `N` that is small, but at least 1 (for example, 1.25) ensures
//# that variations in RTT do not result in underutilization of the
//# congestion window.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The congestion window, in bytes.
    pub cwnd: usize,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// Whether the window doubles each round trip: then `N` is 2, else 1.25.
    pub slow_start: bool,
}

impl Rate {
    /// Numerator and denominator, in bytes and nanoseconds.
    const fn fraction(&self) -> (u128, u128) {
        let (n, d) = if self.slow_start { (2, 1) } else { (5, 4) };
        (
            (self.cwnd as u128).saturating_mul(n),
            self.rtt.as_nanos().saturating_mul(d),
        )
    }

    // hardening A34
    fn bytes_in(&self, time: Duration) -> usize {
        let (bytes, nanos) = self.fraction();
        let exact = bytes.saturating_mul(time.as_nanos()) / nanos.max(1);
        usize::try_from(exact).unwrap_or(usize::MAX)
    }

    // hardening A34
    fn time_for(&self, amount: usize) -> Duration {
        let (bytes, nanos) = self.fraction();
        let exact = (amount as u128)
            .saturating_mul(nanos)
            .div_ceil(bytes.max(1));
        Duration::from_nanos(u64::try_from(exact).unwrap_or(u64::MAX))
    }

    /// Whether the round-trip time is too short to be divided by any timer.
    fn is_unpaceable(&self) -> bool {
        self.rtt < GRANULARITY
    }
}

/// The bucket.
#[derive(Debug)]
pub struct Pacer {
    /// Bytes that may be sent, as of `last`.
    tokens: usize,
    last: Instant,
    mtu: usize,
}

impl Pacer {
    /// A full bucket.
    pub fn new(mtu: usize, now: Instant) -> Self {
        Self {
            tokens: initial_window(mtu),
            last: now,
            mtu,
        }
    }

    //= rfc9002#section-7.7
    //# Senders SHOULD limit bursts to the
    //# initial congestion window
    // Or to what a link of this rate drains in a few milliseconds, if that is more.
    fn capacity(&self, rate: &Rate) -> usize {
        rate.bytes_in(BURST_TIME).max(initial_window(self.mtu))
    }

    fn batch(&self, rate: &Rate) -> usize {
        rate.bytes_in(BATCH_TIME).min(MAX_BATCH).max(self.mtu)
    }

    fn refill(&mut self, now: Instant, rate: &Rate) {
        let capacity = self.capacity(rate);
        let gained = rate.bytes_in(now.saturating_duration_since(self.last));
        let tokens = self.tokens.saturating_add(gained);
        if tokens >= capacity {
            self.tokens = capacity;
            self.last = self.last.max(now);
        } else {
            self.tokens = tokens;
            // Not `now`: the fraction of a byte that is left of the time is not lost.
            self.last = self
                .last
                .checked_add(rate.time_for(gained))
                .map_or(now, |t| t.min(now))
                .max(self.last);
        }
    }

    /// How many bytes may be sent at `now`: at least a batch, or none.
    pub fn budget(&mut self, now: Instant, rate: &Rate) -> usize {
        self.refill(now, rate);
        if rate.is_unpaceable() {
            usize::MAX
        } else if self.tokens >= self.batch(rate) {
            self.tokens
        } else {
            0
        }
    }

    /// When the next batch may be sent, if not at `now`.
    pub fn next_send(&self, now: Instant, rate: &Rate) -> Option<Instant> {
        if rate.is_unpaceable() {
            return None;
        }
        let missing = self.batch(rate).checked_sub(self.tokens)?;
        let at = self.last.checked_add(rate.time_for(missing))?;
        (at > now).then_some(at)
    }

    /// A packet was sent, whether or not there was budget for it.
    pub const fn on_sent(&mut self, size: usize) {
        self.tokens = self.tokens.saturating_sub(size);
    }

    /// UDP payloads have this size from now on, in bytes.
    pub const fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_BATCH, Pacer, Rate};
    use crate::{
        cc::window::initial_window,
        recovery::testing::{ms, now},
    };

    const MTU: usize = 1200;

    const fn rate(cwnd: usize, rtt: Duration) -> Rate {
        Rate {
            cwnd,
            rtt,
            slow_start: false,
        }
    }

    //= rfc9002#section-7.7 type=test
    //# Senders SHOULD limit bursts to the
    //# initial congestion window
    #[test]
    fn a_slow_path_gets_an_initial_window_and_then_single_packets() {
        let (start, rate) = (now(), rate(20 * MTU, ms(100)));
        let mut pacer = Pacer::new(MTU, start);
        assert_eq!(pacer.budget(start, &rate), initial_window(MTU));
        pacer.on_sent(initial_window(MTU));
        assert_eq!(pacer.budget(start, &rate), 0);
        // 1.25 × 20 packets in 100 ms: one in 4 ms.
        assert_eq!(pacer.next_send(start, &rate), Some(start + ms(4)));
        assert_eq!(pacer.budget(start + ms(3), &rate), 0);
        assert_eq!(pacer.next_send(start + ms(3), &rate), Some(start + ms(4)));
        assert_eq!(pacer.budget(start + ms(4), &rate), MTU);
        assert_eq!(pacer.next_send(start + ms(4), &rate), None);
        // What is not used gathers, up to the burst.
        let later = start + Duration::from_secs(9);
        assert_eq!(pacer.budget(later, &rate), initial_window(MTU));
    }

    #[test]
    fn a_fast_path_gets_batches() {
        // 100 MB/s
        let (start, rate) = (now(), rate(4_000_000, ms(50)));
        let mut pacer = Pacer::new(MTU, start);
        let mut t = start + ms(10);
        assert_eq!(pacer.budget(t, &rate), 300_000, "three milliseconds' worth");
        pacer.on_sent(300_000);
        let mut sent = 0;
        for _ in 0..100 {
            t = pacer.next_send(t, &rate).unwrap();
            let budget = pacer.budget(t, &rate);
            assert_eq!(budget, MAX_BATCH);
            pacer.on_sent(budget);
            sent += budget;
        }
        let expected = Duration::from_secs_f64(f64::from(u32::try_from(sent).unwrap()) / 1e8);
        let actual = t - (start + ms(10));
        assert!(actual.abs_diff(expected) < Duration::from_micros(10));
    }

    #[test]
    fn asking_often_loses_nothing() {
        let (start, rate) = (now(), rate(10 * MTU, ms(100)));
        let mut pacer = Pacer::new(MTU, start);
        pacer.on_sent(pacer.tokens);
        // A byte takes 6.67 µs; ask every microsecond.
        for us in 0..8000 {
            pacer.budget(start + Duration::from_micros(us), &rate);
        }
        // Rounding costs at most a nanosecond each time.
        assert!(pacer.tokens.abs_diff(MTU) <= 2, "{}", pacer.tokens);
    }

    #[test]
    fn slow_start_is_paced_at_twice_the_window() {
        let start = now();
        let mut rate = rate(10 * MTU, ms(100));
        rate.slow_start = true;
        let mut pacer = Pacer::new(MTU, start);
        pacer.on_sent(pacer.tokens);
        assert_eq!(pacer.next_send(start, &rate), Some(start + ms(5)));
    }

    #[test]
    fn no_pacing_below_the_granularity_of_timers() {
        let (start, rate) = (now(), rate(10 * MTU, Duration::from_micros(900)));
        let mut pacer = Pacer::new(MTU, start);
        pacer.on_sent(usize::MAX);
        assert_eq!(pacer.budget(start, &rate), usize::MAX);
        assert_eq!(pacer.next_send(start, &rate), None);
    }

    // hardening A34
    #[test]
    fn extremes_do_not_overflow() {
        let start = now();
        for cwnd in [0, 1, usize::MAX] {
            for rtt in [Duration::ZERO, ms(1), Duration::MAX] {
                for mtu in [1, MTU, usize::MAX] {
                    for slow_start in [true, false] {
                        let rate = Rate {
                            cwnd,
                            rtt,
                            slow_start,
                        };
                        let mut pacer = Pacer::new(mtu, start);
                        for later in [0, 1, u32::MAX.into(), 0] {
                            let now = start + Duration::from_secs(later);
                            let budget = pacer.budget(now, &rate);
                            pacer.on_sent(budget);
                            assert!(pacer.next_send(now, &rate).is_none_or(|t| t > now));
                        }
                    }
                }
            }
        }
    }
}

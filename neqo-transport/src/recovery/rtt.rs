//! The round-trip time of a path (RFC 9002 §5).

use std::time::{Duration, Instant};

/// The finest time that timers are trusted with (RFC 9002 §6.1.2).
pub const GRANULARITY: Duration = Duration::from_millis(1);
/// How many probe timeouts long all packets must have been lost (RFC 9002 §7.6.1).
const PERSISTENT_CONGESTION_THRESHOLD: u32 = 3;

/// Decodes the ACK Delay field (RFC 9000 §19.3): a count of 2^`exponent` microseconds.
///
/// `limit` is the peer's `max_ack_delay` once the handshake is confirmed and nothing before.
/// For Initial packets the caller passes a `raw` of zero, they are not delayed intentionally.
pub fn ack_delay(raw: u64, exponent: u8, limit: Option<Duration>) -> Duration {
    let factor = 1_u64.checked_shl(u32::from(exponent)).unwrap_or(u64::MAX);
    let delay = Duration::from_micros(raw.saturating_mul(factor));
    //= rfc9002#section-5.3
    //# MUST use the lesser of the acknowledgment delay and the peer's max_ack_delay
    //# after the handshake is confirmed
    limit.map_or(delay, |l| delay.min(l))
}

/// The estimates for one path.
#[derive(Clone, Copy, Debug)]
pub struct Rtt {
    latest: Duration,
    smoothed: Duration,
    var: Duration,
    min: Duration,
    first_sample: Option<Instant>,
    last_sample: Option<Instant>,
}

impl Rtt {
    /// The estimates for a path that was not measured yet; `initial` is a guess at it.
    pub fn new(initial: Duration) -> Self {
        Self {
            latest: initial,
            smoothed: initial,
            var: initial / 2,
            min: initial,
            first_sample: None,
            last_sample: None,
        }
    }

    /// The newest sample, or the initial guess.
    pub const fn latest(&self) -> Duration {
        self.latest
    }

    /// The moving average.
    pub const fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// The mean deviation of samples.
    pub const fn var(&self) -> Duration {
        self.var
    }

    /// The smallest sample.
    pub const fn min(&self) -> Duration {
        self.min
    }

    /// When the first sample was taken, if any was.
    pub const fn first_sample(&self) -> Option<Instant> {
        self.first_sample
    }

    /// When the newest sample was taken, if any was.
    pub const fn last_sample(&self) -> Option<Instant> {
        self.last_sample
    }

    /// Takes a sample at `now`; `ack_delay` comes from [`ack_delay`].
    pub fn update(&mut self, sample: Duration, ack_delay: Duration, now: Instant) {
        self.latest = sample;
        self.last_sample = Some(now);
        if self.first_sample.is_none() {
            self.first_sample = Some(now);
            //= rfc9002#section-5.2
            //# min_rtt MUST be set to the latest_rtt on the first RTT sample.
            self.min = sample;
            self.smoothed = sample;
            self.var = sample / 2;
            return;
        }
        //= rfc9002#section-5.2
        //# min_rtt MUST be
        //# set to the lesser of min_rtt and latest_rtt ({{latest-rtt}}) on all other
        //# samples.
        self.min = self.min.min(sample);
        //= rfc9002#section-5.3
        //# MUST NOT subtract the acknowledgment delay from the RTT sample if the
        //# resulting value is smaller than the min_rtt.
        let adjusted = sample
            .checked_sub(ack_delay)
            .filter(|a| *a >= self.min)
            .unwrap_or(sample);
        let deviation = self.smoothed.abs_diff(adjusted);
        self.smoothed = (self.smoothed / 8)
            .saturating_mul(7)
            .saturating_add(adjusted / 8);
        self.var = (self.var / 4)
            .saturating_mul(3)
            .saturating_add(deviation / 4);
    }

    /// Forgets the minimum in favour of the newest sample: persistent congestion may mean that
    /// the path changed (RFC 9002 §5.2).
    pub const fn reset_min(&mut self) {
        self.min = self.latest;
    }

    /// The probe timeout without the peer's `max_ack_delay` and without back-off.
    pub fn pto_base(&self) -> Duration {
        //= rfc9002#section-6.2.1
        //# The PTO period MUST be at least kGranularity to avoid the timer expiring
        //# immediately.
        self.smoothed
            .saturating_add(self.var.saturating_mul(4).max(GRANULARITY))
    }

    /// How long after a packet an acknowledgement of a later one means that it was lost.
    pub fn loss_delay(&self) -> Duration {
        let rtt = self.smoothed.max(self.latest);
        //= rfc9002#section-6.1.2
        //# this
        //# time threshold MUST be set to at least the local timer granularity, as
        //# indicated by the kGranularity constant.
        rtt.saturating_add(rtt / 8).max(GRANULARITY)
    }

    /// Losses that span more than this are persistent congestion (RFC 9002 §7.6.1).
    pub fn persistent_congestion_duration(&self, max_ack_delay: Duration) -> Duration {
        self.pto_base()
            .saturating_add(max_ack_delay)
            .saturating_mul(PERSISTENT_CONGESTION_THRESHOLD)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GRANULARITY, Rtt, ack_delay};
    use crate::recovery::testing::{ms, now};

    const INITIAL_RTT: Duration = ms(333);

    //= rfc9002#section-5.2 type=test
    //# min_rtt MUST be set to the latest_rtt on the first RTT sample.
    #[test]
    fn the_first_sample_replaces_the_guess() {
        let (mut rtt, t) = (Rtt::new(INITIAL_RTT), now());
        assert_eq!(rtt.pto_base(), INITIAL_RTT * 3);
        assert_eq!(rtt.first_sample(), None);
        rtt.update(ms(40), ms(10), t);
        assert_eq!(
            (rtt.latest(), rtt.smoothed(), rtt.var(), rtt.min()),
            (ms(40), ms(40), ms(20), ms(40))
        );
        assert_eq!((rtt.first_sample(), rtt.last_sample()), (Some(t), Some(t)));
    }

    //= rfc9002#section-5.3 type=test
    //# MUST NOT subtract the acknowledgment delay from the RTT sample if the
    //# resulting value is smaller than the min_rtt.
    #[test]
    fn acknowledgement_delay_is_taken_off_but_not_below_the_minimum() {
        let (mut rtt, t) = (Rtt::new(INITIAL_RTT), now());
        rtt.update(ms(80), Duration::ZERO, t);
        rtt.update(ms(120), ms(40), t);
        // Adjusted to 80: nothing changes but the variation.
        assert_eq!((rtt.smoothed(), rtt.var()), (ms(80), ms(30)));
        rtt.update(ms(120), ms(41), t);
        assert_eq!(rtt.smoothed(), ms(85));
        assert_eq!(rtt.latest(), ms(120));
        rtt.update(ms(120), Duration::MAX, t);
        assert!(rtt.smoothed() > ms(85));
    }

    //= rfc9002#section-5.2 type=test
    //# min_rtt MUST be
    //# set to the lesser of min_rtt and latest_rtt ({{latest-rtt}}) on all other
    //# samples.
    #[test]
    fn minimum() {
        let (mut rtt, t) = (Rtt::new(INITIAL_RTT), now());
        for (sample, min) in [(80, 80), (90, 80), (70, 70), (200, 70)] {
            rtt.update(ms(sample), ms(60), t);
            assert_eq!(rtt.min(), ms(min));
        }
        rtt.reset_min();
        assert_eq!(rtt.min(), ms(200));
    }

    //= rfc9002#section-6.1.2 type=test
    //# this
    //# time threshold MUST be set to at least the local timer granularity, as
    //# indicated by the kGranularity constant.
    #[test]
    fn loss_delay() {
        let (mut rtt, t) = (Rtt::new(INITIAL_RTT), now());
        rtt.update(ms(80), Duration::ZERO, t);
        assert_eq!(rtt.loss_delay(), ms(90));
        rtt.update(ms(160), Duration::ZERO, t);
        assert_eq!(rtt.loss_delay(), ms(180));
        let mut rtt = Rtt::new(INITIAL_RTT);
        rtt.update(Duration::ZERO, Duration::ZERO, t);
        assert_eq!(rtt.loss_delay(), GRANULARITY);
        assert_eq!(rtt.pto_base(), GRANULARITY);
    }

    //= rfc9002#section-5.3 type=test
    //# MUST use the lesser of the acknowledgment delay and the peer's max_ack_delay
    //# after the handshake is confirmed
    #[test]
    fn acknowledgement_delay_field() {
        assert_eq!(ack_delay(1000, 3, None), ms(8));
        assert_eq!(ack_delay(100_000, 3, None), ms(800));
        assert_eq!(ack_delay(100_000, 3, Some(ms(25))), ms(25));
        assert_eq!(ack_delay(1000, 3, Some(ms(25))), ms(8));
        // hardening A34
        assert_eq!(ack_delay(u64::MAX, 20, Some(ms(25))), ms(25));
        assert_eq!(ack_delay(1, 255, Some(ms(25))), ms(25));
    }

    // hardening A34
    #[test]
    fn extremes_do_not_overflow() {
        let (mut rtt, t) = (Rtt::new(Duration::MAX), now());
        assert_eq!(rtt.persistent_congestion_duration(ms(25)), Duration::MAX);
        for sample in [Duration::MAX, Duration::ZERO, Duration::MAX, Duration::MAX] {
            rtt.update(sample, Duration::MAX, t);
            assert!(rtt.pto_base() >= GRANULARITY);
            assert!(rtt.loss_delay() >= GRANULARITY);
        }
    }
}

//! The idle timeout (RFC 9000 §10.1) and keep-alives.

use std::time::{Duration, Instant};

/// When a connection has been silent for too long.
#[derive(Debug)]
pub struct Idle {
    /// The smaller of both sides' values; zero is never.
    timeout: Duration,
    /// When a packet was last received and processed, or the first ack-eliciting one sent since.
    restarted: Instant,
    /// Whether an ack-eliciting packet was sent since the last one was received.
    sent_since: bool,
}

impl Idle {
    /// Counts from `now`.
    pub const fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout,
            restarted: now,
            sent_since: false,
        }
    }

    /// The peer's `max_idle_timeout`; zero says that it has none.
    pub fn set_peer_timeout(&mut self, peer: Duration) {
        //= rfc9000#section-10.1
        //# Each endpoint advertises a max_idle_timeout, but the effective value
        //# at an endpoint is computed as the minimum of the two advertised values
        if !peer.is_zero() && (self.timeout.is_zero() || peer < self.timeout) {
            self.timeout = peer;
        }
    }

    /// A packet was received and processed.
    pub const fn on_received(&mut self, now: Instant) {
        self.restarted = now;
        self.sent_since = false;
    }

    /// An ack-eliciting packet was sent.
    pub const fn on_sent(&mut self, now: Instant) {
        //= rfc9000#section-10.1
        //# An endpoint also restarts its idle timer when sending an ack-eliciting packet if no other
        //# ack-eliciting packets have been sent since last receiving and processing a packet.
        if !self.sent_since {
            self.sent_since = true;
            self.restarted = now;
        }
    }

    /// When something was last received, or sent in answer to silence.
    pub const fn last_activity(&self) -> Instant {
        self.restarted
    }

    /// When the connection dies of silence.
    pub fn deadline(&self, pto: Duration) -> Option<Instant> {
        //= rfc9000#section-10.1
        //# To avoid excessively small idle timeout periods, endpoints MUST
        //# increase the idle timeout period to be at least three times the
        //# current Probe Timeout (PTO).
        (!self.timeout.is_zero()).then(|| self.restarted + self.timeout.max(pto * 3))
    }

    /// When a PING keeps the connection alive: after `interval` of silence, else half way to the
    /// deadline.
    pub fn keep_alive(&self, interval: Option<Duration>, pto: Duration) -> Option<Instant> {
        let half = (!self.timeout.is_zero()).then(|| self.timeout.max(pto * 3) / 2);
        let silence = interval.or(half).filter(|_| !self.sent_since)?;
        Some(self.restarted + silence)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Idle;

    const SEC: Duration = Duration::from_secs(1);

    //= rfc9000#section-10.1 type=test
    //# Each endpoint advertises a max_idle_timeout, but the effective value
    //# at an endpoint is computed as the minimum of the two advertised values
    #[test]
    fn the_smaller_value_counts() {
        let now = crate::test_now();
        let mut idle = Idle::new(30 * SEC, now);
        idle.set_peer_timeout(Duration::ZERO);
        assert_eq!(idle.deadline(SEC), Some(now + 30 * SEC));
        idle.set_peer_timeout(10 * SEC);
        assert_eq!(idle.deadline(SEC), Some(now + 10 * SEC));
        idle.set_peer_timeout(20 * SEC);
        assert_eq!(idle.deadline(SEC), Some(now + 10 * SEC));
        let mut never = Idle::new(Duration::ZERO, now);
        assert_eq!(never.deadline(SEC), None);
        never.set_peer_timeout(SEC * 5);
        assert_eq!(never.deadline(SEC), Some(now + 5 * SEC));
    }

    //= rfc9000#section-10.1 type=test
    //# To avoid excessively small idle timeout periods, endpoints MUST
    //# increase the idle timeout period to be at least three times the
    //# current Probe Timeout (PTO).
    #[test]
    fn at_least_three_ptos() {
        let now = crate::test_now();
        let idle = Idle::new(SEC, now);
        assert_eq!(idle.deadline(SEC), Some(now + 3 * SEC));
    }

    //= rfc9000#section-10.1 type=test
    //# An endpoint also restarts its idle timer when sending an ack-eliciting packet if no other
    //# ack-eliciting packets have been sent since last receiving and processing a packet.
    #[test]
    fn only_the_first_sent_packet_restarts() {
        let now: Instant = crate::test_now();
        let mut idle = Idle::new(10 * SEC, now);
        idle.on_sent(now + SEC);
        idle.on_sent(now + 2 * SEC);
        assert_eq!(idle.deadline(SEC), Some(now + 11 * SEC));
        idle.on_received(now + 3 * SEC);
        idle.on_sent(now + 4 * SEC);
        assert_eq!(idle.deadline(SEC), Some(now + 14 * SEC));
    }
}

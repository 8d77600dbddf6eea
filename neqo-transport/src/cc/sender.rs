//! What a path owns: the congestion controller, the pacer and the count of bytes in flight.

use std::time::Instant;

use super::{
    AckEnd, CongestionControl, Controller, Signal, SlowStart,
    cubic::Cubic,
    newreno::NewReno,
    pacer::{Pacer, Rate},
    window::Window,
};
use crate::recovery::{rtt::Rtt, sent::SentPacket};

/// Decides how much may be sent on a path, and when.
#[derive(Debug)]
pub struct PacketSender {
    cc: Box<dyn Controller>,
    pacer: Option<Pacer>,
    mtu: usize,
    bytes_in_flight: usize,
    app_limited: bool,
    /// The most bytes in flight in this round or the one before it ended.
    peak: usize,
    /// When this round began; it ends when a packet sent later is acknowledged.
    round_start: Option<Instant>,
    newest_acked: Option<Instant>,
}

impl PacketSender {
    /// The initial state of a path with UDP payloads of `mtu` bytes.
    pub fn new(
        cc: CongestionControl,
        slow_start: SlowStart,
        pacing: bool,
        mtu: usize,
        now: Instant,
    ) -> Self {
        Self {
            cc: match cc {
                CongestionControl::NewReno => {
                    Box::new(Window::new(NewReno::default(), slow_start, mtu))
                }
                CongestionControl::Cubic => {
                    Box::new(Window::new(Cubic::default(), slow_start, mtu))
                }
            },
            pacer: pacing.then(|| Pacer::new(mtu, now)),
            mtu,
            bytes_in_flight: 0,
            app_limited: true,
            peak: 0,
            round_start: None,
            newest_acked: None,
        }
    }

    /// The congestion window, in bytes.
    pub fn cwnd(&self) -> usize {
        self.cc.cwnd()
    }

    /// The slow start threshold, in bytes; the largest number if there was no congestion yet.
    #[cfg(test)]
    pub fn ssthresh(&self) -> usize {
        self.cc.ssthresh()
    }

    /// Bytes in packets that are counted and not settled.
    pub const fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight
    }

    /// Counts `bytes` in flight that were sent on a path whose place this one takes.
    pub const fn inherit(&mut self, bytes: usize) {
        self.bytes_in_flight = bytes;
    }

    /// How many bytes the congestion window still allows. Probes need not ask (RFC 9002 §7.5).
    pub fn available(&self) -> usize {
        self.cwnd().saturating_sub(self.bytes_in_flight)
    }

    fn rate(&self, rtt: &Rtt) -> Rate {
        Rate {
            cwnd: self.cwnd(),
            rtt: rtt.smoothed(),
            slow_start: self.cc.in_slow_start(),
        }
    }

    /// How many bytes the pacer allows at `now`. Packets that are not in flight, and probes, need
    /// not ask.
    pub fn pacing_budget(&mut self, now: Instant, rtt: &Rtt) -> usize {
        let rate = self.rate(rtt);
        self.pacer
            .as_mut()
            .map_or(usize::MAX, |p| p.budget(now, &rate))
    }

    /// When the pacer allows more, if it holds back sending at `now`.
    pub fn pacing_deadline(&self, now: Instant, rtt: &Rtt) -> Option<Instant> {
        self.pacer.as_ref()?.next_send(now, &self.rate(rtt))
    }

    /// Whether sending stopped because there was nothing to send, while the congestion window and
    /// the pacer allowed more. A window that is not used does not grow.
    pub const fn set_app_limited(&mut self, app_limited: bool) {
        self.app_limited = app_limited;
    }

    /// A packet was sent.
    pub fn on_packet_sent(&mut self, p: &SentPacket) {
        if !p.in_flight {
            return;
        }
        if self.bytes_in_flight == 0 {
            self.cc.on_restart(p.time);
        }
        let size = usize::from(p.size);
        self.bytes_in_flight = self.bytes_in_flight.saturating_add(size);
        self.peak = self.peak.max(self.bytes_in_flight);
        if let Some(pacer) = &mut self.pacer {
            pacer.on_sent(size);
        }
    }

    /// A packet was acknowledged. After the last one of an ACK frame follows
    /// [`Self::on_ack_end`].
    pub fn on_packet_acked(&mut self, p: &SentPacket) {
        if p.in_flight {
            self.on_discarded(p.size.into());
            self.newest_acked = self.newest_acked.max(Some(p.time));
            self.cc.on_packet_acked(p);
        }
    }

    /// All packets that an ACK frame newly acknowledges were counted and `rtt` was updated: the
    /// window may grow.
    pub fn on_ack_end(&mut self, rtt: &Rtt, now: Instant) {
        let Some(newest) = self.newest_acked.take() else {
            return;
        };
        let ack = AckEnd {
            utilized: self.is_utilized(),
            paced: self.pacer.is_some(),
            rtt,
            now,
        };
        self.cc.on_ack_end(&ack);
        if self.round_start.is_none_or(|start| newest >= start) {
            self.round_start = Some(now);
            self.peak = self.bytes_in_flight;
        }
    }

    //= rfc9002#section-7.8
    //# When this occurs,
    //# the congestion window SHOULD NOT be increased in either slow start or
    //# congestion avoidance.
    fn is_utilized(&self) -> bool {
        if !self.app_limited {
            return true;
        }
        // The application ran dry just now, but the window may have been full since the round
        // began. In slow start, half of it is all that the last round could have asked for.
        let used = if self.cc.in_slow_start() {
            self.peak.saturating_mul(2)
        } else {
            self.peak.saturating_add(self.mtu)
        };
        used >= self.cwnd()
    }

    /// A packet was lost. After all that were lost at once follows [`Self::on_congestion_event`],
    /// unless they were probes for a larger MTU.
    pub fn on_packet_lost(&mut self, p: &SentPacket) {
        if p.in_flight {
            self.on_discarded(p.size.into());
        }
    }

    /// The last packet lost of late was sent at `sent`. Returns whether this is a new congestion
    /// event and not one more sign of the last.
    pub fn on_congestion_event(&mut self, sent: Instant, now: Instant) -> bool {
        self.cc.on_congestion_event(sent, now, Signal::Loss)
    }

    /// The peer saw more ECN-CE marks, as told by an ACK frame whose largest packet was sent at
    /// `sent`. Returns whether this is a new congestion event.
    pub fn on_ecn_ce(&mut self, sent: Instant, now: Instant) -> bool {
        self.cc.on_congestion_event(sent, now, Signal::Ecn)
    }

    /// Persistent congestion (RFC 9002 §7.6); the congestion event was told before.
    pub fn on_persistent_congestion(&mut self) {
        self.cc.on_persistent_congestion();
    }

    /// So many bytes are not in flight any more, and that says nothing about the network.
    pub fn on_discarded(&mut self, size: usize) {
        debug_assert!(
            size <= self.bytes_in_flight,
            "only what was sent is settled"
        );
        self.bytes_in_flight = self.bytes_in_flight.saturating_sub(size);
    }

    /// UDP payloads have this size from now on, in bytes.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.cc.set_mtu(mtu);
        if let Some(pacer) = &mut self.pacer {
            pacer.set_mtu(mtu);
        }
    }
}

#[cfg(test)]
mod tests;

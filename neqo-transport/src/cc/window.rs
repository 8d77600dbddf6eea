//! The congestion window of loss-based controllers: slow start and recovery periods.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use super::{
    AckEnd, Controller, Signal, SlowStart,
    hystart::{HyStart, Phase},
};
use crate::recovery::sent::SentPacket;

/// Datagrams in the initial window.
const INITIAL_DATAGRAMS: usize = 10;
/// What bounds the initial window, in bytes.
const INITIAL_LIMIT: usize = 14_720;
/// Datagrams in the smallest window.
const MIN_DATAGRAMS: usize = 2;

/// The initial window for datagrams of `mtu` bytes.
//= rfc9002#section-7.2
//# Endpoints SHOULD use an initial congestion window of ten times
//# the maximum datagram size (max_datagram_size), while limiting the window to the
//# larger of 14,720 bytes or twice the maximum datagram size.
pub fn initial_window(mtu: usize) -> usize {
    let limit = INITIAL_LIMIT.max(min_window(mtu));
    mtu.saturating_mul(INITIAL_DATAGRAMS).min(limit)
}

/// The smallest window for datagrams of `mtu` bytes (RFC 9002 §7.2).
pub const fn min_window(mtu: usize) -> usize {
    mtu.saturating_mul(MIN_DATAGRAMS)
}

/// An acknowledgement in congestion avoidance. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// The window.
    pub cwnd: usize,
    /// How much was acknowledged.
    pub acked: usize,
    /// The size of datagrams.
    pub mtu: usize,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// The time.
    pub now: Instant,
}

/// How the window moves once slow start is over: where controllers differ.
pub trait Avoidance: Debug + Send {
    /// By how many bytes the window grows.
    fn increase(&mut self, growth: &Growth) -> usize;
    /// The window to continue with after congestion.
    fn reduce(&mut self, cwnd: usize, signal: Signal) -> usize;
    /// Until `now` the window was not used, or may not grow for another reason.
    fn skip(&mut self, now: Instant);
    /// What was learnt about the path does not hold any more, or nothing was learnt yet.
    fn forget(&mut self);
}

/// The window of a loss-based controller.
#[derive(Debug)]
pub struct Window<A> {
    avoidance: A,
    /// For the first slow start only: later ones know where to stop.
    hystart: Option<HyStart>,
    cwnd: usize,
    ssthresh: usize,
    mtu: usize,
    /// When the recovery period began; it covers everything sent until then.
    recovery: Option<Instant>,
    /// Bytes acknowledged by the ACK frame at hand, and when the newest of them was sent.
    acked: usize,
    newest: Option<Instant>,
}

impl<A: Avoidance> Window<A> {
    /// The initial window.
    pub fn new(avoidance: A, slow_start: SlowStart, mtu: usize) -> Self {
        Self {
            avoidance,
            hystart: match slow_start {
                SlowStart::Classic => None,
                SlowStart::HyStart => Some(HyStart::default()),
            },
            cwnd: initial_window(mtu),
            ssthresh: usize::MAX,
            mtu,
            recovery: None,
            acked: 0,
            newest: None,
        }
    }

    fn in_recovery(&self, sent: Instant) -> bool {
        self.recovery.is_some_and(|start| sent <= start)
    }

    fn grow_in_slow_start(&mut self, acked: usize, newest: Option<Instant>, ack: &AckEnd<'_>) {
        let phase = match (&mut self.hystart, newest) {
            (Some(h), Some(newest)) => {
                let sample = (ack.rtt.last_sample() == Some(ack.now)).then(|| ack.rtt.latest());
                h.on_ack(newest, sample, ack.now)
            }
            _ => Phase::Doubling,
        };
        if phase == Phase::Done {
            self.hystart = None;
            self.ssthresh = self.cwnd;
            self.avoidance.forget();
            return;
        }
        if ack.utilized {
            let growth = match &self.hystart {
                Some(_) => HyStart::growth(phase, acked, self.mtu, ack.paced),
                None => acked,
            };
            self.cwnd = self.cwnd.saturating_add(growth).min(self.ssthresh);
        }
    }

    fn grow_in_avoidance(&mut self, acked: usize, ack: &AckEnd<'_>) {
        if !ack.utilized {
            self.avoidance.skip(ack.now);
            return;
        }
        let growth = self.avoidance.increase(&Growth {
            cwnd: self.cwnd,
            acked,
            mtu: self.mtu,
            rtt: ack.rtt.smoothed(),
            now: ack.now,
        });
        self.cwnd = self.cwnd.saturating_add(growth); // hardening A34
    }
}

impl<A: Avoidance> Controller for Window<A> {
    fn cwnd(&self) -> usize {
        self.cwnd
    }

    fn ssthresh(&self) -> usize {
        self.ssthresh
    }

    fn on_packet_acked(&mut self, packet: &SentPacket) {
        //= rfc9002#section-7.3.2
        //# A recovery period ends and the sender enters congestion avoidance when a packet
        //# sent during the recovery period is acknowledged.
        if !self.in_recovery(packet.time) {
            self.acked = self.acked.saturating_add(usize::from(packet.size));
            self.newest = self.newest.max(Some(packet.time));
        }
    }

    fn on_ack_end(&mut self, ack: &AckEnd<'_>) {
        let (acked, newest) = (std::mem::take(&mut self.acked), self.newest.take());
        if acked == 0 {
            return;
        }
        if self.in_slow_start() {
            self.grow_in_slow_start(acked, newest, ack);
        } else {
            self.grow_in_avoidance(acked, ack);
        }
    }

    fn on_congestion_event(&mut self, sent: Instant, now: Instant, signal: Signal) -> bool {
        //= rfc9002#section-7.3.2
        //# A sender that is
        //# already in a recovery period stays in it and does not reenter it.
        if self.in_recovery(sent) {
            return false;
        }
        self.recovery = Some(now);
        self.hystart = None;
        // What the ACK frame at hand acknowledges was sent before, too.
        self.acked = 0;
        //= rfc9002#section-7.3.2
        //# The congestion
        //# window MUST be set to the reduced value of the slow start threshold before
        //# exiting the recovery period.
        let reduced = self.avoidance.reduce(self.cwnd, signal);
        self.ssthresh = reduced.max(min_window(self.mtu));
        self.cwnd = self.ssthresh;
        true
    }

    fn on_persistent_congestion(&mut self) {
        //= rfc9002#section-7.6.2
        //# When persistent congestion is declared, the sender's congestion window MUST be
        //# reduced to the minimum congestion window (kMinimumWindow)
        self.cwnd = min_window(self.mtu);
        self.recovery = None;
        self.hystart = None;
        self.acked = 0;
        self.avoidance.forget();
    }

    fn on_restart(&mut self, now: Instant) {
        self.avoidance.skip(now);
    }

    fn set_mtu(&mut self, mtu: usize) {
        //= rfc9002#section-7.2
        //# If the maximum datagram size changes during the connection, the initial
        //# congestion window SHOULD be recalculated with the new size.
        if self.ssthresh == usize::MAX && self.cwnd == initial_window(self.mtu) {
            self.cwnd = initial_window(mtu);
        }
        self.mtu = mtu;
        self.cwnd = self.cwnd.max(min_window(mtu));
        self.ssthresh = self.ssthresh.max(min_window(mtu));
    }
}

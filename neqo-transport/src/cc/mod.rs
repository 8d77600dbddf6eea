//! Congestion control and pacing (RFC 9002 §7).
//!
//! [`sender::PacketSender`] is what a path owns. It asks a [`Controller`] for the congestion window
//! and a [`pacer::Pacer`] for when to use it. The loss-based controllers share
//! [`window::Window`] and differ in their [`window::Avoidance`].

use std::{fmt::Debug, time::Instant};

use strum::{Display, EnumString, VariantNames};

use crate::recovery::{rtt::Rtt, sent::SentPacket};

mod cubic;
mod hystart;
mod newreno;
mod pacer;
pub(crate) mod sender;
mod window;

/// How the congestion window grows and shrinks.
#[derive(
    Clone, Copy, Debug, Default, Display, EnumString, VariantNames, PartialEq, Eq, PartialOrd, Ord,
)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum CongestionControl {
    /// NewReno as in RFC 9002 §7.
    #[strum(serialize = "newreno", serialize = "reno")]
    NewReno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
}

/// How the congestion window grows at first.
#[derive(
    Clone, Copy, Debug, Default, Display, EnumString, VariantNames, PartialEq, Eq, PartialOrd, Ord,
)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum SlowStart {
    /// It doubles until something is lost (RFC 9002 §7.3.1).
    Classic,
    /// `HyStart++` (RFC 9406): it stops doubling when round-trip times rise.
    #[default]
    HyStart,
}

/// What tells of congestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A packet was lost.
    Loss,
    /// A packet was marked ECN-CE.
    Ecn,
}

/// What is known when all packets of an ACK frame were counted.
#[derive(Clone, Copy, Debug)]
pub struct AckEnd<'a> {
    /// Whether the window was used to the full, so that it may grow (RFC 9002 §7.8).
    pub utilized: bool,
    /// Whether sending is paced.
    pub paced: bool,
    /// The round-trip time after the ACK frame.
    pub rtt: &'a Rtt,
    /// When the ACK frame arrived.
    pub now: Instant,
}

/// A congestion controller: it says how many bytes may be in flight.
pub trait Controller: Debug + Send {
    /// The congestion window, in bytes.
    fn cwnd(&self) -> usize;
    /// The slow start threshold, in bytes; the largest number if there was no congestion yet.
    fn ssthresh(&self) -> usize;
    /// Whether the window grows exponentially.
    fn in_slow_start(&self) -> bool {
        self.cwnd() < self.ssthresh()
    }
    /// A packet in flight was acknowledged.
    fn on_packet_acked(&mut self, packet: &SentPacket);
    /// All packets that an ACK frame newly acknowledges were counted.
    fn on_ack_end(&mut self, ack: &AckEnd<'_>);
    /// Congestion was met by a packet sent at `sent`. Returns whether it is news: all signals
    /// about packets sent before the first of them are one event.
    fn on_congestion_event(&mut self, sent: Instant, now: Instant, signal: Signal) -> bool;
    /// Nothing got through for long (RFC 9002 §7.6).
    fn on_persistent_congestion(&mut self);
    /// Sending starts again after nothing was in flight.
    fn on_restart(&mut self, now: Instant);
    /// UDP payloads have this size from now on, in bytes.
    fn set_mtu(&mut self, mtu: usize);
}

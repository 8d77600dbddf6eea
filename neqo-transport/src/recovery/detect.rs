//! Loss detection in one packet number space (RFC 9002 §6.1).

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::{
    rtt::Rtt,
    sent::{SentPacket, SentPackets, Tokens},
};
use crate::{PacketNumber, Res, Violation, path::PathId};

/// A packet is lost when one sent this many later was acknowledged.
//= rfc9002#section-6.1.1
//# implementations SHOULD NOT use a packet threshold less than 3
const PACKET_THRESHOLD: u64 = 3;
/// How many lost packets are remembered, in case that they arrived after all.
const MAX_REMEMBERED: usize = 256;
/// For how many probe timeouts they are remembered.
const REMEMBER_PTOS: u32 = 3;

/// Who is told what became of packets and of what they carried.
pub trait Sink<T> {
    /// A packet arrived.
    fn packet_acked(&mut self, p: &SentPacket);
    /// What an acknowledged packet carried.
    fn acked(&mut self, t: &T);
    /// A packet was lost.
    fn packet_lost(&mut self, p: &SentPacket);
    /// Something was lost, or is wanted for a probe; it may have to be sent again.
    fn lost(&mut self, t: &T);
}

/// What an ACK frame told.
#[derive(Clone, Copy, Debug, Default)]
pub struct AckOutcome {
    /// Whether any packet was newly acknowledged.
    pub newly_acked: bool,
    /// The largest of the newly acknowledged packets, if any was.
    pub largest: Option<SentPacket>,
    /// A sample of the round-trip time of a path, for [`super::rtt::Rtt::update`].
    pub rtt_sample: Option<(PathId, Duration)>,
    /// How many packets that had been declared lost were acknowledged after all.
    pub late: u64,
    /// Whether the frame raised the largest acknowledged packet number. ECN counts of frames that
    /// do not are ignored (RFC 9000 §13.4.2.1).
    pub largest_increased: bool,
}

/// What was lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossOutcome {
    /// When the last of the lost packets was sent, not counting MTU probes: a congestion event.
    pub congestion: Option<Instant>,
    /// Whether that is persistent congestion (RFC 9002 §7.6).
    pub persistent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    pn: PacketNumber,
    until: Instant,
}

/// What was sent in one packet number space, and what became of it.
#[derive(Debug)]
pub struct Loss<T: Copy> {
    /// What is outstanding.
    pub sent: SentPackets<T>,
    largest_acked: Option<PacketNumber>,
    timer: Option<Instant>,
    /// When the first ack-eliciting packet of an unbroken run of losses was sent.
    run_start: Option<Instant>,
    /// Packets declared lost of late, ascending.
    remembered: VecDeque<Remembered>,
}

impl<T: Copy> Default for Loss<T> {
    fn default() -> Self {
        Self {
            sent: SentPackets::default(),
            largest_acked: None,
            timer: None,
            run_start: None,
            remembered: VecDeque::new(),
        }
    }
}

impl<T: Copy> Loss<T> {
    /// The largest packet number that the peer acknowledged, for the encoding of packet numbers.
    pub const fn largest_acked(&self) -> Option<PacketNumber> {
        self.largest_acked
    }

    /// When the oldest packet will be lost by time, if nothing changes.
    pub const fn loss_time(&self) -> Option<Instant> {
        self.timer
    }

    /// When the last ack-eliciting packet was sent, if any is outstanding: starts the probe timer.
    pub fn last_ack_eliciting(&self) -> Option<Instant> {
        self.sent.last_ack_eliciting()
    }

    /// An ACK frame: `ranges` as they stand in it, descending and disjoint. Then follow the update
    /// of the round-trip time and [`Self::detect_lost`].
    ///
    /// # Errors
    /// `ProtocolViolation` if it acknowledges what was never sent.
    pub fn on_ack(
        &mut self,
        largest: PacketNumber,
        ranges: impl Iterator<Item = RangeInclusive<PacketNumber>>,
        now: Instant,
        sink: &mut impl Sink<T>,
    ) -> Res<AckOutcome> {
        let mut out = AckOutcome {
            largest_increased: self.largest_acked.is_none_or(|l| largest > l),
            ..AckOutcome::default()
        };
        let mut ack_eliciting = false;
        self.expire_remembered(now);
        for range in ranges {
            //= rfc9000#section-13.1
            //# An endpoint SHOULD treat receipt of an acknowledgment for a packet it did not
            //# send as a connection error of type PROTOCOL_VIOLATION, if it is able to detect
            //# the condition.
            if !self.sent.ever_sent_all(&range) {
                // hardening A26
                return Err(Violation::ProtocolViolation("ACK of a packet never sent").into());
            }
            if *range.end() < self.horizon() {
                break;
            }
            self.sent.acked(&range, |packet, tokens| {
                if out.largest.is_none_or(|l| packet.pn > l.pn) {
                    out.largest = Some(*packet);
                }
                ack_eliciting |= packet.ack_eliciting;
                sink.packet_acked(packet);
                tokens.for_each(|t| sink.acked(t));
            });
            out.late += self.late(&range);
        }
        self.sent.release();
        self.largest_acked = self.largest_acked.max(Some(largest));
        out.newly_acked = out.largest.is_some();
        //= rfc9002#section-5.1
        //# An RTT sample MUST NOT be generated on receiving an ACK frame that does not
        //# newly acknowledge at least one ack-eliciting packet.
        out.rtt_sample = out
            .largest
            .filter(|newest| newest.pn == largest && ack_eliciting)
            .map(|newest| (newest.path, now.saturating_duration_since(newest.time)));
        Ok(out)
    }

    /// Below this an acknowledgement changes nothing.
    fn horizon(&self) -> PacketNumber {
        let sent = self.sent.horizon();
        self.remembered.front().map_or(sent, |r| sent.min(r.pn))
    }

    fn expire_remembered(&mut self, now: Instant) {
        while self.remembered.front().is_some_and(|r| r.until <= now) {
            self.remembered.pop_front();
        }
    }

    fn remember(&mut self, pn: PacketNumber, now: Instant, rtt: &Rtt) {
        let Some(until) = now.checked_add(rtt.pto_base().saturating_mul(REMEMBER_PTOS)) else {
            return;
        };
        if self.remembered.len() == MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Remembered { pn, until });
    }

    /// Counts remembered losses in `range` and forgets them.
    fn late(&mut self, range: &RangeInclusive<PacketNumber>) -> u64 {
        let from = self.remembered.partition_point(|r| r.pn < *range.start());
        let to = self.remembered.partition_point(|r| r.pn <= *range.end());
        self.remembered.drain(from..to).len() as u64
    }

    /// Finds what is lost by now, after an ACK frame or when the loss timer expires.
    /// `persistent` comes from [`Rtt::persistent_congestion_duration`].
    pub fn detect_lost(
        &mut self,
        now: Instant,
        rtt: &Rtt,
        persistent: Duration,
        sink: &mut impl Sink<T>,
    ) -> LossOutcome {
        let mut out = LossOutcome::default();
        self.timer = None;
        let Some(largest) = self.largest_acked else {
            return out;
        };
        let delay = rtt.loss_delay();
        // Sending times ascend with packet numbers: what is lost is at the front.
        while let Some(front) = self.sent.front().copied() {
            //= rfc9002#section-6.1
            //# The packet is unacknowledged, in flight, and was sent prior to an
            //# acknowledged packet.
            if front.pn > largest {
                break;
            }
            let by_time = front.time.checked_add(delay);
            // A number that was never used is no packet that overtook another.
            let later = self.sent.sent_between(front.pn, largest);
            let lost = later >= PACKET_THRESHOLD || by_time.is_some_and(|t| t <= now);
            if !lost {
                self.timer = by_time;
                break;
            }
            let broken = self.lose_front(sink);
            if !front.in_flight {
                continue;
            }
            self.remember(front.pn, now, rtt);
            //= rfc9000#section-14.4
            //# PMTU probe is therefore not a reliable indication of congestion and SHOULD NOT
            //# trigger a congestion control reaction
            if !front.mtu_probe {
                out.congestion = Some(front.time);
            }
            out.persistent |= self.extend_run(&front, broken, rtt) > persistent;
        }
        out
    }

    /// Lets go of the front packet as lost. Returns whether one that was sent between it and the
    /// one lost before was acknowledged.
    fn lose_front(&mut self, sink: &mut impl Sink<T>) -> bool {
        let mut broken = false;
        self.sent.pop_lost(|packet, acked_between, tokens| {
            broken = acked_between;
            if packet.in_flight {
                sink.packet_lost(packet);
            }
            tokens.for_each(|t| sink.lost(t));
        });
        broken
    }

    /// For how long everything that was sent was lost, up to `packet`.
    fn extend_run(&mut self, packet: &SentPacket, broken: bool, rtt: &Rtt) -> Duration {
        if broken {
            self.run_start = None;
        }
        //= rfc9002#section-7.6.2
        //# These two packets MUST be ack-eliciting, since a receiver is required to
        //# acknowledge only ack-eliciting packets within its maximum acknowledgment delay
        // And a round-trip time must have been known when they were sent.
        let known = rtt.first_sample().is_some_and(|t| packet.time > t);
        if !packet.ack_eliciting || packet.mtu_probe || !known {
            return Duration::ZERO;
        }
        let start = *self.run_start.get_or_insert(packet.time);
        packet.time.saturating_duration_since(start)
    }

    /// The probe timer expired: gives back what up to `max` of the oldest outstanding packets
    /// carried, so that probes have something to say, without declaring them lost. Returns from
    /// how many packets; with none, the probe is new data or a PING.
    pub fn probe(&mut self, max: usize, sink: &mut impl Sink<T>) -> usize {
        //= rfc9002#section-6.2
        //# A PTO timer expiration event does not indicate packet loss and MUST NOT cause
        //# prior unacknowledged packets to be marked as lost.
        self.sent
            .probe(max, |tokens| tokens.for_each(|t| sink.lost(t)))
    }

    /// Keys were discarded: nothing outstanding can be acknowledged any more. `gone` is told
    /// about each packet.
    pub fn discard(&mut self, mut gone: impl FnMut(&SentPacket)) {
        //= rfc9002#section-6.4
        //# The sender MUST discard all recovery state associated with those packets
        //# and MUST remove them from the count of bytes in flight.
        self.forget(|packet, _| gone(packet));
    }

    /// Retry arrived or 0-RTT was rejected: as [`Self::discard`], and `again` is told about all
    /// that has to be sent again.
    pub fn requeue(&mut self, mut gone: impl FnMut(&SentPacket), mut again: impl FnMut(&T)) {
        self.forget(|packet, tokens| {
            gone(packet);
            tokens.for_each(&mut again);
        });
    }

    fn forget(&mut self, gone: impl FnMut(&SentPacket, Tokens<'_, T>)) {
        self.sent.clear(gone);
        self.timer = None;
        self.run_start = None;
        self.remembered.clear();
    }
}

#[cfg(test)]
mod tests;

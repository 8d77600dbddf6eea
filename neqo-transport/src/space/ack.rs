//! When to acknowledge, and the ACK frame (RFC 9000 §13.2, §19.3).

use std::time::Instant;

use neqo_common::{Ecn, MAX_VARINT};

use super::{PacketNumberSpace, received::ReceivedRanges};
use crate::{
    PacketNumber,
    config::{limits, params::ConnectionParameters},
    recovery::token::Token,
    tx::Tx,
    wire::{
        frame::{ack::EcnCounts, encode},
        put::Put,
    },
};

/// The unit of the ratio, as a wider number.
const SCALE: u32 = ConnectionParameters::ACK_RATIO_SCALE as u32;

/// What arrived in one packet number space and whether the peer should be told.
#[derive(Debug)]
pub struct AckTracker {
    space: PacketNumberSpace,
    received: ReceivedRanges,
    marks: EcnCounts,
    /// When the largest packet number arrived.
    largest_time: Option<Instant>,
    largest_eliciting: Option<PacketNumber>,
    /// Ack-eliciting packets that no ACK frame was sent for.
    unreported: u32,
    immediate: bool,
    deadline: Option<Instant>,
    ratio: u8,
}

impl AckTracker {
    /// Nothing has arrived. An ACK frame is due after `ratio` ack-eliciting packets, in units of
    /// 1 / [`ConnectionParameters::ACK_RATIO_SCALE`], and not later than [`limits::ACK_DELAY`]
    /// after the first of them.
    //= rfc9000#section-13.2.2
    //# A receiver SHOULD send an ACK frame after receiving at least two ack-eliciting
    //# packets.
    pub fn new(space: PacketNumberSpace, ratio: u8) -> Self {
        Self {
            space,
            received: ReceivedRanges::default(),
            marks: EcnCounts::default(),
            largest_time: None,
            largest_eliciting: None,
            unreported: 0,
            immediate: false,
            deadline: None,
            ratio,
        }
    }

    /// Whether a packet with this number is to be dropped as duplicate.
    pub fn is_duplicate(&self, pn: PacketNumber) -> bool {
        self.received.contains(pn)
    }

    /// The largest number received, for the decoding of packet numbers.
    pub fn largest(&self) -> Option<PacketNumber> {
        self.received.largest()
    }

    /// A packet was opened and processed. Returns whether it was new; nothing changes if not.
    pub fn on_received(
        &mut self,
        pn: PacketNumber,
        ack_eliciting: bool,
        ecn: Ecn,
        now: Instant,
    ) -> bool {
        let largest = self.received.largest();
        if !self.received.insert(pn) {
            return false;
        }
        if largest.is_none_or(|l| pn > l) {
            self.largest_time = Some(now);
        }
        match ecn {
            Ecn::NotEct => {}
            Ecn::Ect0 => self.marks.ect0 += 1,
            Ecn::Ect1 => self.marks.ect1 += 1,
            Ecn::Ce => self.marks.ce += 1,
        }
        //= rfc9000#section-13.2.1
        //# An endpoint MUST NOT send a non-ack-eliciting packet in response to a
        //# non-ack-eliciting packet, even if there are packet gaps that precede the
        //# received packet.
        if ack_eliciting {
            self.on_ack_eliciting(pn, ecn, now);
        }
        true
    }

    fn on_ack_eliciting(&mut self, pn: PacketNumber, ecn: Ecn, now: Instant) {
        self.unreported = self.unreported.saturating_add(1);
        //= rfc9000#section-13.2.1
        //# An endpoint MUST acknowledge all ack-eliciting Initial and Handshake packets
        //# immediately and all ack-eliciting 0-RTT and 1-RTT packets within its advertised
        //# max_ack_delay
        self.immediate |= self.space != PacketNumberSpace::ApplicationData
            || ecn == Ecn::Ce
            || self.unreported.saturating_mul(SCALE) >= u32::from(self.ratio)
            || self.is_out_of_order(pn);
        if self.deadline.is_none() {
            self.deadline = now.checked_add(limits::ACK_DELAY);
        }
        self.largest_eliciting = self.largest_eliciting.max(Some(pn));
    }

    fn is_out_of_order(&self, pn: PacketNumber) -> bool {
        //= rfc9000#section-13.2.1
        //# * when the packet has a packet number larger than the highest-numbered
        //#   ack-eliciting packet that has been received and there are missing packets
        //#   between that packet and this packet.
        self.largest_eliciting
            .is_some_and(|l| pn < l || !self.received.contiguous(l, pn))
    }

    /// When an ACK frame is due; may be in the past.
    pub const fn ack_time(&self) -> Option<Instant> {
        if self.immediate {
            self.largest_time
        } else {
            self.deadline
        }
    }

    /// Whether an ACK frame must be sent now even if nothing else is.
    pub fn is_due(&self, now: Instant) -> bool {
        self.immediate || self.deadline.is_some_and(|d| d <= now)
    }

    /// Whether there is something that an ACK frame would tell: if so, packets that are sent
    /// anyway carry one.
    pub const fn wants_to_send(&self) -> bool {
        self.unreported > 0
    }

    /// Writes an ACK frame if there is news; the caller decides that a packet is sent at all.
    /// `exponent` is our `ack_delay_exponent`. Returns the largest packet number acknowledged.
    pub fn write(&mut self, tx: &mut Tx<'_, '_, '_>, exponent: u8) -> Option<PacketNumber> {
        if !self.wants_to_send() {
            return None;
        }
        let largest = self.encode(&mut *tx.pkt, tx.now, exponent)?;
        tx.stats.ack += 1;
        tx.push(Token::Ack { largest });
        self.reported();
        Some(largest)
    }

    const fn reported(&mut self) {
        self.unreported = 0;
        self.immediate = false;
        self.deadline = None;
    }

    /// Writes the frame if at least its first range fits; returns the largest acknowledged.
    //= rfc9000#section-13.2.3
    //# If it does not, then older ranges
    //# (those with the smallest packet numbers) are omitted.
    fn encode(&self, put: &mut impl Put, now: Instant, exponent: u8) -> Option<PacketNumber> {
        let waited = now.saturating_duration_since(self.largest_time?);
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let delay = waited.checked_shr(u32::from(exponent)).unwrap_or(0);
        let marks = (self.marks != EcnCounts::default()).then_some(self.marks);
        encode::ack(put, delay.min(MAX_VARINT), marks, self.received.unsettled())
            .then(|| self.received.largest())
            .flatten()
    }

    /// The peer acknowledged a packet with an ACK frame up to `largest`.
    pub fn acked(&mut self, largest: PacketNumber) {
        //= rfc9000#section-13.2.4
        //# When a packet containing an ACK frame is acknowledged,
        //# the receiver can stop acknowledging packets less than or equal to the Largest
        //# Acknowledged field in the sent ACK frame.
        self.received.settle(largest);
    }
}

#[cfg(test)]
mod tests;

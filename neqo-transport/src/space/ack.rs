//! When to acknowledge, and the ACK frame (RFC 9000 §13.2, §19.3).

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use neqo_common::{Ecn, Encoder};

use super::{
    PacketNumberSpace,
    received::{MAX_RANGES, ReceivedRanges},
};
use crate::{PacketNumber, recovery::token::Token, tx::Tx, wire::put::Put};

/// How long acknowledgements are delayed at most, as advertised in `max_ack_delay`.
pub const MAX_ACK_DELAY: Duration = Duration::from_millis(20);

const FRAME_TYPE: u64 = 0x02;
const FRAME_TYPE_ECN: u64 = 0x03;
/// The count of additional ranges fits in one byte.
const _: () = assert!(MAX_RANGES <= 64);

/// How many packets arrived with each mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    ect0: u64,
    ect1: u64,
    ce: u64,
}

/// What arrived in one packet number space and whether the peer should be told.
#[derive(Debug)]
pub struct AckTracker {
    space: PacketNumberSpace,
    received: ReceivedRanges,
    marks: Marks,
    /// When the largest packet number arrived.
    largest_time: Option<Instant>,
    largest_eliciting: Option<PacketNumber>,
    /// Ack-eliciting packets that no ACK frame was sent for.
    unreported: u32,
    immediate: bool,
    deadline: Option<Instant>,
    every: u8,
}

impl AckTracker {
    /// Nothing has arrived. After `every` ack-eliciting packets, and not later than
    /// [`MAX_ACK_DELAY`] after the first of them, an ACK frame is due.
    //= rfc9000#section-13.2.2
    //# A receiver SHOULD send an ACK frame after receiving at least two ack-eliciting
    //# packets.
    pub fn new(space: PacketNumberSpace, every: u8) -> Self {
        Self {
            space,
            received: ReceivedRanges::default(),
            marks: Marks::default(),
            largest_time: None,
            largest_eliciting: None,
            unreported: 0,
            immediate: false,
            deadline: None,
            every: every.max(1),
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
            || self.unreported >= u32::from(self.every)
            || self.is_out_of_order(pn);
        if self.deadline.is_none() {
            self.deadline = now.checked_add(MAX_ACK_DELAY);
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
    pub fn ack_time(&self) -> Option<Instant> {
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
    fn encode(&self, put: &mut impl Put, now: Instant, exponent: u8) -> Option<PacketNumber> {
        let top = self.received.unsettled().next()?;
        let (largest, mut smallest) = (*top.end(), *top.start());
        let waited = self
            .largest_time
            .map_or(Duration::ZERO, |t| now.saturating_duration_since(t));
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let delay = waited.checked_shr(u32::from(exponent)).unwrap_or(0);
        let delay = delay.min(neqo_common::MAX_VARINT);
        let marks = (self.marks != Marks::default()).then_some(self.marks);

        let fixed = 2 // type and count
            + [largest, delay, largest - smallest].map(Encoder::varint_len).iter().sum::<usize>()
            + marks.map_or(0, |m| [m.ect0, m.ect1, m.ce].map(Encoder::varint_len).iter().sum());
        let room = put.remaining().checked_sub(fixed)?;
        let count = self.ranges_that_fit(smallest, room);

        put.varint(if marks.is_some() {
            FRAME_TYPE_ECN
        } else {
            FRAME_TYPE
        });
        put.varint(largest);
        put.varint(delay);
        put.varint(count as u64);
        put.varint(largest - smallest);
        for range in self.received.unsettled().skip(1).take(count) {
            let (gap, len) = gap_and_len(smallest, &range);
            put.varint(gap);
            put.varint(len);
            smallest = *range.start();
        }
        if let Some(m) = marks {
            put.varint(m.ect0);
            put.varint(m.ect1);
            put.varint(m.ce);
        }
        Some(largest)
    }

    /// How many ranges below the one that starts at `smallest` fit in `room` bytes.
    //= rfc9000#section-13.2.3
    //# If it does not, then older ranges
    //# (those with the smallest packet numbers) are omitted.
    fn ranges_that_fit(&self, mut smallest: PacketNumber, room: usize) -> usize {
        let mut used = 0;
        self.received
            .unsettled()
            .skip(1)
            .take_while(|range| {
                let (gap, len) = gap_and_len(smallest, range);
                used += Encoder::varint_len(gap) + Encoder::varint_len(len);
                smallest = *range.start();
                used <= room
            })
            .count()
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

/// The Gap and ACK Range Length fields for `range`, below the one that starts at `smallest`.
/// Ranges are never adjacent, so there are at least two between their ends (RFC 9000 §19.3.1).
const fn gap_and_len(smallest: PacketNumber, range: &RangeInclusive<PacketNumber>) -> (u64, u64) {
    (smallest - *range.end() - 2, *range.end() - *range.start())
}

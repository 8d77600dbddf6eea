//! What was sent and is not yet settled: packets in one ring, what they carried in another.
//!
//! Both rings are ordered by packet number. An entry that is settled out of order stays as a
//! dead one until everything before it is settled too, or until the dead dominate and the rings
//! are compacted: memory follows the packets that are alive, not the span of their numbers.

use std::{collections::VecDeque, ops::RangeInclusive, time::Instant};

use neqo_common::Ecn;

use crate::{PacketNumber, path::PathId};

/// Packets that elicit no acknowledgement may never be acknowledged; the newest of them are
/// kept for what their acknowledgement would tell, older ones are forgotten (hardening A7).
const MAX_ACK_ONLY: usize = 64;
/// Dead entries that are tolerated whatever the number of live ones.
const DEAD_SLACK: usize = 32;
/// How many gaps in our packet numbers are remembered. An endpoint that acknowledges what it
/// did not see does so near the top, the newest gaps catch it.
const MAX_SKIPPED: usize = 16;

/// A packet that was sent.
#[derive(Clone, Copy, Debug)]
pub struct SentPacket {
    /// Its number.
    pub pn: PacketNumber,
    /// When it was sent.
    pub time: Instant,
    /// Its size in bytes, as congestion control counts it.
    pub size: u16,
    /// Whether it elicits an acknowledgement.
    pub ack_eliciting: bool,
    /// Whether congestion control counts it (RFC 9002 §2).
    pub in_flight: bool,
    /// The path it was sent on.
    pub path: PathId,
    /// The ECN codepoint it was sent with.
    pub ecn: Ecn,
    /// Whether it is a probe for a larger MTU: its loss says nothing about congestion.
    pub mtu_probe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Acked,
    Forgotten,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    packet: SentPacket,
    /// Absolute index of its first token.
    first: u64,
    tokens: u16,
    fate: Fate,
    /// Its tokens were given back for a probe and are not its own any more.
    probed: bool,
    /// A packet that stood between its predecessor and it was acknowledged and compacted away.
    acked_before: bool,
}

/// Sent packets and their tokens, ordered by packet number.
#[derive(Debug)]
pub struct SentPackets<T: Copy> {
    packets: VecDeque<Slot>,
    tokens: VecDeque<T>,
    /// Absolute index of the first token in the ring.
    base: u64,
    next_pn: PacketNumber,
    /// Gaps in the numbers used, ascending.
    skipped: VecDeque<RangeInclusive<PacketNumber>>,
    dead: usize,
    ack_only: usize,
    ack_eliciting: usize,
    bytes_in_flight: usize,
    last_ack_eliciting: Option<Instant>,
    /// An acknowledged packet left the front since the last lost one did.
    acked_at_front: bool,
    /// As [`Slot::acked_before`], for the packet that is sent next.
    acked_at_back: bool,
}

impl<T: Copy> Default for SentPackets<T> {
    fn default() -> Self {
        Self {
            packets: VecDeque::new(),
            tokens: VecDeque::new(),
            base: 0,
            next_pn: 0,
            // A gap that comes late must not be what allocates.
            skipped: VecDeque::with_capacity(MAX_SKIPPED),
            dead: 0,
            ack_only: 0,
            ack_eliciting: 0,
            bytes_in_flight: 0,
            last_ack_eliciting: None,
            acked_at_front: false,
            acked_at_back: false,
        }
    }
}

impl<T: Copy> SentPackets<T> {
    /// Starts collecting the tokens of the next packet.
    pub fn draft(&mut self) -> Draft<'_, T> {
        Draft {
            first: self.tokens.len(),
            sent: self,
        }
    }

    /// One more than the largest packet number used.
    #[cfg(test)]
    pub const fn next_pn(&self) -> PacketNumber {
        self.next_pn
    }

    /// Whether all packets of `range` were sent, as far as gaps are remembered.
    pub fn ever_sent_all(&self, range: &RangeInclusive<PacketNumber>) -> bool {
        if *range.end() >= self.next_pn {
            return false;
        }
        let after = self
            .skipped
            .partition_point(|gap| gap.start() <= range.end());
        after == 0 || self.skipped[after - 1].end() < range.start()
    }

    /// How many packets were sent after `from`, up to `to`: both were sent themselves. Numbers that
    /// were left out are no packets, as far as gaps are remembered.
    pub fn sent_between(&self, from: PacketNumber, to: PacketNumber) -> u64 {
        let gaps = self.skipped.iter().rev();
        let skipped: u64 = gaps
            .take_while(|gap| *gap.end() > from)
            .filter(|gap| *gap.start() < to)
            .map(|gap| gap.end() - gap.start() + 1)
            .sum();
        to.saturating_sub(from).saturating_sub(skipped)
    }

    /// Nothing that the ring knows about has a smaller number: an acknowledgement below it
    /// changes nothing and cannot be told from an honest one.
    pub fn horizon(&self) -> PacketNumber {
        let front = self.packets.front().map_or(self.next_pn, |s| s.packet.pn);
        self.skipped
            .front()
            .map_or(front, |gap| front.min(*gap.start()))
    }

    /// How many packets are not settled.
    pub fn len(&self) -> usize {
        self.packets.len() - self.dead
    }

    /// Bytes of unsettled packets that congestion control counts.
    pub const fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight
    }

    /// When the last ack-eliciting packet was sent, if any is unsettled.
    pub fn last_ack_eliciting(&self) -> Option<Instant> {
        self.last_ack_eliciting.filter(|_| self.ack_eliciting > 0)
    }

    /// The unsettled packet with this number.
    #[cfg(test)]
    pub fn get(&self, pn: PacketNumber) -> Option<&SentPacket> {
        let slot = self.packets.get(self.index_from(pn))?;
        (slot.packet.pn == pn && slot.fate == Fate::Open).then_some(&slot.packet)
    }

    /// The index of the first packet with at least this number.
    fn index_from(&self, pn: PacketNumber) -> usize {
        let Some(front) = self.packets.front().map(|s| s.packet.pn) else {
            return 0;
        };
        let Some(offset) = pn.checked_sub(front) else {
            return 0;
        };
        // Numbers ascend by at least one, so `offset` is never too small; without gaps it is it.
        let guess = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.packets.get(guess) {
            Some(slot) if slot.packet.pn == pn => guess,
            _ => self.packets.partition_point(|s| s.packet.pn < pn),
        }
    }

    fn account(&mut self, p: &SentPacket) {
        if p.ack_eliciting {
            self.ack_eliciting += 1;
            self.last_ack_eliciting = Some(p.time);
        }
        if p.in_flight {
            self.bytes_in_flight += usize::from(p.size);
        } else {
            self.ack_only += 1;
        }
    }

    fn unaccount(&mut self, p: &SentPacket) {
        if p.ack_eliciting {
            self.ack_eliciting -= 1;
        }
        if p.in_flight {
            self.bytes_in_flight -= usize::from(p.size);
        } else {
            self.ack_only -= 1;
        }
    }

    /// Settles the packets in `range` as acknowledged; `acked` gets each and what it carried.
    /// [`Self::release`] follows.
    pub fn acked(
        &mut self,
        range: &RangeInclusive<PacketNumber>,
        mut acked: impl FnMut(&SentPacket, Tokens<'_, T>),
    ) {
        let mut i = self.index_from(*range.start());
        while let Some(slot) = self.packets.get_mut(i) {
            if slot.packet.pn > *range.end() {
                break;
            }
            i += 1;
            if slot.fate != Fate::Open {
                continue;
            }
            slot.fate = Fate::Acked;
            let slot = *slot;
            self.dead += 1;
            self.unaccount(&slot.packet);
            acked(&slot.packet, self.tokens_of(&slot));
        }
    }

    fn tokens_of(&self, slot: &Slot) -> Tokens<'_, T> {
        let from = usize::try_from(slot.first - self.base).unwrap_or(usize::MAX);
        self.tokens.range(from..from + usize::from(slot.tokens))
    }

    /// Lets go of settled packets at the front, and of all once they dominate.
    pub fn release(&mut self) {
        while let Some(slot) = self.packets.front()
            && slot.fate != Fate::Open
        {
            self.acked_at_front |= slot.fate == Fate::Acked || slot.acked_before;
            self.dead -= 1;
            self.pop_front();
        }
        if self.dead > self.len() + DEAD_SLACK {
            self.compact();
        }
    }

    fn pop_front(&mut self) {
        if let Some(slot) = self.packets.pop_front() {
            self.tokens.drain(..usize::from(slot.tokens));
            self.base += u64::from(slot.tokens);
        }
    }

    // hardening A7
    fn compact(&mut self) {
        let Self {
            packets,
            tokens,
            base,
            ..
        } = self;
        let (mut kept, mut acked) = (0, false);
        packets.retain_mut(|slot| {
            acked |= slot.fate == Fate::Acked || slot.acked_before;
            if slot.fate != Fate::Open {
                return false;
            }
            slot.acked_before = std::mem::take(&mut acked);
            let from = usize::try_from(slot.first - *base).unwrap_or(usize::MAX);
            slot.first = *base + kept as u64;
            for i in from..from + usize::from(slot.tokens) {
                tokens.swap(kept, i);
                kept += 1;
            }
            true
        });
        tokens.truncate(kept);
        self.acked_at_back |= acked;
        self.dead = 0;
    }

    /// The oldest unsettled packet.
    pub fn front(&mut self) -> Option<&SentPacket> {
        self.release();
        self.packets.front().map(|s| &s.packet)
    }

    /// Settles the packet at the front as lost. `lost` gets it, whether one that was sent between
    /// it and the one lost before was acknowledged, and what it carried and did not give back.
    pub fn pop_lost(&mut self, lost: impl FnOnce(&SentPacket, bool, Tokens<'_, T>)) {
        self.release();
        let Some(slot) = self.packets.front().copied() else {
            return;
        };
        self.unaccount(&slot.packet);
        let acked_between = self.acked_at_front || slot.acked_before;
        let tokens = if slot.probed {
            self.tokens.range(..0)
        } else {
            self.tokens_of(&slot)
        };
        lost(&slot.packet, acked_between, tokens);
        // What is not in flight is not lost, only forgotten.
        self.acked_at_front = acked_between && !slot.packet.in_flight;
        self.pop_front();
    }

    /// Gives back the tokens of up to `max` of the oldest ack-eliciting packets that have any and
    /// did not give them back before. The packets stay unsettled. Returns how many there were.
    pub fn probe(&mut self, max: usize, mut lost: impl FnMut(Tokens<'_, T>)) -> usize {
        let mut found = 0;
        for i in 0..self.packets.len() {
            if found == max {
                break;
            }
            let slot = &mut self.packets[i];
            if slot.fate != Fate::Open || slot.probed || !slot.packet.ack_eliciting {
                continue;
            }
            slot.probed = true;
            let slot = *slot;
            if slot.tokens > 0 && !slot.packet.mtu_probe {
                found += 1;
                lost(self.tokens_of(&slot));
            }
        }
        found
    }

    /// Forgets all packets, telling `gone` about each unsettled one and what it carried and what
    /// was not given back before. Packet numbers go on from where they were.
    pub fn clear(&mut self, mut gone: impl FnMut(&SentPacket, Tokens<'_, T>)) {
        for slot in self.packets.iter().filter(|s| s.fate == Fate::Open) {
            let tokens = if slot.probed {
                self.tokens.range(..0)
            } else {
                self.tokens_of(slot)
            };
            gone(&slot.packet, tokens);
        }
        *self = Self {
            next_pn: self.next_pn,
            skipped: std::mem::take(&mut self.skipped),
            ..Self::default()
        };
    }

    fn push(&mut self, packet: SentPacket, first: usize) {
        debug_assert!(packet.pn >= self.next_pn, "packet numbers ascend");
        debug_assert!(packet.in_flight || !packet.ack_eliciting, "RFC 9002 §2");
        if packet.pn > self.next_pn {
            if self.skipped.len() == MAX_SKIPPED {
                self.skipped.pop_front();
            }
            self.skipped.push_back(self.next_pn..=packet.pn - 1);
        }
        self.next_pn = packet.pn + 1;
        self.account(&packet);
        self.packets.push_back(Slot {
            packet,
            first: self.base + first as u64,
            tokens: u16::try_from(self.tokens.len() - first).unwrap_or(u16::MAX),
            fate: Fate::Open,
            probed: false,
            acked_before: std::mem::take(&mut self.acked_at_back),
        });
        if self.ack_only >= 2 * MAX_ACK_ONLY {
            self.forget_ack_only();
        }
        debug_assert!(self.consistent());
    }

    /// Forgets all but the newest packets that elicit no acknowledgement.
    // hardening A7
    fn forget_ack_only(&mut self) {
        let mut excess = self.ack_only - MAX_ACK_ONLY;
        for slot in &mut self.packets {
            if excess == 0 {
                break;
            }
            if slot.fate == Fate::Open && !slot.packet.in_flight {
                // Its tokens stay until it leaves the ring; nobody is told about them.
                slot.fate = Fate::Forgotten;
                self.dead += 1;
                self.ack_only -= 1;
                excess -= 1;
            }
        }
        self.release();
    }

    /// Whether the counters agree with the rings.
    fn consistent(&self) -> bool {
        // The whole truth is quadratic over a connection's life; tests call it explicitly.
        self.dead <= self.packets.len()
            && self.ack_eliciting + self.ack_only <= self.packets.len()
            && self.packets.back().is_none_or(|s| {
                s.first + u64::from(s.tokens) <= self.base + self.tokens.len() as u64
            })
    }
}

/// What a packet carried.
pub type Tokens<'a, T> = std::collections::vec_deque::Iter<'a, T>;

/// The tokens of a packet in the making; forgotten unless [`Self::sent`] is called.
#[derive(Debug)]
pub struct Draft<'s, T: Copy> {
    sent: &'s mut SentPackets<T>,
    first: usize,
}

impl<T: Copy> Draft<'_, T> {
    /// Notes what was written.
    pub fn push(&mut self, token: T) {
        self.sent.tokens.push_back(token);
    }

    /// The packet was sent.
    pub fn sent(mut self, packet: SentPacket) {
        let first = std::mem::replace(&mut self.first, self.sent.tokens.len());
        self.sent.push(packet, first);
        self.first = self.sent.tokens.len();
    }
}

impl<T: Copy> Drop for Draft<'_, T> {
    fn drop(&mut self) {
        self.sent.tokens.truncate(self.first);
    }
}

#[cfg(test)]
mod tests;

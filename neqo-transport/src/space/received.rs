//! Which packet numbers arrived (RFC 9000 §13.2.3).

use std::ops::RangeInclusive;

use crate::PacketNumber;

/// How many ranges are kept. With more holes than that the oldest range is forgotten and what is
/// not above it counts as duplicate: a peer that sends every second number costs no memory
/// (hardening A8), and an ACK frame always fits in a packet.
pub const MAX_RANGES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: PacketNumber,
    end: PacketNumber,
    /// The peer is known to know.
    settled: bool,
}

/// Received packet numbers as ranges.
#[derive(Clone, Debug, Default)]
pub struct ReceivedRanges {
    /// Ascending, disjoint and not adjacent.
    ranges: Vec<Range>,
    //= rfc9000#section-13.2.3
    //# Maintaining a minimum
    //# packet number that increases as ranges are discarded is one way to achieve this
    //# with minimal state.
    floor: PacketNumber,
}

impl ReceivedRanges {
    /// The largest number received.
    pub fn largest(&self) -> Option<PacketNumber> {
        self.ranges.last().map(|r| r.end)
    }

    /// Whether a packet with this number is to be dropped as duplicate.
    pub fn contains(&self, pn: PacketNumber) -> bool {
        match self.ranges.last() {
            Some(top) if pn > top.end => false,
            Some(top) if pn >= top.start => true,
            _ => pn < self.floor || self.ranges.iter().any(|r| r.start <= pn && pn <= r.end),
        }
    }

    /// Takes a packet number; returns whether it is new.
    pub fn insert(&mut self, pn: PacketNumber) -> bool {
        if let Some(top) = self.ranges.last_mut()
            && pn.checked_sub(1) == Some(top.end)
        {
            top.end = pn;
            top.settled = false;
            return true;
        }
        if pn < self.floor {
            return false;
        }
        let above = self
            .ranges
            .iter()
            .rposition(|r| r.start <= pn)
            .map_or(0, |i| i + 1);
        if above > 0 && self.ranges[above - 1].end >= pn {
            return false;
        }
        self.join(above, pn);
        true
    }

    /// Puts `pn` in the hole below the range at `above`.
    fn join(&mut self, above: usize, pn: PacketNumber) {
        let upper = self.ranges.get(above).is_some_and(|r| r.start - 1 == pn);
        let lower = above > 0 && self.ranges[above - 1].end + 1 == pn;
        match (lower, upper) {
            (true, true) => {
                let r = self.ranges.remove(above);
                self.ranges[above - 1].end = r.end;
                self.ranges[above - 1].settled = false;
            }
            (true, false) => {
                self.ranges[above - 1].end = pn;
                self.ranges[above - 1].settled = false;
            }
            (false, true) => {
                self.ranges[above].start = pn;
                self.ranges[above].settled = false;
            }
            (false, false) => self.add(above, pn),
        }
    }

    // hardening A8
    fn add(&mut self, at: usize, pn: PacketNumber) {
        let range = Range {
            start: pn,
            end: pn,
            settled: false,
        };
        if self.ranges.len() < MAX_RANGES {
            self.ranges.insert(at, range);
            return;
        }
        if at == 0 {
            // It arrived and is processed, but there is no room to ever say so.
            self.floor = pn + 1;
            return;
        }
        self.floor = self.ranges[0].end + 1;
        self.ranges.remove(0);
        self.ranges.insert(at - 1, range);
    }

    /// An ACK frame up to `largest` is known to have arrived: ranges that it covered need not be
    /// reported again. They are kept to tell duplicates from late packets.
    pub fn settle(&mut self, largest: PacketNumber) {
        for r in self.ranges.iter_mut().take_while(|r| r.end <= largest) {
            r.settled = true;
        }
    }

    /// What an ACK frame reports, descending: the top range and all others that the peer may not
    /// know about.
    pub fn unsettled(&self) -> impl Iterator<Item = RangeInclusive<PacketNumber>> {
        self.ranges
            .iter()
            .enumerate()
            .rev()
            .filter(|(i, r)| !r.settled || i + 1 == self.ranges.len())
            .map(|(_, r)| r.start..=r.end)
    }

    /// Whether all of `from..=to` arrived.
    pub fn contiguous(&self, from: PacketNumber, to: PacketNumber) -> bool {
        self.ranges
            .iter()
            .rev()
            .any(|r| r.start <= from && to <= r.end)
    }
}

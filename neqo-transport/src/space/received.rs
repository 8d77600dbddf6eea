//! Which packet numbers arrived (RFC 9000 §13.2.3).

use std::ops::RangeInclusive;

use crate::{PacketNumber, config::limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: PacketNumber,
    end: PacketNumber,
    /// The peer is known to know.
    settled: bool,
}

/// Received packet numbers as at most [`limits::ACK_RANGES`] ranges: with more holes, the oldest is
/// forgotten and what is not above it counts as received before.
#[derive(Clone, Debug)]
pub struct ReceivedRanges {
    /// Ascending, disjoint and not adjacent.
    ranges: Vec<Range>,
    //= rfc9000#section-13.2.3
    //# Maintaining a minimum
    //# packet number that increases as ranges are discarded is one way to achieve this
    //# with minimal state.
    floor: PacketNumber,
}

impl Default for ReceivedRanges {
    fn default() -> Self {
        Self {
            // Numbers that a peer leaves out make holes for good, at any time.
            ranges: Vec::with_capacity(limits::ACK_RANGES),
            floor: 0,
        }
    }
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
        if self.ranges.len() < limits::ACK_RANGES {
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
    pub fn unsettled(&self) -> impl Iterator<Item = RangeInclusive<PacketNumber>> + Clone {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::ReceivedRanges;
    use crate::config::limits::ACK_RANGES;

    #[test]
    fn holes_are_filled() {
        let mut r = ReceivedRanges::default();
        assert_eq!(r.largest(), None);
        assert!(!r.contains(0));
        for pn in [5, 7, 6, 3, 4, 0] {
            assert!(r.insert(pn), "{pn}");
            assert!(!r.insert(pn), "{pn}");
            assert!(r.contains(pn));
        }
        assert_eq!(r.unsettled().collect::<Vec<_>>(), [3..=7, 0..=0]);
        assert!(r.contiguous(3, 7));
        assert!(!r.contiguous(0, 3));
        assert!(!r.contains(1) && !r.contains(8));
    }

    // hardening A8
    #[test]
    fn every_second_packet() {
        let mut r = ReceivedRanges::default();
        for pn in (0..2_000_000).step_by(2) {
            assert!(r.insert(pn));
            assert!(r.ranges.len() <= ACK_RANGES);
        }
        assert!(r.ranges.capacity() < 2 * ACK_RANGES);
        // Holes among the ranges that are kept can still be filled, older ones cannot.
        assert!(r.insert(1_999_997));
        assert!(r.contains(5) && !r.insert(5));
    }

    #[test]
    fn below_all_ranges_when_there_is_no_room() {
        let mut r = ReceivedRanges::default();
        for pn in 1..=ACK_RANGES as u64 {
            r.insert(10 * pn);
        }
        assert!(r.insert(4), "it is new");
        assert!(r.contains(4) && r.contains(3), "and the floor is above it");
        assert!(!r.contains(5));
        assert_eq!(r.ranges.len(), ACK_RANGES);
    }

    //= rfc9000#section-13.2.4 type=test
    //# When a packet containing an ACK frame is acknowledged,
    //# the receiver can stop acknowledging packets less than or equal to the Largest
    //# Acknowledged field in the sent ACK frame.
    #[test]
    fn settled_ranges_are_not_reported_but_known() {
        let mut r = ReceivedRanges::default();
        for pn in [1, 3, 5, 7] {
            r.insert(pn);
        }
        r.settle(5);
        assert_eq!(r.unsettled().collect::<Vec<_>>(), [7..=7]);
        assert!(r.contains(3) && !r.contains(4));
        r.insert(4);
        assert_eq!(r.unsettled().collect::<Vec<_>>(), [7..=7, 3..=5]);
        r.settle(7);
        assert_eq!(r.unsettled().collect::<Vec<_>>(), [7..=7], "the top stays");
    }

    proptest! {
        #[test]
        fn ranges_are_a_set(pns in vec(0..80_u64, 0..300)) {
            let (mut r, mut set) = (ReceivedRanges::default(), BTreeSet::new());
            for pn in pns {
                let floor = r.floor;
                prop_assert_eq!(r.contains(pn), pn < floor || set.contains(&pn));
                prop_assert_eq!(r.insert(pn), pn >= floor && set.insert(pn));
                prop_assert_eq!(r.largest(), set.last().copied());
                for pair in r.ranges.windows(2) {
                    prop_assert!(pair[0].end + 1 < pair[1].start);
                }
                prop_assert!(r.ranges.len() <= ACK_RANGES);
                let all: BTreeSet<_> = r.unsettled().flatten().collect();
                let kept: BTreeSet<_> = set.iter().copied().filter(|p| *p >= r.floor).collect();
                prop_assert_eq!(all, kept);
            }
        }
    }
}

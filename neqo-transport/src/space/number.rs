//! Where packet numbers come from: the first is random, and some are never used.

use neqo_common::Random;

use crate::PacketNumber;

/// The first packet number is below this, so that its encoding stays short.
const FIRST_BELOW: u64 = 1 << 8;
/// The first gap comes within this many packets; each one is farther than the one before, since
/// a peer that guesses has to guess on and on while the cost of gaps goes down.
const FIRST_GAP_WITHIN: u64 = 1 << 7;
/// Gaps are never farther apart than this many packets.
const LONGEST_RUN: u64 = 1 << 16;

/// Hands out the packet numbers of one space.
#[derive(Debug)]
pub struct PnSource {
    next: PacketNumber,
    /// The next number that is left out, and how far the one after it may be.
    gap: Option<(PacketNumber, u64)>,
}

impl PnSource {
    /// Begins at a random number if `randomize`, leaves some out if `skip`.
    pub fn new(randomize: bool, skip: bool, random: &mut Random) -> Self {
        let next = if randomize {
            random.below(FIRST_BELOW)
        } else {
            0
        };
        let gap = (randomize && skip)
            .then(|| (next + 1 + random.below(FIRST_GAP_WITHIN), FIRST_GAP_WITHIN));
        Self { next, gap }
    }

    /// The number for the next packet. Using it or not is the caller's choice: see [`Self::used`].
    pub const fn peek(&self) -> PacketNumber {
        self.next
    }

    /// The number that [`Self::peek`] told was sent. Returns one that will never be sent, if the
    /// number that follows is left out.
    pub fn used(&mut self, random: &mut Random) -> Option<PacketNumber> {
        self.next += 1;
        let (at, within) = self.gap.filter(|(at, _)| *at == self.next)?;
        //= rfc9000#section-21.4
        //# An endpoint MAY skip packet numbers when sending packets to detect this behavior.
        self.next += 1;
        let within = (within * 2).min(LONGEST_RUN);
        self.gap = Some((self.next + 1 + random.below(within), within));
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Random;

    use super::PnSource;

    // hardening A26
    #[test]
    fn gaps_grow_and_numbers_never_repeat() {
        let mut random = Random::from_seed([7; 32]);
        let mut source = PnSource::new(true, true, &mut random);
        let (mut last, mut skipped) = (None, Vec::new());
        for _ in 0..100_000 {
            let pn = source.peek();
            assert!(last.is_none_or(|l| pn > l));
            last = Some(pn);
            skipped.extend(source.used(&mut random));
        }
        assert!(skipped.len() > 5, "{}", skipped.len());
        assert!(skipped.len() < 100, "{}", skipped.len());
    }

    #[test]
    fn plain_numbers_on_request() {
        let mut random = Random::from_seed([7; 32]);
        let mut source = PnSource::new(false, true, &mut random);
        for pn in 0..1000 {
            assert_eq!(source.peek(), pn);
            assert_eq!(source.used(&mut random), None);
        }
    }
}

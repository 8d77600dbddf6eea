//! Randomness as an argument.

use std::fmt::{self, Debug, Formatter};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A deterministic, cryptographically secure source of randomness (`ChaCha12`).
///
/// The host seeds one per connection from the operating system; tests seed it with a constant, and
/// then a run with the same seed is the same run. It is not `Clone`, so that no two owners see the
/// same bytes.
pub struct Random(ChaCha12Rng);

impl Random {
    /// A source whose output is a function of `seed`.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number of 64 random bits.
    #[must_use]
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..n`, each with the same probability. Zero if `n` is zero.
    ///
    /// This is Lemire's method: the high half of a 128-bit product, where the few products that
    /// would favour some results are drawn again.
    #[must_use]
    pub fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0, "there is no number below zero");
        let mut product = self.times(n);
        if low(product) < n {
            let biased = n.wrapping_neg().checked_rem(n).unwrap_or(0);
            while low(product) < biased {
                product = self.times(n);
            }
        }
        high(product)
    }

    /// A source that is independent of what this one yields later.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }

    fn times(&mut self, n: u64) -> u128 {
        u128::from(self.u64()) * u128::from(n)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
const fn low(v: u128) -> u64 {
    v as u64
}

const fn high(v: u128) -> u64 {
    low(v >> 64)
}

impl Debug for Random {
    /// Shows nothing of the state: who knows it knows all future output.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn same_seed_same_run() {
        let mut a = Random::from_seed([7; 32]);
        let mut b = Random::from_seed([7; 32]);
        assert_eq!(a.bytes::<20>(), b.bytes::<20>());
        assert_eq!(a.u64(), b.u64());
        assert_eq!(a.below(1000), b.below(1000));
        assert_eq!(a.fork().u64(), b.fork().u64());
        assert_ne!(a.u64(), Random::from_seed([8; 32]).u64());
    }

    #[test]
    fn a_fork_differs_from_its_parent() {
        let mut a = Random::from_seed([1; 32]);
        let mut b = a.fork();
        assert_ne!(a.bytes::<16>(), b.bytes::<16>());
    }

    #[test]
    fn below_is_uniform_enough() {
        const DRAWS: u32 = 30_000;
        let mut r = Random::from_seed([3; 32]);
        let mut seen = [0_u32; 3];
        for _ in 0..DRAWS {
            seen[usize::try_from(r.below(3)).unwrap()] += 1;
        }
        // Ten standard deviations (about 82 each) around a third.
        assert!(seen.iter().all(|n| n.abs_diff(DRAWS / 3) < 820), "{seen:?}");
        assert_eq!(r.below(1), 0);
        assert!(r.below(u64::MAX) < u64::MAX);
        // Just above a half of the range, where about every other draw is rejected.
        let n = (1 << 63) + 1;
        assert!((0..100).all(|_| r.below(n) < n));
    }

    #[test]
    fn debug_hides_the_state() {
        assert_eq!(format!("{:?}", Random::from_seed([0; 32])), "Random");
    }

    #[test]
    fn is_send() {
        fn send<T: Send>(_: T) {}
        send(Random::from_seed([0; 32]));
    }
}

//! Probabilities without floating point.

use neqo_common::Random;

/// One, in the unit of [`Chance`].
const WHOLE: u32 = 1_000_000;

/// A probability in parts per million.
///
/// Whole numbers, so that a run does not depend on how a machine rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(WHOLE);

    /// Parts per million; what is above a million counts as a million.
    #[must_use]
    pub const fn ppm(parts: u32) -> Self {
        if parts > WHOLE {
            Self::ALWAYS
        } else {
            Self(parts)
        }
    }

    /// Parts per hundred; what is above a hundred counts as a hundred.
    #[must_use]
    pub const fn percent(parts: u32) -> Self {
        Self::ppm(parts.saturating_mul(WHOLE / 100))
    }

    /// Whether it happens this time. What is certain draws nothing from `random`, so that a link
    /// without an impairment leaves the source as it was.
    pub fn draw(self, random: &mut Random) -> bool {
        match self.0 {
            0 => false,
            WHOLE.. => true,
            parts => random.below(u64::from(WHOLE)) < u64::from(parts),
        }
    }
}

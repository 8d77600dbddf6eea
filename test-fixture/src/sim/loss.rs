//! Which datagrams a link loses.

use neqo_common::Random;

use super::Chance;

/// How a link loses datagrams at random, in addition to what a full queue drops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// It loses none.
    #[default]
    None,
    /// Each is lost with the same probability, whatever happened to others.
    Uniform(Chance),
    /// The Gilbert-Elliott model: the link is in a good or a bad state, each with its own
    /// probability of loss, and may change the state with each datagram. The mean length of a burst
    /// is `1 / leave` datagrams.
    Burst {
        /// From the good state to the bad one.
        enter: Chance,
        /// From the bad state to the good one.
        leave: Chance,
        /// A loss while the state is good.
        good: Chance,
        /// A loss while the state is bad.
        bad: Chance,
    },
    /// Every `n`th datagram is lost, beginning with the `n`th: for a test that must know which.
    /// Zero loses none.
    Every(u64),
}

impl Loss {
    /// Bursts of about `length` lost datagrams in a row, entered with the probability `enter`.
    #[must_use]
    pub const fn bursts(enter: Chance, length: u32) -> Self {
        let length = if length == 0 { 1 } else { length };
        Self::Burst {
            enter,
            leave: Chance::ppm(1_000_000 / length),
            good: Chance::NEVER,
            bad: Chance::ALWAYS,
        }
    }
}

/// What a link remembers between datagrams to decide on losses.
#[derive(Debug, Default)]
pub(super) struct LossState {
    bad: bool,
    seen: u64,
}

impl LossState {
    /// Whether the next datagram is lost.
    pub(super) fn next(&mut self, loss: &Loss, random: &mut Random) -> bool {
        self.seen = self.seen.saturating_add(1);
        match *loss {
            Loss::None => false,
            Loss::Uniform(chance) => chance.draw(random),
            Loss::Every(n) => n > 0 && self.seen.is_multiple_of(n),
            Loss::Burst {
                enter,
                leave,
                good,
                bad,
            } => {
                let turn = if self.bad { leave } else { enter };
                self.bad ^= turn.draw(random);
                let here = if self.bad { bad } else { good };
                here.draw(random)
            }
        }
    }
}

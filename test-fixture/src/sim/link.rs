//! What one direction between two addresses does to datagrams.

use std::time::Duration;

use super::{Chance, Loss};

/// What fits into an Ethernet frame after the headers of IPv6 and UDP.
const ETHERNET: usize = 1500 - 40 - 8;

/// One direction between two addresses.
///
/// A datagram passes these, in this order: the MTU, the bottleneck with its queue, loss, corruption,
/// the way itself (delay, jitter, reordering), duplication. All sizes are of the UDP payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) loss: Loss,
    pub(super) reorder: Option<Reorder>,
    pub(super) duplicate: Chance,
    pub(super) corrupt: Chance,
    pub(super) bottleneck: Option<Bottleneck>,
    pub(super) mtu: usize,
    pub(super) bleach: bool,
}

/// Some datagrams are held back while later ones pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorder {
    /// How many are held back.
    pub chance: Chance,
    /// For how long, in addition to the delay of the link.
    pub hold: Duration,
}

/// A serializing interface with a first-in, first-out queue in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// Bits per second; zero counts as one.
    pub rate: u64,
    /// Bytes that may wait, the datagram in transmission included. One that does not fit is dropped
    /// (taildrop).
    pub queue: usize,
    /// A datagram that is ECN-capable and finds more than this many bytes waiting is marked as
    /// having experienced congestion (CE).
    pub mark_above: Option<usize>,
}

impl Bottleneck {
    /// A queue that drops what does not fit and marks nothing.
    #[must_use]
    pub const fn new(rate: u64, queue: usize) -> Self {
        Self {
            rate,
            queue,
            mark_above: None,
        }
    }

    /// Marks ECN-capable datagrams that find more than `bytes` waiting.
    #[must_use]
    pub const fn mark_above(mut self, bytes: usize) -> Self {
        self.mark_above = Some(bytes);
        self
    }
}

impl Link {
    /// A perfect link that takes `delay` for one way and carries what fits into Ethernet.
    #[must_use]
    pub const fn new(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: None,
            duplicate: Chance::NEVER,
            corrupt: Chance::NEVER,
            bottleneck: None,
            mtu: ETHERNET,
            bleach: false,
        }
    }

    /// A link that loses everything: an outage.
    #[must_use]
    pub const fn down() -> Self {
        Self::new(Duration::ZERO).loss(Loss::Uniform(Chance::ALWAYS))
    }

    /// The time that one way takes.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds to the delay of each datagram a time in `0..=jitter`, uniformly distributed. The order
    /// is kept: one that would overtake arrives together with the one before it.
    #[must_use]
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Loses datagrams at random.
    #[must_use]
    pub const fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Holds `chance` of the datagrams back for `hold`, so that later ones pass.
    #[must_use]
    pub const fn reorder(mut self, chance: Chance, hold: Duration) -> Self {
        self.reorder = Some(Reorder { chance, hold });
        self
    }

    /// Delivers some datagrams twice, the copy up to 1 ms later.
    #[must_use]
    pub const fn duplicate(mut self, chance: Chance) -> Self {
        self.duplicate = chance;
        self
    }

    /// Flips between one and eight bits of some datagrams.
    #[must_use]
    pub const fn corrupt(mut self, chance: Chance) -> Self {
        self.corrupt = chance;
        self
    }

    /// Limits the rate.
    #[must_use]
    pub const fn bottleneck(mut self, bottleneck: Bottleneck) -> Self {
        self.bottleneck = Some(bottleneck);
        self
    }

    /// The largest UDP payload that passes; larger ones are dropped without a notice.
    #[must_use]
    pub const fn mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// Clears the ECN field of every datagram, as some routers do.
    #[must_use]
    pub const fn bleach_ecn(mut self) -> Self {
        self.bleach = true;
        self
    }
}

impl Default for Link {
    /// A perfect link of 10 ms for one way.
    fn default() -> Self {
        Self::new(Duration::from_millis(10))
    }
}

//! Counters of what is not an error and still worth knowing.

use std::{
    fmt::{self, Debug, Formatter},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Event {
    /// The system had no memory for a datagram to send (ENOBUFS).
    NoBuffers,
    /// A datagram was larger than the interface can send (EMSGSIZE).
    TooBig,
    /// The destination cannot be reached, or an ICMP message said so.
    Unreachable,
    /// The system refused to send for another reason.
    Refused,
    /// GSO was refused; datagrams were sent one by one instead.
    GsoRefused,
    /// A datagram without payload arrived and was skipped.
    Empty,
    /// A datagram arrived from an address that cannot be answered, or for more than one receiver,
    /// and was skipped.
    BadAddress,
}

impl Event {
    const ALL: [Self; 7] = [
        Self::NoBuffers,
        Self::TooBig,
        Self::Unreachable,
        Self::Refused,
        Self::GsoRefused,
        Self::Empty,
        Self::BadAddress,
    ];
}

/// A socket is used through `&self`, from one thread at a time or from many.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; Event::ALL.len()]);

impl Counters {
    pub(crate) fn count(&self, event: Event) {
        if let Some(counter) = self.0.get(event as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats(std::array::from_fn(|i| {
            self.0.get(i).map_or(0, |counter| counter.load(Relaxed))
        }))
    }
}

/// How often each [`Event`] happened.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats([u64; Event::ALL.len()]);

impl Stats {
    /// How often `event` happened.
    #[must_use]
    pub fn get(&self, event: Event) -> u64 {
        self.0.get(event as usize).copied().unwrap_or_default()
    }

    /// All events with how often they happened.
    pub fn iter(&self) -> impl Iterator<Item = (Event, u64)> {
        Event::ALL.into_iter().zip(self.0)
    }
}

impl Debug for Stats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Event};

    #[test]
    fn each_event_has_its_own_counter() {
        let counters = Counters::default();
        for (n, event) in Event::ALL.into_iter().enumerate() {
            for _ in 0..n {
                counters.count(event);
            }
        }
        let stats = counters.snapshot();
        assert!(stats.iter().map(|(_, n)| n).eq(0..7));
        assert_eq!(stats.get(Event::BadAddress), 6);
        assert!(format!("{stats:?}").contains("TooBig: 1"));
    }
}

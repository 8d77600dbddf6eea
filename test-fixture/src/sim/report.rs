//! What a run leaves behind: counters, the hash of its trace, and on a failure its last events.

use std::{
    collections::VecDeque,
    fmt::{self, Debug, Display, Formatter},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// How many of the last events a [`Failure`] shows.
const LAST_EVENTS: usize = 48;

/// One thing that a link did to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fate {
    TooBig = 1,
    QueueFull = 1 << 1,
    Lost = 1 << 2,
    Corrupted = 1 << 3,
    Marked = 1 << 4,
    HeldBack = 1 << 5,
    Duplicated = 1 << 6,
}

/// Everything that a link did to one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates(u8);

impl Fates {
    pub(super) const fn insert(&mut self, fate: Fate) {
        self.0 |= fate as u8;
    }

    const fn has(self, fate: Fate) -> bool {
        self.0 & fate as u8 != 0
    }
}

impl Display for Fates {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const NAMES: [(Fate, &str); 7] = [
            (Fate::TooBig, "dropped: exceeds the MTU"),
            (Fate::QueueFull, "dropped: queue full"),
            (Fate::Lost, "lost"),
            (Fate::Corrupted, "corrupted"),
            (Fate::Marked, "CE"),
            (Fate::HeldBack, "held back"),
            (Fate::Duplicated, "duplicated"),
        ];
        let names = NAMES.into_iter().filter(|(fate, _)| self.has(*fate));
        for (_, name) in names {
            write!(f, " [{name}]")?;
        }
        Ok(())
    }
}

/// What one link has counted, in datagrams unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Given to the link.
    pub sent: u64,
    /// Passed on, a duplicate not counted.
    pub delivered: u64,
    /// Bytes of UDP payload passed on, those of duplicates not counted.
    pub bytes: u64,
    /// Dropped because they exceeded the MTU.
    pub too_big: u64,
    /// Dropped by the full queue.
    pub queue_full: u64,
    /// Lost at random.
    pub lost: u64,
    /// Passed on with bits flipped.
    pub corrupted: u64,
    /// Passed on with the mark of congestion.
    pub marked: u64,
    /// Passed on late, so that later ones could overtake.
    pub held_back: u64,
    /// Passed on twice.
    pub duplicated: u64,
}

impl LinkStats {
    pub(super) fn delivered(&mut self, len: usize) {
        self.delivered += 1;
        self.bytes += u64::try_from(len).unwrap_or(u64::MAX);
    }

    pub(super) fn count(&mut self, fates: Fates) {
        self.sent += 1;
        for (fate, counter) in [
            (Fate::TooBig, &mut self.too_big),
            (Fate::QueueFull, &mut self.queue_full),
            (Fate::Lost, &mut self.lost),
            (Fate::Corrupted, &mut self.corrupted),
            (Fate::Marked, &mut self.marked),
            (Fate::HeldBack, &mut self.held_back),
            (Fate::Duplicated, &mut self.duplicated),
        ] {
            *counter += u64::from(fates.has(fate));
        }
    }
}

/// One event of a run, for the report.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Sent {
        src: SocketAddr,
        dst: SocketAddr,
        len: usize,
        fates: Fates,
    },
    Arrived {
        src: SocketAddr,
        dst: SocketAddr,
        len: usize,
    },
    Unroutable {
        dst: SocketAddr,
        len: usize,
    },
    Timer {
        node: usize,
    },
    Changed,
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                src,
                dst,
                len,
                fates,
            } => write!(f, "{src} -> {dst} sent {len} bytes{fates}"),
            Self::Arrived { src, dst, len } => write!(f, "{src} -> {dst} arrived {len} bytes"),
            Self::Unroutable { dst, len } => write!(f, "nobody has {dst}: {len} bytes dropped"),
            Self::Timer { node } => write!(f, "timer of node {node}"),
            Self::Changed => f.write_str("scheduled change of the network"),
        }
    }
}

/// The recent past of a run and hashes of all of it.
#[derive(Debug)]
pub(super) struct Trace {
    last: VecDeque<(Duration, Event)>,
    shape: u64,
    bytes: u64,
}

impl Trace {
    /// The prime and the offset basis of FNV-1a for 64 bits.
    const PRIME: u64 = 0x0100_0000_01b3;
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

    pub(super) fn new() -> Self {
        Self {
            last: VecDeque::with_capacity(LAST_EVENTS),
            shape: Self::BASIS,
            bytes: Self::BASIS,
        }
    }

    pub(super) fn event(&mut self, at: Duration, event: Event) {
        if self.last.len() == LAST_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back((at, event));
    }

    /// Adds a datagram that arrives to the hashes.
    pub(super) fn arrival(&mut self, at: Duration, node: usize, data: &[u8]) {
        for n in [at.as_nanos(), node as u128, data.len() as u128] {
            self.shape = Self::hash(self.shape, &n.to_le_bytes());
        }
        self.bytes = Self::hash(self.bytes, data);
    }

    fn hash(before: u64, data: &[u8]) -> u64 {
        data.iter().fold(before, |hash, b| {
            (hash ^ u64::from(*b)).wrapping_mul(Self::PRIME)
        })
    }

    /// The hashes of the shape and of the bytes.
    pub(super) const fn hashes(&self) -> (u64, u64) {
        (self.shape, self.bytes)
    }

    pub(super) fn into_last(self) -> Vec<String> {
        self.last
            .into_iter()
            .map(|(at, event)| format!("{:>12.6} {event}", at.as_secs_f64()))
            .collect()
    }
}

/// A run that ended with all nodes done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// A hash of when every datagram arrived, where, and its size. Runs with the same seed have the
    /// same.
    pub shape: u64,
    /// A hash of the bytes of every datagram that arrived. Runs with the same seed have the same,
    /// unless their nodes get randomness elsewhere, as TLS libraries do.
    pub bytes: u64,
    /// Datagrams to addresses that no node has.
    pub unroutable: u64,
    pub(super) links: Vec<(IpAddr, IpAddr, LinkStats)>,
}

impl Summary {
    /// The counters of the link from one address to another; all zero if it was not used.
    #[must_use]
    pub fn link(&self, from: IpAddr, to: IpAddr) -> LinkStats {
        self.links
            .iter()
            .find(|(f, t, _)| (*f, *t) == (from, to))
            .map_or_else(LinkStats::default, |(_, _, stats)| *stats)
    }

    /// The counters of the link from node `from` to node `to`, on their first addresses.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> LinkStats {
        self.link(super::address(from).ip(), super::address(to).ip())
    }
}

/// Why a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The virtual deadline passed.
    Deadline,
    /// Some node is not done, but nothing is on its way and no timer is set.
    Stuck,
    /// A node asks to be called again at once for ever.
    Spinning {
        /// The number of the node.
        node: usize,
    },
}

/// A run that did not end with all nodes done. `Debug` prints the same as `Display`, so that
/// `unwrap` shows a report that can be read.
#[derive(Clone)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// The seed that reproduces it.
    pub seed: u64,
    /// Virtual time that had passed.
    pub elapsed: Duration,
    pub(super) configuration: Vec<String>,
    pub(super) nodes: Vec<String>,
    pub(super) last: Vec<String>,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:?} after {:?} of virtual time, seed {seed} (NEQO_SIM_SEED={seed} reruns it)",
            self.reason,
            self.elapsed,
            seed = self.seed,
        )?;
        for (title, lines) in [
            ("links", &self.configuration),
            ("nodes", &self.nodes),
            ("last events, in seconds", &self.last),
        ] {
            writeln!(f, "{title}:")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

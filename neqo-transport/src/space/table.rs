//! The three packet number spaces (RFC 9000 §12.3). Dropping a [`Space`] drops its keys, its
//! acknowledgements, its CRYPTO stream and its recovery state together.

use enum_map::{Enum, EnumMap};
use neqo_common::Random;
use neqo_crypto::Level;

use super::{ack::AckTracker, number::PnSource};
use crate::{
    handshake::{keys::Keys, stream::CryptoStream},
    recovery::{detect::Loss, token::Token},
};

/// Which packet number space.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketNumberSpace {
    /// Initial packets.
    Initial,
    /// Handshake packets.
    Handshake,
    /// 0-RTT and 1-RTT packets.
    ApplicationData,
}

impl PacketNumberSpace {
    /// All of them, in the order in which their packets are coalesced.
    pub const ALL: [Self; 3] = [Self::Initial, Self::Handshake, Self::ApplicationData];

    /// The TLS level of its CRYPTO stream.
    pub const fn level(self) -> Level {
        match self {
            Self::Initial => Level::Initial,
            Self::Handshake => Level::Handshake,
            Self::ApplicationData => Level::OneRtt,
        }
    }
}

impl From<Level> for PacketNumberSpace {
    fn from(level: Level) -> Self {
        match level {
            Level::Initial => Self::Initial,
            Level::Handshake => Self::Handshake,
            Level::ZeroRtt | Level::OneRtt => Self::ApplicationData,
        }
    }
}

/// Everything of one packet number space.
#[derive(Debug)]
pub struct Space {
    /// Protection keys.
    pub keys: Keys,
    /// Where packet numbers come from.
    pub pn: PnSource,
    /// What was sent.
    pub loss: Loss<Token>,
    /// What was received.
    pub acks: AckTracker,
    /// Handshake bytes.
    pub crypto: CryptoStream,
    /// How many ack-eliciting packets are owed regardless of congestion control: probes
    /// (RFC 9002 §6.2.4) or a keep-alive.
    probes: u8,
    /// A probe timeout owes them: each repeats what is outstanding rather than say PING.
    repeat: bool,
}

impl Space {
    /// Owes the peer at least `n` ack-eliciting packets.
    pub fn owe_probes(&mut self, n: u8) {
        self.probes = self.probes.max(n);
    }

    /// Owes the peer at least `n` ack-eliciting packets that repeat what is outstanding.
    pub fn owe_pto_probes(&mut self, n: u8) {
        self.owe_probes(n);
        self.repeat = true;
    }

    /// One probe of those that are owed is enough.
    pub fn owe_one_probe(&mut self) {
        self.probes = self.probes.min(1);
    }

    /// Whether a packet is owed that repeats what is outstanding.
    pub const fn wants_pto_probe(&self) -> bool {
        self.repeat && self.wants_probe()
    }

    /// Whether an ack-eliciting packet is owed.
    pub const fn wants_probe(&self) -> bool {
        self.probes > 0
    }

    /// An ack-eliciting packet was sent.
    pub const fn probe_sent(&mut self) {
        self.probes = self.probes.saturating_sub(1);
        self.repeat &= self.probes > 0;
    }
}

/// The spaces that are not dropped yet.
#[derive(Debug)]
pub struct Spaces(EnumMap<PacketNumberSpace, Option<Box<Space>>>);

impl Spaces {
    /// All three, without keys.
    pub fn new(ack_ratio: u8, randomize: bool, random: &mut Random) -> Self {
        Self(EnumMap::from_fn(|id| {
            Some(Box::new(Space {
                keys: Keys::default(),
                pn: PnSource::new(randomize, id == PacketNumberSpace::ApplicationData, random),
                loss: Loss::default(),
                acks: AckTracker::new(id, ack_ratio),
                crypto: CryptoStream::default(),
                probes: 0,
                repeat: false,
            }))
        }))
    }

    /// The space, unless it was dropped.
    pub fn get(&self, id: PacketNumberSpace) -> Option<&Space> {
        self.0[id].as_deref()
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: PacketNumberSpace) -> Option<&mut Space> {
        self.0[id].as_deref_mut()
    }

    /// Drops the space.
    pub fn take(&mut self, id: PacketNumberSpace) -> Option<Box<Space>> {
        self.0[id].take()
    }

    /// Those that are not dropped, in the order of [`PacketNumberSpace::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (PacketNumberSpace, &Space)> {
        self.0
            .iter()
            .filter_map(|(id, s)| Some((id, s.as_deref()?)))
    }
}

//! Packet number spaces: what arrived and when to acknowledge it.

use enum_map::Enum;

pub(crate) mod ack;
pub(crate) mod received;

/// The packet number spaces of a connection (RFC 9000 §12.3).
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketNumberSpace {
    /// Initial packets.
    Initial,
    /// Handshake packets.
    Handshake,
    /// 0-RTT and 1-RTT packets.
    ApplicationData,
}

impl PacketNumberSpace {
    /// All of them, in the order in which a connection goes through them.
    pub const ALL: [Self; 3] = [Self::Initial, Self::Handshake, Self::ApplicationData];
}

//! What a server counts.

use enum_map::{Enum, EnumMap};
use strum::{Display, EnumIter};

/// Why a server dropped a datagram that no connection took.
#[derive(Clone, Copy, Debug, Display, Enum, EnumIter, PartialEq, Eq)]
#[strum(serialize_all = "snake_case")]
pub enum Dropped {
    /// Nothing in it.
    Empty,
    /// From an address to which nothing is ever sent.
    Address,
    /// The header could not be parsed.
    Header,
    /// A version that is not spoken, in a datagram of less than 1,200 bytes (RFC 9000 §5.2.2).
    Version,
    /// An Initial packet in a datagram of less than 1,200 bytes (RFC 9000 §14.1).
    ShortInitial,
    /// An Initial packet to a connection ID of less than 8 bytes (RFC 9000 §7.2).
    ShortConnectionId,
    /// Neither for a connection that exists nor the beginning of one.
    Unattributed,
    /// It looks like the beginning of a connection, but does not authenticate.
    Unauthentic,
    /// There are as many connections, or handshakes under way, as there may be.
    Overload,
    /// A short header for an unknown connection, too small for a stateless reset or one too many.
    ResetLimit,
    /// The answer to it did not fit into the queue.
    ResponseLimit,
    /// Our side failed.
    Internal,
}

/// What happened at a server, apart from what its connections count.
#[derive(Clone, Debug, Default)]
pub struct ServerStats {
    /// Connections begun.
    pub accepted: u64,
    /// Connections refused with a CONNECTION_CLOSE.
    pub refused: u64,
    /// Connections whose handshake took too long.
    pub late: u64,
    /// Retry packets.
    pub retries: u64,
    /// Version Negotiation packets.
    pub version_negotiations: u64,
    /// Stateless resets.
    pub resets: u64,
    /// Datagrams dropped, by reason. Those that a connection dropped are in its own statistics.
    pub dropped: EnumMap<Dropped, u64>,
}

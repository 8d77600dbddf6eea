//! What a sent packet carried, so that its fate can be told to the component that wrote it.

use crate::{PacketNumber, streams};

/// One retransmittable (or otherwise interesting) thing in a sent packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// An ACK frame up to this packet number; its acknowledgement lets ranges be forgotten.
    Ack {
        /// The largest packet number that the frame acknowledged.
        largest: PacketNumber,
    },
    /// A range of the CRYPTO stream of the packet's own space.
    Crypto {
        /// Where it starts.
        offset: u64,
        /// How long it is.
        len: u32,
    },
    /// Anything of streams and flow control.
    Stream(streams::Token),
    /// NEW_CONNECTION_ID with this sequence number.
    NewConnectionId {
        /// The sequence number.
        seq: u64,
    },
    /// RETIRE_CONNECTION_ID with this sequence number.
    RetireConnectionId {
        /// The sequence number.
        seq: u64,
    },
    /// HANDSHAKE_DONE.
    HandshakeDone,
    /// PATH_CHALLENGE; never retransmitted by loss, the path has a timer of its own.
    PathChallenge,
    /// PING.
    Ping,
}

//! The TLS handshake as the connection sees it: a session, its events, and the connection IDs
//! that it authenticates.

pub(crate) mod keys;
pub(crate) mod stream;

use neqo_crypto::{Events, Session};

use crate::cid::id::ConnectionId;

/// A TLS session and what belongs to it.
#[derive(Debug)]
pub struct Handshake {
    /// TLS itself.
    pub session: Box<dyn Session>,
    /// What TLS wants done, in order.
    pub events: Events,
    /// The connection IDs of the handshake, which the transport parameters must repeat.
    pub ids: HandshakeIds,
    /// The token for Initial packets: from a Retry, or from an earlier connection.
    pub token: Vec<u8>,
    /// The name that the certificate is for, when the server did not accept an encrypted `ClientHello`.
    pub ech_public_name: Option<String>,
}

/// Connection IDs that the transport parameters authenticate (RFC 9000 §7.3).
#[derive(Clone, Copy, Debug)]
pub struct HandshakeIds {
    /// The Destination Connection ID of the client's first Initial packet.
    pub original_dcid: ConnectionId,
    /// The Destination Connection ID that Initial keys come from: changes with Retry.
    pub initial_dcid: ConnectionId,
    /// The Source Connection ID of the Retry, if there was one.
    pub retry_scid: Option<ConnectionId>,
    /// The Source Connection ID of the peer's first Initial packet.
    pub peer_scid: Option<ConnectionId>,
}

impl HandshakeIds {
    /// Nothing but the first Destination Connection ID is known yet.
    pub const fn new(original_dcid: ConnectionId) -> Self {
        Self {
            original_dcid,
            initial_dcid: original_dcid,
            retry_scid: None,
            peer_scid: None,
        }
    }
}

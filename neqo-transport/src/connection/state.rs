//! The states of a connection, and which may follow which.

use std::time::Instant;

use crate::CloseReason;

/// Where a connection is in its life. It only ever moves downwards in this list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A client that has sent nothing.
    Init,
    /// A client that waits for the first answer, or a server for the rest of the ClientHello.
    WaitInitial,
    /// The handshake is under way.
    Handshaking,
    /// TLS is complete: application data flows (RFC 9001 §4.1.1).
    Connected,
    /// The handshake is confirmed (RFC 9001 §4.1.2).
    Confirmed,
    /// Closed by this side: only CONNECTION_CLOSE is sent (RFC 9000 §10.2.1).
    Closing {
        /// Why.
        error: CloseReason,
        /// When it ends.
        timeout: Instant,
    },
    /// Closed by the peer: nothing is sent (RFC 9000 §10.2.2).
    Draining {
        /// Why.
        error: CloseReason,
        /// When it ends.
        timeout: Instant,
    },
    /// Over.
    Closed(CloseReason),
}

impl State {
    /// Whether the TLS handshake is complete and the connection not closing.
    #[must_use]
    pub const fn connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Confirmed)
    }

    /// Whether the connection is closing or draining.
    #[must_use]
    pub const fn closing(&self) -> bool {
        matches!(self, Self::Closing { .. } | Self::Draining { .. })
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Why the connection ends or ended.
    #[must_use]
    pub const fn error(&self) -> Option<&CloseReason> {
        match self {
            Self::Closing { error, .. } | Self::Draining { error, .. } | Self::Closed(error) => {
                Some(error)
            }
            _ => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Init => 0,
            Self::WaitInitial => 1,
            Self::Handshaking => 2,
            Self::Connected => 3,
            Self::Confirmed => 4,
            Self::Closing { .. } => 5,
            Self::Draining { .. } => 6,
            Self::Closed(_) => 7,
        }
    }

    /// Whether `next` may follow: states are never revisited.
    pub(super) const fn allows(&self, next: &Self) -> bool {
        self.rank() < next.rank()
    }
}

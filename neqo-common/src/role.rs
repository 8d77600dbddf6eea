//! Which end of a connection, and which half of an exchange.

use strum::Display;

/// The end of a connection that this endpoint plays.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, Hash)]
pub enum Role {
    /// The endpoint that sent the first packet.
    Client,
    /// The endpoint that answers.
    Server,
}

impl Role {
    /// The role of the peer.
    #[must_use]
    pub const fn remote(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whether an HTTP message asks or answers.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Sent by a client.
    Request,
    /// Sent by a server.
    Response,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_of_the_remote_is_self() {
        for role in [Role::Client, Role::Server] {
            assert_ne!(role.remote(), role);
            assert_eq!(role.remote().remote(), role);
        }
        assert_eq!(Role::Client.to_string(), "Client");
    }
}

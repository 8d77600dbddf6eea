//! Where a connection is in its life.

use neqo_transport::{CloseReason, StreamId};

/// The state of an HTTP/3 connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Http3State {
    /// The handshake is under way.
    #[default]
    Initializing,
    /// Requests can be sent.
    Connected,
    /// The server takes no more requests; those with this stream ID or a larger one were not processed.
    GoingAway(StreamId),
    /// The connection is being closed.
    Closing(CloseReason),
    /// The connection is closed.
    Closed(CloseReason),
}

impl Http3State {
    /// Whether requests are being served.
    #[must_use]
    pub const fn active(&self) -> bool {
        matches!(self, Self::Connected | Self::GoingAway(_))
    }

    /// The state that follows from a state of the transport, if it is another one.
    pub(crate) fn after(&self, transport: &neqo_transport::State) -> Option<Self> {
        use neqo_transport::State;
        let next = match transport {
            State::Connected | State::Confirmed if *self == Self::Initializing => Self::Connected,
            State::Closing { error, .. } | State::Draining { error, .. } => {
                Self::Closing(error.clone())
            }
            State::Closed(error) => Self::Closed(error.clone()),
            _ => return None,
        };
        (next != *self).then_some(next)
    }
}

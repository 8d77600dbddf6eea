//! Where a connection is in its life.

use neqo_transport::{CloseReason, StreamId};

use crate::error::H3_NO_ERROR;

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

    /// Why the connection fails or failed. Nothing, if it is open or either side closed it with `H3_NO_ERROR`.
    #[must_use]
    pub const fn failure(&self) -> Option<&CloseReason> {
        use neqo_transport::Error::PeerApplication;
        let (Self::Closing(reason) | Self::Closed(reason)) = self else {
            return None;
        };
        match reason {
            CloseReason::Application(H3_NO_ERROR)
            | CloseReason::Transport(PeerApplication {
                code: H3_NO_ERROR, ..
            }) => None,
            reason if reason.is_error() => Some(reason),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use neqo_transport::{CloseReason, Error, State};

    use super::Http3State;

    #[test]
    fn follows_the_transport() {
        let state = Http3State::default();
        assert_eq!(state.after(&State::Handshaking), None);
        assert_eq!(state.after(&State::Confirmed), Some(Http3State::Connected));
        let connected = state.after(&State::Connected).unwrap();
        assert_eq!(connected, Http3State::Connected);
        assert!(connected.active());
        assert_eq!(connected.after(&State::Confirmed), None);
        let reason = CloseReason::Application(7);
        let closed = connected.after(&State::Closed(reason.clone())).unwrap();
        assert_eq!(closed, Http3State::Closed(reason.clone()));
        assert!(!closed.active());
        assert_eq!(closed.after(&State::Closed(reason)), None);
    }

    #[test]
    fn failures() {
        let peer = |code| {
            CloseReason::Transport(Error::PeerApplication {
                code,
                reason: String::new(),
            })
        };
        for (reason, failed) in [
            (CloseReason::Application(0x100), false),
            (peer(0x100), false),
            (peer(0), false),
            (CloseReason::Application(0x101), true),
            (peer(0x102), true),
            (CloseReason::Transport(Error::IdleTimeout), true),
        ] {
            for state in [
                Http3State::Closing(reason.clone()),
                Http3State::Closed(reason.clone()),
            ] {
                assert_eq!(state.failure(), failed.then_some(&reason), "{state:?}");
            }
        }
        assert_eq!(Http3State::Connected.failure(), None);
    }
}

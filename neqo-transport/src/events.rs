//! What the host is told, in order; streams add theirs, level-triggered, when it asks.

use std::collections::VecDeque;

use neqo_crypto::ResumptionToken;

use crate::{
    AppError,
    config::limits,
    connection::State,
    stream_id::{StreamId, StreamType},
    streams::StreamEvent,
};

/// Something happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The host decides on the peer's certificate: see `Connection::authenticated`.
    AuthenticationNeeded,
    /// The same, in place of it, when the server did not accept an encrypted `ClientHello`: the certificate is to be
    /// judged for the public name. Whatever the verdict, the connection ends; after acceptance with
    /// [`neqo_crypto::Error::EchRetry`]. See [`Connection::client_enable_ech`](crate::Connection::client_enable_ech).
    EchFallbackAuthenticationNeeded {
        /// The name in the configuration that was used, as it stands there.
        public_name: String,
    },
    /// The peer opened a stream.
    NewStream {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer's flow control lets data be sent again.
    SendStreamWritable {
        /// The stream.
        stream_id: StreamId,
    },
    /// Data, or the end of the stream, can be read.
    RecvStreamReadable {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer abandoned its side of the stream.
    RecvStreamReset {
        /// The stream.
        stream_id: StreamId,
        /// Its reason.
        app_error: AppError,
    },
    /// The peer does not want our side of the stream.
    SendStreamStopSending {
        /// The stream.
        stream_id: StreamId,
        /// Its reason.
        app_error: AppError,
    },
    /// All data that was sent, and the end of the stream, arrived.
    SendStreamComplete {
        /// The stream.
        stream_id: StreamId,
    },
    /// More streams can be opened.
    SendStreamCreatable {
        /// Of this type.
        stream_type: StreamType,
    },
    /// The connection's state changed.
    StateChange(State),
    /// A token to resume the session with later.
    ResumptionToken(ResumptionToken),
}

impl From<StreamEvent> for ConnectionEvent {
    fn from(e: StreamEvent) -> Self {
        match e {
            StreamEvent::NewStream { stream_id } => Self::NewStream { stream_id },
            StreamEvent::RecvStreamReadable { stream_id } => Self::RecvStreamReadable { stream_id },
            StreamEvent::RecvStreamReset {
                stream_id,
                app_error,
            } => Self::RecvStreamReset {
                stream_id,
                app_error,
            },
            StreamEvent::SendStreamWritable { stream_id } => Self::SendStreamWritable { stream_id },
            StreamEvent::SendStreamStopSending {
                stream_id,
                app_error,
            } => Self::SendStreamStopSending {
                stream_id,
                app_error,
            },
            StreamEvent::SendStreamComplete { stream_id } => Self::SendStreamComplete { stream_id },
            StreamEvent::SendStreamCreatable { stream_type } => {
                Self::SendStreamCreatable { stream_type }
            }
        }
    }
}

/// Events of the connection itself that wait for the host.
#[derive(Debug, Default)]
pub struct Events(VecDeque<ConnectionEvent>);

impl Events {
    /// Adds one. States are never revisited and the certificate is judged once, but tokens to
    /// resume with come as the server likes.
    pub fn push(&mut self, e: ConnectionEvent) {
        let is_token = |e: &ConnectionEvent| matches!(e, ConnectionEvent::ResumptionToken(_));
        if is_token(&e)
            && self.0.iter().filter(|e| is_token(e)).count() >= limits::RESUMPTION_TOKENS
            && let Some(oldest) = self.0.iter().position(is_token)
        {
            self.0.remove(oldest);
        }
        self.0.push_back(e);
    }

    /// The oldest.
    pub fn pop(&mut self) -> Option<ConnectionEvent> {
        self.0.pop_front()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use neqo_crypto::ResumptionToken;

    use super::{ConnectionEvent, Events};
    use crate::{config::limits::RESUMPTION_TOKENS, connection::State};

    #[test]
    fn tokens_without_end() {
        let token = |n: u8| {
            let token = ResumptionToken::new(vec![n], crate::test_now(), false);
            ConnectionEvent::ResumptionToken(token)
        };
        let mut events = Events::default();
        events.push(ConnectionEvent::StateChange(State::Connected));
        for n in 0..100 {
            events.push(token(n));
        }
        events.push(ConnectionEvent::StateChange(State::Confirmed));
        assert_eq!(events.0.len(), RESUMPTION_TOKENS + 2);
        let first = Some(ConnectionEvent::StateChange(State::Connected));
        assert_eq!(events.pop(), first);
        let Some(ConnectionEvent::ResumptionToken(t)) = events.pop() else {
            panic!("a token");
        };
        assert_eq!(usize::from(t.as_ref()[0]), 100 - RESUMPTION_TOKENS);
    }
}

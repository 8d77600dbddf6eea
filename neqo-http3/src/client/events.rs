//! What a client is told.

use neqo_common::Header;
use neqo_crypto::ResumptionToken;
use neqo_transport::StreamId;

use crate::{AppError, Http3State, core::events::CoreEvent};

/// Something happened on a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http3ClientEvent {
    /// A response's header section arrived. `interim`: it is informational, another one follows. `fin`: nothing
    /// follows.
    HeaderReady {
        /// The request.
        stream_id: StreamId,
        /// The fields, `:status` first.
        headers: Vec<Header>,
        /// Whether this is an informational response.
        interim: bool,
        /// Whether the response is complete.
        fin: bool,
    },
    /// A response's trailer section arrived.
    TrailerReady {
        /// The request.
        stream_id: StreamId,
        /// The fields.
        headers: Vec<Header>,
    },
    /// Content, or its end, can be read. Told once, until everything has been read.
    DataReadable {
        /// The request.
        stream_id: StreamId,
    },
    /// There is room to send content again.
    DataWritable {
        /// The request.
        stream_id: StreamId,
    },
    /// The response will not be complete. `local`: it was malformed.
    Reset {
        /// The request.
        stream_id: StreamId,
        /// The code that was received or, if `local`, sent.
        error: AppError,
        /// Whether this side gave the response up.
        local: bool,
    },
    /// The server does not want the rest of the request. The response may still come.
    StopSending {
        /// The request.
        stream_id: StreamId,
        /// The server's code.
        error: AppError,
    },
    /// More requests can be sent.
    RequestsCreatable,
    /// The server's certificate awaits a verdict: see [`Http3Client::authenticated`](super::Http3Client::authenticated).
    AuthenticationNeeded,
    /// The same, in place of it, when the server did not accept an encrypted `ClientHello`: the certificate is to be
    /// judged for the public name, and the connection then ends; see
    /// [`Http3Client::enable_ech`](super::Http3Client::enable_ech).
    EchFallbackAuthenticationNeeded {
        /// The name in the configuration that was used.
        public_name: String,
    },
    /// A token to resume the session with later.
    ResumptionToken(ResumptionToken),
    /// The server is going away. Requests that it will not process are reset.
    GoawayReceived,
    /// The connection's state changed.
    StateChange(Http3State),
}

impl Http3ClientEvent {
    /// What a client is told of an event, if anything.
    pub(super) fn from_core(event: CoreEvent) -> Option<Self> {
        Some(match event {
            CoreEvent::Headers {
                stream_id,
                headers,
                interim,
                fin,
            } => Self::HeaderReady {
                stream_id,
                headers,
                interim,
                fin,
            },
            CoreEvent::Trailers { stream_id, headers } => Self::TrailerReady { stream_id, headers },
            CoreEvent::Readable(stream_id) => Self::DataReadable { stream_id },
            CoreEvent::Writable(stream_id) => Self::DataWritable { stream_id },
            CoreEvent::Reset {
                stream_id,
                error,
                local,
            } => Self::Reset {
                stream_id,
                error,
                local,
            },
            CoreEvent::StopSending { stream_id, error } => Self::StopSending { stream_id, error },
            CoreEvent::RequestsCreatable => Self::RequestsCreatable,
            CoreEvent::Goaway => Self::GoawayReceived,
            CoreEvent::PriorityUpdate(..) | CoreEvent::Settings(_) => return None,
        })
    }
}

//! What a server is told, and the names of what it is about.

use neqo_common::Header;
use neqo_transport::{StreamId, server::ConnectionHandle};

use crate::{AppError, Http3State, Priority, core::events::CoreEvent};

/// A request on one of a server's connections.
///
/// It is a plain value: when the request is over it names nothing, and never another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Http3StreamHandle {
    /// The connection.
    pub conn: ConnectionHandle,
    /// The stream on it.
    pub stream_id: StreamId,
}

/// Something happened on one of a server's connections.
///
/// Content is not part of any event: the server reads it when it wants to, and a client cannot send much more than what
/// was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http3ServerEvent {
    /// A request's header section arrived. `fin`: nothing follows.
    Headers {
        /// The request.
        stream: Http3StreamHandle,
        /// The fields, those that begin with `:` first.
        headers: Vec<Header>,
        /// Whether the request is complete.
        fin: bool,
    },
    /// A request's trailer section arrived.
    Trailers {
        /// The request.
        stream: Http3StreamHandle,
        /// The fields.
        headers: Vec<Header>,
    },
    /// Content, or its end, can be read. Told once, until everything has been read.
    DataReadable {
        /// The request.
        stream: Http3StreamHandle,
    },
    /// There is room to send content again.
    DataWritable {
        /// The request.
        stream: Http3StreamHandle,
    },
    /// The request will not be complete. If not `local`, a response may still be sent.
    Reset {
        /// The request.
        stream: Http3StreamHandle,
        /// The code that was received or, if `local`, sent.
        error: AppError,
        /// Whether this side gave the request up, because it was malformed.
        local: bool,
    },
    /// The client does not want the rest of the response.
    StopSending {
        /// The request.
        stream: Http3StreamHandle,
        /// The client's code.
        error: AppError,
    },
    /// The client wants the response with another priority, which it gets.
    PriorityUpdate {
        /// The request.
        stream: Http3StreamHandle,
        /// The new priority.
        priority: Priority,
    },
    /// A connection's state changed. One that is closed is gone. A host that asks late is told of the newest state only,
    /// and of so many closed connections that they can be kept.
    StateChange {
        /// The connection.
        conn: ConnectionHandle,
        /// Its new state.
        state: Http3State,
    },
}

impl Http3ServerEvent {
    /// What a server is told of an event on a connection, if anything.
    pub(super) fn from_core(conn: ConnectionHandle, event: CoreEvent) -> Option<Self> {
        let on = |stream_id| Http3StreamHandle { conn, stream_id };
        Some(match event {
            CoreEvent::Headers {
                stream_id,
                headers,
                fin,
                interim: _,
            } => Self::Headers {
                stream: on(stream_id),
                headers,
                fin,
            },
            CoreEvent::Trailers { stream_id, headers } => Self::Trailers {
                stream: on(stream_id),
                headers,
            },
            CoreEvent::Readable(id) => Self::DataReadable { stream: on(id) },
            CoreEvent::Writable(id) => Self::DataWritable { stream: on(id) },
            CoreEvent::Reset {
                stream_id,
                error,
                local,
            } => Self::Reset {
                stream: on(stream_id),
                error,
                local,
            },
            CoreEvent::StopSending { stream_id, error } => Self::StopSending {
                stream: on(stream_id),
                error,
            },
            CoreEvent::PriorityUpdate(id, priority) => Self::PriorityUpdate {
                stream: on(id),
                priority,
            },
            CoreEvent::RequestsCreatable | CoreEvent::Goaway | CoreEvent::Settings(_) => {
                return None;
            }
        })
    }
}

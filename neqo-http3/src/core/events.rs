//! What the application is to be told, the same for both roles.

use std::collections::VecDeque;

use neqo_common::Header;
use neqo_transport::StreamId;

use crate::{Priority, Settings, error::AppError};

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoreEvent {
    /// A header section arrived. `fin`: nothing follows it.
    Headers {
        stream_id: StreamId,
        headers: Vec<Header>,
        interim: bool,
        fin: bool,
    },
    /// A trailer section arrived.
    Trailers {
        stream_id: StreamId,
        headers: Vec<Header>,
    },
    /// Content, or its end, can be read.
    Readable(StreamId),
    /// There is room to send content again.
    Writable(StreamId),
    /// The message that was being received will not be complete. `local`: because of what this side found in it.
    Reset {
        stream_id: StreamId,
        error: AppError,
        local: bool,
    },
    /// The peer does not want the rest of the message that is being sent.
    StopSending {
        stream_id: StreamId,
        error: AppError,
    },
    /// The peer's limit allows more requests.
    RequestsCreatable,
    /// The peer is going away: what has this ID or a larger one is not processed.
    Goaway(u64),
    /// The client changed the priority of a request.
    PriorityUpdate(StreamId, Priority),
    /// The peer's settings arrived.
    Settings(Settings),
}

/// Events in the order in which they happened.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<CoreEvent>);

impl Events {
    pub(crate) fn push(&mut self, event: CoreEvent) {
        self.0.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<CoreEvent> {
        self.0.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

//! What the application is to be told, the same for both roles.

use std::collections::VecDeque;

use neqo_common::Header;
use neqo_transport::StreamId;

use crate::{Priority, Settings, config::limits::MAX_WAITING_EVENTS, error::AppError};

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
    /// The peer is going away. Told once, however often the peer says it.
    Goaway,
    /// The client changed the priority of a request.
    PriorityUpdate(StreamId, Priority),
    /// The peer's settings arrived.
    Settings(Settings),
}

/// Events in the order in which they happened.
///
/// What a peer can repeat without the application doing anything is told once.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<CoreEvent>,
    /// [`CoreEvent::RequestsCreatable`] is to be told.
    creatable: bool,
}

impl Events {
    pub(crate) fn push(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::RequestsCreatable => self.creatable = true,
            // A priority that nobody hears of is followed all the same.
            CoreEvent::PriorityUpdate(..) if self.queue.len() >= MAX_WAITING_EVENTS => {}
            event => self.queue.push_back(event),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<CoreEvent> {
        self.queue
            .pop_front()
            .or_else(|| std::mem::take(&mut self.creatable).then_some(CoreEvent::RequestsCreatable))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.creatable
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

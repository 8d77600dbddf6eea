//! What the application is to be told, the same for both roles.

use std::collections::{BTreeMap, VecDeque};

use neqo_common::Header;
use neqo_transport::StreamId;

use crate::{
    Priority, Settings,
    config::limits::{MAX_WAITING_EVENTS, MAX_WAITING_FIELDS},
    error::AppError,
};

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

impl CoreEvent {
    /// How much its fields count (RFC 9114, Section 4.2.2).
    fn fields(&self) -> usize {
        const OVERHEAD: usize = 32;
        match self {
            Self::Headers { headers, .. } | Self::Trailers { headers, .. } => headers
                .iter()
                .map(|h| h.name().len() + h.value().len() + OVERHEAD)
                .sum(),
            _ => 0,
        }
    }
}

/// Events in the order in which they happened.
///
/// What a peer can repeat without the application doing anything is told once, as it was last.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<CoreEvent>,
    /// How much the fields in the queue count.
    fields: usize,
    /// The newest priority of each request that has an untold one.
    priorities: BTreeMap<StreamId, Priority>,
    /// [`CoreEvent::RequestsCreatable`] is to be told.
    creatable: bool,
}

impl Events {
    pub(crate) fn push(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::RequestsCreatable => self.creatable = true,
            // It is about a request that is not over: there are not too many of those.
            CoreEvent::PriorityUpdate(id, priority) => {
                self.priorities.insert(id, priority);
            }
            event => {
                self.fields += event.fields();
                self.queue.push_back(event);
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<CoreEvent> {
        if let Some(event) = self.queue.pop_front() {
            self.fields -= event.fields();
            return Some(event);
        }
        if let Some((id, priority)) = self.priorities.pop_first() {
            return Some(CoreEvent::PriorityUpdate(id, priority));
        }
        std::mem::take(&mut self.creatable).then_some(CoreEvent::RequestsCreatable)
    }

    /// A request is over: its priority is of no interest any more.
    pub(crate) fn forget_priority(&mut self, id: StreamId) {
        self.priorities.remove(&id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.priorities.is_empty() && !self.creatable
    }

    /// Whether the application has so much to take that nothing more should come.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_WAITING_EVENTS || self.fields >= MAX_WAITING_FIELDS
    }

    /// How many events wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.priorities.len()
    }
}

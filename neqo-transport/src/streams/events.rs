//! What the application is told about streams.
//!
//! Events are bits on the stream, and a stream with any stands in a queue once: a slow application
//! costs no memory.

use super::{
    Streams,
    store::{Kind, Queue, Slot, Store},
    stream::Told,
};
use crate::{
    AppError,
    stream_id::{StreamId, StreamType},
};

/// Something happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    /// The peer opened a stream.
    NewStream {
        /// The stream.
        stream_id: StreamId,
    },
    /// There is data or the end to be read.
    RecvStreamReadable {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer reset its sending part.
    RecvStreamReset {
        /// The stream.
        stream_id: StreamId,
        /// The peer's code.
        app_error: AppError,
    },
    /// There is space to write again.
    SendStreamWritable {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer does not want the data; the sending part was reset.
    SendStreamStopSending {
        /// The stream.
        stream_id: StreamId,
        /// The peer's code.
        app_error: AppError,
    },
    /// The peer has everything.
    SendStreamComplete {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer allows more streams of this type.
    SendStreamCreatable {
        /// The type.
        stream_type: StreamType,
    },
}

/// Streams with untold events, in the order of the first, and types of which more can be opened.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) queue: Queue,
    pub(super) creatable: [bool; 2],
}

impl Events {
    pub(super) const TYPES: [StreamType; 2] = [StreamType::BiDi, StreamType::UniDi];

    pub(super) const fn new() -> Self {
        Self {
            queue: Queue::new(Kind::Event),
            creatable: [false; 2],
        }
    }

    /// Notes an event.
    pub(super) fn tell(&mut self, store: &mut Store, slot: Slot, what: Told) {
        if let Some(stream) = store.get_mut(slot) {
            stream.told.set(what);
            self.queue.push_back(store, slot);
        }
    }

    /// Takes back an event that has not been taken.
    pub(super) fn untell(&mut self, store: &mut Store, slot: Slot, what: Told) {
        if let Some(stream) = store.get_mut(slot) {
            stream.told.clear(what);
            if stream.told.is_empty() {
                self.queue.remove(store, slot);
            }
        }
    }
}

impl Streams {
    /// Whether the application has something to hear.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.queue.is_empty() || self.events.creatable.contains(&true)
    }

    /// The next event, if any. To take the event of a reset is to have read the reset
    /// (RFC 9000 §3.2).
    pub(crate) fn next_event(&mut self) -> Option<StreamEvent> {
        for (stream_type, flag) in Events::TYPES.into_iter().zip(&mut self.events.creatable) {
            if std::mem::take(flag) {
                return Some(StreamEvent::SendStreamCreatable { stream_type });
            }
        }
        while let Some(slot) = self.events.queue.front() {
            let told = self.store.get_mut(slot).and_then(|s| s.told.take());
            let event = told.and_then(|told| self.event(slot, told));
            if self.store.get(slot).is_none_or(|s| s.told.is_empty()) {
                self.events.queue.remove(&mut self.store, slot);
            }
            self.release(slot);
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn event(&mut self, slot: Slot, told: Told) -> Option<StreamEvent> {
        let left = self.room.left();
        let stream = self.store.get_mut(slot)?;
        let stream_id = stream.id;
        match told {
            Told::NEW => Some(StreamEvent::NewStream { stream_id }),
            Told::READABLE => stream
                .recv
                .as_ref()
                .is_some_and(super::recv::RecvStream::is_readable)
                .then_some(StreamEvent::RecvStreamReadable { stream_id }),
            Told::RESET => {
                let recv = stream.recv.as_mut()?;
                recv.reset_read();
                let app_error = recv.reset_error()?;
                self.drop_recv_if_done(slot);
                Some(StreamEvent::RecvStreamReset {
                    stream_id,
                    app_error,
                })
            }
            Told::STOP_SENDING => {
                let app_error = stream.stop_error?;
                Some(StreamEvent::SendStreamStopSending {
                    stream_id,
                    app_error,
                })
            }
            Told::WRITABLE => {
                let send = stream.send.as_mut()?;
                if send.space(left) > 0 {
                    return Some(StreamEvent::SendStreamWritable { stream_id });
                }
                // Another stream has taken the connection's room meanwhile.
                send.note_starved(left);
                self.note_crowded(slot);
                None
            }
            Told::COMPLETE => Some(StreamEvent::SendStreamComplete { stream_id }),
            _ => None,
        }
    }
}

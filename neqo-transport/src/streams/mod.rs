//! Streams (RFC 9000 §2 to §4): everything between the application's bytes and STREAM frames.
//!
//! [`Streams`] owns all streams of a connection in one slab. What must be done for a stream is a bit
//! or a place in a queue, so no operation looks at more streams than it is about:
//! - `api`: what the application calls;
//! - `input`: what the peer's frames do;
//! - `output`: what is written, acknowledged and lost;
//! - `events`: what the application is told.
//!
//! A stream's sending and receiving parts ([`send`], [`recv`]) are dropped when they are done, the
//! stream when both are gone and the application has taken its events. Only then may the peer
//! open another one (hardening A13).

mod api;
pub use api::{RecvStats, SendStats};
mod events;
mod flow;
mod input;
mod output;
mod pool;
pub(crate) mod recv;
mod room;
mod sched;
pub(crate) mod send;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod token;

pub use api::{RecvStats as RecvStreamStats, SendStats as SendStreamStats};
use events::Events;
pub(crate) use events::StreamEvent;
use flow::{Blocked, Credit, StreamsWindow, Window};
pub(crate) use flow::{LocalLimits, PeerLimits};
pub(crate) use input::StreamFrame;
use neqo_common::Role;
pub(crate) use pool::Pool;
use recv::{Lent, RecvStream};
use room::Room;
use sched::Scheduler;
pub use sched::{RetransmissionPriority, SendGroupId, SendOrder, TransmissionPriority};
use send::SendStream;
use store::{Kind, Queue, Slot, Store};
use stream::{Control, Stream, Told};
pub(crate) use token::Token;

use crate::{
    config::limits,
    stream_id::{StreamId, StreamType},
};

/// Which part of a stream a frame or a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Send,
    Recv,
}

/// Frames about the connection that wait to be sent.
#[derive(Debug, Default)]
struct Due {
    max_data: bool,
    data_blocked: bool,
    max_streams: [bool; 2],
    streams_blocked: [bool; 2],
}

/// How many streams this side may open of a type.
#[derive(Debug, Default)]
struct Outbound {
    credit: Credit,
    blocked: Blocked,
}

/// All streams of a connection, and its flow control.
#[derive(Debug)]
pub(crate) struct Streams {
    role: Role,
    local: LocalLimits,
    peer: PeerLimits,
    store: Store,
    sched: Scheduler,
    /// Streams with control frames to send.
    control: Queue,
    due: Due,
    events: Events,
    /// What the peer lets this side send on all streams.
    credit: Credit,
    blocked: Blocked,
    /// What this side lets the peer send on all streams.
    window: Window,
    outbound: [Outbound; 2],
    inbound: [StreamsWindow; 2],
    pool: Pool,
    /// Bytes that were written but never sent, of all streams.
    unsent: u64,
    /// What all streams hold together, and who waits for it to be less.
    room: Room,
    /// Streams with an atomic write that waits for the connection's credit.
    waiting: Vec<StreamId>,
    /// How many streams want the connection to be kept alive.
    keep_alive: usize,
}

const fn nth(stream_type: StreamType) -> usize {
    match stream_type {
        StreamType::BiDi => 0,
        StreamType::UniDi => 1,
    }
}

impl Streams {
    /// No streams yet, within the limits that this side announces. Nothing can be opened before
    /// [`Self::set_peer_limits`].
    pub(crate) fn new(role: Role, local: LocalLimits) -> Self {
        Self {
            role,
            local,
            peer: PeerLimits::default(),
            store: Store::default(),
            sched: Scheduler::new(),
            control: Queue::new(Kind::Control),
            due: Due::default(),
            events: Events::new(),
            credit: Credit::default(),
            blocked: Blocked::default(),
            window: Window::new(local.max_data, limits::MAX_CONNECTION_WINDOW),
            outbound: <[Outbound; 2]>::default(),
            inbound: [
                StreamsWindow::new(local.max_streams_bidi),
                StreamsWindow::new(local.max_streams_uni),
            ],
            pool: Pool::default(),
            unsent: 0,
            room: Room::new(),
            waiting: Vec::new(),
            keep_alive: 0,
        }
    }

    /// Takes the peer's limits: those remembered for early data, then those of the handshake.
    /// Limits are only ever raised (RFC 9000 §7.4.1).
    pub(crate) fn set_peer_limits(&mut self, peer: PeerLimits) {
        self.peer = peer;
        self.on_max_data(peer.max_data);
        self.on_max_streams(StreamType::BiDi, peer.max_streams_bidi);
        self.on_max_streams(StreamType::UniDi, peer.max_streams_uni);
        for slot in self.store.slots() {
            let limit = self.store.get(slot).map(|s| self.send_limit(s.id));
            self.raise_stream(slot, limit.unwrap_or_default());
        }
    }

    /// What the peer initially lets this side send on a stream.
    const fn send_limit(&self, id: StreamId) -> u64 {
        match (id.is_uni(), id.is_self_initiated(self.role)) {
            (true, _) => self.peer.max_stream_data_uni,
            (false, true) => self.peer.max_stream_data_bidi_remote,
            (false, false) => self.peer.max_stream_data_bidi_local,
        }
    }

    /// What this side initially lets the peer send on a stream.
    const fn recv_limit(&self, id: StreamId) -> u64 {
        match (id.is_uni(), id.is_self_initiated(self.role)) {
            (true, _) => self.local.max_stream_data_uni,
            (false, true) => self.local.max_stream_data_bidi_local,
            (false, false) => self.local.max_stream_data_bidi_remote,
        }
    }

    /// Makes the next stream of its type.
    fn open(&mut self, id: StreamId) -> Slot {
        let send = (!id.is_recv_only(self.role)).then(|| SendStream::new(self.send_limit(id)));
        let recv = (!id.is_send_only(self.role))
            .then(|| RecvStream::new(self.recv_limit(id), limits::MAX_STREAM_WINDOW));
        self.store.insert(Stream::new(id, send, recv))
    }

    /// How many streams are live.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether any stream asks for the connection to be kept alive.
    pub(crate) const fn wants_keep_alive(&self) -> bool {
        self.keep_alive > 0
    }

    /// Queues a control frame about a stream.
    fn control(&mut self, slot: Slot, what: Control) {
        if let Some(stream) = self.store.get_mut(slot) {
            stream.control.set(what);
            self.control.push_back(&mut self.store, slot);
        }
    }

    fn uncontrol(&mut self, slot: Slot, what: Control) {
        if let Some(stream) = self.store.get_mut(slot) {
            stream.control.clear(what);
            if stream.control.is_empty() {
                self.control.remove(&mut self.store, slot);
            }
        }
    }

    /// The receiving part of a stream and what it is lent.
    fn recv_part(&mut self, slot: Slot) -> Option<(&mut RecvStream, Lent<'_>)> {
        let recv = self.store.get_mut(slot)?.recv.as_mut()?;
        let lent = Lent {
            window: &mut self.window,
            pool: &mut self.pool,
        };
        Some((recv, lent))
    }

    /// The sending part of a stream.
    fn send_part(&mut self, slot: Slot) -> Option<&mut SendStream> {
        self.store.get_mut(slot)?.send.as_mut()
    }

    /// Runs what changes how much a stream's sending part holds, and keeps the books. `f` is lent
    /// spare memory and told how much the connection lets streams hold more.
    fn with_send<T>(
        &mut self,
        slot: Slot,
        f: impl FnOnce(&mut SendStream, &mut Pool, usize) -> T,
    ) -> Option<T> {
        let left = self.room.left();
        let send = self.store.get_mut(slot)?.send.as_mut()?;
        let (unsent, held) = (send.unsent(), send.held());
        let result = f(send, &mut self.pool, left);
        self.unsent = self.unsent + send.unsent() - unsent;
        self.room.count(held, send.held());
        Some(result)
    }

    /// Queues what the windows owe the peer after the application or a discard consumed something.
    fn after_consumed(&mut self, slot: Slot) {
        self.due.max_data |= self.window.is_due();
        if let Some(recv) = self.store.get(slot).and_then(|s| s.recv.as_ref())
            && recv.wants_credit()
            && recv.window().is_due()
        {
            self.control(slot, Control::MAX_DATA);
        }
        self.drop_recv_if_done(slot);
    }

    /// Drops the receiving part if it is done. [`Self::release`] follows.
    fn drop_recv_if_done(&mut self, slot: Slot) {
        let Some(stream) = self.store.get_mut(slot) else {
            return;
        };
        if stream.recv.as_ref().is_none_or(|r| !r.is_done()) {
            return;
        }
        stream.recv = None;
        if std::mem::take(&mut stream.keep_alive) {
            self.keep_alive -= 1;
        }
        self.uncontrol(slot, Control::MAX_DATA);
        self.uncontrol(slot, Control::STOP_SENDING);
        self.events.untell(&mut self.store, slot, Told::READABLE);
        self.events.untell(&mut self.store, slot, Told::RESET);
    }

    /// Drops the sending part, which is done. [`Self::release`] follows.
    fn drop_send(&mut self, slot: Slot) {
        if let Some(stream) = self.store.get_mut(slot) {
            stream.send = None;
        }
        self.sched.sync(&mut self.store, slot);
        self.uncontrol(slot, Control::RESET);
        self.uncontrol(slot, Control::BLOCKED);
        self.room.queue.remove(&mut self.store, slot);
        self.events.untell(&mut self.store, slot, Told::WRITABLE);
    }

    /// Forgets the stream if it is done in every respect.
    fn release(&mut self, slot: Slot) {
        let Some(id) = self.store.get(slot).filter(|s| s.is_done()).map(|s| s.id) else {
            return;
        };
        self.sched.remove(&mut self.store, slot);
        self.control.remove(&mut self.store, slot);
        self.room.queue.remove(&mut self.store, slot);
        self.events.queue.remove(&mut self.store, slot);
        self.store.remove(slot);
        if id.is_remote_initiated(self.role) {
            let i = nth(id.stream_type());
            self.due.max_streams[i] |= self.inbound[i].end();
        }
    }

    /// Whether the books balance. Looks at every stream: for `debug_assert!`.
    pub(crate) fn consistent(&self) -> bool {
        let mut unsent = 0;
        let mut held = 0;
        let mut sent = 0;
        for s in self.store.iter() {
            if let Some(send) = &s.send {
                unsent += send.unsent();
                held += send.held();
                sent += send.credit().used();
                if !send.consistent()
                    || send.has_free() != s.links.linked(Kind::Free)
                    || send.has_fresh() != s.links.linked(Kind::Fresh)
                {
                    return false;
                }
            }
            if s.recv.as_ref().is_some_and(|r| !r.consistent())
                || s.control.is_empty() == s.links.linked(Kind::Control)
                || s.told.is_empty() == s.links.linked(Kind::Event)
                || s.is_done()
            {
                return false;
            }
        }
        unsent == self.unsent
            && held == self.room.held()
            && sent <= self.credit.used()
            && self.pool.consistent()
    }
}

#[cfg(test)]
impl Streams {
    /// How many entries the tables of streams have, live or not.
    fn memory(&self) -> usize {
        self.store.memory()
    }
}

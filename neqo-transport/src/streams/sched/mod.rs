//! Which stream goes next.
//!
//! Five levels, strictly one after the other. Within a level: lost data and bare ends of streams
//! first; then streams that go on until they have nothing to send, in the order in which they
//! came; then the fair ones, which take turns frame by frame. A stream stands in at most one queue
//! for what needs no credit and in at most one for new data.

mod fair;
mod priority;

use fair::Fair;
pub(crate) use priority::Priority;
pub use priority::{RetransmissionPriority, SendGroupId, SendOrder, TransmissionPriority};

use super::store::{Kind, Queue, Slot, Store};

/// What a stream is to write when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// What needs no credit.
    Free(Slot),
    /// New data.
    Fresh(Slot),
}

#[derive(Debug)]
struct Level {
    free: Queue,
    unfair: Queue,
    fair: Fair,
}

impl Level {
    const fn new() -> Self {
        Self {
            free: Queue::new(Kind::Free),
            unfair: Queue::new(Kind::Fresh),
            fair: Fair::new(),
        }
    }

    fn has_fresh(&self) -> bool {
        !self.unfair.is_empty() || !self.fair.is_empty()
    }

    fn fresh(&self) -> Option<Slot> {
        self.unfair.front().or_else(|| self.fair.front())
    }
}

/// The queues of all levels.
#[derive(Debug)]
pub(super) struct Scheduler([Level; TransmissionPriority::COUNT]);

impl Scheduler {
    pub(super) const fn new() -> Self {
        Self([const { Level::new() }; TransmissionPriority::COUNT])
    }

    /// Whether any stream has something to send that needs no credit.
    pub(super) fn has_free(&self) -> bool {
        self.0.iter().any(|l| !l.free.is_empty())
    }

    /// Whether any stream has new data that its own credit allows.
    pub(super) fn has_fresh(&self) -> bool {
        self.0.iter().any(Level::has_fresh)
    }

    /// Who goes next. Without `credit` of the connection no new data is sent.
    pub(super) fn next(&self, credit: bool) -> Option<Turn> {
        self.0.iter().find_map(|level| {
            level
                .free
                .front()
                .map(Turn::Free)
                .or_else(|| credit.then(|| level.fresh().map(Turn::Fresh)).flatten())
        })
    }

    /// The stream that [`Self::next`] named had its turn.
    pub(super) fn turn(&mut self, store: &mut Store, turn: Turn) {
        let Turn::Fresh(slot) = turn else {
            return;
        };
        let Some(p) = store.get(slot).map(|s| s.priority).filter(|p| p.fair) else {
            return;
        };
        self.0[p.transmission as usize].fair.turn(store);
    }

    /// Takes the stream in or out of the queues, by what it has to send now.
    pub(super) fn sync(&mut self, store: &mut Store, slot: Slot) {
        let Some(stream) = store.get(slot) else {
            return;
        };
        let p = stream.priority;
        let send = stream.send.as_ref();
        let free = send.is_some_and(super::send::SendStream::has_free);
        let fresh = send.is_some_and(super::send::SendStream::has_fresh);
        let (in_free, in_fresh) = (
            stream.links.linked(Kind::Free),
            stream.links.linked(Kind::Fresh),
        );
        if free != in_free {
            let queue = &mut self.0[p.retransmission.level(p.transmission) as usize].free;
            if free {
                queue.push_back(store, slot);
            } else {
                queue.remove(store, slot);
            }
        }
        if fresh != in_fresh {
            self.set_fresh(store, slot, &p, fresh);
        }
    }

    fn set_fresh(&mut self, store: &mut Store, slot: Slot, p: &Priority, fresh: bool) {
        let level = &mut self.0[p.transmission as usize];
        match (p.fair, fresh) {
            (true, true) => level.fair.push(store, slot, p),
            (true, false) => level.fair.remove(store, slot, p),
            (false, true) => level.unfair.push_back(store, slot),
            (false, false) => level.unfair.remove(store, slot),
        }
    }

    /// Takes the stream out of the queues, before its priority changes or it ends.
    pub(super) fn remove(&mut self, store: &mut Store, slot: Slot) {
        let Some(p) = store.get(slot).map(|s| s.priority) else {
            return;
        };
        self.0[p.retransmission.level(p.transmission) as usize]
            .free
            .remove(store, slot);
        self.set_fresh(store, slot, &p, false);
    }
}

//! Where streams live: a slab, an index from stream ID to slot, and queues threaded through the
//! slots. Nothing here costs more with more streams, and no hash of a peer's choice is involved.

use std::collections::VecDeque;

use super::stream::Stream;
use crate::stream_id::StreamId;

/// Where a stream stands in the slab.
pub(super) type Slot = u32;
const NIL: Slot = Slot::MAX;

/// The queues that a stream can stand in, in each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something to send that needs no credit: lost data, or only the end of the stream.
    Free = 0,
    /// Data that was never sent and that the stream's credit allows.
    Fresh = 1,
    /// Control frames.
    Control = 2,
    /// Events for the application.
    Event = 3,
    /// The application waits for the connection to hold less.
    Room = 4,
}

/// A stream's place in one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    prev: Slot,
    next: Slot,
    linked: bool,
}

impl Link {
    const UNLINKED: Self = Self {
        prev: NIL,
        next: NIL,
        linked: false,
    };
}

/// A stream's places in all queues, by [`Kind`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Links([Link; 5]);

impl Default for Links {
    fn default() -> Self {
        Self([Link::UNLINKED; 5])
    }
}

impl Links {
    /// Whether the stream stands in a queue of this kind.
    pub(super) const fn linked(&self, kind: Kind) -> bool {
        self.0[kind as usize].linked
    }
}

/// A doubly linked list through the slab: every operation is O(1).
#[derive(Debug)]
pub(super) struct Queue {
    kind: Kind,
    head: Slot,
    tail: Slot,
}

impl Queue {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            head: NIL,
            tail: NIL,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.head == NIL
    }

    pub(super) fn front(&self) -> Option<Slot> {
        (self.head != NIL).then_some(self.head)
    }

    fn link<'s>(&self, store: &'s mut Store, slot: Slot) -> Option<&'s mut Link> {
        store
            .get_mut(slot)
            .map(|s| &mut s.links.0[self.kind as usize])
    }

    /// Appends a stream, unless it stands in a queue of this kind already.
    pub(super) fn push_back(&mut self, store: &mut Store, slot: Slot) {
        let tail = self.tail;
        let Some(link) = self.link(store, slot).filter(|l| !l.linked) else {
            return;
        };
        *link = Link {
            prev: tail,
            next: NIL,
            linked: true,
        };
        if let Some(last) = self.link(store, tail) {
            last.next = slot;
        } else {
            self.head = slot;
        }
        self.tail = slot;
    }

    /// Takes a stream out that stands in this queue (or in none of this kind).
    pub(super) fn remove(&mut self, store: &mut Store, slot: Slot) {
        let Some(link) = self.link(store, slot).filter(|l| l.linked) else {
            return;
        };
        let Link { prev, next, .. } = *link;
        *link = Link::UNLINKED;
        if let Some(before) = self.link(store, prev) {
            before.next = next;
        } else {
            self.head = next;
        }
        if let Some(after) = self.link(store, next) {
            after.prev = prev;
        } else {
            self.tail = prev;
        }
    }

    /// Moves the first stream to the end.
    pub(super) fn rotate(&mut self, store: &mut Store) {
        if self.head == self.tail {
            return;
        }
        let first = self.head;
        self.remove(store, first);
        self.push_back(store, first);
    }
}

/// The streams of one initiator and type: dense when opened, sparse as they end.
///
/// Entries are sorted by index. Ended ones are dropped from the front at once and from the middle
/// when they outnumber the live ones, so memory follows the live streams and not the span of IDs
/// (hardening A12).
#[derive(Debug, Default)]
struct Index {
    entries: VecDeque<(u64, Slot)>,
    live: usize,
    /// The index of the next stream to be opened.
    next: u64,
}

impl Index {
    /// Dead entries that are always tolerated, so that few streams are never compacted.
    const SLACK: usize = 64;

    fn position(&self, index: u64) -> Option<usize> {
        let (front, _) = *self.entries.front()?;
        // Each entry has an index of at least its position behind the front: exact when dense.
        let guess = usize::try_from(index.checked_sub(front)?).unwrap_or(usize::MAX);
        if let Some((i, _)) = self.entries.get(guess)
            && *i == index
        {
            return Some(guess);
        }
        self.entries.binary_search_by_key(&index, |(i, _)| *i).ok()
    }

    fn get(&self, index: u64) -> Option<Slot> {
        let (_, slot) = *self.entries.get(self.position(index)?)?;
        (slot != NIL).then_some(slot)
    }

    fn push(&mut self, slot: Slot) {
        self.entries.push_back((self.next, slot));
        self.next += 1;
        self.live += 1;
    }

    fn remove(&mut self, index: u64) {
        let Some(at) = self.position(index) else {
            return;
        };
        self.entries[at].1 = NIL;
        self.live -= 1;
        while self.entries.front().is_some_and(|(_, slot)| *slot == NIL) {
            self.entries.pop_front();
        }
        if self.entries.len() > 2 * self.live + Self::SLACK {
            self.entries.retain(|(_, slot)| *slot != NIL);
        }
    }
}

/// All live streams.
#[derive(Debug, Default)]
pub(super) struct Store {
    slots: Vec<Option<Stream>>,
    free: Vec<Slot>,
    /// By the two type bits of the stream ID (RFC 9000 §2.1).
    index: [Index; 4],
}

impl Store {
    const fn type_bits(id: StreamId) -> usize {
        (id.as_u64() & 3) as usize
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Stream> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Stream> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn slot(&self, id: StreamId) -> Option<Slot> {
        self.index[Self::type_bits(id)].get(id.index())
    }

    /// How many streams with these type bits were opened so far.
    pub(super) const fn opened(&self, id: StreamId) -> u64 {
        self.index[Self::type_bits(id)].next
    }

    /// How many streams are live.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.iter().map(|i| i.live).sum()
    }

    /// Takes in the next stream of its type; its ID must follow the last one's.
    pub(super) fn insert(&mut self, stream: Stream) -> Slot {
        let id = stream.id;
        debug_assert_eq!(id.index(), self.opened(id), "streams are opened in order");
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(stream);
            slot
        } else {
            self.slots.push(Some(stream));
            Slot::try_from(self.slots.len() - 1).unwrap_or(NIL)
        };
        self.index[Self::type_bits(id)].push(slot);
        slot
    }

    /// Forgets a stream. The caller has taken it out of all queues.
    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(stream) = self.slots.get_mut(slot as usize).and_then(Option::take) {
            self.index[Self::type_bits(stream.id)].remove(stream.id.index());
            self.free.push(slot);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flatten()
    }

    /// Every live slot.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let slots = (0..).zip(&self.slots);
        slots.filter(|(_, s)| s.is_some()).map(|(i, _)| i).collect()
    }

    /// How many entries there are, live or not.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.slots.len() + self.index.iter().map(|i| i.entries.len()).sum::<usize>()
    }
}

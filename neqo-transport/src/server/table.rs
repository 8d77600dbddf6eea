//! The connections themselves: a slab whose handles are never valid for a second connection.

use std::time::Instant;

use smallvec::SmallVec;

use crate::{cid::id::ConnectionId, config::limits, connection::Connection};

/// Names a connection of a [`Server`](super::Server). It is a plain number: when the connection
/// is gone it names nothing, and never another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionHandle {
    index: u32,
    generation: u32,
}

impl ConnectionHandle {
    /// A small number that no other connection has at the same time, to index tables by.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }
}

/// How far a connection has come, for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The handshake is not complete, and must be at this time.
    HalfOpen(Instant),
    /// It was not in time: the connection is closing, and still counts as half-open.
    Late,
    /// The handshake is confirmed.
    Open,
    /// Over. It stays until the host had the chance to take its last events.
    Ended,
}

impl Stage {
    /// Whether it counts against the cap of half-open connections.
    pub const fn is_half_open(self) -> bool {
        matches!(self, Self::HalfOpen(_) | Self::Late)
    }
}

/// A connection and what the server knows about it.
#[derive(Debug)]
pub struct Entry {
    pub conn: Connection,
    pub stage: Stage,
    /// What the client made up for its first packets; routed until the handshake is confirmed.
    pub initial_dcid: Option<ConnectionId>,
    /// The connection's own IDs that are routed to it.
    pub routes: SmallVec<[ConnectionId; limits::LOCAL_ACTIVE_CIDS]>,
    /// Whether it is in the queue of those that may have something to send.
    pub ready: bool,
    /// Whether it is in the queue of those that have events.
    pub active: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// Boxed, so that the table grows without moving connections and empty slots cost little.
    entry: Option<Box<Entry>>,
}

/// All connections of a server.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Table {
    /// Takes a connection in; nothing if there are 2^32 of them.
    pub fn insert(&mut self, entry: Entry) -> Option<ConnectionHandle> {
        let index = if let Some(index) = self.free.pop() {
            index
        } else {
            let index = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(Slot::default());
            index
        };
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        slot.entry = Some(Box::new(entry));
        Some(ConnectionHandle {
            index,
            generation: slot.generation,
        })
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    fn slot_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(usize::try_from(handle.index).ok()?)?;
        (slot.generation == handle.generation).then_some(slot)
    }

    /// The connection, unless it is gone.
    pub fn get(&self, handle: ConnectionHandle) -> Option<&Entry> {
        self.slot(handle.index)
            .filter(|slot| slot.generation == handle.generation)?
            .entry
            .as_deref()
    }

    /// The connection, unless it is gone.
    pub fn get_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Entry> {
        self.slot_mut(handle)?.entry.as_deref_mut()
    }

    /// Who is at `index` now.
    pub fn at(&self, index: u32) -> Option<ConnectionHandle> {
        let slot = self.slot(index)?;
        slot.entry.as_ref().map(|_| ConnectionHandle {
            index,
            generation: slot.generation,
        })
    }

    /// Forgets a connection.
    pub fn remove(&mut self, handle: ConnectionHandle) -> Option<Box<Entry>> {
        let slot = self.slot_mut(handle)?;
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(handle.index);
        Some(entry)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The handles of all.
    pub fn handles(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        (0..).zip(&self.slots).filter_map(|(index, slot)| {
            slot.entry.as_ref().map(|_| ConnectionHandle {
                index,
                generation: slot.generation,
            })
        })
    }
}

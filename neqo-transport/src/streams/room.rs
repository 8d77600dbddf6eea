//! How much all streams of a connection hold for their readers together.

use super::{
    Streams, Told,
    store::{Kind, Queue, Slot},
};
use crate::config::limits;

/// The sum of what sending parts hold, and who met its limit.
#[derive(Debug)]
pub(super) struct Room {
    held: u64,
    /// Streams that would have taken more if the connection had room for it.
    pub(super) queue: Queue,
}

impl Room {
    pub(super) const fn new() -> Self {
        Self {
            held: 0,
            queue: Queue::new(Kind::Room),
        }
    }

    /// How many bytes are held.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// How many more bytes may be held.
    pub(super) fn left(&self) -> usize {
        usize::try_from(limits::MAX_SEND_HELD.saturating_sub(self.held)).unwrap_or(usize::MAX)
    }

    /// What a stream holds changed.
    pub(super) const fn count(&mut self, before: u64, after: u64) {
        self.held = self.held + after - before;
    }

    /// Whether so little is held that who waits may go on.
    const fn is_ample(&self) -> bool {
        limits::MAX_SEND_HELD.saturating_sub(self.held) >= limits::SEND_ROOM_AGAIN
    }
}

impl Streams {
    /// Tells the application of space in a stream, if it waits for that; if the connection has
    /// none for the stream, it is remembered for later.
    pub(super) fn check_writable(&mut self, slot: Slot) {
        let left = self.room.left();
        let Some(send) = self.send_part(slot) else {
            return;
        };
        if send.newly_writable(left) {
            self.room.queue.remove(&mut self.store, slot);
            self.events.tell(&mut self.store, slot, Told::WRITABLE);
        } else {
            self.note_crowded(slot);
        }
    }

    /// Remembers a stream whose application waits for space that only the connection lacks.
    pub(super) fn note_crowded(&mut self, slot: Slot) {
        if !self.room.is_ample() && self.send_part(slot).is_some_and(|s| s.is_starved()) {
            self.room.queue.push_back(&mut self.store, slot);
        }
    }

    /// Streams hold less than before: who waits for that is told, once there is enough for a few.
    pub(super) fn after_freed(&mut self) {
        if !self.room.is_ample() {
            return;
        }
        // Each was put there by a call of the application, and leaves for good.
        while let Some(slot) = self.room.queue.front() {
            self.room.queue.remove(&mut self.store, slot);
            self.check_writable(slot);
        }
    }
}

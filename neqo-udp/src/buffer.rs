//! Memory to receive into.

use std::{
    fmt::{self, Debug, Formatter},
    num::NonZeroUsize,
};

use bytes::BytesMut;
use quinn_udp::{BATCH_SIZE, RecvMeta};

/// What one call can receive into each buffer, in bytes: the largest that GRO makes.
pub const SLOT_SIZE: usize = 1 << 16;

/// The size of one allocation, in bytes, and so the most memory that a piece given away by
/// [`Socket::recv_owned`](crate::Socket::recv_owned) keeps alive.
///
/// Memory has to be initialized before the kernel may write to it, and what was given away counts as
/// not initialized. With room for more than one full buffer, a call that received one small datagram
/// does not cost the initialization of 64 KiB, only of about what it received.
pub const SLAB_SIZE: usize = 2 * SLOT_SIZE;

/// Buffers that are used for one receive call after the other.
///
/// What is given away is split off; the rest is used for the next call, until it is too short. Then
/// the allocation is reclaimed, if nobody holds a piece of it any more, or else left to those who do
/// and replaced by a new one.
pub struct RecvBuf {
    pub(crate) slots: Vec<BytesMut>,
    pub(crate) metas: [RecvMeta; BATCH_SIZE],
}

impl RecvBuf {
    /// Buffers for up to `slots` messages per system call, where a message is one datagram, or with
    /// GRO up to 64. The number is capped to what `quinn-udp` supports.
    ///
    /// With GRO a few slots are enough, and more of the memory stays in the processor's cache.
    #[must_use]
    pub fn with_slots(slots: NonZeroUsize) -> Self {
        Self {
            slots: vec![BytesMut::new(); slots.get().min(BATCH_SIZE)],
            metas: [RecvMeta::default(); BATCH_SIZE],
        }
    }

    /// Makes each slot at least [`SLOT_SIZE`] long.
    pub(crate) fn refill(&mut self) {
        for slot in &mut self.slots {
            if slot.len() < SLOT_SIZE {
                refill(slot);
            }
        }
    }
}

#[cold]
fn refill(slot: &mut BytesMut) {
    slot.clear();
    if slot.try_reclaim(SLAB_SIZE) {
        slot.resize(SLAB_SIZE, 0);
    } else {
        *slot = BytesMut::zeroed(SLAB_SIZE);
    }
}

impl Default for RecvBuf {
    /// As many buffers as one system call can fill.
    fn default() -> Self {
        Self::with_slots(NonZeroUsize::new(BATCH_SIZE).unwrap_or(NonZeroUsize::MIN))
    }
}

impl Debug for RecvBuf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "RecvBuf of {} slots", self.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::{BATCH_SIZE, RecvBuf, SLAB_SIZE, SLOT_SIZE};

    fn one() -> RecvBuf {
        let mut buf = RecvBuf::with_slots(NonZeroUsize::MIN);
        buf.refill();
        buf
    }

    #[test]
    fn the_number_of_slots_is_capped() {
        let many = RecvBuf::with_slots(NonZeroUsize::MAX);
        assert_eq!(many.slots.len(), BATCH_SIZE);
        assert_eq!(RecvBuf::default().slots.len(), BATCH_SIZE);
        assert_eq!(format!("{:?}", one()), "RecvBuf of 1 slots");
    }

    #[test]
    fn small_pieces_need_no_refill() {
        let mut buf = one();
        let start = buf.slots[0].as_ptr();
        let held = buf.slots[0].split_to(1200);
        buf.refill();
        assert_eq!(held.as_ptr(), start);
        assert_eq!(buf.slots[0].as_ptr(), start.wrapping_add(1200));
        assert!(buf.slots[0].len() >= SLOT_SIZE);
    }

    #[test]
    fn memory_is_reclaimed_when_nobody_holds_it() {
        let mut buf = one();
        let start = buf.slots[0].as_ptr();
        for _ in 0..100 {
            let piece = buf.slots[0].split_to(SLOT_SIZE).freeze();
            drop(piece.slice(5..10));
            drop(piece);
            drop(buf.slots[0].split_to(1));
            assert!(buf.slots[0].len() < SLOT_SIZE);
            buf.refill();
            assert_eq!(buf.slots[0].len(), SLAB_SIZE);
            assert_eq!(buf.slots[0].as_ptr(), start);
        }
    }

    #[test]
    fn memory_is_replaced_while_somebody_holds_it() {
        let mut buf = one();
        buf.slots[0][7] = 42;
        let held = buf.slots[0].split_to(SLAB_SIZE - 1).freeze().slice(7..8);
        buf.refill();
        assert_eq!(buf.slots[0].len(), SLAB_SIZE);
        buf.slots[0].fill(0xff);
        assert_eq!(held[0], 42);
    }
}

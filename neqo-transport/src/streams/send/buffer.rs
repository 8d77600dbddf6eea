//! What an application (or TLS) wrote and the peer has not acknowledged.
//!
//! ```text
//!  acknowledged | in flight, acknowledged or lost | never sent |
//!               base                              next         end
//! ```
//! Bytes are kept in chunks: the application's own ([`Buffer::push_bytes`]) or copies
//! ([`Buffer::push`]). The ranges above do not know the difference.

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

use super::ranges::RangeSet;
use crate::streams::pool::Pool;

/// Chunks of the application that are shorter than this are copied and joined: the bookkeeping
/// of a chunk would cost more.
const SHARE_FROM: usize = 1024;

#[derive(Debug)]
enum Data {
    Shared(Bytes),
    Own(Vec<u8>),
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    data: Data,
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Shared(b) => b,
            Data::Own(v) => v,
        }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes().len() as u64
    }
}

/// A send buffer with its bookkeeping of what was sent, lost and acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    chunks: VecDeque<Chunk>,
    /// The chunk that holds `next`, or the number of chunks.
    cursor: usize,
    base: u64,
    next: u64,
    end: u64,
    /// Acknowledged ranges above `base`.
    acked: RangeSet,
    /// Ranges between `base` and `next` to be sent again.
    lost: RangeSet,
}

impl Buffer {
    /// The offset up to which everything is acknowledged.
    pub(crate) const fn acked_to(&self) -> u64 {
        self.base
    }

    /// The offset of the first byte that was never sent.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// The offset behind the last byte written.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes are held for want of an acknowledgement.
    pub(crate) const fn unacked(&self) -> u64 {
        self.end - self.base
    }

    /// How many bytes were never sent.
    pub(crate) const fn unsent(&self) -> u64 {
        self.end - self.next
    }

    /// Whether anything must be sent again.
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The lowest range to send again, else what was never sent, if anything.
    pub(crate) fn to_send(&self) -> Option<Range<u64>> {
        self.lost_range()
            .or_else(|| (self.next < self.end).then_some(self.next..self.end))
    }

    /// The lowest range to send again.
    pub(crate) fn lost_range(&self) -> Option<Range<u64>> {
        self.lost.first().cloned()
    }

    /// Appends a copy of `data`.
    pub(crate) fn push(&mut self, mut data: &[u8], pool: &mut Pool) {
        if let Some(Chunk {
            data: Data::Own(own),
            ..
        }) = self.chunks.back_mut()
        {
            let spare = own.capacity() - own.len();
            let (now, later) = data.split_at(spare.min(data.len()));
            if !now.is_empty() {
                own.extend_from_slice(now);
                self.end += now.len() as u64;
                self.cursor = self.cursor.min(self.chunks.len() - 1);
            }
            data = later;
        }
        while !data.is_empty() {
            let mut own = pool.get(self.end, data.len());
            let (now, later) = data.split_at(own.capacity().min(data.len()));
            own.extend_from_slice(now);
            self.append(Data::Own(own), now.len());
            data = later;
        }
    }

    /// Appends `data` without a copy, unless it is short.
    pub(crate) fn push_bytes(&mut self, data: Bytes, pool: &mut Pool) {
        if data.len() < SHARE_FROM {
            self.push(&data, pool);
        } else {
            let len = data.len();
            self.append(Data::Shared(data), len);
        }
    }

    fn append(&mut self, data: Data, len: usize) {
        self.chunks.push_back(Chunk {
            start: self.end,
            data,
        });
        self.end += len as u64;
    }

    /// Copies the bytes from `offset` on into `to`, all of which must be held.
    pub(crate) fn copy(&self, offset: u64, mut to: &mut [u8]) {
        let mut at = if offset >= self.next {
            self.cursor
        } else {
            self.chunks.partition_point(|c| c.end() <= offset)
        };
        let mut offset = offset;
        while !to.is_empty() {
            let Some(chunk) = self.chunks.get(at) else {
                debug_assert!(false, "only what is held is copied");
                return;
            };
            let skip = usize::try_from(offset.saturating_sub(chunk.start)).unwrap_or(usize::MAX);
            let from = chunk.bytes().get(skip..).unwrap_or_default();
            let n = from.len().min(to.len());
            let (now, later) = to.split_at_mut(n);
            now.copy_from_slice(&from[..n]);
            to = later;
            offset += n as u64;
            at += 1;
        }
    }

    /// Notes that `len` bytes from `offset` were put in a packet: they came from [`Self::to_send`].
    pub(crate) fn sent(&mut self, offset: u64, len: usize) {
        let end = offset + len as u64;
        if offset < self.next {
            self.lost.remove(offset..end);
        }
        if end > self.next {
            self.next = end;
            while self
                .chunks
                .get(self.cursor)
                .is_some_and(|c| c.end() <= self.next)
            {
                self.cursor += 1;
            }
        }
    }

    /// Notes that `len` bytes from `offset` arrived. Says whether `acked_to` moved.
    pub(crate) fn acked(&mut self, offset: u64, len: u64, pool: &mut Pool) -> bool {
        let r = offset..(offset.saturating_add(len)).min(self.next);
        if !self.lost.is_empty() {
            self.lost.remove(r.clone());
        }
        if r.start > self.base {
            self.acked.insert(r);
            return false;
        }
        if r.end <= self.base {
            return false;
        }
        self.base = r.end;
        while let Some(r) = self.acked.pop_up_to(self.base) {
            self.base = self.base.max(r.end);
        }
        while self.chunks.front().is_some_and(|c| c.end() <= self.base) {
            self.cursor = self.cursor.saturating_sub(1);
            if let Some(Data::Own(own)) = self.chunks.pop_front().map(|c| c.data) {
                pool.put(own);
            }
        }
        true
    }

    /// Notes that `len` bytes from `offset` were lost. Says whether anything must be sent again.
    pub(crate) fn lost(&mut self, offset: u64, len: u64) -> bool {
        let start = offset.max(self.base);
        let end = offset.saturating_add(len).min(self.next);
        let Self { acked, lost, .. } = self;
        let before = lost.is_empty();
        if start < end {
            acked.missing(start..end, |r| lost.insert(r));
        }
        !before || !lost.is_empty()
    }

    /// Gives the memory back: nothing will be sent any more.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        for chunk in self.chunks.drain(..) {
            if let Data::Own(own) = chunk.data {
                pool.put(own);
            }
        }
        self.cursor = 0;
        self.acked = RangeSet::default();
        self.lost = RangeSet::default();
        (self.base, self.end) = (self.next, self.next);
    }

    /// How many chunks and ranges are held.
    #[cfg(test)]
    pub(crate) fn pieces(&self) -> usize {
        self.chunks.len() + self.acked.len() + self.lost.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;

    use super::Buffer;
    use crate::streams::pool::{CHUNK, Pool};

    /// Sends up to `len` bytes of what there is; the offset and the bytes.
    fn send(b: &mut Buffer, len: usize) -> (u64, Vec<u8>) {
        let r = b.to_send().expect("something to send");
        let n = len.min(usize::try_from(r.end - r.start).unwrap());
        let mut data = vec![0; n];
        b.copy(r.start, &mut data);
        b.sent(r.start, n);
        (r.start, data)
    }

    #[test]
    fn chunks_are_crossed_and_small_ones_joined() {
        let (mut b, mut pool) = (Buffer::default(), Pool::default());
        let mut all = Vec::new();
        for i in 0..50_u8 {
            let n = 1 + usize::from(i) * 97 % 3000;
            let data: Vec<u8> = (0..n).map(|x| i ^ x.to_le_bytes()[0]).collect();
            all.extend_from_slice(&data);
            if i % 2 == 0 {
                b.push(&data, &mut pool);
            } else {
                b.push_bytes(Bytes::from(data), &mut pool);
            }
        }
        assert!(b.pieces() < 50);
        assert_eq!(
            (b.unsent(), b.unacked()),
            (all.len() as u64, all.len() as u64)
        );
        let mut got = Vec::new();
        while b.unsent() > 0 {
            let (offset, data) = send(&mut b, 1111);
            assert_eq!(offset, got.len() as u64);
            got.extend_from_slice(&data);
        }
        assert_eq!(got, all);
        assert_eq!(b.to_send(), None);
        // From the middle, again.
        assert!(b.lost(500, 2000));
        assert_eq!(send(&mut b, 5000), (500, all[500..2500].to_vec()));
        assert!(b.acked(0, all.len() as u64, &mut pool));
        assert_eq!((b.unacked(), b.pieces()), (0, 0));
    }

    #[test]
    fn bulk_in_order_reuses_its_chunks() {
        let (mut b, mut pool) = (Buffer::default(), Pool::default());
        let data = [7; 10_000];
        let (mut most, mut flight) = (0, VecDeque::new());
        for _ in 0..1000 {
            b.push(&data, &mut pool);
            while b.unsent() > 0 {
                let (offset, sent) = send(&mut b, 1200);
                flight.push_back((offset, sent.len() as u64));
                if flight.len() > 50 {
                    let (offset, len) = flight.pop_front().unwrap();
                    assert!(b.acked(offset, len, &mut pool));
                }
            }
            most = most.max(b.pieces());
        }
        assert!(most <= 2 + 60_000 / CHUNK + 1, "{most}");
        assert!(pool.made() <= 8, "{}", pool.made());
    }

    #[test]
    fn late_news() {
        let (mut b, mut pool) = (Buffer::default(), Pool::default());
        b.push(&[1; 100], &mut pool);
        for _ in 0..10 {
            send(&mut b, 10);
        }
        assert!(!b.acked(20, 10, &mut pool));
        assert!(b.lost(0, 50));
        assert_eq!(b.lost_range(), Some(0..20));
        // Acknowledged after all.
        assert!(b.acked(0, 10, &mut pool));
        assert_eq!((b.acked_to(), b.lost_range()), (10, Some(10..20)));
        assert!(b.acked(10, 10, &mut pool));
        assert_eq!((b.acked_to(), b.lost_range()), (30, Some(30..50)));
        // Lost again, below what is acknowledged, and acknowledged twice.
        b.lost(0, 30);
        assert!(!b.acked(0, 30, &mut pool));
        assert_eq!((b.acked_to(), b.lost_range()), (30, Some(30..50)));
        assert!(b.has_lost());
        // Nothing beyond what was sent is believed.
        b.push(&[1; 100], &mut pool);
        assert!(b.acked(0, u64::MAX, &mut pool));
        assert_eq!((b.acked_to(), b.unsent()), (100, 100));
        b.clear(&mut pool);
        assert_eq!((b.unsent(), b.unacked(), b.pieces()), (0, 0, 0));
    }
}

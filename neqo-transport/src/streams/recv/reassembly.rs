//! Puts what arrives in order.
//!
//! In order, data is appended to a queue of pieces that the reader takes from; a piece is a slice
//! of the receive buffer while few of those are held, else a copy. Out of order, pieces wait in a
//! tree by offset; they may wait for long, so they are copies. Copies that touch are joined
//! (hardening A6).

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf as _, Bytes};

use crate::{
    config::limits,
    rx::payload::Payload,
    streams::pool::{CHUNK, Pool},
};

/// Shorter data is copied: a slice would cost more to keep than to copy.
const SLICE_FROM: usize = 512;
/// The peer sent more scattered data than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooScattered;

#[derive(Debug)]
enum Piece {
    Slice(Bytes),
    Copy { data: Vec<u8>, read: usize },
}

impl Piece {
    fn copied(data: &[u8], mut chunk: Vec<u8>) -> Self {
        chunk.extend_from_slice(data);
        Self::Copy {
            data: chunk,
            read: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Slice(b) => b,
            Self::Copy { data, read } => data.get(*read..).unwrap_or_default(),
        }
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Slice(b) => b.advance(n.min(b.len())),
            Self::Copy { data, read } => *read = (*read + n).min(data.len()),
        }
    }

    /// Takes as much of `data` as a copy of chunk size has room for; returns how much.
    fn append(&mut self, more: &[u8]) -> usize {
        match self {
            Self::Slice(_) => 0,
            Self::Copy { data, .. } => {
                let room = data.capacity().max(CHUNK) - data.len();
                let n = room.min(more.len());
                data.extend_from_slice(&more[..n]);
                n
            }
        }
    }

    fn recycle(self, pool: &mut Pool) {
        match self {
            Self::Slice(_) => pool.put_slice(),
            Self::Copy { data, .. } => pool.put(data),
        }
    }

    /// What the reader keeps is the reader's: it counts no more.
    fn into_bytes(self, pool: &mut Pool) -> Bytes {
        match self {
            Self::Slice(b) => {
                pool.put_slice();
                b
            }
            Self::Copy { data, read } => {
                let mut b = Bytes::from(data);
                b.advance(read);
                b
            }
        }
    }
}

/// Data of one stream between the network and the reader.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// The offset of the next byte that is read.
    read: u64,
    /// The offset up to which everything arrived.
    received: u64,
    /// What lies between the two.
    ready: VecDeque<Piece>,
    /// What arrived beyond, by offset, without overlap.
    ahead: BTreeMap<u64, Piece>,
    /// The largest offset that arrived.
    highest: u64,
}

impl Reassembly {
    /// How many bytes the reader has taken.
    pub(crate) const fn read_to(&self) -> u64 {
        self.read
    }

    /// The offset up to which everything arrived.
    pub(crate) const fn received_to(&self) -> u64 {
        self.received
    }

    /// How many bytes can be read.
    pub(crate) const fn readable(&self) -> u64 {
        self.received - self.read
    }

    /// Takes in data at `offset`; what was there before is ignored. `offset` and the length
    /// together are at most 2^62-1.
    pub(crate) fn insert(
        &mut self,
        offset: u64,
        data: Payload<'_>,
        pool: &mut Pool,
    ) -> Result<(), TooScattered> {
        let end = offset + data.bytes().len() as u64;
        //= rfc9000#section-2.2
        //# Data that has already been received can be discarded.
        if end <= self.received || data.bytes().is_empty() {
            return Ok(());
        }
        self.highest = self.highest.max(end);
        let data = data.skip(index(self.received.saturating_sub(offset)));
        let start = offset.max(self.received);
        if start > self.received {
            return self.insert_ahead(start, end, data);
        }
        self.push(data, pool);
        while let Some(entry) = self
            .ahead
            .first_entry()
            .filter(|e| *e.key() <= self.received)
        {
            let (start, mut piece) = entry.remove_entry();
            let known = index(self.received - start).min(piece.len());
            piece.advance(known);
            if piece.len() == 0 {
                piece.recycle(pool);
            } else {
                self.received += piece.len() as u64;
                self.ready.push_back(piece);
            }
        }
        Ok(())
    }

    /// Appends data that is in order.
    fn push(&mut self, data: Payload<'_>, pool: &mut Pool) {
        let len = data.bytes().len();
        let slice = (len >= SLICE_FROM).then(|| data.slice()).flatten();
        if let Some(b) = slice.filter(|_| pool.take_slice()) {
            self.ready.push_back(Piece::Slice(b));
        } else {
            let mut rest = data.bytes();
            if let Some(last) = self.ready.back_mut() {
                rest = &rest[last.append(rest)..];
            }
            if !rest.is_empty() {
                let chunk = pool.get(self.received, rest.len());
                self.ready.push_back(Piece::copied(rest, chunk));
            }
        }
        self.received += len as u64;
    }

    /// Keeps data that lies behind a gap.
    fn insert_ahead(
        &mut self,
        start: u64,
        end: u64,
        data: Payload<'_>,
    ) -> Result<(), TooScattered> {
        let before = self.ahead.range(..=start).next_back();
        let before_end = before.map_or(0, |(at, p)| at + p.len() as u64);
        let before_at = before.map(|(at, _)| *at);
        let cursor = start.max(before_end);
        if cursor >= end {
            return Ok(());
        }
        // What the new data covers goes, so that every piece is dropped once for being kept once.
        let mut stop = end;
        while let Some((&at, piece)) = self.ahead.range(cursor..end).next() {
            if at + piece.len() as u64 > end {
                stop = at;
                break;
            }
            self.ahead.remove(&at);
        }
        let data = data.skip(index(cursor - start)).first(index(stop - cursor));
        let mut rest = data.bytes();
        if before_end == cursor
            && let Some(piece) = before_at.and_then(|at| self.ahead.get_mut(&at))
        {
            rest = &rest[piece.append(rest)..];
        }
        if rest.is_empty() {
            return Ok(());
        }
        let at = stop - rest.len() as u64;
        let piece = Piece::copied(rest, Vec::with_capacity(rest.len()));
        self.ahead.insert(at, piece);
        // An honest sender's pieces are as many as its gaps: those that touch are joined.
        // hardening A5, R3896
        let extra = index((self.highest - self.received) / limits::REASSEMBLY_BYTES_PER_GAP);
        if self.ahead.len() > limits::REASSEMBLY_GAPS.saturating_add(extra) {
            return Err(TooScattered);
        }
        Ok(())
    }

    /// Copies what can be read into `to`; returns how much.
    pub(crate) fn read(&mut self, to: &mut [u8], pool: &mut Pool) -> usize {
        let mut n = 0;
        while n < to.len() {
            let Some(piece) = self.ready.front_mut() else {
                break;
            };
            let from = piece.bytes();
            let now = from.len().min(to.len() - n);
            to[n..n + now].copy_from_slice(&from[..now]);
            piece.advance(now);
            n += now;
            if piece.len() == 0
                && let Some(piece) = self.ready.pop_front()
            {
                piece.recycle(pool);
            }
        }
        self.read += n as u64;
        n
    }

    /// Takes the next contiguous piece without a copy.
    pub(crate) fn read_bytes(&mut self, pool: &mut Pool) -> Option<Bytes> {
        let b = self.ready.pop_front()?.into_bytes(pool);
        self.read += b.len() as u64;
        Some(b)
    }

    /// Forgets everything that was not read.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        for piece in self.ready.drain(..) {
            piece.recycle(pool);
        }
        *self = Self {
            read: self.read,
            received: self.read,
            highest: self.read,
            ..Self::default()
        };
    }

    /// How many pieces wait out of order.
    #[cfg(test)]
    pub(crate) fn pieces(&self) -> usize {
        self.ahead.len()
    }

    /// How many bytes of memory are held for data, at most.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let of = |p: &Piece| match p {
            Piece::Slice(b) => b.len(),
            Piece::Copy { data, .. } => data.capacity(),
        };
        let each = size_of::<Piece>() + size_of::<u64>();
        self.ready
            .iter()
            .chain(self.ahead.values())
            .map(|p| of(p) + each)
            .sum()
    }
}

/// A distance within data that is in memory.
fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{any, prop, proptest};

    use super::Reassembly;
    use crate::{
        rx::payload::Payload,
        streams::pool::{CHUNK, Pool},
    };

    const SIZE: usize = 20_000;

    fn text() -> Bytes {
        (0..SIZE)
            .map(|i| ((i * 31) >> 4).to_le_bytes()[0])
            .collect()
    }

    proptest! {
        #[test]
        fn any_pieces_in_any_order(
            ops in prop::collection::vec((0..SIZE, 0..1500_usize, any::<u8>()), 0..120),
        ) {
            let text = text();
            let (mut r, mut pool) = (Reassembly::default(), Pool::default());
            let mut have = vec![false; SIZE];
            let mut got = Vec::new();
            for (start, len, how) in ops {
                let end = (start + len).min(SIZE);
                let datagram = text.slice(start..end);
                let data = if how & 1 == 0 {
                    Payload::owned(&datagram, &datagram)
                } else {
                    Payload::borrowed(&datagram)
                };
                r.insert(start as u64, data, &mut pool).unwrap();
                have[start..end].fill(true);
                let expected = have.iter().take_while(|h| **h).count();
                assert_eq!(r.received_to(), expected as u64);
                assert_eq!(r.readable(), (expected - got.len()) as u64);
                match how % 3 {
                    0 => {
                        let mut buf = vec![0; usize::from(how) * 9];
                        let n = r.read(&mut buf, &mut pool);
                        got.extend_from_slice(&buf[..n]);
                    }
                    1 => got.extend(r.read_bytes(&mut pool).unwrap_or_default()),
                    _ => {}
                }
                assert_eq!(r.read_to(), got.len() as u64);
            }
            r.insert(0, Payload::borrowed(&text), &mut pool).unwrap();
            while let Some(b) = r.read_bytes(&mut pool) {
                got.extend(b);
            }
            assert_eq!(got, text);
            assert_eq!((r.pieces(), r.memory()), (0, 0));
        }
    }

    #[test]
    fn in_order_copies_reuse_their_chunks() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::default());
        let mut buf = vec![0; 64 * 1024];
        for i in 0..10_000 {
            r.insert(i * 1200, Payload::borrowed(&[1; 1200]), &mut pool)
                .unwrap();
            if i % 40 == 39 {
                assert_eq!(r.read(&mut buf, &mut pool), 40 * 1200);
                assert_eq!(r.memory(), 0);
            }
        }
        assert!(pool.made() <= 3, "{}", pool.made());
    }

    #[test]
    fn cleared() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::default());
        r.insert(0, Payload::borrowed(&vec![1; 2 * CHUNK]), &mut pool)
            .unwrap();
        r.insert(1 << 20, Payload::borrowed(&[1; 10]), &mut pool)
            .unwrap();
        r.read(&mut [0; 5], &mut pool);
        r.clear(&mut pool);
        assert_eq!((r.readable(), r.memory()), (0, 0));
        assert_eq!(r.read_bytes(&mut pool), None);
    }
}

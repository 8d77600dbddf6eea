//! The first two of three nested borrows: `Batch` (one GSO send) and `DatagramBuilder` in it.
//!
//! All datagrams of a batch have the size of the first, but the last may be shorter.

use super::packet::PacketBuilder;

/// Datagrams of one size being written, one behind the other, into memory that the caller owns.
#[derive(Debug)]
pub struct Batch<'b> {
    buf: &'b mut [u8],
    end: usize,
    segment: usize,
    count: usize,
    max: usize,
    closed: bool,
}

impl<'b> Batch<'b> {
    /// A batch of at most `max` datagrams of at most `mtu` bytes of UDP payload each.
    pub const fn new(buf: &'b mut [u8], mtu: usize, max: usize) -> Self {
        Self {
            buf,
            end: 0,
            segment: mtu,
            count: 0,
            max,
            closed: false,
        }
    }

    /// The next datagram, or nothing if the batch is full or its last datagram was short.
    /// `limit` bounds this datagram alone (anti-amplification).
    pub fn datagram(&mut self, limit: usize) -> Option<DatagramBuilder<'_, 'b>> {
        let room = self.buf.len() - self.end;
        let fits = self.count == 0 || self.segment <= room;
        (self.count < self.max && !self.closed && fits).then(|| DatagramBuilder {
            size: self.segment.min(room).min(limit),
            len: 0,
            batch: self,
        })
    }

    /// How many bytes were written.
    pub const fn len(&self) -> usize {
        self.end
    }

    /// How many datagrams were written.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The bytes written and the size of each datagram but the last.
    pub fn finish(self) -> Option<(&'b [u8], usize)> {
        let Self {
            buf, end, segment, ..
        } = self;
        (end > 0).then(|| (&buf[..end], segment.min(end)))
    }
}

/// One UDP payload in the making; QUIC packets are coalesced in it. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct DatagramBuilder<'d, 'b> {
    batch: &'d mut Batch<'b>,
    size: usize,
    len: usize,
}

impl DatagramBuilder<'_, '_> {
    /// How large the datagram may become in all.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// How many bytes of sealed packets it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no packet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A packet in the rest of the datagram. Its header follows through [`PacketBuilder`].
    pub fn packet(&mut self) -> PacketBuilder<'_> {
        let start = self.batch.end + self.len;
        let end = self.batch.end + self.size;
        PacketBuilder::new(&mut self.batch.buf[start..end], &mut self.len)
    }

    /// Takes the datagram into the batch. The first one fixes the segment size, a shorter one
    /// ends the batch: that is what GSO demands.
    pub const fn commit(self) {
        let Self { batch, len, .. } = self;
        if len == 0 {
            return;
        }
        if batch.count == 0 {
            batch.segment = len;
        } else if len < batch.segment {
            batch.closed = true;
        }
        batch.end += len;
        batch.count += 1;
    }
}

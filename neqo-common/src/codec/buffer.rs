//! The memory that an [`Encoder`](super::Encoder) writes to.

/// Bytes that can be appended to.
///
/// Growable buffers take everything; a [`SliceBuf`] takes what fits and remembers if something did
/// not.
pub trait Buffer {
    /// The number of bytes in the buffer, those included that were there before.
    fn position(&self) -> usize;

    /// How many more bytes fit. Practically unlimited for a growable buffer.
    fn remaining(&self) -> usize;

    /// Appends `data`, all of it or nothing.
    fn put(&mut self, data: &[u8]);

    /// Appends `n` times the byte `v`, all of them or nothing.
    fn fill(&mut self, n: usize, v: u8);

    /// Shortens the buffer to `len` bytes; does nothing if it is not longer.
    fn truncate(&mut self, len: usize);

    /// What is in the buffer.
    fn as_slice(&self) -> &[u8];

    /// What is in the buffer, writable.
    fn as_mut_slice(&mut self) -> &mut [u8];

    /// Whether the buffer holds nothing.
    fn is_empty(&self) -> bool {
        self.position() == 0
    }

    /// Whether something was left out because it did not fit.
    fn has_overflowed(&self) -> bool {
        false
    }
}

impl Buffer for Vec<u8> {
    #[inline]
    fn position(&self) -> usize {
        self.len()
    }

    #[inline]
    fn remaining(&self) -> usize {
        usize::MAX - self.len()
    }

    #[inline]
    fn put(&mut self, data: &[u8]) {
        self.extend_from_slice(data);
    }

    #[inline]
    fn fill(&mut self, n: usize, v: u8) {
        self.resize(self.len() + n, v);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [u8] {
        self
    }
}

impl<B: Buffer> Buffer for &mut B {
    #[inline]
    fn position(&self) -> usize {
        (**self).position()
    }

    #[inline]
    fn remaining(&self) -> usize {
        (**self).remaining()
    }

    #[inline]
    fn put(&mut self, data: &[u8]) {
        (**self).put(data);
    }

    #[inline]
    fn fill(&mut self, n: usize, v: u8) {
        (**self).fill(n, v);
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        (**self).truncate(len);
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        (**self).as_slice()
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [u8] {
        (**self).as_mut_slice()
    }

    #[inline]
    fn has_overflowed(&self) -> bool {
        (**self).has_overflowed()
    }
}

/// Memory of fixed size, filled from its start.
///
/// A write that does not fit changes nothing but a flag, and from then on every write is refused: a
/// message can be cut short but never have a hole, and no size that a peer chose can cause a panic.
/// Whoever fills a `SliceBuf` either checks [`Buffer::remaining`] before a write or
/// [`Buffer::has_overflowed`] at the end. [`Buffer::truncate`] takes the flag back, because the state
/// before the write that failed is whole.
#[derive(Debug)]
pub struct SliceBuf<'a> {
    buf: &'a mut [u8],
    len: usize,
    overflowed: bool,
}

impl<'a> SliceBuf<'a> {
    /// An empty buffer over `buf`.
    #[must_use]
    #[inline]
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self {
            buf,
            len: 0,
            overflowed: false,
        }
    }

    /// The next `n` bytes, or nothing and the flag set.
    #[inline]
    fn claim(&mut self, n: usize) -> Option<&mut [u8]> {
        let claimed = if self.overflowed {
            None
        } else {
            self.buf
                .get_mut(self.len..)
                .and_then(|free| free.get_mut(..n))
        };
        if claimed.is_some() {
            self.len += n;
        } else {
            self.overflowed = true;
        }
        claimed
    }

    /// The part that was written, for as long as the memory is borrowed.
    #[must_use]
    #[inline]
    pub const fn into_written(self) -> &'a mut [u8] {
        // `len` never exceeds the length of `buf`.
        self.buf.split_at_mut(self.len).0
    }
}

impl Buffer for SliceBuf<'_> {
    #[inline]
    fn position(&self) -> usize {
        self.len
    }

    #[inline]
    fn remaining(&self) -> usize {
        if self.overflowed {
            0
        } else {
            self.buf.len() - self.len
        }
    }

    #[inline]
    fn put(&mut self, data: &[u8]) {
        if let Some(free) = self.claim(data.len()) {
            free.copy_from_slice(data);
        }
    }

    #[inline]
    fn fill(&mut self, n: usize, v: u8) {
        if let Some(free) = self.claim(n) {
            free.fill(v);
        }
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.overflowed = false;
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.buf.split_at(self.len).0
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [u8] {
        self.buf.split_at_mut(self.len).0
    }

    #[inline]
    fn has_overflowed(&self) -> bool {
        self.overflowed
    }
}

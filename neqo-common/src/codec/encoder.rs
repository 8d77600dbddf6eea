//! A writer of the primitives that messages are made of.

use std::fmt::{self, Debug, Formatter};

use super::{Buffer, Decoder, SliceBuf, varint};
use crate::{hex::HexWithLen, num::to_u64};

/// A number that can be the length of something.
pub trait Length: Copy {
    /// The same number in 64 bits.
    fn as_u64(self) -> u64;
}

impl Length for u64 {
    #[inline]
    fn as_u64(self) -> u64 {
        self
    }
}

impl Length for usize {
    #[inline]
    fn as_u64(self) -> u64 {
        to_u64(self)
    }
}

/// Appends primitives to a buffer: owned (`Vec<u8>`), borrowed and growable (`&mut Vec<u8>`), or
/// borrowed and of fixed size ([`SliceBuf`]).
///
/// Over a [`SliceBuf`], a write that does not fit is refused and so is every later one; see there.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoder<B = Vec<u8>> {
    buf: B,
}

impl Encoder<Vec<u8>> {
    /// An empty encoder that owns its memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { buf: Vec::new() }
    }

    /// An empty encoder with room for `capacity` bytes before it allocates again.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buf: Vec::with_capacity(capacity),
        }
    }

    /// The length of `v` as a variable-length integer; see [`varint::len`].
    #[must_use]
    #[inline]
    pub const fn varint_len(v: u64) -> usize {
        varint::len(v)
    }

    /// The length of a vector of `len` bytes, its variable-length length included.
    #[must_use]
    #[inline]
    pub const fn vvec_len(len: usize) -> usize {
        varint::len(to_u64(len)) + len
    }

    /// Removes the first `n` bytes, or all if there are fewer, and moves the rest to the front.
    pub fn skip(&mut self, n: usize) {
        self.buf.drain(..n.min(self.buf.len()));
    }

    /// An encoder that holds what the hexadecimal digits `s` say. Made for test vectors.
    ///
    /// # Panics
    ///
    /// When `s` is not an even number of hexadecimal digits.
    #[must_use]
    pub fn from_hex(s: impl AsRef<str>) -> Self {
        Self {
            buf: ::hex::decode(s.as_ref()).expect("an even number of hexadecimal digits"),
        }
    }
}

impl<'a> Encoder<&'a mut Vec<u8>> {
    /// An encoder that appends to `buf`. What is in `buf` counts for [`Encoder::len`].
    #[must_use]
    #[inline]
    pub const fn new_borrowed_vec(buf: &'a mut Vec<u8>) -> Self {
        Self { buf }
    }
}

impl<'a> Encoder<SliceBuf<'a>> {
    /// An encoder that fills `buf` from its start.
    #[must_use]
    #[inline]
    pub const fn new_borrowed_slice(buf: &'a mut [u8]) -> Self {
        Self {
            buf: SliceBuf::new(buf),
        }
    }

    /// The bytes written, for as long as the memory is borrowed.
    #[must_use]
    #[inline]
    pub const fn into_written(self) -> &'a mut [u8] {
        self.buf.into_written()
    }
}

impl<B: Buffer> Encoder<B> {
    /// An encoder that appends to any buffer.
    #[must_use]
    #[inline]
    pub const fn from_buffer(buf: B) -> Self {
        Self { buf }
    }

    /// The number of bytes in the buffer, those included that were there before.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.position()
    }

    /// Whether the buffer holds nothing.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// How many more bytes the buffer takes.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> usize {
        self.buf.remaining()
    }

    /// Whether a write was refused because it did not fit.
    #[must_use]
    #[inline]
    pub fn has_overflowed(&self) -> bool {
        self.buf.has_overflowed()
    }

    /// A decoder over what is in the buffer.
    #[must_use]
    #[inline]
    pub fn as_decoder(&self) -> Decoder<'_> {
        Decoder::new(self.buf.as_slice())
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn encode<D: AsRef<[u8]>>(&mut self, data: D) -> &mut Self {
        self.buf.put(data.as_ref());
        self
    }

    /// Appends one byte.
    #[inline]
    pub fn encode_byte(&mut self, data: u8) -> &mut Self {
        self.buf.put(&[data]);
        self
    }

    /// Appends the `n` low bytes of `v`, the most significant first.
    ///
    /// # Panics
    ///
    /// When `n` is not in 1..=8.
    #[inline]
    pub fn encode_uint<T: Into<u64>>(&mut self, n: usize, v: T) -> &mut Self {
        assert!(n > 0 && n <= 8, "an integer has one to eight bytes");
        let bytes = v.into().to_be_bytes();
        self.buf.put(bytes.split_at(8 - n).1);
        self
    }

    /// Appends the shortest variable-length integer for `v` (RFC 9000, Section 16).
    ///
    /// # Panics
    ///
    /// When `v` is above [`MAX_VARINT`](crate::MAX_VARINT). Sums and products of values that a peer sent have to be
    /// checked before they come here.
    #[inline]
    pub fn encode_varint<T: Into<u64>>(&mut self, v: T) -> &mut Self {
        varint::put(v.into(), &mut self.buf);
        self
    }

    /// Appends a length as a variable-length integer.
    ///
    /// # Panics
    ///
    /// Like [`Encoder::encode_varint`].
    #[inline]
    pub fn encode_len<T: Length>(&mut self, v: T) -> &mut Self {
        self.encode_varint(v.as_u64())
    }

    /// Appends `v` after its length in `n` bytes.
    ///
    /// # Panics
    ///
    /// When `n` is not in 1..=8 or the length of `v` does not fit in `n` bytes.
    #[inline]
    pub fn encode_vec(&mut self, n: usize, v: &[u8]) -> &mut Self {
        assert!(fits(v.len(), n), "the length does not fit in {n} bytes");
        self.encode_uint(n, to_u64(v.len())).encode(v)
    }

    /// Appends what `f` writes, after its length in `n` bytes.
    ///
    /// # Panics
    ///
    /// When `n` is not in 1..=8 or the length of what `f` wrote does not fit in `n` bytes.
    pub fn encode_vec_with<F: FnOnce(&mut Self)>(&mut self, n: usize, f: F) -> &mut Self {
        assert!(n > 0 && n <= 8, "a length has one to eight bytes");
        let start = self.len();
        self.buf.fill(n, 0);
        f(self);
        if !self.has_overflowed() {
            let len = self.len() - start - n;
            assert!(fits(len, n), "the length does not fit in {n} bytes");
            let bytes = to_u64(len).to_be_bytes();
            self.overwrite(start, bytes.split_at(8 - n).1);
        }
        self
    }

    /// Appends `v` after its length as a variable-length integer.
    #[inline]
    pub fn encode_vvec(&mut self, v: &[u8]) -> &mut Self {
        self.encode_len(v.len()).encode(v)
    }

    /// Appends what `f` writes, after its length as a variable-length integer.
    ///
    /// One byte is set aside for the length. What `f` wrote is moved once if that is not enough.
    pub fn encode_vvec_with<F: FnOnce(&mut Self)>(&mut self, f: F) -> &mut Self {
        let start = self.len();
        self.buf.fill(1, 0);
        f(self);
        if self.has_overflowed() {
            return self;
        }
        let len = to_u64(self.len() - start - 1);
        let more = varint::len(len) - 1;
        self.buf.fill(more, 0);
        if self.has_overflowed() {
            return self;
        }
        if let Some(written) = self.buf.as_mut_slice().get_mut(start..) {
            written.rotate_right(more);
        }
        let mut bytes = [0; varint::MAX_LEN];
        if let Some(n) = varint::encode(len, &mut bytes) {
            self.overwrite(start, bytes.split_at(n).0);
        }
        self
    }

    /// Replaces what is at `pos`. What would be beyond the end is left out.
    fn overwrite(&mut self, pos: usize, data: &[u8]) {
        let there = self.buf.as_mut_slice().iter_mut().skip(pos);
        for (to, from) in there.zip(data) {
            *to = *from;
        }
    }

    /// Shortens the buffer to `len` bytes; does nothing if it is not longer.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// Appends the byte `v` until the buffer holds `len` bytes; does nothing if it already does.
    #[inline]
    pub fn pad_to(&mut self, len: usize, v: u8) {
        self.buf.fill(len.saturating_sub(self.len()), v);
    }
}

/// Whether a length can be written in `n` bytes.
const fn fits(len: usize, n: usize) -> bool {
    n >= 8 || to_u64(len) >> (8 * n) == 0
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&[u8]> for Encoder {
    fn from(buf: &[u8]) -> Self {
        Self { buf: buf.to_vec() }
    }
}

impl From<Vec<u8>> for Encoder {
    fn from(buf: Vec<u8>) -> Self {
        Self { buf }
    }
}

impl From<Encoder> for Vec<u8> {
    fn from(enc: Encoder) -> Self {
        enc.buf
    }
}

impl<B: Buffer> AsRef<[u8]> for Encoder<B> {
    fn as_ref(&self) -> &[u8] {
        self.buf.as_slice()
    }
}

impl<B: Buffer> AsMut<[u8]> for Encoder<B> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.buf.as_mut_slice()
    }
}

impl<B: Buffer> fmt::Write for Encoder<B> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.buf.put(s.as_bytes());
        if self.buf.has_overflowed() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl<B: Buffer> Debug for Encoder<B> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder {}", HexWithLen::new(self.buf.as_slice()))
    }
}

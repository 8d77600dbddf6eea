//! A cursor over bytes that a peer sent.

use std::fmt::{self, Debug, Formatter};

use super::varint;
use crate::hex::HexWithLen;

/// Reads primitives from the front of a byte slice.
///
/// Every function that can run out of input returns `None` and leaves the decoder where it was; none
/// panics. What is returned borrows from the input, not from the decoder.
#[derive(Clone, Copy, Default)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `buf`.
    #[must_use]
    #[inline]
    pub const fn new(buf: &'a [u8]) -> Self {
        Self {
            rest: buf,
            total: buf.len(),
        }
    }

    /// The number of bytes that are left.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number of bytes read so far.
    #[must_use]
    #[inline]
    pub const fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    /// The next byte, which stays unread.
    #[must_use]
    #[inline]
    pub const fn peek_byte(&self) -> Option<u8> {
        match self.rest.first() {
            Some(b) => Some(*b),
            None => None,
        }
    }

    /// Skips `n` bytes, or all that is left if that is less.
    #[inline]
    pub fn skip(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// Skips all bytes up to the first that is not `value` and returns how many there were.
    #[inline]
    pub fn skip_while(&mut self, value: u8) -> usize {
        let n = self.rest.iter().take_while(|&&b| b == value).count();
        self.skip(n);
        n
    }

    /// Skips a vector whose length is a big-endian integer of `n` bytes. `None` if it is not whole.
    #[inline]
    pub fn skip_vec(&mut self, n: usize) -> Option<()> {
        self.decode_vec(n).map(|_| ())
    }

    /// Skips a vector whose length is a variable-length integer. `None` if it is not whole.
    #[inline]
    pub fn skip_vvec(&mut self) -> Option<()> {
        self.decode_vvec().map(|_| ())
    }

    /// The next `n` bytes.
    #[inline]
    pub fn decode(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn decode_array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(head)
    }

    /// Everything that is left.
    #[inline]
    pub fn decode_remainder(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The next byte.
    #[inline]
    pub fn decode_byte(&mut self) -> Option<u8> {
        let (&b, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(b)
    }

    /// A big-endian integer as long as `T`, at most eight bytes.
    #[inline]
    pub fn decode_uint<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let mut ahead = *self;
        let v = ahead.decode_n(size_of::<T>())?;
        let v = T::try_from(v).ok()?;
        *self = ahead;
        Some(v)
    }

    /// A big-endian integer of `n` bytes. `None` also for more than eight.
    #[inline]
    pub fn decode_n(&mut self, n: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        let start = bytes.len().checked_sub(n)?;
        bytes.get_mut(start..)?.copy_from_slice(self.decode(n)?);
        Some(u64::from_be_bytes(bytes))
    }

    /// A variable-length integer (RFC 9000, Section 16).
    #[inline]
    pub fn decode_varint(&mut self) -> Option<u64> {
        let (v, rest) = varint::split(self.rest)?;
        self.rest = rest;
        Some(v)
    }

    /// A vector whose length is a big-endian integer of `n` bytes, as TLS has them.
    #[inline]
    pub fn decode_vec(&mut self, n: usize) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let len = usize::try_from(ahead.decode_n(n)?).ok()?;
        let v = ahead.decode(len)?;
        *self = ahead;
        Some(v)
    }

    /// A vector whose length is a variable-length integer.
    #[inline]
    pub fn decode_vvec(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = varint::split(self.rest)?;
        let (v, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(v)
    }
}

impl<'a> Decoder<'a> {
    /// Everything that is left, which stays unread. It outlives the decoder.
    #[must_use]
    #[inline]
    pub const fn as_ref(&self) -> &'a [u8] {
        self.rest
    }
}

impl AsRef<[u8]> for Decoder<'_> {
    fn as_ref(&self) -> &[u8] {
        self.rest
    }
}

impl<'a> From<&'a [u8]> for Decoder<'a> {
    fn from(buf: &'a [u8]) -> Self {
        Self::new(buf)
    }
}

impl<'a, T: AsRef<[u8]>> From<&'a T> for Decoder<'a> {
    fn from(buf: &'a T) -> Self {
        Self::new(buf.as_ref())
    }
}

/// Two decoders are equal if the same bytes are left in both.
impl<'b> PartialEq<Decoder<'b>> for Decoder<'_> {
    fn eq(&self, other: &Decoder<'b>) -> bool {
        self.rest == other.rest
    }
}

impl Eq for Decoder<'_> {}

impl Debug for Decoder<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Decoder@{} {}",
            self.offset(),
            HexWithLen::new(self.rest)
        )
    }
}

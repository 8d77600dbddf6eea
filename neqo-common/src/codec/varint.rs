//! Variable-length integers (RFC 9000, Section 16).
//!
//! The two most significant bits of the first byte are the base-2 logarithm of the length; the rest
//! is the value in network byte order. Non-minimal encodings are valid, except where a user of this
//! module says otherwise (RFC 9000, Section 12.4 on frame types).

#![expect(
    clippy::cast_possible_truncation,
    reason = "each cast follows a comparison that bounds the value"
)]

use super::Buffer;

/// The largest value that has an encoding: 2^62 − 1.
pub const MAX: u64 = (1 << 62) - 1;

/// The longest encoding, in bytes.
pub const MAX_LEN: usize = 8;

const MAX_1: u64 = (1 << 6) - 1;
const MAX_2: u64 = (1 << 14) - 1;
const MAX_4: u64 = (1 << 30) - 1;

/// The length of the shortest encoding of `v`: 1, 2, 4 or 8 bytes.
///
/// A value above [`MAX`] has no encoding; the answer for it is 8, so that reserving space by this
/// function is never too little.
#[must_use]
#[inline]
pub const fn len(v: u64) -> usize {
    if v <= MAX_1 {
        1
    } else if v <= MAX_2 {
        2
    } else if v <= MAX_4 {
        4
    } else {
        8
    }
}

/// The length of an encoding whose first byte is `first`: 1, 2, 4 or 8 bytes.
#[must_use]
#[inline]
pub const fn len_from_first(first: u8) -> usize {
    1 << (first >> 6)
}

/// Writes the shortest encoding of `v` at the start of `buf` and returns its length.
///
/// `None`, with `buf` untouched, if `buf` is too short or `v` is above [`MAX`].
#[must_use]
#[inline]
pub fn encode(v: u64, buf: &mut [u8]) -> Option<usize> {
    if v <= MAX_1 {
        *buf.first_mut()? = v as u8;
        Some(1)
    } else if v <= MAX_2 {
        *buf.first_chunk_mut()? = two(v);
        Some(2)
    } else if v <= MAX_4 {
        *buf.first_chunk_mut()? = four(v);
        Some(4)
    } else if v <= MAX {
        *buf.first_chunk_mut()? = eight(v);
        Some(8)
    } else {
        None
    }
}

/// Reads the integer at the start of `buf`: its value and the length of its encoding.
///
/// `None` if `buf` ends before the integer does.
#[must_use]
#[inline]
pub fn decode(buf: &[u8]) -> Option<(u64, usize)> {
    let (v, rest) = split(buf)?;
    Some((v, buf.len() - rest.len()))
}

/// Reads the integer at the start of `buf`: its value and the bytes that follow it.
#[must_use]
#[inline]
pub(super) fn split(buf: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = buf.split_first()?;
    match first >> 6 {
        0 => Some((u64::from(first), rest)),
        1 => {
            let (bytes, rest) = buf.split_first_chunk()?;
            Some((u64::from(u16::from_be_bytes(*bytes)) & MAX_2, rest))
        }
        2 => {
            let (bytes, rest) = buf.split_first_chunk()?;
            Some((u64::from(u32::from_be_bytes(*bytes)) & MAX_4, rest))
        }
        _ => {
            let (bytes, rest) = buf.split_first_chunk()?;
            Some((u64::from_be_bytes(*bytes) & MAX, rest))
        }
    }
}

/// Appends the shortest encoding of `v` to `buf`.
///
/// # Panics
///
/// When `v` is above [`MAX`].
#[inline]
pub(super) fn put<B: Buffer>(v: u64, buf: &mut B) {
    if v <= MAX_1 {
        buf.put(&[v as u8]);
    } else if v <= MAX_2 {
        buf.put(&two(v));
    } else if v <= MAX_4 {
        buf.put(&four(v));
    } else {
        assert!(v <= MAX, "a variable-length integer holds 62 bits");
        buf.put(&eight(v));
    }
}

#[inline]
const fn two(v: u64) -> [u8; 2] {
    (v as u16 | 1 << 14).to_be_bytes()
}

#[inline]
const fn four(v: u64) -> [u8; 4] {
    (v as u32 | 2 << 30).to_be_bytes()
}

#[inline]
const fn eight(v: u64) -> [u8; 8] {
    (v | 3 << 62).to_be_bytes()
}

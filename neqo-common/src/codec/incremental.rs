//! Decoders for input that arrives in pieces, such as a stream of HTTP/3 frames.
//!
//! They keep no more than what has arrived: a length that a peer announces allocates nothing.

use super::{Decoder, varint};

/// Collects a variable-length integer.
///
/// When the integer is whole, the decoder is ready for the next one.
#[derive(Clone, Debug, Default)]
pub struct IncrementalDecoderUint {
    bytes: [u8; varint::MAX_LEN],
    have: usize,
}

impl IncrementalDecoderUint {
    /// The least number of bytes that can complete the integer.
    ///
    /// One before its first byte, because that byte may be all; exact after it.
    #[must_use]
    pub fn min_remaining(&self) -> usize {
        self.bytes
            .first()
            .filter(|_| self.have > 0)
            .map_or(1, |&first| varint::len_from_first(first) - self.have)
    }

    /// Whether a part of an integer has been read.
    #[must_use]
    pub const fn decoding_in_progress(&self) -> bool {
        self.have > 0
    }

    /// Takes what belongs to the integer from `dv`, and returns the integer when it is whole.
    #[inline]
    pub fn consume(&mut self, dv: &mut Decoder<'_>) -> Option<u64> {
        if self.have == 0
            && let Some(v) = dv.decode_varint()
        {
            return Some(v);
        }
        self.consume_slow(dv)
    }

    fn consume_slow(&mut self, dv: &mut Decoder<'_>) -> Option<u64> {
        loop {
            let byte = dv.decode_byte()?;
            // `have` stays below the length that the first byte announces, at most eight.
            *self.bytes.get_mut(self.have)? = byte;
            self.have += 1;
            if self.min_remaining() == 0 {
                self.have = 0;
                return varint::decode(&self.bytes).map(|(v, _)| v);
            }
        }
    }
}

/// Collects a known number of bytes.
#[derive(Clone, Debug)]
pub struct IncrementalDecoderBuffer {
    have: Vec<u8>,
    missing: usize,
}

impl IncrementalDecoderBuffer {
    /// Collects `n` bytes. The caller bounds `n`: all of it may end up in memory.
    #[must_use]
    pub const fn new(n: usize) -> Self {
        Self {
            have: Vec::new(),
            missing: n,
        }
    }

    /// How many bytes are missing.
    #[must_use]
    pub const fn min_remaining(&self) -> usize {
        self.missing
    }

    /// Takes what is missing from `dv`, and returns all bytes when none is missing.
    ///
    /// After that the decoder is spent and returns an empty vector.
    pub fn consume(&mut self, dv: &mut Decoder<'_>) -> Option<Vec<u8>> {
        let n = self.missing.min(dv.remaining());
        self.have.extend_from_slice(dv.decode(n)?);
        self.missing -= n;
        (self.missing == 0).then(|| std::mem::take(&mut self.have))
    }
}

/// Passes over a known number of bytes.
#[derive(Clone, Debug)]
pub struct IncrementalDecoderIgnore {
    missing: usize,
}

impl IncrementalDecoderIgnore {
    /// Passes over `n` bytes.
    #[must_use]
    pub const fn new(n: usize) -> Self {
        Self { missing: n }
    }

    /// How many bytes are missing.
    #[must_use]
    pub const fn min_remaining(&self) -> usize {
        self.missing
    }

    /// Takes what is missing from `dv`; whether nothing is missing any more.
    pub fn consume(&mut self, dv: &mut Decoder<'_>) -> bool {
        let n = self.missing.min(dv.remaining());
        dv.skip(n);
        self.missing -= n;
        self.missing == 0
    }
}

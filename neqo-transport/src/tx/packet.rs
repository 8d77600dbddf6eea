//! The third borrow: one packet in the making.
//!
//! Dropping an unsealed packet is abort: the datagram's length, which `seal` alone advances,
//! stays where it was.

use neqo_common::varint;
use neqo_crypto::SealKeys;

use crate::{Error, PacketNumber, Res, wire::put::Put};

/// Where the Length field and the packet number of the header stand.
#[derive(Clone, Copy, Debug)]
pub struct HeaderLayout {
    /// Offset of the two-byte Length field; none in short headers.
    pub length_at: Option<usize>,
    /// Offset of the packet number.
    pub pn_at: usize,
    /// Length of the packet number, 1 to 4 bytes.
    pub pn_len: usize,
}

/// One packet in the making.
#[derive(Debug)]
pub struct PacketBuilder<'p> {
    buf: &'p mut [u8],
    /// The datagram's length, advanced by [`Self::seal`].
    committed: &'p mut usize,
    len: usize,
    limit: usize,
    layout: HeaderLayout,
    ack_eliciting: bool,
    /// Whether congestion control counts it: ack-eliciting or padded (RFC 9002 §2).
    padded: bool,
}

/// The AEAD tag of every cipher suite of QUIC (RFC 9001 §5.3).
pub const TAG_LEN: usize = 16;
/// A header protection sample starts four bytes behind the start of the packet number
/// (RFC 9001 §5.4.2), so packet number and payload have at least this length together.
const MIN_PN_AND_PAYLOAD: usize = 4;

impl<'p> PacketBuilder<'p> {
    pub(super) const fn new(buf: &'p mut [u8], committed: &'p mut usize) -> Self {
        let limit = buf.len().saturating_sub(TAG_LEN);
        Self {
            buf,
            committed,
            len: 0,
            limit,
            layout: HeaderLayout {
                length_at: None,
                pn_at: 0,
                pn_len: 0,
            },
            ack_eliciting: false,
            padded: false,
        }
    }

    /// Declares that the header ends here.
    pub const fn header_done(&mut self, layout: HeaderLayout) {
        self.layout = layout;
    }

    const fn header_len(&self) -> usize {
        self.layout.pn_at + self.layout.pn_len
    }

    /// How many bytes the header and the frames have together, without the tag.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no frame was written.
    pub const fn is_empty(&self) -> bool {
        self.len == self.header_len()
    }

    /// Whether a frame that elicits an acknowledgement was written.
    pub const fn is_ack_eliciting(&self) -> bool {
        self.ack_eliciting
    }

    /// Whether the packet counts as in flight (RFC 9002 §2).
    pub const fn is_in_flight(&self) -> bool {
        self.ack_eliciting || self.padded
    }

    /// Notes that a frame elicits an acknowledgement.
    pub const fn mark_ack_eliciting(&mut self) {
        self.ack_eliciting = true;
    }

    /// The bytes that are still free, to be filled directly; then [`Self::advance`].
    pub fn unfilled(&mut self) -> &mut [u8] {
        &mut self.buf[self.len..self.limit]
    }

    /// Takes `n` bytes that were written to [`Self::unfilled`].
    pub fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.remaining());
        self.len += n.min(self.remaining());
    }

    /// Pads with PADDING frames until the packet, tag included, has `size` bytes or is full.
    pub fn pad_to(&mut self, size: usize) {
        let end = size.saturating_sub(TAG_LEN).min(self.limit);
        if end > self.len {
            self.buf[self.len..end].fill(0);
            self.len = end;
            self.padded = true;
        }
    }

    /// Protects the packet in place (RFC 9001 §5) and takes it into the datagram.
    /// Returns its size, tag included.
    pub fn seal(mut self, pn: PacketNumber, keys: &mut SealKeys) -> Res<usize> {
        let least = self.layout.pn_at + MIN_PN_AND_PAYLOAD;
        if self.len < least {
            self.buf[self.len..least].fill(0);
            self.len = least;
        }
        let (header_len, size) = (self.header_len(), self.len + TAG_LEN);
        if let Some(at) = self.layout.length_at {
            let length = u16::try_from(size - self.layout.pn_at)
                .ok()
                .filter(|l| *l < 0x4000)
                .ok_or(Error::Internal("packet too long for its Length field"))?;
            self.buf[at..at + 2].copy_from_slice(&(length | 0x4000).to_be_bytes());
        }
        keys.seal(pn, &mut self.buf[..size], header_len)?;
        let at = self.layout.pn_at + MIN_PN_AND_PAYLOAD;
        let sample: &[u8; 16] = self.buf[at..at + 16]
            .try_into()
            .map_err(|_| Error::Internal("sample"))?;
        let mask = keys.mask(sample);
        //= rfc9001#section-5.4.1
        //# The four least significant bits of the first byte are protected for
        //# packets with long headers; the five least significant bits of the
        //# first byte are protected for packets with short headers.
        let first = if self.layout.length_at.is_some() {
            0x0f
        } else {
            0x1f
        };
        self.buf[0] ^= mask[0] & first;
        let pn_field = &mut self.buf[self.layout.pn_at..header_len];
        for (b, m) in pn_field.iter_mut().zip(&mask[1..]) {
            *b ^= m;
        }
        *self.committed += size;
        Ok(size)
    }
}

impl Put for PacketBuilder<'_> {
    fn remaining(&self) -> usize {
        self.limit - self.len.min(self.limit)
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        debug_assert!(end <= self.limit, "the caller checks that it fits");
        if let Some(room) = self.buf.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn varint(&mut self, v: u64) {
        if let Some(n) = varint::encode(v, self.unfilled()) {
            self.len += n;
        } else {
            debug_assert!(false, "the caller checks that it fits");
        }
    }
}

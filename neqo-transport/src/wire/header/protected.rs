//! From a protected packet to its payload, in steps that cannot be skipped.

use std::ops::Range;

use neqo_crypto::{Level, OpenKeys, Version};

use super::{FORM_LONG, KEY_PHASE, PN_LEN_MASK, RESERVED_LONG, RESERVED_SHORT};
use crate::{PacketNumber, Violation, cid::id::ConnectionId, stats::DropReason, wire::pn};

/// How many bytes of a packet make its header protection mask.
const SAMPLE_LEN: usize = 16;

/// A packet whose header fields without protection are known. All offsets count from its first
/// byte; every packet handed to its methods is the one it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protected {
    level: Level,
    /// Long headers only.
    version: Option<Version>,
    dcid: ConnectionId,
    scid: ConnectionId,
    token: Range<usize>,
    pn_at: usize,
    len: usize,
}

impl Protected {
    /// A packet with a long header, whose packet number and payload are in `body`.
    pub(super) const fn long(
        level: Level,
        version: Version,
        [dcid, scid]: [ConnectionId; 2],
        token: Range<usize>,
        body: Range<usize>,
    ) -> Self {
        Self {
            level,
            version: Some(version),
            dcid,
            scid,
            token,
            pn_at: body.start,
            len: body.end,
        }
    }

    /// A packet with a short header, of `len` bytes.
    #[inline]
    pub(super) fn short(dcid: ConnectionId, pn_at: usize, len: usize) -> Self {
        Self {
            level: Level::OneRtt,
            version: None,
            dcid,
            scid: ConnectionId::default(),
            token: 0..0,
            pn_at,
            len,
        }
    }

    /// Which keys protect it.
    pub(crate) const fn level(&self) -> Level {
        self.level
    }

    /// The version, which only long headers tell.
    pub(crate) const fn version(&self) -> Option<Version> {
        self.version
    }

    /// The Destination Connection ID.
    pub(crate) const fn dcid(&self) -> &ConnectionId {
        &self.dcid
    }

    /// The Source Connection ID; empty in short headers.
    pub(crate) const fn scid(&self) -> &ConnectionId {
        &self.scid
    }

    /// The size of the packet, in bytes. What follows it in the datagram is the next packet.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The token; empty in all but Initial packets.
    pub(crate) fn token<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        packet.get(self.token.clone()).unwrap_or_default()
    }

    /// Whether there is a token: servers send none (RFC 9000 §17.2.2, hardening R3814).
    pub(crate) const fn has_token(&self) -> bool {
        self.token.start < self.token.end
    }

    /// Removes header protection with the mask that `mask` makes from the sample
    /// (RFC 9001 §5.4.1), in place.
    #[inline]
    pub(crate) fn unmask(
        self,
        packet: &mut [u8],
        mask: impl FnOnce(&[u8; SAMPLE_LEN]) -> [u8; 5],
    ) -> Result<Unprotected, DropReason> {
        let packet = packet.get_mut(..self.len).ok_or(DropReason::Header)?;
        // Too short for a sample is too short for a packet (RFC 9001 §5.4.2).
        let sample = packet
            .get(self.pn_at + pn::MAX_LEN..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(DropReason::Header)?;
        let [mask, pn_mask @ ..] = mask(sample);
        let (first, rest) = packet.split_first_mut().ok_or(DropReason::Header)?;
        *first ^= mask & protected_bits(*first);
        let pn_len = usize::from(*first & PN_LEN_MASK) + 1;
        let pn = rest
            .get_mut(self.pn_at - 1..)
            .and_then(|rest| rest.get_mut(..pn_len))
            .ok_or(DropReason::Header)?;
        for (b, m) in pn.iter_mut().zip(pn_mask) {
            *b ^= m;
        }
        Ok(Unprotected {
            first: *first,
            header_len: self.pn_at + pn_len,
            pn_len,
            len: self.len,
        })
    }
}

/// The bits of the first byte that are protected.
//= rfc9001#section-5.4.1
//# The four least significant bits of the first byte are
//# protected for packets with long headers; the five least significant bits of the
//# first byte are protected for packets with short headers.
#[inline]
const fn protected_bits(first: u8) -> u8 {
    if first & FORM_LONG == 0 { 0x1f } else { 0x0f }
}

/// A packet without header protection. Nothing in its header is authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unprotected {
    first: u8,
    header_len: usize,
    pn_len: usize,
    len: usize,
}

impl Unprotected {
    /// The whole packet number, if `largest` is the largest one opened in this space.
    #[inline]
    pub(crate) fn packet_number(
        &self,
        packet: &[u8],
        largest: Option<PacketNumber>,
    ) -> PacketNumber {
        let field = packet.get(self.header_len - self.pn_len..self.header_len);
        field.map_or(0, |field| pn::decode(field, largest))
    }

    /// The Key Phase bit, which only short headers have.
    pub(crate) const fn key_phase(&self) -> bool {
        self.first & KEY_PHASE != 0
    }

    /// Opens the packet in place. If that fails, its body is lost.
    #[inline]
    pub(crate) fn open(
        self,
        packet: &mut [u8],
        pn: PacketNumber,
        keys: &mut OpenKeys,
    ) -> Result<Opened, neqo_crypto::Error> {
        let (header, body) = packet
            .get_mut(..self.len)
            .and_then(|packet| packet.split_at_mut_checked(self.header_len))
            .ok_or(neqo_crypto::Error::Internal(
                "not the packet of this header",
            ))?;
        let len = keys.open(pn, header, body)?.len();
        Ok(Opened {
            first: self.first,
            payload: self.header_len..self.header_len + len,
        })
    }
}

/// A packet that is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    first: u8,
    payload: Range<usize>,
}

impl Opened {
    /// Where the frames are in the packet, once what its header says is found to be in order.
    pub(crate) fn payload(&self) -> Result<Range<usize>, Violation> {
        let reserved = if self.first & FORM_LONG == 0 {
            RESERVED_SHORT
        } else {
            RESERVED_LONG
        };
        // hardening R3749
        //= rfc9000#section-17.2
        //# An endpoint MUST treat receipt of a packet that has a non-zero value for these
        //# bits after removing both packet and header protection as a connection error
        //# of type PROTOCOL_VIOLATION.
        //= rfc9000#section-17.3.1
        //# An endpoint MUST treat
        //# receipt of a packet that has a non-zero value for these bits, after removing
        //# both packet and header protection, as a connection error of type
        if self.first & reserved != 0 {
            return Err(Violation::ProtocolViolation("reserved bits are not zero"));
        }
        //= rfc9000#section-12.4
        //# An endpoint MUST
        //# treat receipt of a packet containing no frames as a connection error of type
        //# PROTOCOL_VIOLATION.
        if self.payload.is_empty() {
            return Err(Violation::ProtocolViolation("packet without frames"));
        }
        Ok(self.payload.clone())
    }
}

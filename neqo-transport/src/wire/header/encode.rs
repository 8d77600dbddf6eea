//! Writes the headers of protected packets; sealing fills in the length and masks.

use neqo_common::varint;
use neqo_crypto::{Level, Version};

use super::{FORM_LONG, KEY_PHASE, LongType, QUIC_BIT, SPIN_BIT};
use crate::{
    PacketNumber,
    cid::id::ConnectionId,
    tx::packet::HeaderLayout,
    wire::{pn, put::Put},
};

/// The Length field always has two bytes, which say up to 16,383.
const LENGTH_LEN: usize = 2;
const LENGTH_PLACEHOLDER: [u8; LENGTH_LEN] = [0x40, 0];

/// A long header to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongHeader<'a> {
    /// Initial, 0-RTT or Handshake.
    pub level: Level,
    pub version: Version,
    pub dcid: &'a ConnectionId,
    pub scid: &'a ConnectionId,
    /// For Initial packets of clients.
    pub token: &'a [u8],
    /// The QUIC Bit; false only if the peer sent `grease_quic_bit` (RFC 9287 §3.1).
    pub quic_bit: bool,
}

impl LongHeader<'_> {
    /// How many bytes it has with a packet number of `pn_len` bytes.
    pub(crate) fn len(&self, pn_len: usize) -> usize {
        const FIRST_VERSION_AND_CID_LENGTHS: usize = 1 + 4 + 2;
        let token = match self.level {
            Level::Initial => varint::len(token_len(self.token)) + self.token.len(),
            _ => 0,
        };
        FIRST_VERSION_AND_CID_LENGTHS
            + self.dcid.len()
            + self.scid.len()
            + token
            + LENGTH_LEN
            + pn_len
    }

    /// Writes it with the low `pn_len` bytes of `pn`.
    pub(crate) fn write(&self, put: &mut impl Put, pn: PacketNumber, pn_len: usize) -> HeaderLayout {
        let kind = LongType::from_level(self.level);
        debug_assert!(kind.is_some(), "1-RTT packets have short headers");
        let kind = kind.map_or(0, |kind| kind.bits(self.version));
        put.byte(FORM_LONG | quic_bit(self.quic_bit) | kind | pn_len_bits(pn_len));
        put.put(&self.version.wire_version().to_be_bytes());
        cid(put, self.dcid);
        cid(put, self.scid);
        if self.level == Level::Initial {
            put.varint(token_len(self.token));
            put.put(self.token);
        }
        put.put(&LENGTH_PLACEHOLDER);
        pn::encode(put, pn, pn_len);
        let pn_at = self.len(0);
        HeaderLayout {
            length_at: Some(pn_at - LENGTH_LEN),
            pn_at,
            pn_len,
        }
    }
}

/// A short header to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortHeader<'a> {
    pub dcid: &'a ConnectionId,
    pub spin: bool,
    pub key_phase: bool,
    /// The QUIC Bit; false only if the peer sent `grease_quic_bit` (RFC 9287 §3.1).
    pub quic_bit: bool,
}

impl ShortHeader<'_> {
    /// How many bytes it has with a packet number of `pn_len` bytes.
    pub(crate) fn len(&self, pn_len: usize) -> usize {
        1 + self.dcid.len() + pn_len
    }

    /// Writes it with the low `pn_len` bytes of `pn`.
    #[inline]
    pub(crate) fn write(&self, put: &mut impl Put, pn: PacketNumber, pn_len: usize) -> HeaderLayout {
        let spin = if self.spin { SPIN_BIT } else { 0 };
        let phase = if self.key_phase { KEY_PHASE } else { 0 };
        put.byte(quic_bit(self.quic_bit) | spin | phase | pn_len_bits(pn_len));
        put.put(self.dcid);
        pn::encode(put, pn, pn_len);
        HeaderLayout {
            length_at: None,
            pn_at: self.len(0),
            pn_len,
        }
    }
}

/// Writes a connection ID behind its length.
pub(super) fn cid(put: &mut impl Put, cid: &ConnectionId) {
    put.byte(u8::try_from(cid.len()).unwrap_or_default());
    put.put(cid);
}

fn token_len(token: &[u8]) -> u64 {
    u64::try_from(token.len()).unwrap_or(u64::MAX)
}

const fn quic_bit(set: bool) -> u8 {
    if set { QUIC_BIT } else { 0 }
}

/// The Packet Number Length field, one less than the length.
fn pn_len_bits(pn_len: usize) -> u8 {
    debug_assert!((1..=pn::MAX_LEN).contains(&pn_len));
    u8::try_from(pn_len.saturating_sub(1)).unwrap_or_default() & super::PN_LEN_MASK
}

//! Writes the headers of protected packets; sealing fills in the length and masks.

use neqo_common::varint;
use neqo_crypto::Version;

use super::{FORM_LONG, KEY_PHASE, LongType, PN_LEN_MASK, QUIC_BIT};
use crate::{
    PacketNumber,
    cid::id::ConnectionId,
    tx::packet::HeaderLayout,
    wire::{pn, put::Put},
};

/// The Length field always has two bytes, which say up to 16,383.
const LENGTH_LEN: usize = 2;
const LENGTH_PLACEHOLDER: [u8; LENGTH_LEN] = [0x40, 0];

/// A packet number, and the largest one in its space that the peer has acknowledged.
type Number = (PacketNumber, Option<PacketNumber>);

/// The header of an Initial, 0-RTT or Handshake packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongHeader<'a> {
    pub version: Version,
    /// Any but Retry, which is not protected.
    pub kind: LongType,
    pub dcid: ConnectionId,
    pub scid: ConnectionId,
    /// For Initial packets alone.
    pub token: &'a [u8],
}

impl LongHeader<'_> {
    /// Writes it; returns where its fields are. Nothing is written if it does not fit.
    pub(crate) fn write(&self, put: &mut impl Put, (pn, acked): Number) -> Option<HeaderLayout> {
        debug_assert!(self.kind != LongType::Retry, "Retry is not protected");
        let pn_len = pn::len(pn, acked);
        let pn_at = self.pn_offset();
        if pn_at + pn_len > put.remaining() {
            return None;
        }
        let kind = self.kind.bits(self.version);
        put.byte(FORM_LONG | QUIC_BIT | kind | pn_len_bits(pn_len));
        put.put(&self.version.wire_version().to_be_bytes());
        cid(put, &self.dcid);
        cid(put, &self.scid);
        if self.kind == LongType::Initial {
            put.varint(token_len(self.token));
            put.put(self.token);
        }
        put.put(&LENGTH_PLACEHOLDER);
        pn::encode(put, pn, pn_len);
        Some(HeaderLayout {
            length_at: Some(pn_at - LENGTH_LEN),
            pn_at,
            pn_len,
        })
    }

    /// Where the packet number is in the packet.
    fn pn_offset(&self) -> usize {
        const FIRST_VERSION_AND_CID_LENGTHS: usize = 1 + 4 + 2;
        let token = match self.kind {
            LongType::Initial => varint::len(token_len(self.token)) + self.token.len(),
            _ => 0,
        };
        FIRST_VERSION_AND_CID_LENGTHS + self.dcid.len() + self.scid.len() + token + LENGTH_LEN
    }
}

/// Writes the header of a 1-RTT packet, and where its fields are. Nothing is written if it does
/// not fit. The spin bit is always 0: the path learns no round-trip times (RFC 9000 §17.4).
#[inline]
pub(crate) fn short(
    put: &mut impl Put,
    dcid: &ConnectionId,
    key_phase: bool,
    (pn, acked): Number,
) -> Option<HeaderLayout> {
    let pn_len = pn::len(pn, acked);
    let pn_at = 1 + dcid.len();
    if pn_at + pn_len > put.remaining() {
        return None;
    }
    let phase = if key_phase { KEY_PHASE } else { 0 };
    put.byte(QUIC_BIT | phase | pn_len_bits(pn_len));
    put.put(dcid);
    pn::encode(put, pn, pn_len);
    Some(HeaderLayout {
        length_at: None,
        pn_at,
        pn_len,
    })
}

/// Writes a connection ID behind its length.
pub(super) fn cid(put: &mut impl Put, cid: &ConnectionId) {
    put.byte(u8::try_from(cid.len()).unwrap_or_default());
    put.put(cid);
}

fn token_len(token: &[u8]) -> u64 {
    u64::try_from(token.len()).unwrap_or(u64::MAX)
}

/// The Packet Number Length field, one less than the length.
fn pn_len_bits(pn_len: usize) -> u8 {
    u8::try_from(pn_len.saturating_sub(1)).unwrap_or_default() & PN_LEN_MASK
}

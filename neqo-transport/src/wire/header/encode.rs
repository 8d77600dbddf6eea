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

/// Writes the header of an Initial, 0-RTT or Handshake packet, and where its fields are. `token`
/// is for Initial packets alone. Nothing is written if it does not fit.
pub(crate) fn long(
    put: &mut impl Put,
    (version, kind): (Version, LongType),
    (dcid, scid): (&ConnectionId, &ConnectionId),
    token: &[u8],
    (pn, acked): Number,
) -> Option<HeaderLayout> {
    debug_assert!(kind != LongType::Retry, "Retry is not protected");
    let pn_len = pn::len(pn, acked);
    let token = (kind == LongType::Initial).then_some(token);
    let pn_at = pn_offset(dcid, scid, token);
    if pn_at + pn_len > put.remaining() {
        return None;
    }
    put.byte(FORM_LONG | QUIC_BIT | kind.bits(version) | pn_len_bits(pn_len));
    put.put(&version.wire_version().to_be_bytes());
    cid(put, dcid);
    cid(put, scid);
    if let Some(token) = token {
        put.varint(token_len(token));
        put.put(token);
    }
    put.put(&LENGTH_PLACEHOLDER);
    pn::encode(put, pn, pn_len);
    Some(HeaderLayout {
        length_at: Some(pn_at - LENGTH_LEN),
        pn_at,
        pn_len,
    })
}

/// Where the packet number is in a packet with a long header.
fn pn_offset(dcid: &ConnectionId, scid: &ConnectionId, token: Option<&[u8]>) -> usize {
    const FIRST_VERSION_AND_CID_LENGTHS: usize = 1 + 4 + 2;
    let token = token.map_or(0, |t| varint::len(token_len(t)) + t.len());
    FIRST_VERSION_AND_CID_LENGTHS + dcid.len() + scid.len() + token + LENGTH_LEN
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

//! The front of a datagram: which packet it is and where it ends.

use neqo_common::Decoder;
use neqo_crypto::{Level, Version};

use super::{
    FORM_LONG, LongType, QUIC_BIT, protected::Protected, retry::Retry,
    version_negotiation::VersionNegotiation,
};
use crate::{
    cid::id::{ConnectionId, ConnectionIdDecoder},
    stats::DropReason,
    version::Wire,
};

/// Whether packets with a QUIC Bit of 0 are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuicBit {
    /// They are dropped (RFC 9000 §17.2, §17.3.1).
    Required,
    /// They are taken, because the `grease_quic_bit` transport parameter was sent (RFC 9287 §3).
    #[cfg_attr(not(test), expect(dead_code, reason = "the parameter is not sent yet"))]
    Any,
}

/// A packet at the front of a datagram.
#[derive(Clone, Debug)]
pub(crate) enum Packet<'a> {
    /// Initial, 0-RTT, Handshake or 1-RTT; more packets may follow it.
    Protected(Protected),
    /// Retry, to the end of the datagram.
    Retry(Retry<'a>),
    /// Version Negotiation, to the end of the datagram.
    VersionNegotiation(VersionNegotiation<'a>),
    /// A version that this crate does not know, to the end of the datagram.
    OtherVersion(OtherVersion<'a>),
}

/// What is known of a packet of an unknown version (RFC 8999 §5.1); enough to answer it with a
/// Version Negotiation packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherVersion<'a> {
    pub version: Wire,
    /// At most 255 bytes.
    pub dcid: &'a [u8],
    /// At most 255 bytes.
    pub scid: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Looks at the packet at the front of `datagram`. `cids` finds the end of the connection ID
    /// of short headers.
    pub(crate) fn decode(
        datagram: &'a [u8],
        cids: &dyn ConnectionIdDecoder,
        quic_bit: QuicBit,
    ) -> Result<Self, DropReason> {
        let mut dec = Decoder::new(datagram);
        let first = dec.decode_byte().ok_or(DropReason::Header)?;
        if first & FORM_LONG == 0 {
            check_quic_bit(first, quic_bit)?;
            return short(&mut dec, datagram.len(), cids).map(Self::Protected);
        }
        let invariant = invariant(&mut dec).ok_or(DropReason::Header)?;
        if invariant.version == VersionNegotiation::VERSION {
            let (dcid, scid) = (invariant.dcid, invariant.scid);
            return VersionNegotiation::decode(dcid, scid, dec.decode_remainder())
                .map(Self::VersionNegotiation);
        }
        let Ok(version) = Version::try_from(invariant.version) else {
            return Ok(Self::OtherVersion(invariant));
        };
        check_quic_bit(first, quic_bit)?;
        //= rfc9000#section-17.2
        //# Endpoints that receive a version 1 long header with a value larger than 20
        //# MUST drop the packet.
        let cid = |bytes| ConnectionId::new(bytes).ok_or(DropReason::Header);
        let (dcid, scid) = (cid(invariant.dcid)?, cid(invariant.scid)?);
        let level = match LongType::of(first, version) {
            LongType::Initial => Level::Initial,
            LongType::ZeroRtt => Level::ZeroRtt,
            LongType::Handshake => Level::Handshake,
            LongType::Retry => {
                return Retry::decode(version, dcid, scid, datagram, dec.offset()).map(Self::Retry);
            }
        };
        long(&mut dec, level, version, dcid, scid)
            .map(Self::Protected)
            .ok_or(DropReason::Header)
    }
}

/// The destination connection ID of the packet at the front of `datagram`, of any version, without
/// a look at the rest: what a server routes by.
pub(crate) fn peek_dcid<'a>(
    datagram: &'a [u8],
    cids: &dyn ConnectionIdDecoder,
) -> Option<&'a [u8]> {
    let mut dec = Decoder::new(datagram);
    if dec.decode_byte()? & FORM_LONG == 0 {
        cids.decode_cid(&mut dec)
            .map(crate::cid::id::ConnectionIdRef::as_slice)
    } else {
        invariant(&mut dec).map(|i| i.dcid)
    }
}

//= rfc9000#section-17.2
//# Packets containing a zero value for this bit are not
//# valid packets in this version and MUST be discarded.
//= rfc9000#section-17.3.1
//# Packets containing a zero
//# value for this bit are not valid packets in this version and MUST be discarded.
//= rfc9287#section-3
//# An endpoint that advertises the grease_quic_bit transport parameter MUST accept
//# packets with the QUIC Bit set to a value of 0.
#[inline]
fn check_quic_bit(first: u8, rule: QuicBit) -> Result<(), DropReason> {
    if first & QUIC_BIT == 0 && rule == QuicBit::Required {
        Err(DropReason::Header)
    } else {
        Ok(())
    }
}

#[inline]
fn short(
    dec: &mut Decoder<'_>,
    len: usize,
    cids: &dyn ConnectionIdDecoder,
) -> Result<Protected, DropReason> {
    let dcid = cids.decode_cid(dec).ok_or(DropReason::ConnectionId)?.into();
    Ok(Protected::short(dcid, dec.offset(), len))
}

/// What long headers of all versions have behind the first byte.
fn invariant<'a>(dec: &mut Decoder<'a>) -> Option<OtherVersion<'a>> {
    Some(OtherVersion {
        version: dec.decode_uint()?,
        dcid: dec.decode_vec(1)?,
        scid: dec.decode_vec(1)?,
    })
}

/// What Initial, 0-RTT and Handshake packets have behind the connection IDs.
fn long(
    dec: &mut Decoder<'_>,
    level: Level,
    version: Version,
    dcid: ConnectionId,
    scid: ConnectionId,
) -> Option<Protected> {
    let token = if level == Level::Initial {
        let token = dec.decode_vvec()?;
        dec.offset() - token.len()..dec.offset()
    } else {
        0..0
    };
    let length = usize::try_from(dec.decode_varint()?).ok()?;
    let pn_at = dec.offset();
    dec.decode(length)?;
    Some(Protected::long(
        level,
        version,
        [dcid, scid],
        token,
        pn_at..dec.offset(),
    ))
}

//! Retry packets (RFC 9000 §17.2.5, RFC 9001 §5.8).

use neqo_common::Random;
use neqo_crypto::Version;

use super::{FORM_LONG, LongType, QUIC_BIT};
use crate::{Res, cid::id::ConnectionId, stats::DropReason, wire::put::Put as _};

const TAG_LEN: usize = 16;

/// A Retry packet that is not authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry<'a> {
    pub version: Version,
    pub dcid: ConnectionId,
    pub scid: ConnectionId,
    /// Not empty.
    pub token: &'a [u8],
    packet: &'a [u8],
}

impl<'a> Retry<'a> {
    /// The Retry in `packet`, whose token starts at `token_at`.
    pub(super) fn decode(
        version: Version,
        dcid: ConnectionId,
        scid: ConnectionId,
        packet: &'a [u8],
        token_at: usize,
    ) -> Result<Self, DropReason> {
        //= rfc9000#section-17.2.5.2
        //# A client MUST discard a Retry packet with a zero-length Retry
        //# Token field.
        let token = packet
            .get(token_at..)
            .and_then(<[u8]>::split_last_chunk::<TAG_LEN>)
            .map(|(token, _)| token)
            .filter(|token| !token.is_empty())
            .ok_or(DropReason::Retry)?;
        Ok(Self {
            version,
            dcid,
            scid,
            token,
            packet,
        })
    }

    /// Whether it answers the Initial packet that a client sent to `odcid`.
    //= rfc9000#section-17.2.5.1
    //# A client MUST discard a Retry packet that
    //# contains a Source Connection ID field that is identical to the Destination
    //# Connection ID field of its Initial packet.
    //= rfc9000#section-17.2.5.2
    //# Clients MUST discard Retry packets that have a Retry Integrity Tag that cannot
    //# be validated; see {{Section 5.8 of QUIC-TLS}}.
    pub(crate) fn is_valid(&self, odcid: &ConnectionId) -> bool {
        // hardening R3785
        self.scid != *odcid && neqo_crypto::retry::verify(self.version, odcid, self.packet)
    }
}

/// A Retry packet that answers an Initial packet from `dcid` to `odcid`; `scid`, which differs
/// from `odcid`, is where the client sends the next one.
pub(crate) fn encode(
    version: Version,
    [dcid, scid, odcid]: [&ConnectionId; 3],
    token: &[u8],
    rng: &mut Random,
) -> Res<Vec<u8>> {
    const UNUSED: u8 = 0x0f;
    //= rfc9000#section-17.2.5.1
    //# This value MUST NOT be equal to the Destination Connection ID field of
    //# the packet sent by the client.
    debug_assert_ne!(scid, odcid);
    let [random] = rng.bytes();
    let mut out = Vec::with_capacity(7 + dcid.len() + scid.len() + token.len() + TAG_LEN);
    out.byte(FORM_LONG | QUIC_BIT | LongType::Retry.bits(version) | random & UNUSED);
    out.put(&version.wire_version().to_be_bytes());
    super::encode::cid(&mut out, dcid);
    super::encode::cid(&mut out, scid);
    out.put(token);
    let tag = neqo_crypto::retry::tag(version, odcid, &out)?;
    out.put(&tag);
    Ok(out)
}

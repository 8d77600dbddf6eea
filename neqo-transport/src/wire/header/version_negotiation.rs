//! Version Negotiation packets (RFC 8999 §6, RFC 9000 §17.2.1).

use neqo_common::Random;
use neqo_crypto::Version;

use super::{FORM_LONG, QUIC_BIT};
use crate::{
    stats::DropReason,
    version::{self, Wire},
    wire::put::Put as _,
};

const VERSION_LEN: usize = size_of::<Wire>();

/// A Version Negotiation packet. Nothing in it is authenticated, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionNegotiation<'a> {
    /// At most 255 bytes.
    pub dcid: &'a [u8],
    /// At most 255 bytes.
    pub scid: &'a [u8],
    versions: &'a [[u8; VERSION_LEN]],
}

impl<'a> VersionNegotiation<'a> {
    /// What stands in the Version field.
    pub(super) const VERSION: Wire = 0;

    pub(super) fn decode(
        dcid: &'a [u8],
        scid: &'a [u8],
        versions: &'a [u8],
    ) -> Result<Self, DropReason> {
        //= rfc8999#section-6
        //# An endpoint MUST ignore a packet that contains no Supported Version
        //# fields or contains a truncated Supported Version value.
        match versions.as_chunks() {
            (versions, []) if !versions.is_empty() => Ok(Self {
                dcid,
                scid,
                versions,
            }),
            _ => Err(DropReason::VersionNegotiation),
        }
    }

    /// The versions that the server offers.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Wire> + use<'a> {
        self.versions.iter().map(|v| Wire::from_be_bytes(*v))
    }
}

/// A packet that offers `versions`, and one that does not exist, in answer to one from `scid` to
/// `dcid`, which may have any length that RFC 8999 allows.
//= rfc9000#section-17.2.1
//# The server MUST include the value from the Source Connection ID field of the
//# packet it receives in the Destination Connection ID field.
pub(crate) fn encode(dcid: &[u8], scid: &[u8], versions: &[Version], rng: &mut Random) -> Vec<u8> {
    const UNUSED: u8 = 0x3f;
    let mut out = Vec::new();
    let [random] = rng.bytes();
    out.byte(FORM_LONG | QUIC_BIT | random & UNUSED);
    out.put(&VersionNegotiation::VERSION.to_be_bytes());
    for cid in [scid, dcid] {
        debug_assert!(u8::try_from(cid.len()).is_ok(), "RFC 8999 allows no more");
        out.byte(u8::try_from(cid.len()).unwrap_or(u8::MAX));
        out.put(cid);
    }
    for version in versions {
        out.put(&version.wire_version().to_be_bytes());
    }
    out.put(&version::grease(rng).to_be_bytes());
    out
}

//! Sealing packets.

use std::{
    fmt::{self, Debug, Formatter},
    sync::Arc,
};

use super::{hkdf, nonce};
use crate::{
    error::{Error, Res},
    primitives::{HeaderKey, NONCE_LEN, Primitives, Sealer, TAG_LEN},
    secret::Secret,
    version::Version,
};

/// The keys that protect the packets of one level that we send.
///
/// Sealing does not allocate.
pub struct SealKeys {
    primitives: Primitives,
    version: Version,
    aead: Sealer,
    iv: [u8; NONCE_LEN],
    // Shared by the generations of a key update, which all use the first one's.
    header: Arc<HeaderKey>,
    secret: Secret,
    sealed: u64,
}

impl SealKeys {
    /// Derives the keys of `secret` with the labels of `version`.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn new(version: Version, secret: &Secret) -> Res<Self> {
        Self::with(Primitives::DEFAULT, version, secret)
    }

    /// Like `new`, with a library of the caller's choice instead of the default one.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn with(primitives: Primitives, version: Version, secret: &Secret) -> Res<Self> {
        let header = Arc::new(hkdf::header_key(primitives, version, secret)?);
        Self::with_header(primitives, version, secret.clone(), header)
    }

    fn with_header(
        primitives: Primitives,
        version: Version,
        secret: Secret,
        header: Arc<HeaderKey>,
    ) -> Res<Self> {
        let (aead, iv) = hkdf::packet_key(primitives, version, &secret, Sealer::new)?;
        Ok(Self {
            primitives,
            version,
            aead,
            iv,
            header,
            secret,
            sealed: 0,
        })
    }

    /// How much a sealed packet is longer than its plaintext, in bytes.
    #[must_use]
    pub const fn tag_len() -> usize {
        TAG_LEN
    }

    /// The secret that these keys came from.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Seals in place: `packet` is a header of `header_len` bytes, the plaintext, and 16 bytes of room for the tag.
    /// The header is authenticated and not masked.
    ///
    /// # Errors
    /// `KeyExhausted` at the confidentiality limit, after which nothing more is sealed;
    /// `Internal` if `packet` is too short for its header and the tag.
    //= rfc9001#section-6.6
    //# Endpoints MUST count the number of encrypted packets for each set of keys. If
    //# the total number of encrypted packets with the same key exceeds the
    //# confidentiality limit for the selected AEAD, the endpoint MUST stop using those
    #[inline]
    pub fn seal(&mut self, pn: u64, packet: &mut [u8], header_len: usize) -> Res<()> {
        if self.remaining() == 0 {
            return Err(Error::KeyExhausted);
        }
        let short = Error::Internal("packet too short to seal");
        let Some((header, body)) = packet.split_at_mut_checked(header_len) else {
            return Err(short);
        };
        let Some((data, tag)) = body.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(short);
        };
        self.aead.seal(nonce(self.iv, pn), header, data, tag)?;
        self.sealed += 1;
        Ok(())
    }

    /// The header protection mask of a sample (RFC 9001 §5.4).
    #[inline]
    #[must_use]
    pub fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        self.header.mask(sample)
    }

    /// The keys that follow in a key update (RFC 9001 §6).
    ///
    /// # Errors
    /// `Internal` only.
    //= rfc9001#section-6.1
    //# The header protection key is not updated.
    pub fn next(&self) -> Res<Self> {
        let (primitives, version) = (self.primitives, self.version);
        let secret = hkdf::next_secret(primitives, version, &self.secret)?;
        Self::with_header(primitives, version, secret, Arc::clone(&self.header))
    }

    /// How many packets these keys may still seal.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.secret
            .cipher
            .confidentiality_limit()
            .saturating_sub(self.sealed)
    }

    /// Counts `packets` as sealed, so that a test reaches the limit.
    #[cfg(test)]
    pub(super) const fn count(&mut self, packets: u64) {
        self.sealed += packets;
    }
}

impl Debug for SealKeys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKeys")
            .field("primitives", &self.primitives)
            .field("version", &self.version)
            .field("secret", &self.secret)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

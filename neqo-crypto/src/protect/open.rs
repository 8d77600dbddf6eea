//! Opening packets.

use std::{
    fmt::{self, Debug, Formatter},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{hkdf, nonce};
use crate::{
    error::Res,
    primitives::{HeaderKey, NONCE_LEN, Opener, Primitives},
    secret::Secret,
    version::Version,
};

/// The keys that open the packets of one level that we receive.
///
/// Opening does not allocate.
pub struct OpenKeys {
    primitives: Primitives,
    version: Version,
    aead: Opener,
    iv: [u8; NONCE_LEN],
    // Both are shared by the generations of a key update: the header key because it stays the same, the count because
    // the limit is the connection's. The count is touched by failures only.
    header: Arc<HeaderKey>,
    forged: Arc<AtomicU64>,
    secret: Secret,
}

impl OpenKeys {
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
        let (aead, iv) = hkdf::packet_key(primitives, version, secret, Opener::new)?;
        Ok(Self {
            primitives,
            version,
            aead,
            iv,
            header: Arc::new(hkdf::header_key(primitives, version, secret)?),
            forged: Arc::default(),
            secret: secret.clone(),
        })
    }

    /// The secret that these keys came from.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Opens in place: `header` is the packet's header with its protection removed, `body` the ciphertext and the tag.
    /// Gives the plaintext, which is a prefix of `body`.
    ///
    /// # Errors
    /// `Aead` if the packet does not authenticate; `body` is garbage then, and the failure is counted.
    //= rfc9001#section-6.6
    //# In addition to counting packets sent, endpoints MUST count the number of
    //# received packets that fail authentication during the lifetime of a connection.
    #[inline]
    pub fn open<'a>(&mut self, pn: u64, header: &[u8], body: &'a mut [u8]) -> Res<&'a mut [u8]> {
        self.aead
            .open(nonce(self.iv, pn), header, body)
            .inspect_err(|_| {
                self.forged.fetch_add(1, Ordering::Relaxed);
            })
    }

    /// The header protection mask of a sample (RFC 9001 §5.4).
    #[inline]
    #[must_use]
    pub fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        self.header.mask(sample)
    }

    /// The keys that follow in a key update (RFC 9001 §6). Old and new keys count failures together.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn next(&self) -> Res<Self> {
        let (primitives, version) = (self.primitives, self.version);
        let secret = hkdf::next_secret(primitives, version, &self.secret)?;
        let (aead, iv) = hkdf::packet_key(primitives, version, &secret, Opener::new)?;
        Ok(Self {
            primitives,
            version,
            aead,
            iv,
            header: Arc::clone(&self.header),
            forged: Arc::clone(&self.forged),
            secret,
        })
    }

    /// How many packets have failed to authenticate under this level's keys, all generations together.
    #[must_use]
    pub fn forged(&self) -> u64 {
        self.forged.load(Ordering::Relaxed)
    }

    /// True if so many packets failed that the connection must be given up with `AEAD_LIMIT_REACHED`.
    //= rfc9001#section-6.6
    //# connection, across all keys, exceeds the integrity limit for the selected AEAD,
    //# the endpoint MUST immediately close the connection with a connection error of
    //# type AEAD_LIMIT_REACHED and not process any more packets.
    #[inline]
    #[must_use]
    pub fn integrity_exhausted(&self) -> bool {
        self.forged() > self.secret.cipher.integrity_limit()
    }

    /// Counts `packets` as forged, so that a test reaches the limit.
    #[cfg(test)]
    pub(super) fn count(&self, packets: u64) {
        self.forged.fetch_add(packets, Ordering::Relaxed);
    }
}

impl Debug for OpenKeys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenKeys")
            .field("primitives", &self.primitives)
            .field("version", &self.version)
            .field("secret", &self.secret)
            .field("forged", &self.forged())
            .finish_non_exhaustive()
    }
}

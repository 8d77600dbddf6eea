//! The primitives by aws-lc-rs.

use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey, quic},
    constant_time, digest, hkdf, hmac, rand,
};

use super::{NONCE_LEN, TAG_LEN};
use crate::{
    constants::Cipher,
    error::{Error, Res},
};

/// Fills `buf` from the backend's cryptographic random generator.
///
/// # Panics
/// If the operating system has no randomness to seed it: nothing that uses keys can go on from there.
pub fn random(buf: &mut [u8]) {
    rand::fill(buf).expect("the system's random generator works");
}

/// SHA-256 of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// Compares in a time that depends on the lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// HKDF's pseudorandom key (RFC 5869).
pub(crate) struct Prk(hkdf::Prk);

impl Prk {
    const fn hash(cipher: Cipher) -> hkdf::Algorithm {
        match cipher {
            Cipher::Aes128GcmSha256 | Cipher::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Cipher::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }

    /// Takes a traffic secret as the key.
    pub(crate) fn new(cipher: Cipher, secret: &[u8]) -> Self {
        Self(hkdf::Prk::new_less_safe(Self::hash(cipher), secret))
    }

    /// HKDF-Extract with the hash of `cipher`.
    pub(crate) fn extract(cipher: Cipher, salt: &[u8], ikm: &[u8]) -> Self {
        Self(hkdf::Salt::new(Self::hash(cipher), salt).extract(ikm))
    }

    /// HKDF-Expand of the concatenation of `info`.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Res<()> {
        struct Len(usize);
        impl hkdf::KeyType for Len {
            fn len(&self) -> usize {
                self.0
            }
        }
        self.0
            .expand(info, Len(out.len()))
            .and_then(|okm| okm.fill(out))
            .map_err(|_| Error::Internal("HKDF-Expand"))
    }
}

/// An AEAD key; the caller answers for nonces.
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        let algorithm = match cipher {
            Cipher::Aes128GcmSha256 => &aead::AES_128_GCM,
            Cipher::Aes256GcmSha384 => &aead::AES_256_GCM,
            Cipher::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
        };
        UnboundKey::new(algorithm, key)
            .map(|k| Self(LessSafeKey::new(k)))
            .map_err(|_| Error::Internal("AEAD key length"))
    }

    /// Encrypts `data` in place; `tag` has room for `TAG_LEN` bytes.
    #[inline]
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8],
    ) -> Res<()> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_scatter(nonce, Aad::from(aad), data, &[], tag)
            .map_err(|_| Error::Internal("AEAD seal"))
    }

    /// Decrypts `body` (ciphertext and tag) in place and gives the plaintext.
    #[inline]
    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        body: &'a mut [u8],
    ) -> Res<&'a mut [u8]> {
        if body.len() < TAG_LEN {
            return Err(Error::Aead);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .open_in_place(nonce, Aad::from(aad), body)
            .map_err(|_| Error::Aead)
    }
}

/// A header protection key (RFC 9001 §5.4).
pub(crate) struct HeaderKey(quic::HeaderProtectionKey);

impl HeaderKey {
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        let algorithm = match cipher {
            Cipher::Aes128GcmSha256 => &quic::AES_128,
            Cipher::Aes256GcmSha384 => &quic::AES_256,
            Cipher::ChaCha20Poly1305Sha256 => &quic::CHACHA20,
        };
        quic::HeaderProtectionKey::new(algorithm, key)
            .map(Self)
            .map_err(|_| Error::Internal("header key length"))
    }

    #[inline]
    pub(crate) fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        self.0
            .new_mask(sample)
            .expect("a sample of 16 bytes has a mask")
    }
}

/// An HMAC-SHA256 key.
#[derive(Clone)]
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn sign(&self, data: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, data).as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc() {
        assert_eq!(
            hex::encode(sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn random_fills() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        random(&mut a);
        random(&mut b);
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }

    #[test]
    fn equality() {
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd"));
        assert!(!constant_time_eq(b"abc", b"ab"));
    }

    // RFC 4231, test case 2.
    #[test]
    fn hmac_vector() {
        let mac = HmacKey::new(b"Jefe").sign(b"what do ya want for nothing?");
        assert_eq!(
            hex::encode(mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn short_ciphertext_is_refused() {
        let key = Aead::new(Cipher::Aes128GcmSha256, &[0; 16]).unwrap();
        for n in 0..TAG_LEN {
            assert_eq!(
                key.open([0; 12], &[], &mut vec![0; n]).unwrap_err(),
                Error::Aead
            );
        }
        assert!(Aead::new(Cipher::Aes128GcmSha256, &[0; 15]).is_err());
        assert!(HeaderKey::new(Cipher::Aes256GcmSha384, &[0; 16]).is_err());
    }
}

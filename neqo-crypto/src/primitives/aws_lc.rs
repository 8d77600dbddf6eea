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

pub(super) fn random(buf: &mut [u8]) {
    rand::fill(buf).expect("the system's random generator works");
}

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

pub(super) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

pub(crate) struct Prk(hkdf::Prk);

impl Prk {
    const fn hash(cipher: Cipher) -> hkdf::Algorithm {
        match cipher {
            Cipher::Aes128GcmSha256 | Cipher::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Cipher::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "with NSS it can fail")]
    pub(super) fn new(cipher: Cipher, secret: &[u8]) -> Res<Self> {
        Ok(Self(hkdf::Prk::new_less_safe(Self::hash(cipher), secret)))
    }

    #[expect(clippy::unnecessary_wraps, reason = "with NSS it can fail")]
    pub(super) fn extract(cipher: Cipher, salt: &[u8], ikm: &[u8]) -> Res<Self> {
        Ok(Self(hkdf::Salt::new(Self::hash(cipher), salt).extract(ikm)))
    }

    pub(super) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Res<()> {
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

fn aead_key(cipher: Cipher, key: &[u8]) -> Res<LessSafeKey> {
    let algorithm = match cipher {
        Cipher::Aes128GcmSha256 => &aead::AES_128_GCM,
        Cipher::Aes256GcmSha384 => &aead::AES_256_GCM,
        Cipher::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
    };
    UnboundKey::new(algorithm, key)
        .map(LessSafeKey::new)
        .map_err(|_| Error::Internal("AEAD key length"))
}

pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        aead_key(cipher, key).map(Self)
    }

    #[inline]
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; TAG_LEN],
    ) -> Res<()> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_scatter(nonce, Aad::from(aad), data, &[], tag)
            .map_err(|_| Error::Internal("AEAD seal"))
    }
}

pub(crate) struct Opener(LessSafeKey);

impl Opener {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
        aead_key(cipher, key).map(Self)
    }

    #[inline]
    pub(super) fn open<'a>(
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

pub(crate) struct HeaderKey(quic::HeaderProtectionKey);

impl HeaderKey {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Res<Self> {
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
    pub(super) fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        self.0
            .new_mask(sample)
            .expect("a sample of 16 bytes has a mask")
    }
}

#[derive(Clone)]
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    #[expect(clippy::unnecessary_wraps, reason = "with NSS it can fail")]
    pub(super) fn new(key: &[u8]) -> Res<Self> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    pub(super) fn sign(&self, data: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, data).as_ref());
        out
    }
}

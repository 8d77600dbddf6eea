//! Encryption of tokens that only their maker reads back: address validation.

use std::fmt::{self, Debug, Formatter};

use zeroize::Zeroizing;

use crate::{
    constants::Cipher,
    error::{Error, Res},
    primitives::{NONCE_LEN, Opener, Primitives, Prk, Sealer, TAG_LEN, random},
};

const CIPHER: Cipher = Cipher::Aes256GcmSha384;
const SALT_LEN: usize = 16;

/// A random key that seals what this endpoint wants to get back unaltered and unread.
///
/// A sealed value is a random salt, the ciphertext and the tag. Each value has its own AEAD key and nonce, derived from
/// the salt, so that one `TokenKey` may seal any number of values.
pub struct TokenKey(Prk);

impl TokenKey {
    /// What [`TokenKey::seal`] adds to the length, in bytes.
    pub const EXPANSION: usize = SALT_LEN + TAG_LEN;

    /// A new key.
    ///
    /// # Panics
    /// As [`random`] does.
    #[must_use]
    pub fn random() -> Self {
        let mut key = Zeroizing::new([0; 48]);
        random(key.as_mut());
        let prk = Prk::new(Primitives::DEFAULT, CIPHER, key.as_ref());
        Self(prk.expect("any 48 bytes are a key"))
    }

    fn derive<K>(
        &self,
        salt: &[u8; SALT_LEN],
        make: impl FnOnce(Primitives, Cipher, &[u8]) -> Res<K>,
    ) -> Res<(K, [u8; NONCE_LEN])> {
        let mut key = Zeroizing::new([0; 32]);
        self.0.expand(&[b"token key", salt], key.as_mut())?;
        let mut nonce = [0; NONCE_LEN];
        self.0.expand(&[b"token iv", salt], &mut nonce)?;
        Ok((make(Primitives::DEFAULT, CIPHER, key.as_ref())?, nonce))
    }

    /// Encrypts `plaintext`; `aad` has to be the same at [`TokenKey::open`].
    ///
    /// # Errors
    /// `Internal` only.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Res<Vec<u8>> {
        let mut salt = [0; SALT_LEN];
        random(&mut salt);
        let (mut key, nonce) = self.derive(&salt, Sealer::new)?;
        let mut body = plaintext.to_vec();
        let mut tag = [0; TAG_LEN];
        key.seal(nonce, aad, &mut body, &mut tag)?;
        let mut out = Vec::with_capacity(plaintext.len() + Self::EXPANSION);
        out.extend_from_slice(&salt);
        out.extend_from_slice(&body);
        out.extend_from_slice(&tag);
        Ok(out)
    }

    /// Decrypts what [`TokenKey::seal`] of the same key made, or refuses.
    ///
    /// # Errors
    /// `Aead` for anything else, however short.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Res<Vec<u8>> {
        let (salt, body) = sealed.split_first_chunk().ok_or(Error::Aead)?;
        let (mut key, nonce) = self.derive(salt, Opener::new)?;
        let mut body = body.to_vec();
        let len = key.open(nonce, aad, &mut body)?.len();
        body.truncate(len);
        Ok(body)
    }
}

impl Debug for TokenKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_alteration() {
        let key = TokenKey::random();
        let sealed = key.seal(b"aad", b"secret").unwrap();
        assert_eq!(sealed.len(), 6 + TokenKey::EXPANSION);
        assert_eq!(key.open(b"aad", &sealed).unwrap(), b"secret");
        assert_eq!(key.open(b"AAD", &sealed), Err(Error::Aead));
        assert_eq!(TokenKey::random().open(b"aad", &sealed), Err(Error::Aead));
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert_eq!(key.open(b"aad", &bad), Err(Error::Aead), "byte {i}");
        }
    }

    // neqo's `SelfEncrypt::open` once cut short tokens past their end.
    #[test]
    fn short_tokens_are_refused() {
        let key = TokenKey::random();
        let sealed = key.seal(&[], b"secret").unwrap();
        for n in 0..sealed.len() {
            assert_eq!(key.open(&[], &sealed[..n]), Err(Error::Aead), "length {n}");
        }
    }

    #[test]
    fn empty_plaintext_and_fresh_salts() {
        let key = TokenKey::random();
        let a = key.seal(b"x", b"").unwrap();
        assert_ne!(a, key.seal(b"x", b"").unwrap());
        assert_eq!(key.open(b"x", &a).unwrap(), b"");
    }
}

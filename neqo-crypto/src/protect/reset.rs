//! Stateless reset tokens.

use std::fmt::{self, Debug, Formatter};

use crate::primitives::{HmacKey, Primitives, random};

/// A static key from which the stateless reset token of every connection id follows (RFC 9000 §10.3.2).
///
/// An endpoint that keeps the key over a restart can still reset the connections that it forgot.
#[derive(Clone)]
pub struct ResetKey(HmacKey);

impl ResetKey {
    /// A key from the random generator.
    ///
    /// # Panics
    /// As [`random`] does.
    #[must_use]
    pub fn random() -> Self {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        random(key.as_mut());
        Self::new(&key)
    }

    /// A key that the caller keeps.
    ///
    /// # Panics
    /// If NSS computes it and cannot start.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(HmacKey::new(Primitives::DEFAULT, key).expect("any 32 bytes are a key"))
    }

    /// The token of `cid`: HMAC-SHA256, truncated. To compare tokens use [`crate::constant_time_eq`] (hardening A27).
    //= rfc9000#section-10.3.2
    //# A single static key can be used across all connections to the same endpoint by
    //# generating the proof using a pseudorandom function that takes a static key and
    //# the connection ID chosen by the endpoint
    #[must_use]
    pub fn token(&self, cid: &[u8]) -> [u8; 16] {
        let mut token = [0; 16];
        for (t, m) in token.iter_mut().zip(self.0.sign(cid)) {
            *t = m;
        }
        token
    }
}

impl Debug for ResetKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_depend_on_key_and_cid() {
        let key = ResetKey::new(&[1; 32]);
        assert_eq!(key.token(b"cid"), ResetKey::new(&[1; 32]).token(b"cid"));
        assert_ne!(key.token(b"cid"), key.token(b"dic"));
        assert_ne!(key.token(b"cid"), ResetKey::new(&[2; 32]).token(b"cid"));
        assert_ne!(
            ResetKey::random().token(b"cid"),
            ResetKey::random().token(b"cid")
        );
    }
}

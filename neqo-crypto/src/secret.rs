//! Traffic secrets: what a TLS session yields and packet protection starts from.

use std::fmt::{self, Debug, Formatter};

use zeroize::Zeroizing;

use crate::{
    constants::{Cipher, Direction, Level},
    error::{Error, Res},
};

/// The longest traffic secret: SHA-384's output.
pub(crate) const MAX_SECRET_LEN: usize = 48;

/// A traffic secret of one level and direction. Its bytes are wiped on drop and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Which packets it protects.
    pub level: Level,
    /// Which way they go.
    pub direction: Direction,
    /// The cipher suite it is for.
    pub cipher: Cipher,
    bytes: Zeroizing<[u8; MAX_SECRET_LEN]>,
}

impl Secret {
    /// Copies a secret in.
    ///
    /// # Errors
    /// `Internal` if `bytes` has not the length of the suite's hash.
    pub fn new(level: Level, direction: Direction, cipher: Cipher, bytes: &[u8]) -> Res<Self> {
        if bytes.len() != cipher.secret_len() {
            return Err(Error::Internal("secret length"));
        }
        let mut own = Zeroizing::new([0; MAX_SECRET_LEN]);
        own.get_mut(..bytes.len())
            .ok_or(Error::Internal("secret length"))?
            .copy_from_slice(bytes);
        Ok(Self {
            level,
            direction,
            cipher,
            bytes: own,
        })
    }

    /// The secret itself: 32 or 48 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
            .get(..self.cipher.secret_len())
            .unwrap_or_default()
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("level", &self.level)
            .field("direction", &self.direction)
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_checked_and_bytes_are_hidden() {
        let c = Cipher::Aes256GcmSha384;
        assert!(Secret::new(Level::OneRtt, Direction::Read, c, &[7; 32]).is_err());
        let s = Secret::new(Level::OneRtt, Direction::Read, c, &[7; 48]).unwrap();
        assert_eq!(s.bytes(), &[7; 48]);
        assert!(!format!("{s:?}").contains('7'));
    }
}

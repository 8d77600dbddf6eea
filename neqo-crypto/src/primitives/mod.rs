//! The few primitives that packet protection stands on, behind names that no library shows through.
//!
//! Two libraries know them: aws-lc-rs, which the rustls backend needs anyway, and NSS. Where both are compiled in,
//! aws-lc-rs is the default, because it is the faster one, and the other can be chosen by value: [`Primitives`]. Each key
//! then remembers its library in an enum's tag. That costs a packet one branch which always goes the same way; with one
//! library there is nothing to branch on. What `benches/protect.rs` measures, and why the two differ, is told in `nss`.

#[cfg(feature = "rustls")]
mod aws_lc;
#[cfg(feature = "nss")]
mod nss;

#[cfg(test)]
mod tests;

use crate::{constants::Cipher, error::Res};

/// Length of an AEAD tag, in bytes; the same for every suite of QUIC (RFC 9001 §5.3).
pub const TAG_LEN: usize = 16;
/// Length of an AEAD nonce, in bytes.
pub(crate) const NONCE_LEN: usize = 12;

/// The library that computes packet protection. It need not be the one that does TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitives {
    /// aws-lc-rs.
    #[cfg(feature = "rustls")]
    AwsLc,
    /// Mozilla NSS.
    #[cfg(feature = "nss")]
    Nss,
}

impl Primitives {
    /// All that are compiled in, the default first.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "rustls")]
        Self::AwsLc,
        #[cfg(feature = "nss")]
        Self::Nss,
    ];

    /// What is used where nothing is chosen: aws-lc-rs if it is compiled in, else NSS.
    pub const DEFAULT: Self = {
        #[cfg(feature = "rustls")]
        let default = Self::AwsLc;
        #[cfg(not(feature = "rustls"))]
        let default = Self::Nss;
        default
    };
}

impl Default for Primitives {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Does the same with the value of either library.
macro_rules! either {
    ($either:expr, $value:ident => $then:expr) => {
        match $either {
            #[cfg(feature = "rustls")]
            Self::AwsLc($value) => $then,
            #[cfg(feature = "nss")]
            Self::Nss($value) => $then,
        }
    };
}

/// Makes a value of the chosen library.
macro_rules! make {
    ($primitives:expr, $name:ident :: $make:ident ($($arg:expr),*)) => {
        match $primitives {
            #[cfg(feature = "rustls")]
            Primitives::AwsLc => aws_lc::$name::$make($($arg),*).map(Self::AwsLc),
            #[cfg(feature = "nss")]
            Primitives::Nss => nss::$name::$make($($arg),*).map(Self::Nss),
        }
    };
}

/// A value of either library.
macro_rules! of_either {
    ($(#[$attr:meta])* $name:ident) => {
        $(#[$attr])*
        pub(crate) enum $name {
            #[cfg(feature = "rustls")]
            AwsLc(aws_lc::$name),
            #[cfg(feature = "nss")]
            Nss(nss::$name),
        }
    };
}

of_either! {
    /// HKDF's pseudorandom key (RFC 5869).
    Prk
}

impl Prk {
    /// Takes a traffic secret as the key.
    pub(crate) fn new(primitives: Primitives, cipher: Cipher, secret: &[u8]) -> Res<Self> {
        make!(primitives, Prk::new(cipher, secret))
    }

    /// HKDF-Extract with the hash of `cipher`.
    pub(crate) fn extract(
        primitives: Primitives,
        cipher: Cipher,
        salt: &[u8],
        ikm: &[u8],
    ) -> Res<Self> {
        make!(primitives, Prk::extract(cipher, salt, ikm))
    }

    /// HKDF-Expand of the concatenation of `info`.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Res<()> {
        either!(self, prk => prk.expand(info, out))
    }
}

of_either! {
    /// An AEAD key that seals; the caller answers for nonces.
    Sealer
}

impl Sealer {
    pub(crate) fn new(primitives: Primitives, cipher: Cipher, key: &[u8]) -> Res<Self> {
        make!(primitives, Sealer::new(cipher, key))
    }

    /// Encrypts `data` in place and writes `tag`.
    #[inline]
    pub(crate) fn seal(
        &mut self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; TAG_LEN],
    ) -> Res<()> {
        either!(self, key => key.seal(nonce, aad, data, tag))
    }
}

of_either! {
    /// An AEAD key that opens.
    Opener
}

impl Opener {
    pub(crate) fn new(primitives: Primitives, cipher: Cipher, key: &[u8]) -> Res<Self> {
        make!(primitives, Opener::new(cipher, key))
    }

    /// Decrypts `body` (ciphertext and tag) in place and gives the plaintext.
    #[inline]
    pub(crate) fn open<'a>(
        &mut self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        body: &'a mut [u8],
    ) -> Res<&'a mut [u8]> {
        either!(self, key => key.open(nonce, aad, body))
    }
}

of_either! {
    /// A header protection key (RFC 9001 §5.4).
    #[cfg_attr(
        all(feature = "rustls", feature = "nss"),
        expect(clippy::large_enum_variant, reason = "shared by `Arc`, so allocated once anyway")
    )]
    HeaderKey
}

impl HeaderKey {
    pub(crate) fn new(primitives: Primitives, cipher: Cipher, key: &[u8]) -> Res<Self> {
        make!(primitives, HeaderKey::new(cipher, key))
    }

    #[inline]
    pub(crate) fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        either!(self, key => key.mask(sample))
    }
}

of_either! {
    /// An HMAC-SHA256 key.
    #[derive(Clone)]
    #[cfg_attr(
        all(feature = "rustls", feature = "nss"),
        expect(clippy::large_enum_variant, reason = "an endpoint has one")
    )]
    HmacKey
}

impl HmacKey {
    pub(crate) fn new(primitives: Primitives, key: &[u8]) -> Res<Self> {
        make!(primitives, HmacKey::new(key))
    }

    pub(crate) fn sign(&self, data: &[u8]) -> [u8; 32] {
        either!(self, key => key.sign(data))
    }
}

impl Primitives {
    fn random(self, buf: &mut [u8]) {
        match self {
            #[cfg(feature = "rustls")]
            Self::AwsLc => aws_lc::random(buf),
            #[cfg(feature = "nss")]
            Self::Nss => nss::random(buf),
        }
    }

    fn sha256(self, data: &[u8]) -> [u8; 32] {
        match self {
            #[cfg(feature = "rustls")]
            Self::AwsLc => aws_lc::sha256(data),
            #[cfg(feature = "nss")]
            Self::Nss => nss::sha256(data),
        }
    }

    fn constant_time_eq(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            #[cfg(feature = "rustls")]
            Self::AwsLc => aws_lc::constant_time_eq(a, b),
            #[cfg(feature = "nss")]
            Self::Nss => nss::constant_time_eq(a, b),
        }
    }
}

/// Fills `buf` from the library's cryptographic random generator.
///
/// # Panics
/// If the operating system has no randomness to seed it, or NSS cannot start: nothing that uses keys can go on from there.
pub fn random(buf: &mut [u8]) {
    Primitives::DEFAULT.random(buf);
}

/// SHA-256 of `data`.
///
/// # Panics
/// If NSS computes it and cannot start.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Primitives::DEFAULT.sha256(data)
}

/// Compares in a time that depends on the lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    Primitives::DEFAULT.constant_time_eq(a, b)
}

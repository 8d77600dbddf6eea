//! Names of levels, directions, cipher suites and groups.

use enum_map::Enum;

use crate::error::{Error, Res};

/// An encryption level (RFC 9001 §2.1), in the order in which a connection passes them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, strum::Display, strum::EnumIter,
)]
pub enum Level {
    /// Keys anyone on the path can compute from the client's first connection id.
    Initial,
    /// Early data; carries no CRYPTO frames.
    ZeroRtt,
    /// Keys that only the two key shares yield; the peer is not authenticated yet.
    Handshake,
    /// Application data and what follows the handshake.
    OneRtt,
}

/// Which way the packets go that a secret protects, seen from this endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, strum::Display)]
pub enum Direction {
    /// Packets that we receive.
    Read,
    /// Packets that we send.
    Write,
}

/// A TLS 1.3 cipher suite that QUIC can use (RFC 9001 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[repr(u16)]
pub enum Cipher {
    /// AES-128-GCM with SHA-256.
    #[strum(to_string = "TLS_AES_128_GCM_SHA256")]
    Aes128GcmSha256 = 0x1301,
    /// AES-256-GCM with SHA-384.
    #[strum(to_string = "TLS_AES_256_GCM_SHA384")]
    Aes256GcmSha384 = 0x1302,
    /// ChaCha20-Poly1305 with SHA-256.
    #[strum(to_string = "TLS_CHACHA20_POLY1305_SHA256")]
    ChaCha20Poly1305Sha256 = 0x1303,
}

impl Cipher {
    /// Every suite, in the order of preference.
    pub const ALL: [Self; 3] = [
        Self::Aes128GcmSha256,
        Self::Aes256GcmSha384,
        Self::ChaCha20Poly1305Sha256,
    ];

    /// The IANA number.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Length of the AEAD key and of the header protection key, in bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128GcmSha256 => 16,
            Self::Aes256GcmSha384 | Self::ChaCha20Poly1305Sha256 => 32,
        }
    }

    /// Length of a traffic secret (the output of the suite's hash), in bytes.
    #[must_use]
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => 32,
            Self::Aes256GcmSha384 => 48,
        }
    }

    /// How many packets one key may seal (RFC 9001 §6.6): 2^23 under AES-GCM; `ChaCha20` outlasts the
    /// packet numbers.
    #[must_use]
    pub const fn confidentiality_limit(self) -> u64 {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 => 1 << 23,
            Self::ChaCha20Poly1305Sha256 => 1 << 62,
        }
    }

    /// How many forged packets a connection may receive under this suite, over all its keys
    /// (RFC 9001 §6.6): 2^52 under AES-GCM, 2^36 under ChaCha20-Poly1305.
    #[must_use]
    pub const fn integrity_limit(self) -> u64 {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 => 1 << 52,
            Self::ChaCha20Poly1305Sha256 => 1 << 36,
        }
    }
}

impl TryFrom<u16> for Cipher {
    type Error = Error;

    fn try_from(id: u16) -> Res<Self> {
        Self::ALL
            .into_iter()
            .find(|c| c.id() == id)
            .ok_or(Error::NotAvailable)
    }
}

/// A key exchange group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[repr(u16)]
pub enum Group {
    /// NIST P-256.
    #[strum(to_string = "secp256r1")]
    Secp256r1 = 0x17,
    /// NIST P-384.
    #[strum(to_string = "secp384r1")]
    Secp384r1 = 0x18,
    /// Curve25519 (RFC 7748).
    #[strum(to_string = "x25519")]
    X25519 = 0x1d,
    /// X25519 and ML-KEM-768 together: safe if either of the two is.
    #[strum(to_string = "X25519MLKEM768")]
    X25519MlKem768 = 0x11ec,
}

impl Group {
    /// Every group, in the order of preference; the first is what a client sends a share for.
    pub const ALL: [Self; 4] = [
        Self::X25519MlKem768,
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
    ];

    /// The IANA number.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }
}

impl TryFrom<u16> for Group {
    type Error = Error;

    fn try_from(id: u16) -> Res<Self> {
        Self::ALL
            .into_iter()
            .find(|g| g.id() == id)
            .ok_or(Error::NotAvailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        for c in Cipher::ALL {
            assert_eq!(Cipher::try_from(c.id()), Ok(c));
        }
        for g in Group::ALL {
            assert_eq!(Group::try_from(g.id()), Ok(g));
        }
        assert_eq!(Cipher::try_from(0x1304), Err(Error::NotAvailable));
        assert_eq!(Group::try_from(0x100), Err(Error::NotAvailable));
    }

    #[test]
    fn iana_names() {
        assert_eq!(
            Cipher::ChaCha20Poly1305Sha256.to_string(),
            "TLS_CHACHA20_POLY1305_SHA256"
        );
        assert_eq!(Group::X25519MlKem768.to_string(), "X25519MLKEM768");
    }

    #[test]
    fn levels_are_ordered() {
        assert!(Level::Initial < Level::ZeroRtt && Level::Handshake < Level::OneRtt);
    }
}

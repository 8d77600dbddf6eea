//! HKDF-Expand-Label and the labels of QUIC.

use zeroize::Zeroizing;

use crate::{
    constants::Cipher,
    error::{Error, Res},
    primitives::{HeaderKey, NONCE_LEN, Primitives, Prk},
    secret::Secret,
    version::Version,
};

/// The labels under which packet protection keys are derived; they separate the versions.
/// Version 2 changes them by RFC 9369 §3.3.2.
pub(super) struct Labels {
    key: &'static str,
    iv: &'static str,
    hp: &'static str,
    ku: &'static str,
}

impl Labels {
    pub(super) const fn of(version: Version) -> Self {
        match version {
            Version::Version1 => Self {
                key: "quic key",
                iv: "quic iv",
                hp: "quic hp",
                ku: "quic ku",
            },
            Version::Version2 => Self {
                key: "quicv2 key",
                iv: "quicv2 iv",
                hp: "quicv2 hp",
                ku: "quicv2 ku",
            },
        }
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
pub(super) fn expand_label(prk: &Prk, label: &str, out: &mut [u8]) -> Res<()> {
    const PREFIX: &[u8] = b"tls13 ";
    let too_long = |_| Error::Internal("HKDF label");
    let out_len = u16::try_from(out.len()).map_err(too_long)?;
    let label_len = u8::try_from(PREFIX.len() + label.len()).map_err(too_long)?;
    let info: [&[u8]; 5] = [
        &out_len.to_be_bytes(),
        &[label_len],
        PREFIX,
        label.as_bytes(),
        &[0],
    ];
    prk.expand(&info, out)
}

/// The AEAD key, made by `make`, and the IV of a secret.
//= rfc9001#section-5.1
//# The keys used for packet protection are computed from the TLS secrets using the
//# KDF provided by TLS.
pub(super) fn packet_key<K>(
    primitives: Primitives,
    version: Version,
    secret: &Secret,
    make: impl FnOnce(Primitives, Cipher, &[u8]) -> Res<K>,
) -> Res<(K, [u8; NONCE_LEN])> {
    let (labels, cipher) = (Labels::of(version), secret.cipher);
    let prk = Prk::new(primitives, cipher, secret.bytes())?;
    let mut key = Zeroizing::new([0; 32]);
    let key = sized(&mut key, cipher)?;
    expand_label(&prk, labels.key, key)?;
    let mut iv = [0; NONCE_LEN];
    expand_label(&prk, labels.iv, &mut iv)?;
    Ok((make(primitives, cipher, key)?, iv))
}

/// The header protection key of a secret.
pub(super) fn header_key(
    primitives: Primitives,
    version: Version,
    secret: &Secret,
) -> Res<HeaderKey> {
    let cipher = secret.cipher;
    let prk = Prk::new(primitives, cipher, secret.bytes())?;
    let mut key = Zeroizing::new([0; 32]);
    let key = sized(&mut key, cipher)?;
    expand_label(&prk, Labels::of(version).hp, key)?;
    HeaderKey::new(primitives, cipher, key)
}

/// The secret that follows `secret` in a key update.
//= rfc9001#section-6.1
//# This uses the KDF function provided by TLS with a label of "quic ku".
pub(super) fn next_secret(
    primitives: Primitives,
    version: Version,
    secret: &Secret,
) -> Res<Secret> {
    let prk = Prk::new(primitives, secret.cipher, secret.bytes())?;
    let mut next = Zeroizing::new([0; crate::secret::MAX_SECRET_LEN]);
    let next = next
        .get_mut(..secret.cipher.secret_len())
        .ok_or(Error::Internal("secret length"))?;
    expand_label(&prk, Labels::of(version).ku, next)?;
    Secret::new(secret.level, secret.direction, secret.cipher, next)
}

fn sized(key: &mut [u8; 32], cipher: Cipher) -> Res<&mut [u8]> {
    key.get_mut(..cipher.key_len())
        .ok_or(Error::Internal("key length"))
}

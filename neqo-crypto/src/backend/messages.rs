//! What sessions read of handshake messages by themselves, with either library (RFC 8446 §4).

use neqo_common::Decoder;

use crate::error::{Error, Res, alert};

pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const COMPRESSED_CERTIFICATE: u8 = 25;

pub(super) const EXT_PRE_SHARED_KEY: u16 = 41;
pub(super) const EXT_ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// Length of a message's type and length, in bytes.
pub(super) const HEADER_LEN: usize = 4;
/// The longest message that either library takes, in bytes.
const MAX_MESSAGE: usize = 0x1_ffff;

/// The length of the message at the start of `data`, header and all, if its header is there.
///
/// # Errors
/// `Alert` if it is longer than any library takes.
pub(super) fn message_len(data: &[u8]) -> Res<Option<usize>> {
    let Some(&[_, a, b, c]) = data.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    if len > MAX_MESSAGE {
        return Err(Error::Alert(alert::DECODE_ERROR));
    }
    Ok(Some(len + HEADER_LEN))
}

/// The body of the extension `wanted`, of extensions without the length before them.
pub(super) fn extension(extensions: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut d = Decoder::new(extensions);
    loop {
        let kind: u16 = d.decode_uint()?;
        let body = d.decode_vec(2)?;
        if kind == wanted {
            return Some(body);
        }
    }
}

/// The body of the extension `wanted` of an `EncryptedExtensions`, header and all.
pub(super) fn encrypted_extension(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut d = Decoder::new(message);
    d.decode(HEADER_LEN)?;
    extension(d.decode_vec(2)?, wanted)
}

/// A `ClientHello`, header and all, from its cipher suites on.
pub(super) fn from_ciphers(message: &[u8]) -> Option<Decoder<'_>> {
    let mut d = Decoder::new(message);
    d.decode(HEADER_LEN + 2 + 32)?; // legacy_version, random
    d.decode_vec(1)?; // legacy_session_id
    Some(d)
}

/// The body of the extension `wanted` of a `ClientHello`, header and all.
pub(super) fn client_extension(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut d = from_ciphers(message)?;
    d.decode_vec(2)?; // cipher_suites
    d.decode_vec(1)?; // legacy_compression_methods
    extension(d.decode_vec(2)?, wanted)
}

/// The random of a `ClientHello`, header and all.
pub(super) fn client_random(message: &[u8]) -> Option<[u8; 32]> {
    let mut d = Decoder::new(message);
    d.decode(HEADER_LEN + 2)?;
    d.decode_array().copied()
}

/// The signature scheme of a `CertificateVerify`, header and all.
pub(super) fn signature_scheme(message: &[u8]) -> Option<u16> {
    let mut d = Decoder::new(message);
    d.decode(HEADER_LEN)?;
    d.decode_uint()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(message_len(&[1, 2, 3]), Ok(None));
        assert_eq!(message_len(&[1, 0, 1, 2]), Ok(Some(0x106)));
        assert_eq!(message_len(&[1, 2, 0, 0]), Err(Error::Alert(50)));
    }

    #[test]
    fn schemes() {
        let message = [CERTIFICATE_VERIFY, 0, 0, 5, 4, 3, 0, 1, 9];
        assert_eq!(signature_scheme(&message), Some(0x403));
        assert_eq!(signature_scheme(&message[..5]), None);
    }
}

//! What sessions read of handshake messages that NSS processes (RFC 8446 §4).

use neqo_common::Decoder;

pub(super) use super::super::messages::{
    CERTIFICATE, CERTIFICATE_VERIFY, COMPRESSED_CERTIFICATE, ENCRYPTED_EXTENSIONS,
    EXT_ENCRYPTED_CLIENT_HELLO, HEADER_LEN, client_extension, client_random, encrypted_extension,
    message_len, signature_scheme,
};
use super::super::messages::{EXT_PRE_SHARED_KEY, extension, from_ciphers};
use crate::{
    constants::{Cipher, Group},
    error::{Error, Res, alert},
};

pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const NEW_SESSION_TICKET: u8 = 4;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const FINISHED: u8 = 20;

const EXT_EARLY_DATA: u16 = 42;
pub(super) const EXT_COOKIE: u16 = 44;
const EXT_KEY_SHARE: u16 = 51;

/// The random of a `ServerHello` that is a `HelloRetryRequest`.
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a `ServerHello` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) cipher: Cipher,
    pub(super) group: Option<Group>,
    pub(super) resumed: bool,
}

impl ServerHello {
    /// Reads a whole message, if it is one, and no `HelloRetryRequest`. Whether it is well-formed is for NSS to say.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(message);
        if d.decode_byte()? != SERVER_HELLO {
            return None;
        }
        d.decode(HEADER_LEN - 1 + 2)?; // length, legacy_version
        if d.decode(32)? == RETRY_RANDOM {
            return None;
        }
        d.decode_vec(1)?; // legacy_session_id_echo
        let cipher: u16 = d.decode_uint()?;
        d.decode_byte()?; // legacy_compression_method
        let extensions = d.decode_vec(2)?;
        let share = extension(extensions, EXT_KEY_SHARE);
        Some(Self {
            cipher: Cipher::try_from(cipher).ok()?,
            group: share
                .and_then(|s| s.first_chunk())
                .and_then(|g| Group::try_from(u16::from_be_bytes(*g)).ok()),
            resumed: extension(extensions, EXT_PRE_SHARED_KEY).is_some(),
        })
    }
}

/// The body of the cookie extension of a `HelloRetryRequest`, if this is one.
pub(super) fn retry_cookie(message: &[u8]) -> Option<&[u8]> {
    let mut d = Decoder::new(message);
    if d.decode_byte()? != SERVER_HELLO {
        return None;
    }
    d.decode(HEADER_LEN - 1 + 2)?; // length, legacy_version
    if d.decode(32)? != RETRY_RANDOM {
        return None;
    }
    d.decode_vec(1)?; // legacy_session_id_echo
    d.decode(2 + 1)?; // cipher_suite, legacy_compression_method
    extension(d.decode_vec(2)?, EXT_COOKIE)
}

/// The cipher suites of a `ClientHello`, the preferred one first.
pub(super) fn client_ciphers(message: &[u8]) -> Option<Vec<u16>> {
    let list = from_ciphers(message)?.decode_vec(2)?;
    Some(
        list.chunks_exact(2)
            .filter_map(|c| c.first_chunk())
            .map(|c| u16::from_be_bytes(*c))
            .collect(),
    )
}

/// True if these `EncryptedExtensions` accept early data.
pub(super) fn accepts_early_data(message: &[u8]) -> bool {
    encrypted_extension(message, EXT_EARLY_DATA).is_some()
}

/// What a `NewSessionTicket` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Seconds.
    pub(super) lifetime: u32,
    pub(super) early_data: bool,
}

impl Ticket {
    /// Reads a whole message.
    ///
    /// # Errors
    /// `ProtocolViolation` if it limits early data, `Alert` if it is malformed.
    pub(super) fn parse(message: &[u8]) -> Res<Self> {
        let malformed = || Error::Alert(alert::DECODE_ERROR);
        let mut d = Decoder::new(message);
        d.decode(HEADER_LEN).ok_or_else(malformed)?;
        let lifetime = d.decode_uint().ok_or_else(malformed)?;
        d.decode(4).ok_or_else(malformed)?; // ticket_age_add
        d.decode_vec(1).ok_or_else(malformed)?; // ticket_nonce
        d.decode_vec(2).ok_or_else(malformed)?; // ticket
        let extensions = d.decode_vec(2).ok_or_else(malformed)?;
        //= rfc9001#section-4.6.1
        //# A client MUST treat receipt of a
        //# NewSessionTicket that contains an early_data extension with any other value as
        //# a connection error of type PROTOCOL_VIOLATION.
        let early_data = match extension(extensions, EXT_EARLY_DATA) {
            None => false,
            Some([0xff, 0xff, 0xff, 0xff]) => true,
            Some(_) => {
                return Err(Error::ProtocolViolation("a ticket's max_early_data_size"));
            }
        };
        Ok(Self {
            lifetime,
            early_data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_hello(random: [u8; 32]) -> Vec<u8> {
        let body = [
            &[3, 3][..],
            &random,
            &[0, 0x13, 0x02, 0],
            &[0, 14, 0, 51, 0, 4, 0, 0x1d, 0, 0, 0, 41, 0, 2, 0, 0],
        ]
        .concat();
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[SERVER_HELLO], &len[1..], &body].concat()
    }

    #[test]
    fn server_hello_or_retry() {
        let hello = ServerHello {
            cipher: Cipher::Aes256GcmSha384,
            group: Some(Group::X25519),
            resumed: true,
        };
        assert_eq!(ServerHello::parse(&server_hello([7; 32])), Some(hello));
        assert_eq!(ServerHello::parse(&server_hello(RETRY_RANDOM)), None);
        let bytes = server_hello([7; 32]);
        for n in 0..bytes.len() {
            assert_eq!(ServerHello::parse(&bytes[..n]), None);
        }
    }

    #[test]
    fn early_data_in_encrypted_extensions() {
        assert!(accepts_early_data(&[8, 0, 0, 6, 0, 4, 0, 42, 0, 0]));
        assert!(!accepts_early_data(&[8, 0, 0, 6, 0, 4, 0, 43, 0, 0]));
        assert!(!accepts_early_data(&[8, 0, 0, 6, 0, 4, 0, 42, 0]));
    }
}

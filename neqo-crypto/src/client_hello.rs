//! A reader of the `ClientHello`: just what a QUIC endpoint has to know before, or without, TLS.
//!
//! A server composes its transport parameters after it has seen the client's, yet a TLS library wants them when the
//! handshake begins. So the `ClientHello` is read here first. What TLS itself checks (RFC 8446 §4.1.2) is not checked here.

use std::ops::Range;

use neqo_common::Decoder;

use crate::error::{Error, Res, alert};

const CLIENT_HELLO: u8 = 1;
/// Length of the type and length fields of a handshake message, in bytes.
const HEADER_LEN: usize = 4;
const EXT_SERVER_NAME: u16 = 0;
const EXT_ALPN: u16 = 16;
const EXT_TRANSPORT_PARAMETERS: u16 = 0x39;
const NAME_TYPE_HOST: u8 = 0;

/// The longest `ClientHello` that a server gathers, in bytes, header and all.
///
/// The largest in use, with a post-quantum key share and encrypted `ClientHello`, are below 4 KiB; 64 KiB is what the
/// transport's CRYPTO buffer holds (hardening A4).
pub const MAX_CLIENT_HELLO: usize = 64 * 1024;

/// What a `ClientHello` says about QUIC, borrowed from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello<'a> {
    session_id: &'a [u8],
    server_name: Option<&'a [u8]>,
    server_name_at: Option<Range<usize>>,
    alpn: Vec<&'a [u8]>,
    transport_parameters: Option<&'a [u8]>,
}

impl<'a> ClientHello<'a> {
    /// How long the message at the start of `crypto` is, header and all: `None` if its header is not complete yet.
    /// `crypto` is the Initial CRYPTO stream from its start; there may be less of it than the message, or more.
    ///
    /// # Errors
    /// `Alert`: `unexpected_message` if it is no `ClientHello`, `decode_error` if it is longer than
    /// [`MAX_CLIENT_HELLO`].
    pub fn message_len(crypto: &[u8]) -> Res<Option<usize>> {
        if crypto.first().is_some_and(|&t| t != CLIENT_HELLO) {
            return Err(Error::Alert(alert::UNEXPECTED_MESSAGE));
        }
        let Some(&[_, a, b, c]) = crypto.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let body = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let len = body + HEADER_LEN;
        if len > MAX_CLIENT_HELLO {
            return Err(Error::Alert(alert::DECODE_ERROR));
        }
        Ok(Some(len))
    }

    /// Parses a whole `ClientHello`, `message`, with its header.
    ///
    /// # Errors
    /// `Alert`: `decode_error` if it is malformed, `illegal_parameter` if an extension is there twice.
    pub fn parse(message: &'a [u8]) -> Res<Self> {
        let len = Self::message_len(message)?;
        if len != Some(message.len()) {
            return Err(malformed());
        }
        let mut d = Decoder::new(message);
        d.decode(HEADER_LEN + 2 + 32).ok_or_else(malformed)?; // legacy_version, random
        let mut hello = Self {
            session_id: d.decode_vec(1).ok_or_else(malformed)?,
            ..Self::default()
        };
        d.decode_vec(2).ok_or_else(malformed)?; // cipher_suites
        d.decode_vec(1).ok_or_else(malformed)?; // legacy_compression_methods
        let extensions = d.decode_vec(2).ok_or_else(malformed)?;
        if !d.is_empty() {
            return Err(malformed());
        }
        let start = d.offset() - extensions.len();
        let mut d = Decoder::new(extensions);
        while !d.is_empty() {
            let kind = d.decode_uint().ok_or_else(malformed)?;
            let body = d.decode_vec(2).ok_or_else(malformed)?;
            hello.extension(kind, body, start + d.offset() - body.len())?;
        }
        Ok(hello)
    }

    /// Notes the extension `kind`, whose `body` stands `at` in the message.
    fn extension(&mut self, kind: u16, body: &'a [u8], at: usize) -> Res<()> {
        let twice = Error::Alert(alert::ILLEGAL_PARAMETER);
        match kind {
            EXT_SERVER_NAME if self.server_name.is_some() => Err(twice),
            EXT_SERVER_NAME => self.note_server_name(body, at),
            EXT_ALPN if !self.alpn.is_empty() => Err(twice),
            EXT_ALPN => self.note_alpn(body),
            EXT_TRANSPORT_PARAMETERS if self.transport_parameters.is_some() => Err(twice),
            EXT_TRANSPORT_PARAMETERS => {
                self.transport_parameters = Some(body);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_server_name(&mut self, body: &'a [u8], at: usize) -> Res<()> {
        let list = whole_vector(body)?;
        let start = at + body.len() - list.len();
        let mut d = Decoder::new(list);
        while !d.is_empty() {
            let kind = d.decode_byte().ok_or_else(malformed)?;
            let name = d.decode_vec(2).ok_or_else(malformed)?;
            if kind == NAME_TYPE_HOST && self.server_name.is_none() {
                let end = start + d.offset();
                self.server_name = Some(name);
                self.server_name_at = Some(end - name.len()..end);
            }
        }
        Ok(())
    }

    fn note_alpn(&mut self, body: &'a [u8]) -> Res<()> {
        let mut d = Decoder::new(whole_vector(body)?);
        while !d.is_empty() {
            self.alpn.push(d.decode_vec(1).ok_or_else(malformed)?);
        }
        Ok(())
    }

    /// The `legacy_session_id`, which QUIC wants empty (RFC 9001 §8.4).
    #[must_use]
    pub const fn session_id(&self) -> &'a [u8] {
        self.session_id
    }

    /// The host name asked for, if it is there and is text.
    #[must_use]
    pub fn server_name(&self) -> Option<&'a str> {
        self.server_name.and_then(|n| str::from_utf8(n).ok())
    }

    /// Where the host name stands in the message, header included: what a client splits to hide it from middleboxes.
    #[must_use]
    pub const fn server_name_range(&self) -> Option<&Range<usize>> {
        self.server_name_at.as_ref()
    }

    /// The application protocols offered, the preferred one first.
    #[must_use]
    pub fn alpn(&self) -> &[&'a [u8]] {
        &self.alpn
    }

    /// The body of the `quic_transport_parameters` extension.
    #[must_use]
    pub const fn transport_parameters(&self) -> Option<&'a [u8]> {
        self.transport_parameters
    }
}

const fn malformed() -> Error {
    Error::Alert(alert::DECODE_ERROR)
}

/// The content of the vector that `body` is and has nothing after.
fn whole_vector(body: &[u8]) -> Res<&[u8]> {
    let mut d = Decoder::new(body);
    d.decode_vec(2)
        .filter(|_| d.is_empty())
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The `ClientHello` of RFC 9001, Appendix A.2.
    fn sample() -> Vec<u8> {
        hex::decode(concat!(
            "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113",
            "02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d001700180010",
            "0007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753d",
            "e171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305030603020308040805080600",
            "2d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000",
            "75300901100f088394c8f03e51570806048000ffff"
        ))
        .unwrap()
    }

    #[test]
    fn rfc_sample() {
        let bytes = sample();
        assert_eq!(ClientHello::message_len(&bytes), Ok(Some(bytes.len())));
        let hello = ClientHello::parse(&bytes).unwrap();
        assert_eq!(hello.server_name(), Some("example.com"));
        let at = hello.server_name_range().unwrap().clone();
        assert_eq!(&bytes[at], b"example.com");
        assert_eq!(hello.alpn(), [b"alpn"]);
        assert!(hello.session_id().is_empty());
        let tp = hello.transport_parameters().unwrap();
        assert_eq!((tp.len(), &tp[..2]), (0x32, &[0x04, 0x08][..]));
    }

    #[test]
    fn truncated_at_every_byte() {
        let bytes = sample();
        for n in 0..bytes.len() {
            let cut = &bytes[..n];
            assert_eq!(
                ClientHello::message_len(cut).unwrap(),
                (n >= 4).then_some(bytes.len())
            );
            assert!(ClientHello::parse(cut).is_err());
            // The same with lengths that agree with the cut.
            if n >= 4 {
                let mut cut = cut.to_vec();
                cut[1..4].copy_from_slice(&u32::try_from(n - 4).unwrap().to_be_bytes()[1..]);
                assert_eq!(ClientHello::parse(&cut), Err(malformed()), "{n}");
            }
        }
    }

    #[test]
    fn trailing_bytes_are_malformed() {
        let mut bytes = sample();
        bytes.push(0);
        assert_eq!(ClientHello::parse(&bytes), Err(malformed()));
        bytes[3] += 1;
        assert_eq!(ClientHello::parse(&bytes), Err(malformed()));
    }

    #[test]
    fn not_a_client_hello_or_too_long() {
        assert_eq!(ClientHello::message_len(&[]), Ok(None));
        assert_eq!(ClientHello::message_len(&[2]), Err(Error::Alert(10)));
        assert_eq!(
            ClientHello::message_len(&[1, 0, 0xff, 0xfc]),
            Ok(Some(MAX_CLIENT_HELLO))
        );
        assert_eq!(
            ClientHello::message_len(&[1, 0, 0xff, 0xfd]),
            Err(Error::Alert(50))
        );
        assert_eq!(
            ClientHello::message_len(&[1, 0xff, 0xff, 0xff]),
            Err(Error::Alert(50))
        );
    }

    #[test]
    fn repeated_extension() {
        let mut bytes = sample();
        // Turn the renegotiation_info extension into a second, empty quic_transport_parameters.
        let at = bytes
            .windows(5)
            .position(|w| w == [0xff, 1, 0, 1, 0])
            .unwrap();
        bytes[at..at + 2].copy_from_slice(&EXT_TRANSPORT_PARAMETERS.to_be_bytes());
        assert_eq!(ClientHello::parse(&bytes), Err(Error::Alert(47)));
    }

    proptest! {
        #[test]
        fn anything(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if ClientHello::parse(&bytes).is_ok() {
                prop_assert_eq!(ClientHello::message_len(&bytes), Ok(Some(bytes.len())));
            }
        }

        #[test]
        fn mutated(at in 4usize..240, with in any::<u8>()) {
            let mut bytes = sample();
            bytes[at] = with;
            if let Ok(hello) = ClientHello::parse(&bytes)
                && let Some(r) = hello.server_name_range() {
                prop_assert!(r.end <= bytes.len());
            }
        }
    }
}

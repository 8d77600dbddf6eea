//! What a server says when it proves who it is, and rustls does not show: its OCSP response, the signature scheme, and by
//! which configurations of encrypted `ClientHello` it wants to be asked.
//!
//! rustls hands the first to the verifier, of which there is one for all connections and which is not told whose
//! response it is, the second to nobody, and the last as a structure without a public encoding.

use neqo_common::Decoder;
use rustls::compress;

use super::super::messages::{
    self, CERTIFICATE, CERTIFICATE_VERIFY, COMPRESSED_CERTIFICATE, ENCRYPTED_EXTENSIONS,
    EXT_ENCRYPTED_CLIENT_HELLO,
};

const EXT_STATUS_REQUEST: u16 = 5;
const STATUS_TYPE_OCSP: u8 = 1;
/// The longest that rustls takes when it is no longer compressed, in bytes.
const MAX_CERTIFICATE: usize = 1 << 16;

/// Follows a server's messages of the Handshake level. Whether they are well-formed is for rustls to say.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The beginning of a message.
    begun: Vec<u8>,
    ocsp: Option<Vec<u8>>,
    scheme: Option<u16>,
    retry_configs: Option<Vec<u8>>,
}

impl Proof {
    /// Looks through the next bytes, after rustls took them: it keeps messages short.
    pub(super) fn read(&mut self, data: &[u8]) {
        // There is nothing of interest after it.
        if self.scheme.is_some() {
            return;
        }
        self.begun.extend_from_slice(data);
        while let Ok(Some(len)) = messages::message_len(&self.begun)
            && len <= self.begun.len()
        {
            let rest = self.begun.split_off(len);
            self.message();
            self.begun = rest;
        }
    }

    /// Reads a whole message.
    fn message(&mut self) {
        let message = &self.begun;
        match message.first() {
            Some(&ENCRYPTED_EXTENSIONS) => {
                let list = messages::encrypted_extension(message, EXT_ENCRYPTED_CLIENT_HELLO);
                self.retry_configs = list.map(<[u8]>::to_vec);
            }
            Some(&CERTIFICATE) => self.ocsp = message.get(messages::HEADER_LEN..).and_then(ocsp),
            Some(&COMPRESSED_CERTIFICATE) => {
                self.ocsp = decompressed(message).as_deref().and_then(ocsp);
            }
            Some(&CERTIFICATE_VERIFY) => self.scheme = messages::signature_scheme(message),
            _ => {}
        }
    }

    /// The OCSP response (DER) that came with the leaf.
    pub(super) const fn take_ocsp(&mut self) -> Option<Vec<u8>> {
        self.ocsp.take()
    }

    /// The configurations (ECHConfigList) that the server wants to be asked by; empty if there is none. They are to be
    /// believed once rustls has checked all of the handshake.
    pub(super) fn take_retry_configs(&mut self) -> Vec<u8> {
        self.retry_configs.take().unwrap_or_default()
    }

    /// How the server signed, once rustls has checked it.
    pub(super) const fn scheme(&self) -> Option<u16> {
        self.scheme
    }
}

/// The OCSP response in the body of a `Certificate` message (RFC 8446 §4.4.2).
fn ocsp(body: &[u8]) -> Option<Vec<u8>> {
    let mut d = Decoder::new(body);
    d.decode_vec(1)?; // certificate_request_context
    let mut entries = Decoder::new(d.decode_vec(3)?);
    entries.decode_vec(3)?; // the leaf
    let status = messages::extension(entries.decode_vec(2)?, EXT_STATUS_REQUEST)?;
    let mut d = Decoder::new(status);
    if d.decode_byte()? != STATUS_TYPE_OCSP {
        return None;
    }
    d.decode_vec(3).map(<[u8]>::to_vec)
}

/// The body of the `Certificate` message in a `CompressedCertificate` (RFC 8879 §4).
fn decompressed(message: &[u8]) -> Option<Vec<u8>> {
    let mut d = Decoder::new(message);
    d.decode(messages::HEADER_LEN)?;
    let algorithm: u16 = d.decode_uint()?;
    let len = usize::try_from(d.decode_n(3)?).ok()?;
    let compressed = d.decode_vec(3)?;
    let mut all = compress::default_cert_decompressors().iter();
    let decompressor = all.find(|a| u16::from(a.algorithm()) == algorithm)?;
    let mut body = vec![0; Some(len).filter(|&l| l <= MAX_CERTIFICATE)?];
    decompressor.decompress(compressed, &mut body).ok()?;
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with its header.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], &len[1..], body].concat()
    }

    /// The body of a `Certificate` with a leaf of two bytes and these extensions.
    fn certificate(extensions: &[u8]) -> Vec<u8> {
        let len = u8::try_from(extensions.len()).unwrap();
        let list = [&[0, 0, 2, 7, 7, 0, len], extensions].concat();
        [&[0, 0, 0, u8::try_from(list.len()).unwrap()], &list[..]].concat()
    }

    const STAPLED: [u8; 11] = [0, 5, 0, 7, 1, 0, 0, 3, 4, 5, 6];
    const VERIFY: [u8; 5] = [8, 7, 0, 1, 9];

    #[test]
    fn at_any_split() {
        let flight = [
            message(
                ENCRYPTED_EXTENSIONS,
                &[0, 10, 0, 16, 0, 0, 0xfe, 0x0d, 0, 2, 1, 2],
            ),
            message(CERTIFICATE, &certificate(&STAPLED)),
            message(CERTIFICATE_VERIFY, &VERIFY),
            message(20, &[1; 32]),
        ];
        let flight = flight.concat();
        for at in 0..=flight.len() {
            let mut proof = Proof::default();
            proof.read(&flight[..at]);
            proof.read(&flight[at..]);
            assert_eq!(proof.scheme(), Some(0x807));
            assert_eq!(proof.take_ocsp(), Some(vec![4, 5, 6]));
            assert_eq!(proof.take_retry_configs(), [1, 2]);
        }
    }

    #[test]
    fn compressed() {
        let body = certificate(&STAPLED);
        for compressor in compress::default_cert_compressors() {
            let level = compress::CompressionLevel::Interactive;
            let data = compressor.compress(body.clone(), level).unwrap();
            let algorithm = u16::from(compressor.algorithm()).to_be_bytes();
            let sizes = [body.len(), data.len()].map(|n| u8::try_from(n).unwrap());
            let head = [&algorithm[..], &[0, 0, sizes[0], 0, 0, sizes[1]]].concat();
            let mut proof = Proof::default();
            proof.read(&message(COMPRESSED_CERTIFICATE, &[head, data].concat()));
            assert_eq!(proof.take_ocsp(), Some(vec![4, 5, 6]));
        }
    }

    #[test]
    fn nothing_of_use() {
        for extensions in [&[][..], &[0, 18, 0, 1, 1], &[0, 5, 0, 1, 2], &[0, 5, 0, 9]] {
            let mut proof = Proof::default();
            proof.read(&message(CERTIFICATE, &certificate(extensions)));
            assert_eq!(proof.take_ocsp(), None);
        }
        // An algorithm that nobody knows, and a size that is a lie.
        for body in [
            [0, 9, 0, 0, 1, 0, 0, 1, 1],
            [0, 2, 0xff, 0xff, 0xff, 0, 0, 1, 1],
        ] {
            let mut proof = Proof::default();
            proof.read(&message(COMPRESSED_CERTIFICATE, &body));
            assert_eq!(proof.take_ocsp(), None);
        }
    }
}

//! The types of unidirectional streams (RFC 9114, Section 6.2), which their first bytes tell.

use bytes::{Buf, Bytes};
use neqo_common::{Decoder, IncrementalDecoderUint};
use neqo_qpack::{QPACK_UNI_STREAM_TYPE_DECODER, QPACK_UNI_STREAM_TYPE_ENCODER};

pub(crate) const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;

/// The type of a unidirectional stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UniType {
    Control,
    Push,
    QpackEncoder,
    QpackDecoder,
    /// Anything else, grease included.
    Unknown(u64),
}

impl From<u64> for UniType {
    fn from(v: u64) -> Self {
        match v {
            CONTROL => Self::Control,
            PUSH => Self::Push,
            QPACK_UNI_STREAM_TYPE_ENCODER => Self::QpackEncoder,
            QPACK_UNI_STREAM_TYPE_DECODER => Self::QpackDecoder,
            _ => Self::Unknown(v),
        }
    }
}

/// Reads the type of a stream.
#[derive(Debug, Default)]
pub(crate) struct TypeReader(IncrementalDecoderUint);

impl TypeReader {
    /// Takes the bytes of the type from `chunk`, and returns it when they are all there.
    pub(crate) fn read(&mut self, chunk: &mut Bytes) -> Option<UniType> {
        read_varint(&mut self.0, chunk).map(UniType::from)
    }
}

/// Takes a varint from `chunk`, of which `reader` may have seen a part.
pub(crate) fn read_varint(reader: &mut IncrementalDecoderUint, chunk: &mut Bytes) -> Option<u64> {
    let mut dec = Decoder::new(chunk);
    let value = reader.consume(&mut dec);
    let read = dec.offset();
    chunk.advance(read);
    value
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{TypeReader, UniType};

    #[test]
    fn types() {
        for (bytes, expected) in [
            (&[0x00][..], UniType::Control),
            (&[0x01], UniType::Push),
            (&[0x02], UniType::QpackEncoder),
            (&[0x03], UniType::QpackDecoder),
            (&[0x21], UniType::Unknown(0x21)),
            (&[0x40, 0x00], UniType::Control),
            (&[0xc0, 0, 0, 0, 0, 0, 0, 2], UniType::QpackEncoder),
            (&[0xff; 8], UniType::Unknown((1 << 62) - 1)),
        ] {
            let mut chunk = Bytes::from([bytes, b"rest"].concat());
            assert_eq!(TypeReader::default().read(&mut chunk), Some(expected));
            assert_eq!(&chunk[..], b"rest");
        }
    }

    #[test]
    fn byte_by_byte() {
        let mut reader = TypeReader::default();
        assert_eq!(reader.read(&mut Bytes::new()), None);
        let bytes = [0xc0, 0, 0, 0, 0, 0, 0, 3];
        for (i, b) in bytes.into_iter().enumerate() {
            let result = reader.read(&mut Bytes::copy_from_slice(&[b]));
            assert_eq!(result, (i == 7).then_some(UniType::QpackDecoder));
        }
    }
}

//! String literals (RFC 9204, Section 4.1.2).

use neqo_common::to_u64;

use crate::{
    huffman::{self, DecodeError},
    prefix::{self, IntReader, Malformed, Reader},
};

/// Appends a string literal whose length has a prefix of `bits` bits; the bit above says whether it is Huffman encoded.
pub(crate) fn encode(text: &[u8], bits: u8, flags: u8, use_huffman: bool, out: &mut Vec<u8>) {
    if use_huffman {
        let len = huffman::encoded_len(text);
        if len < text.len() {
            prefix::encode(to_u64(len), bits, flags | 1 << bits, out);
            huffman::encode(text, out);
            return;
        }
    }
    prefix::encode(to_u64(text.len()), bits, flags, out);
    out.extend_from_slice(text);
}

/// Reads a string literal that begins with `first` and appends its text, at most `limit` bytes, to `out`.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    first: u8,
    bits: u8,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let len = reader.int(first, bits).map_err(invalid)?;
    let data = reader.take(len).map_err(invalid)?;
    decode_text(data, first & 1 << bits != 0, limit, out)
}

const fn invalid(_: Malformed) -> DecodeError {
    DecodeError::Invalid
}

fn decode_text(
    data: &[u8],
    huffman: bool,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    if huffman {
        return huffman::decode(data, limit, out);
    }
    if data.len() > limit {
        return Err(DecodeError::TooLong);
    }
    out.extend_from_slice(data);
    Ok(())
}

/// Reads a string literal that arrives in pieces.
#[derive(Debug)]
pub(crate) struct LiteralReader {
    huffman: bool,
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Length(IntReader),
    Text { missing: usize, data: Vec<u8> },
}

impl LiteralReader {
    /// Begins with `first`; the text may be no longer than `limit` bytes. The literal is refused once its length is
    /// known to be too much, before anything of it is stored.
    pub(crate) fn start(first: u8, bits: u8, limit: usize) -> Result<Self, Malformed> {
        let huffman = first & 1 << bits != 0;
        let state = match IntReader::start(first, bits) {
            Ok(len) => Self::text(huffman, limit, len)?,
            Err(reader) => State::Length(reader),
        };
        Ok(Self {
            huffman,
            limit,
            state,
        })
    }

    // hardening GHSA: the literal reader had no length cap
    fn text(huffman: bool, limit: usize, len: u64) -> Result<State, Malformed> {
        // The longest codes have 30 bits, so an encoded text is less than four times as long.
        let limit = if huffman {
            limit.saturating_mul(4)
        } else {
            limit
        };
        let missing = usize::try_from(len).map_err(|_| Malformed)?;
        if missing > limit {
            return Err(Malformed);
        }
        Ok(State::Text {
            missing,
            data: Vec::new(),
        })
    }

    /// Takes what belongs to the literal from `input` and returns the text when it is complete.
    pub(crate) fn feed(&mut self, input: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
        loop {
            match &mut self.state {
                State::Length(reader) => {
                    let Some(byte) = input.byte() else {
                        return Ok(None);
                    };
                    if let Some(len) = reader.push(byte)? {
                        self.state = Self::text(self.huffman, self.limit, len)?;
                    }
                }
                State::Text { missing, data } => {
                    let taken = input.take_up_to(*missing);
                    data.extend_from_slice(taken);
                    *missing -= taken.len();
                    if *missing > 0 {
                        return Ok(None);
                    }
                    let mut text = Vec::new();
                    return decode_text(data, self.huffman, self.limit, &mut text)
                        .map(|()| Some(text))
                        .map_err(|_| Malformed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

    use super::{LiteralReader, decode, encode};
    use crate::{
        huffman::DecodeError,
        prefix::{Malformed, Reader},
    };

    fn decoded(data: &[u8], bits: u8, limit: usize) -> Result<Vec<u8>, DecodeError> {
        let mut reader = Reader::new(data);
        let first = reader.byte().unwrap();
        let mut out = Vec::new();
        decode(&mut reader, first, bits, limit, &mut out)?;
        assert_eq!(reader.byte(), None);
        Ok(out)
    }

    fn in_pieces(
        data: &[u8],
        bits: u8,
        limit: usize,
        size: usize,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        let mut reader = LiteralReader::start(data[0], bits, limit)?;
        let mut result = reader.feed(&mut Reader::new(&[]))?;
        for piece in data[1..].chunks(size) {
            assert_eq!(result, None);
            result = reader.feed(&mut Reader::new(piece))?;
        }
        Ok(result)
    }

    #[test]
    fn huffman_only_when_shorter() {
        let mut out = Vec::new();
        encode(b"custom-key", 7, 0, true, &mut out);
        assert_eq!(out, [0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f]);
        out.clear();
        encode(b"custom-key", 7, 0, false, &mut out);
        assert_eq!(out, b"\x0acustom-key");
        out.clear();
        encode(b"{|}", 7, 0, true, &mut out);
        assert_eq!(out, b"\x03{|}");
    }

    #[test]
    fn limits() {
        assert_eq!(decoded(b"\x03abc", 7, 3).unwrap(), b"abc");
        assert_eq!(decoded(b"\x03abc", 7, 2), Err(DecodeError::TooLong));
        assert_eq!(
            decoded(b"\x04abc", 7, 9),
            Err(DecodeError::Invalid),
            "truncated"
        );
        assert_eq!(in_pieces(b"\x03abc", 7, 3, 1), Ok(Some(b"abc".to_vec())));
        // Refused before the text has arrived.
        assert!(LiteralReader::start(3, 7, 2).is_err());
        let mut out = Vec::new();
        encode(b"aaaaaaaa", 7, 0, true, &mut out);
        assert_eq!(in_pieces(&out, 7, 8, 1), Ok(Some(b"aaaaaaaa".to_vec())));
        assert_eq!(in_pieces(&out, 7, 7, 1), Err(Malformed));
        // A length of many bytes.
        assert_eq!(
            in_pieces(&[0x7f, 0xff, 0xff, 0xff, 0x7f], 7, 1000, 1),
            Err(Malformed)
        );
    }

    #[test]
    fn empty() {
        assert_eq!(in_pieces(&[0], 7, 0, 1), Ok(Some(vec![])));
        assert_eq!(in_pieces(&[0x80], 7, 0, 1), Ok(Some(vec![])));
        assert_eq!(decoded(&[0], 7, 0).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn inverse(text in vec(any::<u8>(), 0..300), bits in 1..=7_u8, huffman: bool, size in 1..40_usize) {
            let mut out = Vec::new();
            encode(&text, bits, 0, huffman, &mut out);
            prop_assert_eq!(&decoded(&out, bits, text.len()).unwrap(), &text);
            prop_assert_eq!(in_pieces(&out, bits, text.len(), size), Ok(Some(text)));
        }
    }
}

//! From field lines to bytes.

use neqo_common::Header;

use crate::{
    Error, Res, Settings, Stats,
    field_line::{LiteralOptions, encode_indexed, encode_literal, encode_name_reference},
    instructions::{DecoderInstruction, DecoderStreamReader},
    prefix::Reader,
    static_table::{Found, find},
};

/// Cookies shorter than this get the N bit. What is long enough is not guessed.
const SHORT_COOKIE: usize = 20;

/// Encodes field sections.
///
/// A field line becomes a reference to the static table, a literal with a name from there, or a literal. Lines that
/// carry secrets of little entropy are marked so that no intermediary puts them into a table (see
/// [`Encoder::encode`]).
#[derive(Debug, Default)]
pub struct Encoder {
    settings: Settings,
    decoder_stream: DecoderStreamReader,
    stats: Stats,
}

impl Encoder {
    /// An encoder with the given settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Appends the encoded field section with the given lines, for the stream with this id, to `out`.
    ///
    /// `authorization`, `proxy-authorization` and cookies shorter than 20 bytes are sent as never-indexed literals:
    /// guessing them pays, and a table that an attacker can add to would tell whether a guess is right (RFC 9204,
    /// Section 7.1.3).
    pub fn encode<'h>(
        &mut self,
        lines: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        _stream_id: u64,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        // Required Insert Count and Delta Base are both zero.
        //= rfc9204#section-2.1.2
        //# For a field section encoded with no references
        //# to the dynamic table, the Required Insert Count is zero.
        out.extend_from_slice(&[0, 0]);
        //= rfc9204#section-2.1
        //# An
        //# encoder MUST emit field representations in the order they appear in the input
        //# field section.
        for (name, value) in lines {
            self.encode_line(name, value, out);
            self.stats.field_bytes += name.len() + value.len();
        }
        self.stats.encoded_bytes += out.len() - start;
        self.stats.field_sections += 1;
    }

    /// [`Self::encode`] for lines that are [`Header`]s.
    pub fn encode_headers(&mut self, headers: &[Header], stream_id: u64, out: &mut Vec<u8>) {
        self.encode(
            headers.iter().map(|h| (h.name().as_bytes(), h.value())),
            stream_id,
            out,
        );
    }

    fn encode_line(&self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let options = LiteralOptions {
            never_indexed: is_sensitive(name, value),
            use_huffman: self.settings.get_use_huffman(),
        };
        match find(name, value) {
            // `authorization` without a value is in the static table.
            Found::Line(index) if !options.never_indexed => encode_indexed(index, out),
            Found::Line(index) | Found::Name(index) => {
                encode_name_reference(index, value, options, out);
            }
            Found::Nothing => encode_literal(name, value, options, out),
        }
    }

    /// Takes the bytes that arrived on the peer's decoder stream.
    ///
    /// # Errors
    /// [`Error::DecoderStream`] for anything but Stream Cancellation: without a dynamic table there is nothing to
    /// acknowledge.
    pub fn on_decoder_stream(&mut self, data: &[u8]) -> Res<()> {
        let mut input = Reader::new(data);
        while let Some(instruction) = self
            .decoder_stream
            .next(&mut input)
            .map_err(|_| Error::DecoderStream)?
        {
            match instruction {
                DecoderInstruction::StreamCancellation(_) => self.stats.stream_cancelled_recv += 1,
                // hardening R3778, R3762
                //= rfc9204#section-4.4.1
                //# If an encoder receives a Section Acknowledgment instruction referring to a
                //# stream on which every encoded field section with a non-zero Required Insert
                //# Count has already been acknowledged, this MUST be treated as a connection error
                //= rfc9204#section-4.4.3
                //# An encoder that receives an Increment field equal to zero, or one that increases
                //# the Known Received Count beyond what the encoder has sent, MUST treat this as a
                //# connection error of type QPACK_DECODER_STREAM_ERROR.
                DecoderInstruction::SectionAck(_) | DecoderInstruction::InsertCountIncrement(_) => {
                    return Err(Error::DecoderStream);
                }
            }
        }
        Ok(())
    }

    /// What was encoded so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }
}

fn is_sensitive(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"authorization" | b"proxy-authorization" => true,
        b"cookie" => value.len() < SHORT_COOKIE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Header;

    use super::Encoder;
    use crate::{Error, Settings};

    fn encoded(lines: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(Settings::default().use_huffman(false)).encode(
            lines.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())),
            0,
            &mut out,
        );
        out
    }

    /// RFC 9204, Section B.1.
    #[test]
    fn literal_with_name_reference() {
        assert_eq!(
            encoded(&[(":path", "/index.html")]),
            hex::decode("0000510b2f696e6465782e68746d6c").unwrap()
        );
    }

    //= rfc9204#section-2.1.2 type=test
    //# For a field section encoded with no references
    //# to the dynamic table, the Required Insert Count is zero.
    #[test]
    fn prefix() {
        assert_eq!(encoded(&[]), [0, 0]);
        assert_eq!(encoded(&[(":path", "/")]), [0, 0, 0xc1]);
    }

    //= rfc9204#section-2.1 type=test
    //# An
    //# encoder MUST emit field representations in the order they appear in the input
    //# field section.
    #[test]
    fn order() {
        assert_eq!(
            encoded(&[(":method", "GET"), (":path", "/")]),
            [0, 0, 0xd1, 0xc1]
        );
        assert_eq!(
            encoded(&[(":path", "/"), (":method", "GET")]),
            [0, 0, 0xc1, 0xd1]
        );
    }

    #[test]
    fn secrets_are_never_indexed() {
        assert_eq!(encoded(&[("authorization", "x")]), b"\0\0\x7f\x45\x01x");
        assert_eq!(encoded(&[("authorization", "")]), b"\0\0\x7f\x45\0");
        assert_eq!(encoded(&[("cookie", "a=b")]), b"\0\0\x75\x03a=b");
        assert_eq!(encoded(&[("cookie", "a=01234567890123456789")])[2], 0x55);
        assert_eq!(encoded(&[("proxy-authorization", "x")])[2], 0x37);
    }

    #[test]
    fn appends_and_counts() {
        let mut encoder = Encoder::default();
        let mut out = b"x".to_vec();
        encoder.encode_headers(&[Header::new(":path", "/")], 0, &mut out);
        encoder.encode_headers(&[Header::new("a", "b")], 0, &mut out);
        assert_eq!(out, b"x\0\0\xc1\0\0\x21a\x01b");
        let stats = encoder.stats();
        assert_eq!(
            (stats.field_sections, stats.encoded_bytes, stats.field_bytes),
            (2, 9, 8)
        );
    }

    #[test]
    fn stream_cancellation() {
        let mut encoder = Encoder::default();
        encoder.on_decoder_stream(&[0x48, 0x7f]).unwrap();
        assert_eq!(encoder.stats().stream_cancelled_recv, 1);
        encoder.on_decoder_stream(&[]).unwrap();
        encoder.on_decoder_stream(&[0x01]).unwrap();
        assert_eq!(encoder.stats().stream_cancelled_recv, 2);
    }

    //= rfc9204#section-4.4.1 type=test
    //# If an encoder receives a Section Acknowledgment instruction referring to a
    //# stream on which every encoded field section with a non-zero Required Insert
    //# Count has already been acknowledged, this MUST be treated as a connection error
    #[test]
    fn section_ack() {
        // hardening R3778
        assert_eq!(
            Encoder::default().on_decoder_stream(&[0x84]),
            Err(Error::DecoderStream)
        );
    }

    //= rfc9204#section-4.4.3 type=test
    //# An encoder that receives an Increment field equal to zero, or one that increases
    //# the Known Received Count beyond what the encoder has sent, MUST treat this as a
    //# connection error of type QPACK_DECODER_STREAM_ERROR.
    #[test]
    fn insert_count_increment() {
        // hardening R3762
        assert_eq!(
            Encoder::default().on_decoder_stream(&[0]),
            Err(Error::DecoderStream)
        );
        assert_eq!(
            Encoder::default().on_decoder_stream(&[1]),
            Err(Error::DecoderStream)
        );
        // hardening R3684
        let mut huge = vec![0x3f];
        huge.extend([0xff; 8]);
        let mut encoder = Encoder::default();
        encoder.on_decoder_stream(&huge).unwrap();
        assert_eq!(
            encoder.on_decoder_stream(&[0x7f]),
            Err(Error::DecoderStream)
        );
    }
}

//! From bytes to field lines.

use neqo_common::{Header, to_u64};

use crate::{
    Error, Res, Settings, Stats,
    field_line::{Index, Representation, VALUE_BITS},
    huffman::DecodeError,
    instructions::{EncoderInstruction, EncoderStreamReader},
    literal,
    prefix::{Malformed, Reader},
    static_table::{self, Entry},
};

//= rfc9114#section-4.2.2
//# The size of a field list is calculated
//# based on the uncompressed size of fields, including the length of the name and value
//# in bytes plus an overhead of 32 bytes for each field.
/// What each field line adds to the size of its section (RFC 9114, Section 4.2.2).
const LINE_OVERHEAD: u64 = 32;

/// Whether a field section could be decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decoded {
    /// All lines were appended.
    Done,
    /// The section refers to entries of the dynamic table that have not arrived. This cannot happen as long as the
    /// announced capacity is zero.
    Blocked,
}

/// Decodes field sections.
#[derive(Debug)]
pub struct Decoder {
    capacity: u64,
    encoder_stream: EncoderStreamReader,
    stats: Stats,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Decoder {
    /// A decoder with the given settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let capacity = settings.get_max_table_size_decoder();
        Self {
            capacity,
            encoder_stream: EncoderStreamReader::new(
                usize::try_from(capacity).unwrap_or(usize::MAX),
            ),
            stats: Stats::default(),
        }
    }

    /// Appends the lines of the encoded field section `block`, which came on the stream with this id, to `out`.
    ///
    /// `max_field_section_size` is the limit for the size that RFC 9114, Section 4.2.2 defines: the bytes of names and
    /// values and 32 more for each line. Decoding stops where the limit is passed, so that a small block never becomes
    /// a large section.
    ///
    /// # Errors
    /// [`Error::Decompression`] when the block is invalid, [`Error::FieldSectionTooLarge`] when the limit is passed,
    /// [`Error::BadUtf8`] when a name is not text. `out` is then as it was.
    pub fn decode(
        &mut self,
        block: &[u8],
        _stream_id: u64,
        max_field_section_size: u64,
        out: &mut Vec<Header>,
    ) -> Res<Decoded> {
        let start = out.len();
        let mut section = Section {
            reader: Reader::new(block),
            budget: max_field_section_size,
        };
        if let Err(e) = section.read(out) {
            out.truncate(start);
            return Err(e);
        }
        self.stats.field_sections += 1;
        self.stats.encoded_bytes += block.len();
        self.stats.field_bytes += out
            .iter()
            .skip(start)
            .map(|h| h.name().len() + h.value().len())
            .sum::<usize>();
        Ok(Decoded::Done)
    }

    /// Takes the bytes that arrived on the peer's encoder stream.
    ///
    /// # Errors
    /// [`Error::EncoderStream`] for anything but a capacity of zero, which is all that was announced.
    pub fn on_encoder_stream(&mut self, data: &[u8]) -> Res<()> {
        let mut input = Reader::new(data);
        while let Some(instruction) = self
            .encoder_stream
            .next(&mut input)
            .map_err(|_| Error::EncoderStream)?
        {
            match instruction {
                //= rfc9204#section-4.3.1
                //# The decoder MUST treat a new dynamic table capacity value that
                //# exceeds this limit as a connection error of type QPACK_ENCODER_STREAM_ERROR.
                EncoderInstruction::SetCapacity(capacity) if capacity <= self.capacity => {}
                //= rfc9204#section-3.2.2
                //# It is an
                //# error if the encoder attempts to add an entry that is larger than the dynamic table
                //# capacity; the decoder MUST treat this as a connection error
                _ => return Err(Error::EncoderStream),
            }
        }
        Ok(())
    }

    /// What was decoded so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Decompression
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        match e {
            DecodeError::Invalid => Self::Decompression,
            DecodeError::TooLong => Self::FieldSectionTooLarge,
        }
    }
}

/// A field section that is being decoded.
struct Section<'a> {
    reader: Reader<'a>,
    /// How much the section may still grow.
    budget: u64,
}

impl Section<'_> {
    fn read(&mut self, out: &mut Vec<Header>) -> Res<()> {
        self.read_prefix()?;
        while let Some(first) = self.reader.byte() {
            let line = self.read_line(first)?;
            out.push(line);
        }
        Ok(())
    }

    /// Reads the encoded field section prefix.
    fn read_prefix(&mut self) -> Res<()> {
        let first = self.reader.byte().ok_or(Malformed)?;
        // hardening R3765
        //= rfc9204#section-4.5.1.1
        //# If the decoder encounters a value of EncodedInsertCount that
        //# could not have been produced by a conformant encoder, it MUST treat this as a
        //# connection error of type QPACK_DECOMPRESSION_FAILED.
        if self.reader.int(first, 8)? != 0 {
            return Err(Error::Decompression);
        }
        let first = self.reader.byte().ok_or(Malformed)?;
        self.reader.int(first, 7)?;
        //= rfc9204#section-4.5.1.2
        //# An endpoint MUST treat a field block with a Sign bit of 1 as
        //# invalid if the value of Required Insert Count is less than or equal to the value
        //# of Delta Base.
        if first & 0x80 != 0 {
            return Err(Error::Decompression);
        }
        Ok(())
    }

    fn read_line(&mut self, first: u8) -> Res<Header> {
        // hardening A10, R3618
        self.spend(LINE_OVERHEAD)?;
        Ok(match Representation::read(&mut self.reader, first)? {
            Representation::Indexed(index) => {
                let (name, value) = entry(index)?;
                self.spend_on(name)?;
                self.spend_on(value)?;
                Header::new(text(name.to_vec())?, *value)
            }
            Representation::NameReference(index) => {
                let (name, _) = entry(index)?;
                self.spend_on(name)?;
                Header::new(text(name.to_vec())?, self.read_value()?)
            }
            Representation::Literal(first, bits) => {
                let name = self.read_literal(first, bits)?;
                // The value is read first, so that what is wrong with the block outranks what is wrong with the name.
                let value = self.read_value()?;
                Header::new(text(name)?, value)
            }
        })
    }

    fn read_value(&mut self) -> Res<Vec<u8>> {
        let first = self.reader.byte().ok_or(Malformed)?;
        self.read_literal(first, VALUE_BITS)
    }

    fn read_literal(&mut self, first: u8, bits: u8) -> Res<Vec<u8>> {
        let limit = usize::try_from(self.budget).unwrap_or(usize::MAX);
        let mut data = Vec::new();
        literal::decode(&mut self.reader, first, bits, limit, &mut data)?;
        self.spend_on(&data)?;
        Ok(data)
    }

    fn spend_on(&mut self, data: &[u8]) -> Res<()> {
        self.spend(to_u64(data.len()))
    }

    fn spend(&mut self, n: u64) -> Res<()> {
        self.budget = self
            .budget
            .checked_sub(n)
            .ok_or(Error::FieldSectionTooLarge)?;
        Ok(())
    }
}

fn text(name: Vec<u8>) -> Res<String> {
    String::from_utf8(name).map_err(|_| Error::BadUtf8)
}

/// The entry that a field line refers to.
fn entry(index: Index) -> Res<&'static Entry> {
    match index {
        //= rfc9204#section-3.1
        //# When the decoder encounters an invalid static table index in a field line
        //# representation, it MUST treat this as a connection error of type
        //# QPACK_DECOMPRESSION_FAILED.
        Index::Static(index) => static_table::get(index).ok_or(Error::Decompression),
        // hardening R3807
        //= rfc9204#section-2.2.3
        //# If the decoder encounters a reference in a field line representation to a
        //# dynamic table entry that has already been evicted or that has an absolute
        //# index greater than or equal to the declared Required Insert Count
        Index::Relative(_) | Index::PostBase(_) => Err(Error::Decompression),
    }
}

#[cfg(test)]
mod tests;

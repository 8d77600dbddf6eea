//! The instructions on encoder and decoder streams (RFC 9204, Sections 4.3 and 4.4), read as they arrive.

use crate::{
    literal::LiteralReader,
    prefix::{IntReader, Malformed, Reader},
    static_table,
};

/// Where the name of an inserted line comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// An entry of the static table.
    Static(u64),
    /// An entry of the dynamic table, counted down from the newest.
    Relative(u64),
    /// This text.
    Literal(Vec<u8>),
}

/// An instruction on the encoder stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EncoderInstruction {
    /// Set Dynamic Table Capacity, in bytes.
    SetCapacity(u64),
    /// Insert with Name Reference, or with Literal Name.
    Insert(Name, Vec<u8>),
    /// Duplicate the entry with this index, counted down from the newest.
    Duplicate(u64),
}

/// Reads the encoder stream.
#[derive(Debug)]
pub(crate) struct EncoderStreamReader {
    limit: usize,
    state: EncoderState,
}

#[derive(Debug)]
enum EncoderState {
    Start,
    Capacity(IntReader),
    Duplicate(IntReader),
    NameIndex {
        is_static: bool,
        reader: IntReader,
    },
    Name(LiteralReader),
    /// The name is complete, the value has not begun.
    Named(Name),
    Value(Name, LiteralReader),
}

impl EncoderStreamReader {
    /// A reader that refuses strings longer than `limit` bytes. As no entry may be larger than the dynamic table, its
    /// maximum capacity is a good limit.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            state: EncoderState::Start,
        }
    }

    /// The next instruction, or nothing when `input` ends before it does.
    pub(crate) fn next(
        &mut self,
        input: &mut Reader<'_>,
    ) -> Result<Option<EncoderInstruction>, Malformed> {
        loop {
            let state = std::mem::replace(&mut self.state, EncoderState::Start);
            match state.step(self.limit, input)? {
                Step::Next(state) => self.state = state,
                Step::Starved(state) => {
                    self.state = state;
                    return Ok(None);
                }
                Step::Done(instruction) => return Ok(Some(instruction)),
            }
        }
    }
}

enum Step {
    Next(EncoderState),
    /// The state is as before, for lack of input.
    Starved(EncoderState),
    Done(EncoderInstruction),
}

impl EncoderState {
    fn step(self, limit: usize, input: &mut Reader<'_>) -> Result<Step, Malformed> {
        Ok(match self {
            Self::Start => match input.byte() {
                Some(first) => Self::first(first, limit)?,
                None => Step::Starved(self),
            },
            Self::Capacity(mut reader) => match feed(&mut reader, input)? {
                Some(v) => Step::Done(EncoderInstruction::SetCapacity(v)),
                None => Step::Starved(Self::Capacity(reader)),
            },
            Self::Duplicate(mut reader) => match feed(&mut reader, input)? {
                Some(v) => Step::Done(EncoderInstruction::Duplicate(v)),
                None => Step::Starved(Self::Duplicate(reader)),
            },
            Self::NameIndex {
                is_static,
                mut reader,
            } => match feed(&mut reader, input)? {
                Some(v) => Step::Next(Self::Named(Name::reference(is_static, v)?)),
                None => Step::Starved(Self::NameIndex { is_static, reader }),
            },
            Self::Name(mut reader) => match reader.feed(input)? {
                Some(name) => Step::Next(Self::Named(Name::Literal(name))),
                None => Step::Starved(Self::Name(reader)),
            },
            Self::Named(name) => match input.byte() {
                Some(first) => {
                    Step::Next(Self::Value(name, LiteralReader::start(first, 7, limit)?))
                }
                None => Step::Starved(Self::Named(name)),
            },
            Self::Value(name, mut reader) => match reader.feed(input)? {
                Some(value) => Step::Done(EncoderInstruction::Insert(name, value)),
                None => Step::Starved(Self::Value(name, reader)),
            },
        })
    }

    fn first(first: u8, limit: usize) -> Result<Step, Malformed> {
        Ok(match first.leading_zeros() {
            // 1T: insert with name reference
            0 => {
                let is_static = first & 0x40 != 0;
                Step::Next(match IntReader::start(first, 6) {
                    Ok(index) => Self::Named(Name::reference(is_static, index)?),
                    Err(reader) => Self::NameIndex { is_static, reader },
                })
            }
            // 01H: insert with literal name
            1 => Step::Next(Self::Name(LiteralReader::start(first, 5, limit)?)),
            // 001: set dynamic table capacity
            2 => match IntReader::start(first, 5) {
                Ok(capacity) => Step::Done(EncoderInstruction::SetCapacity(capacity)),
                Err(reader) => Step::Next(Self::Capacity(reader)),
            },
            // 000: duplicate
            _ => match IntReader::start(first, 5) {
                Ok(index) => Step::Done(EncoderInstruction::Duplicate(index)),
                Err(reader) => Step::Next(Self::Duplicate(reader)),
            },
        })
    }
}

impl Name {
    fn reference(is_static: bool, index: u64) -> Result<Self, Malformed> {
        //= rfc9204#section-3.1
        //# If this index is received on the encoder stream,
        //# this MUST be treated as a connection error of type QPACK_ENCODER_STREAM_ERROR.
        if is_static && static_table::get(index).is_none() {
            return Err(Malformed);
        }
        Ok(if is_static {
            Self::Static(index)
        } else {
            Self::Relative(index)
        })
    }
}

fn feed(reader: &mut IntReader, input: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    while let Some(byte) = input.byte() {
        if let Some(value) = reader.push(byte)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// An instruction on the decoder stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecoderInstruction {
    /// Section Acknowledgment for this stream.
    SectionAck(u64),
    /// Stream Cancellation for this stream.
    StreamCancellation(u64),
    /// Insert Count Increment by this number.
    InsertCountIncrement(u64),
}

impl DecoderInstruction {
    /// The kind that `first` announces, and the bits of its prefix.
    fn kind(first: u8) -> (fn(u64) -> Self, u8) {
        match first.leading_zeros() {
            0 => (Self::SectionAck, 7),
            1 => (Self::StreamCancellation, 6),
            _ => (Self::InsertCountIncrement, 6),
        }
    }
}

/// Reads the decoder stream.
#[derive(Debug, Default)]
pub(crate) struct DecoderStreamReader {
    /// The first byte of an instruction that is not complete, and its integer.
    pending: Option<(u8, IntReader)>,
}

impl DecoderStreamReader {
    /// The next instruction, or nothing when `input` ends before it does.
    pub(crate) fn next(
        &mut self,
        input: &mut Reader<'_>,
    ) -> Result<Option<DecoderInstruction>, Malformed> {
        let (first, mut reader) = if let Some(pending) = self.pending.take() {
            pending
        } else {
            let Some(first) = input.byte() else {
                return Ok(None);
            };
            let (make, bits) = DecoderInstruction::kind(first);
            match IntReader::start(first, bits) {
                Ok(value) => return Ok(Some(make(value))),
                Err(reader) => (first, reader),
            }
        };
        let value = feed(&mut reader, input)?;
        if value.is_none() {
            self.pending = Some((first, reader));
        }
        Ok(value.map(DecoderInstruction::kind(first).0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};

    use super::{
        DecoderInstruction, DecoderStreamReader, EncoderInstruction, EncoderStreamReader, Name,
    };
    use crate::prefix::{Malformed, Reader};

    type All<T> = Result<Vec<T>, Malformed>;

    fn encoder_stream(data: &[u8], limit: usize, size: usize) -> All<EncoderInstruction> {
        let mut reader = EncoderStreamReader::new(limit);
        let mut all = Vec::new();
        for piece in data.chunks(size) {
            let mut input = Reader::new(piece);
            while let Some(i) = reader.next(&mut input)? {
                all.push(i);
            }
            assert_eq!(input.byte(), None);
        }
        Ok(all)
    }

    fn decoder_stream(data: &[u8], size: usize) -> All<DecoderInstruction> {
        let mut reader = DecoderStreamReader::default();
        let mut all = Vec::new();
        for piece in data.chunks(size) {
            let mut input = Reader::new(piece);
            while let Some(i) = reader.next(&mut input)? {
                all.push(i);
            }
            assert_eq!(input.byte(), None);
        }
        Ok(all)
    }

    /// RFC 9204, Sections B.2 to B.5, in pieces of every size.
    #[test]
    fn rfc9204_examples() {
        let hex = "3fbd01c00f7777772e6578616d706c652e636f6dc10c2f73616d706c652f70617468\
                   4a637573746f6d2d6b65790c637573746f6d2d76616c756502810d637573746f6d2d76616c756532";
        let data = hex::decode(hex).unwrap();
        let expected = [
            EncoderInstruction::SetCapacity(220),
            EncoderInstruction::Insert(Name::Static(0), b"www.example.com".to_vec()),
            EncoderInstruction::Insert(Name::Static(1), b"/sample/path".to_vec()),
            EncoderInstruction::Insert(
                Name::Literal(b"custom-key".to_vec()),
                b"custom-value".to_vec(),
            ),
            EncoderInstruction::Duplicate(2),
            EncoderInstruction::Insert(Name::Relative(1), b"custom-value2".to_vec()),
        ];
        for size in 1..=data.len() {
            assert_eq!(encoder_stream(&data, 15, size).unwrap(), expected, "{size}");
        }
        assert!(
            encoder_stream(&data, 14, 1).is_err(),
            "longer than the limit"
        );
        let expected = [
            DecoderInstruction::SectionAck(4),
            DecoderInstruction::InsertCountIncrement(1),
            DecoderInstruction::StreamCancellation(8),
            DecoderInstruction::SectionAck(1337),
            DecoderInstruction::InsertCountIncrement(0),
        ];
        let data = [0x84, 0x01, 0x48, 0xff, 0xba, 0x09, 0x00];
        for size in 1..=data.len() {
            assert_eq!(decoder_stream(&data, size).unwrap(), expected, "{size}");
        }
    }

    #[test]
    fn empty_strings_need_no_more_input() {
        assert_eq!(
            encoder_stream(&[0x40, 0x00], 0, 1).unwrap(),
            [EncoderInstruction::Insert(Name::Literal(vec![]), vec![])]
        );
        assert_eq!(
            encoder_stream(&[0xff, 0x00, 0x80], 0, 1).unwrap(),
            [EncoderInstruction::Insert(Name::Static(63), vec![])]
        );
    }

    //= rfc9204#section-3.1 type=test
    //# If this index is received on the encoder stream,
    //# this MUST be treated as a connection error of type QPACK_ENCODER_STREAM_ERROR.
    #[test]
    fn invalid_static_index() {
        assert_eq!(encoder_stream(&[0xff, 35], 0, 1).unwrap(), []);
        assert_eq!(encoder_stream(&[0xff, 36], 0, 1), Err(Malformed));
    }

    proptest! {
        /// Pieces do not matter, and nothing panics.
        #[test]
        fn arbitrary(data in vec(any::<u8>(), 1..100), size in 1..20_usize) {
            prop_assert_eq!(encoder_stream(&data, 30, size), encoder_stream(&data, 30, data.len()));
            prop_assert_eq!(decoder_stream(&data, size), decoder_stream(&data, data.len()));
        }
    }
}

//! The representations of field lines (RFC 9204, Section 4.5): their first bytes.

use crate::{
    literal,
    prefix::{self, Malformed, Reader},
};

/// How many bits of a first byte begin the index or length that it announces.
const INDEXED_BITS: u8 = 6;
const INDEXED_POST_BASE_BITS: u8 = 4;
const NAME_REFERENCE_BITS: u8 = 4;
const NAME_POST_BASE_BITS: u8 = 3;
const LITERAL_NAME_BITS: u8 = 3;
/// The same for the length of a value.
pub(crate) const VALUE_BITS: u8 = 7;

/// A reference to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// An index of the static table.
    Static(u64),
    /// An index of the dynamic table, counted down from the Base.
    Relative(u64),
    /// An index of the dynamic table, counted up from the Base.
    PostBase(u64),
}

/// The beginning of a field line, up to the first string literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    /// Name and value are in a table.
    Indexed(Index),
    /// The name is in a table, the value follows.
    NameReference(Index),
    /// Name and value follow. The name's literal begins with this byte and has a length prefix of this many bits.
    Literal(u8, u8),
}

impl Representation {
    /// Reads the beginning of a field line, whose first byte is `first`.
    pub(crate) fn read(reader: &mut Reader<'_>, first: u8) -> Result<Self, Malformed> {
        let is_static = |flag: u8, index| {
            if first & flag == 0 {
                Index::Relative(index)
            } else {
                Index::Static(index)
            }
        };
        Ok(match first.leading_zeros() {
            // 1T: indexed field line
            0 => Self::Indexed(is_static(0x40, reader.int(first, INDEXED_BITS)?)),
            // 01NT: literal field line with name reference
            1 => Self::NameReference(is_static(0x10, reader.int(first, NAME_REFERENCE_BITS)?)),
            // 001NH: literal field line with literal name
            2 => Self::Literal(first, LITERAL_NAME_BITS),
            // 0001: indexed field line with post-Base index
            3 => Self::Indexed(Index::PostBase(reader.int(first, INDEXED_POST_BASE_BITS)?)),
            // 0000N: literal field line with post-Base name reference
            _ => Self::NameReference(Index::PostBase(reader.int(first, NAME_POST_BASE_BITS)?)),
        })
    }
}

/// Appends a field line that the static table has.
pub(crate) fn encode_indexed(index: u64, out: &mut Vec<u8>) {
    prefix::encode(index, INDEXED_BITS, 0xc0, out);
}

/// What applies to the literals of a field line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiteralOptions {
    /// The N bit: intermediaries have to keep this a literal.
    pub never_indexed: bool,
    /// Strings are Huffman encoded where that is shorter.
    pub use_huffman: bool,
}

/// Appends a field line whose name the static table has.
pub(crate) fn encode_name_reference(
    index: u64,
    value: &[u8],
    options: LiteralOptions,
    out: &mut Vec<u8>,
) {
    let flags = if options.never_indexed { 0x70 } else { 0x50 };
    prefix::encode(index, NAME_REFERENCE_BITS, flags, out);
    literal::encode(value, VALUE_BITS, 0, options.use_huffman, out);
}

/// Appends a field line that no table knows anything of.
pub(crate) fn encode_literal(
    name: &[u8],
    value: &[u8],
    options: LiteralOptions,
    out: &mut Vec<u8>,
) {
    let flags = if options.never_indexed { 0x30 } else { 0x20 };
    literal::encode(name, LITERAL_NAME_BITS, flags, options.use_huffman, out);
    literal::encode(value, VALUE_BITS, 0, options.use_huffman, out);
}

#[cfg(test)]
mod tests {
    use super::{
        Index, LiteralOptions, Representation, encode_indexed, encode_literal,
        encode_name_reference,
    };
    use crate::prefix::Reader;

    fn read(data: &[u8]) -> Representation {
        let mut reader = Reader::new(data);
        let first = reader.byte().unwrap();
        Representation::read(&mut reader, first).unwrap()
    }

    #[test]
    fn first_bytes() {
        use Representation::{Indexed, Literal, NameReference};
        for (data, expected) in [
            (&[0xc1][..], Indexed(Index::Static(1))),
            (&[0xff, 0x24], Indexed(Index::Static(99))),
            (&[0x81], Indexed(Index::Relative(1))),
            (&[0x11], Indexed(Index::PostBase(1))),
            (&[0x51], NameReference(Index::Static(1))),
            (&[0x71], NameReference(Index::Static(1))),
            (&[0x41], NameReference(Index::Relative(1))),
            (&[0x61], NameReference(Index::Relative(1))),
            (&[0x01], NameReference(Index::PostBase(1))),
            (&[0x09], NameReference(Index::PostBase(1))),
            (&[0x00], NameReference(Index::PostBase(0))),
            (&[0x23], Literal(0x23, 3)),
            (&[0x3b], Literal(0x3b, 3)),
        ] {
            assert_eq!(read(data), expected, "{data:x?}");
        }
    }

    #[test]
    fn bytes() {
        let plain = LiteralOptions {
            never_indexed: false,
            use_huffman: false,
        };
        let secret = LiteralOptions {
            never_indexed: true,
            ..plain
        };
        let mut out = Vec::new();
        encode_indexed(98, &mut out);
        assert_eq!(out, [0xff, 35]);
        out.clear();
        encode_name_reference(1, b"/", plain, &mut out);
        assert_eq!(out, b"\x51\x01/");
        out.clear();
        encode_name_reference(84, b"x", secret, &mut out);
        assert_eq!(out, b"\x7f\x45\x01x");
        out.clear();
        encode_literal(b"a", b"b", plain, &mut out);
        assert_eq!(out, b"\x21a\x01b");
        out.clear();
        encode_literal(b"a", b"b", secret, &mut out);
        assert_eq!(out, b"\x31a\x01b");
    }
}

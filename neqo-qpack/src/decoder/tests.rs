use neqo_common::Header;
use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

use super::{Decoded, Decoder};
use crate::{Encoder, Error, Res, Settings};

const NO_LIMIT: u64 = u64::MAX;

fn decoded_with(block: &[u8], limit: u64) -> Res<Vec<Header>> {
    let mut out = Vec::new();
    let result = Decoder::default().decode(block, 0, limit, &mut out);
    if result.is_err() {
        assert!(
            out.is_empty(),
            "nothing is left of a section that is refused"
        );
    }
    assert_eq!(result?, Decoded::Done);
    Ok(out)
}

fn decoded(block: &[u8]) -> Res<Vec<Header>> {
    decoded_with(block, NO_LIMIT)
}

/// RFC 9204, Section B.1.
#[test]
fn literal_with_name_reference() {
    let block = hex::decode("0000510b2f696e6465782e68746d6c").unwrap();
    assert_eq!(
        decoded(&block).unwrap(),
        [Header::new(":path", "/index.html")]
    );
}

#[test]
fn every_representation() {
    let block = b"\0\0\xc1\x51\x02/x\x71\x02/x\x27\x03long-name!\x01b\x31a\x01b\xc0";
    assert_eq!(
        decoded(block).unwrap(),
        [
            Header::new(":path", "/"),
            Header::new(":path", "/x"),
            Header::new(":path", "/x"),
            Header::new("long-name!", "b"),
            Header::new("a", "b"),
            Header::new(":authority", ""),
        ]
    );
    assert!(decoded(b"\0\0").unwrap().is_empty());
}

/// A section without dynamic references may have any Base.
#[test]
fn any_base() {
    assert_eq!(decoded(b"\0\x05\xc1").unwrap(), [Header::new(":path", "/")]);
    assert_eq!(
        decoded(b"\0\x7f\x80\x01\xc1").unwrap(),
        [Header::new(":path", "/")]
    );
}

#[test]
fn appends() {
    let mut out = vec![Header::new("a", "b")];
    let mut decoder = Decoder::default();
    assert_eq!(
        decoder.decode(b"\0\0\xc1", 0, NO_LIMIT, &mut out),
        Ok(Decoded::Done)
    );
    assert_eq!(
        decoder.decode(b"\0\0\xc1\xff", 0, NO_LIMIT, &mut out),
        Err(Error::Decompression)
    );
    assert_eq!(out, [Header::new("a", "b"), Header::new(":path", "/")]);
    let stats = decoder.stats();
    assert_eq!(
        (stats.field_sections, stats.encoded_bytes, stats.field_bytes),
        (1, 3, 6)
    );
}

#[test]
fn truncated() {
    let block = b"\0\0\x27\x03long-name!\x01b\x51\x02/x";
    let whole = decoded(block).unwrap();
    for end in 0..block.len() {
        match decoded(&block[..end]) {
            Ok(part) => assert!(whole.starts_with(&part) && part.len() < whole.len()),
            Err(e) => assert_eq!(e, Error::Decompression),
        }
    }
}

//= rfc9204#section-4.5.1.1 type=test
//# If the decoder encounters a value of EncodedInsertCount that
//# could not have been produced by a conformant encoder, it MUST treat this as a
//# connection error of type QPACK_DECOMPRESSION_FAILED.
#[test]
fn required_insert_count() {
    // hardening R3765
    for count in 1..=254 {
        assert_eq!(decoded(&[count, 0, 0xc1]), Err(Error::Decompression));
    }
    assert_eq!(decoded(&[0xff, 0, 0, 0xc1]), Err(Error::Decompression));
}

//= rfc9204#section-4.5.1.2 type=test
//# An endpoint MUST treat a field block with a Sign bit of 1 as
//# invalid if the value of Required Insert Count is less than or equal to the value
//# of Delta Base.
#[test]
fn negative_base() {
    assert_eq!(decoded(&[0, 0x80, 0xc1]), Err(Error::Decompression));
    assert_eq!(decoded(&[0, 0x81, 0xc1]), Err(Error::Decompression));
}

//= rfc9204#section-3.1 type=test
//# When the decoder encounters an invalid static table index in a field line
//# representation, it MUST treat this as a connection error of type
//# QPACK_DECOMPRESSION_FAILED.
#[test]
fn invalid_static_index() {
    assert!(decoded(&[0, 0, 0xff, 35]).is_ok());
    assert_eq!(decoded(&[0, 0, 0xff, 36]), Err(Error::Decompression));
    assert!(decoded(&[0, 0, 0x5f, 83, 0]).is_ok());
    assert_eq!(decoded(&[0, 0, 0x5f, 84, 0]), Err(Error::Decompression));
}

//= rfc9204#section-2.2.3 type=test
//# If the decoder encounters a reference in a field line representation to a
//# dynamic table entry that has already been evicted or that has an absolute
//# index greater than or equal to the declared Required Insert Count
#[test]
fn dynamic_references() {
    // hardening R3807
    for line in [
        &[0x80][..],
        &[0x10],
        &[0x40, 0],
        &[0x60, 0],
        &[0x00, 0],
        &[0x08, 0],
    ] {
        let block = [&[0, 0], line].concat();
        assert_eq!(decoded(&block), Err(Error::Decompression), "{line:x?}");
    }
}

//= rfc9114#section-4.2.2 type=test
//# The size of a field list is calculated
//# based on the uncompressed size of fields, including the length of the name and value
//# in bytes plus an overhead of 32 bytes for each field.
#[test]
fn field_section_size() {
    // hardening A10, R3618
    // Each of these lines has 6 bytes.
    for line in [&b"\xc1"[..], b"\x51\x01/", b"\x23abc\x03def"] {
        let block = [b"\0\0", line, line].concat();
        assert!(decoded_with(&block, 76).is_ok());
        assert_eq!(decoded_with(&block, 75), Err(Error::FieldSectionTooLarge));
        assert_eq!(decoded_with(&block, 0), Err(Error::FieldSectionTooLarge));
        let mut out = Vec::new();
        assert_eq!(
            Decoder::default().decode(&block, 0, 75, &mut out),
            Err(Error::FieldSectionTooLarge)
        );
        assert!(out.is_empty());
    }
}

/// The limit is enforced while decoding: what follows the line that passes it is not looked at.
#[test]
fn too_large_stops_early() {
    // hardening A10, R3618
    let block = b"\0\0\xc1\xc1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(decoded_with(block, 50), Err(Error::FieldSectionTooLarge));
    assert_eq!(decoded_with(block, 500), Err(Error::Decompression));
    let bomb = [&[0, 0][..], &[0xc1; 10_000]].concat();
    assert_eq!(
        decoded_with(&bomb, 16_384),
        Err(Error::FieldSectionTooLarge)
    );
}

#[test]
fn huffman_beyond_the_limit() {
    let mut block = Vec::new();
    Encoder::default().encode([(&b"a"[..], &[b'a'; 100][..])], 0, &mut block);
    assert!(decoded_with(&block, 133).is_ok());
    assert_eq!(decoded_with(&block, 132), Err(Error::FieldSectionTooLarge));
}

#[test]
fn names_are_text() {
    assert_eq!(decoded(b"\0\0\x21\xff\0"), Err(Error::BadUtf8));
    assert_eq!(
        decoded(b"\0\0\x21a\x01\xff").unwrap(),
        [Header::new("a", [0xff])]
    );
}

//= rfc9204#section-4.3.1 type=test
//# The decoder MUST treat a new dynamic table capacity value that
//# exceeds this limit as a connection error of type QPACK_ENCODER_STREAM_ERROR.
#[test]
fn capacity() {
    // hardening A29
    let mut decoder = Decoder::default();
    for _ in 0..3 {
        assert_eq!(decoder.on_encoder_stream(&[0x20]), Ok(()));
    }
    assert_eq!(
        decoder.on_encoder_stream(&[0x21]),
        Err(Error::EncoderStream)
    );
    let mut decoder = Decoder::default();
    assert_eq!(decoder.on_encoder_stream(&[0x3f, 0xbd]), Ok(()));
    assert_eq!(
        decoder.on_encoder_stream(&[0x01]),
        Err(Error::EncoderStream)
    );
}

//= rfc9204#section-3.2.2 type=test
//# It is an
//# error if the encoder attempts to add an entry that is larger than the dynamic table
//# capacity; the decoder MUST treat this as a connection error
#[test]
fn inserts() {
    for instruction in [&b"\xc0\0"[..], b"\x80\0", b"\x40\0", b"\x41a\x01b", b"\0"] {
        assert_eq!(
            Decoder::default().on_encoder_stream(instruction),
            Err(Error::EncoderStream),
            "{instruction:x?}"
        );
    }
}

//= rfc9204#section-3.1 type=test
//# If this index is received on the encoder stream,
//# this MUST be treated as a connection error of type QPACK_ENCODER_STREAM_ERROR.
#[test]
fn invalid_static_index_on_the_encoder_stream() {
    assert_eq!(
        Decoder::default().on_encoder_stream(&[0xff, 36]),
        Err(Error::EncoderStream)
    );
}

/// A literal is refused when its length is known, not when it has been collected.
#[test]
fn literals_are_capped() {
    // hardening A11
    assert_eq!(
        Decoder::default().on_encoder_stream(&[0xc0, 0x01]),
        Err(Error::EncoderStream)
    );
    assert_eq!(
        Decoder::default().on_encoder_stream(&[0x41]),
        Err(Error::EncoderStream)
    );
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Known(&'static str),
    Random,
}

fn parts() -> impl proptest::strategy::Strategy<Value = Vec<(Part, Part, String, Vec<u8>)>> {
    use proptest::prelude::{Just, prop_oneof};
    let part = || {
        prop_oneof![
            Just(Part::Known(":status")),
            Just(Part::Known("200")),
            Just(Part::Known("cookie")),
            Just(Part::Known("authorization")),
            Just(Part::Known("")),
            Just(Part::Random),
        ]
    };
    vec((part(), part(), ".{0,40}", vec(any::<u8>(), 0..200)), 0..20)
}

proptest! {
    #[test]
    fn inverse(parts in parts(), huffman: bool) {
        let headers: Vec<_> = parts
            .into_iter()
            .map(|(name, value, random_name, random_value)| {
                let name = match name { Part::Known(n) => n.to_owned(), Part::Random => random_name };
                let value = match value { Part::Known(v) => v.into(), Part::Random => random_value };
                Header::new(name, value)
            })
            .collect();
        let size: usize = headers.iter().map(|h| h.name().len() + h.value().len() + 32).sum();
        let size = u64::try_from(size).unwrap();
        let mut block = Vec::new();
        Encoder::new(Settings::default().use_huffman(huffman)).encode_headers(&headers, 0, &mut block);
        prop_assert_eq!(&decoded_with(&block, size).unwrap(), &headers);
        if size > 0 {
            prop_assert_eq!(decoded_with(&block, size - 1), Err(Error::FieldSectionTooLarge));
        }
    }

    /// Nothing panics, and what is decoded keeps to the limit.
    #[test]
    fn arbitrary(bytes in vec(any::<u8>(), 0..200), limit in 0..2000_u64) {
        let block = [&[0, 0][..], &bytes].concat();
        for block in [&bytes, &block] {
            if let Ok(lines) = decoded_with(block, limit) {
                let size: usize = lines.iter().map(|h| h.name().len() + h.value().len() + 32).sum();
                prop_assert!(u64::try_from(size).unwrap() <= limit);
            }
        }
        let _ = Decoder::default().on_encoder_stream(&bytes);
        let _ = Encoder::default().on_decoder_stream(&bytes);
    }
}

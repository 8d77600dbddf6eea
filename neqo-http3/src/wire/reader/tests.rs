use bytes::Bytes;
use neqo_common::{Encoder, Role};
use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

use super::{FrameReader, Item, State};
use crate::{
    config::limits::{HEADERS_SLACK, MAX_CONTROL_FRAME},
    error::{Error, Res, StreamFault, Violation},
    wire::frame::FrameType,
};

const LIMIT: u64 = 1000;
const FOREVER: u64 = (1 << 62) - 1;

fn request() -> FrameReader {
    FrameReader::request(Role::Server, LIMIT)
}

/// What a reader said, with the payload of DATA put together.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(FrameType, Vec<u8>),
    Data(u64, Vec<u8>),
}

/// Reads `data` in chunks of `size`.
fn read(reader: &mut FrameReader, data: &[u8], size: usize) -> Res<Vec<Seen>> {
    let mut seen = Vec::new();
    for piece in data.chunks(size.max(1)) {
        let mut chunk = Bytes::copy_from_slice(piece);
        while !chunk.is_empty() {
            if reader.data_remaining() > 0 {
                let part = reader.take_data(&mut chunk, 7);
                let Some(Seen::Data(_, all)) = seen.last_mut() else {
                    panic!("data without a header")
                };
                all.extend_from_slice(&part);
                continue;
            }
            match reader.read(&mut chunk)? {
                Some(Item::Frame(frame, payload)) => {
                    seen.push(Seen::Frame(frame, payload.to_vec()));
                }
                Some(Item::Data(len)) => seen.push(Seen::Data(len, Vec::new())),
                None => assert!(chunk.is_empty() || reader.data_remaining() > 0),
            }
        }
    }
    Ok(seen)
}

fn frame(frame: u64, payload: &[u8]) -> Vec<u8> {
    let mut enc = Encoder::new();
    enc.encode_varint(frame).encode_vvec(payload);
    enc.into()
}

fn header(frame: u64, len: u64) -> Vec<u8> {
    let mut enc = Encoder::new();
    enc.encode_varint(frame).encode_varint(len);
    enc.into()
}

#[test]
fn a_message() {
    let data = [
        frame(0x21, b"grease"),
        frame(1, b"headers"),
        frame(0, b""),
        frame(0, b"some data"),
        frame(0xface, b""),
        frame(0, &[7; 100]),
        frame(1, b""),
    ]
    .concat();
    for size in 1..=data.len() {
        let mut reader = request();
        assert!(reader.at_boundary());
        let seen = read(&mut reader, &data, size).unwrap();
        assert_eq!(
            seen,
            [
                Seen::Frame(FrameType::Headers, b"headers".to_vec()),
                Seen::Data(0, vec![]),
                Seen::Data(9, b"some data".to_vec()),
                Seen::Data(100, vec![7; 100]),
                Seen::Frame(FrameType::Headers, vec![]),
            ],
            "{size}"
        );
        assert!(reader.at_boundary());
    }
}

#[test]
fn boundaries() {
    let data = [
        frame(1, b"headers"),
        frame(0, b"data"),
        frame(0x21, b"grease"),
    ]
    .concat();
    let ends = [0, 9, 15, data.len()];
    for end in 0..=data.len() {
        let mut reader = request();
        read(&mut reader, &data[..end], 3).unwrap();
        assert_eq!(reader.at_boundary(), ends.contains(&end), "{end}");
    }
}

/// A frame that is whole in its chunk is not copied.
#[test]
fn no_copy() {
    let mut chunk = Bytes::from([frame(1, b"headers"), frame(0, b"data")].concat());
    let all = chunk.clone();
    let mut reader = request();
    let Some(Item::Frame(_, payload)) = reader.read(&mut chunk).unwrap() else {
        panic!("no frame")
    };
    assert_eq!(payload.as_ptr(), all[2..].as_ptr());
    assert_eq!(reader.read(&mut chunk).unwrap(), Some(Item::Data(4)));
    assert_eq!(reader.read(&mut chunk).unwrap(), None, "data waits");
    assert_eq!(
        reader.take_data(&mut chunk, 100).as_ptr(),
        all[11..].as_ptr()
    );
    assert!(reader.take_data(&mut chunk, 100).is_empty());
}

//= rfc9114#section-6.2.1 type=test
//# If
//# the first frame of the control stream is any other frame type, this MUST be
//# treated as a connection error of type H3_MISSING_SETTINGS.
#[test]
fn settings_first() {
    for first in [0, 1, 2, 3, 5, 7, 0x0d, 0x21, 0xf_0700, FOREVER] {
        let mut reader = FrameReader::control(Role::Server);
        assert_eq!(
            read(&mut reader, &frame(first, b""), 1),
            Err(Error::Peer(Violation::HttpMissingSettings)),
            "{first:#x}"
        );
    }
    let mut reader = FrameReader::control(Role::Server);
    assert!(
        read(
            &mut reader,
            &[frame(4, b""), frame(0x21, b"x"), frame(7, b"\0")].concat(),
            2
        )
        .is_ok()
    );
}

//= rfc9114#section-7.2.4 type=test
//# If
//# an endpoint receives a second SETTINGS frame on the control stream, the endpoint
//# MUST respond with a connection error of type H3_FRAME_UNEXPECTED.
#[test]
fn settings_once() {
    let mut reader = FrameReader::control(Role::Client);
    assert_eq!(
        read(&mut reader, &[frame(4, b""), frame(4, b"")].concat(), 100),
        Err(Error::Peer(Violation::HttpFrameUnexpected))
    );
}

/// What is not allowed is refused by its type, before its length.
#[test]
fn refused_early() {
    // hardening R3796
    for (mut reader, bad) in [
        (request(), &[0x02][..]),
        (request(), &[0x09]),
        (request(), &[0x05]),
        (request(), &[0x04]),
        (FrameReader::control(Role::Client), &[0x04, 0x00, 0x0d]),
        (FrameReader::control(Role::Client), &[0x04, 0x00, 0x00]),
    ] {
        assert_eq!(
            read(&mut reader, bad, 1),
            Err(Error::Peer(Violation::HttpFrameUnexpected)),
            "{bad:x?}"
        );
    }
}

#[test]
fn lengths_are_not_believed() {
    // hardening A9, R3799
    let mut reader = FrameReader::control(Role::Server);
    read(&mut reader, &frame(4, b""), 9).unwrap();
    let mut exact = header(7, MAX_CONTROL_FRAME);
    exact.push(0);
    read(&mut reader, &exact, 1).unwrap();
    let State::Payload(_, collected, _) = &reader.state else {
        panic!("no payload")
    };
    assert!(collected.capacity() < 128);

    for len in [MAX_CONTROL_FRAME + 1, 1 << 60, FOREVER] {
        let mut reader = FrameReader::control(Role::Server);
        assert_eq!(
            read(&mut reader, &header(4, len), 1),
            Err(Error::Peer(Violation::HttpExcessiveLoad))
        );
    }
}

#[test]
fn field_sections_are_capped() {
    // hardening A10, R3618
    let mut reader = request();
    read(&mut reader, &header(1, LIMIT + HEADERS_SLACK), 1).unwrap();
    for len in [LIMIT + HEADERS_SLACK + 1, FOREVER] {
        let mut reader = request();
        assert_eq!(
            read(&mut reader, &header(1, len), 1),
            Err(Error::Stream(StreamFault::FieldSectionTooLarge))
        );
    }
    let mut reader = FrameReader::request(Role::Client, u64::MAX);
    assert!(read(&mut reader, &header(1, 1 << 20), 1).is_ok());
}

/// Unknown frames of any length pass without a trace.
#[test]
fn skipped() {
    // hardening A9
    let mut reader = request();
    read(&mut reader, &header(0x21, FOREVER), 1).unwrap();
    for _ in 0..100 {
        let mut chunk = Bytes::from_static(&[0; 1000]);
        assert_eq!(reader.read(&mut chunk), Ok(None));
        assert!(chunk.is_empty());
    }
    assert!(matches!(reader.state, State::Skip(n) if n == FOREVER - 100_000));
}

#[test]
fn endless_data() {
    let mut reader = request();
    let mut chunk = Bytes::from([header(0, FOREVER), vec![1; 50]].concat());
    assert_eq!(reader.read(&mut chunk), Ok(Some(Item::Data(FOREVER))));
    assert_eq!(reader.take_data(&mut chunk, 20).len(), 20);
    assert_eq!(reader.take_data(&mut chunk, usize::MAX).len(), 30);
    assert_eq!(reader.data_remaining(), FOREVER - 50);
}

proptest! {
    /// Chunks do not matter, and nothing panics.
    #[test]
    fn arbitrary(data in vec(any::<u8>(), 0..200), size in 1..50_usize, control: bool) {
        let reader = || if control { FrameReader::control(Role::Server) } else { request() };
        prop_assert_eq!(
            read(&mut reader(), &data, size).map_err(|e| e.code()),
            read(&mut reader(), &data, data.len()).map_err(|e| e.code())
        );
    }

    #[test]
    fn frames(payloads in vec((0..4_u8, vec(any::<u8>(), 0..100)), 0..20), size in 1..100_usize) {
        let mut data = Vec::new();
        let mut expected = Vec::new();
        for (kind, payload) in payloads {
            match kind {
                0 => {
                    data.extend(frame(0, &payload));
                    expected.push(Seen::Data(payload.len().try_into().unwrap(), payload));
                }
                1 => {
                    data.extend(frame(1, &payload));
                    expected.push(Seen::Frame(FrameType::Headers, payload));
                }
                _ => data.extend(frame(0x40, &payload)),
            }
        }
        let mut reader = request();
        prop_assert_eq!(read(&mut reader, &data, size).unwrap(), expected);
        prop_assert!(reader.at_boundary());
    }
}

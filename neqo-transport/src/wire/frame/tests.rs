use neqo_common::Decoder;
use proptest::prelude::*;

use super::{CloseCode, Frame, MAX_OFFSET, MAX_STREAMS, encode, kind::FrameType};
use crate::{
    Violation,
    cid::id::ConnectionId,
    stream_id::{StreamId, StreamType},
    wire::put::Put,
};

const BAD: Violation = Violation::FrameEncoding;

/// The frame in `bytes`, which it takes up.
fn decode(bytes: &[u8]) -> Result<Frame<'_>, Violation> {
    let mut dec = Decoder::new(bytes);
    let frame = Frame::decode(&mut dec)?;
    assert_eq!(dec.remaining(), 0, "{frame:?}");
    Ok(frame)
}

/// A type and integers.
fn ints(wire: u8, fields: &[u64]) -> Vec<u8> {
    let mut out = vec![wire];
    for f in fields {
        out.varint(*f);
    }
    out
}

fn new_connection_id(seq: u64, retire_prior: u64, cid: &[u8]) -> Vec<u8> {
    let mut out = ints(0x18, &[seq, retire_prior]);
    out.byte(u8::try_from(cid.len()).unwrap());
    out.put(cid);
    out.put(&[7; 16]);
    out
}

/// Writes `frame` with the encoders; the length that they predict, where they do.
fn encode(frame: &Frame<'_>) -> (Vec<u8>, Option<usize>) {
    let mut o = Vec::new();
    let len = match *frame {
        Frame::Padding(n) => {
            encode::padding(&mut o, n);
            n
        }
        Frame::Ping => {
            encode::ping(&mut o);
            1
        }
        Frame::HandshakeDone => {
            encode::handshake_done(&mut o);
            1
        }
        Frame::Ack(ack) => {
            assert!(encode::ack(&mut o, ack.delay, ack.ecn, ack.ranges()));
            return (o, None);
        }
        Frame::ConnectionClose { code, reason } => {
            assert!(encode::connection_close(&mut o, code, reason));
            return (o, None);
        }
        Frame::Crypto { offset, data } => {
            encode::crypto_header(&mut o, offset, data.len());
            o.put(data);
            encode::crypto_header_len(offset, data.len()) + data.len()
        }
        Frame::NewToken { token } => {
            encode::new_token(&mut o, token);
            encode::new_token_len(token)
        }
        Frame::Datagram { data } => {
            encode::datagram_header(&mut o, Some(data.len()));
            o.put(data);
            encode::datagram_header_len(Some(data.len())) + data.len()
        }
        Frame::PathChallenge(data) => {
            encode::path_challenge(&mut o, data);
            9
        }
        Frame::PathResponse(data) => {
            encode::path_response(&mut o, data);
            9
        }
        Frame::NewConnectionId {
            seq,
            retire_prior,
            cid,
            reset_token,
        } => {
            encode::new_connection_id(&mut o, seq, retire_prior, &cid, &reset_token);
            encode::new_connection_id_len(seq, retire_prior, &cid)
        }
        Frame::RetireConnectionId { seq } => {
            encode::retire_connection_id(&mut o, seq);
            return (o, None);
        }
        _ => encode_flow(&mut o, frame),
    };
    (o, Some(len))
}

fn encode_flow(o: &mut Vec<u8>, frame: &Frame<'_>) -> usize {
    match *frame {
        Frame::Stream {
            stream_id,
            offset,
            data,
            fin,
        } => {
            encode::stream_header(o, stream_id, offset, Some(data.len()), fin);
            o.put(data);
            encode::stream_header_len(stream_id, offset, Some(data.len())) + data.len()
        }
        Frame::ResetStream {
            stream_id,
            app_error,
            final_size,
        } => {
            encode::reset_stream(o, stream_id, app_error, final_size);
            encode::reset_stream_len(stream_id, app_error, final_size)
        }
        Frame::StopSending {
            stream_id,
            app_error,
        } => {
            encode::stop_sending(o, stream_id, app_error);
            encode::stop_sending_len(stream_id, app_error)
        }
        Frame::MaxData { max } => {
            encode::max_data(o, max);
            encode::max_data_len(max)
        }
        Frame::MaxStreamData { stream_id, max } => {
            encode::max_stream_data(o, stream_id, max);
            encode::max_stream_data_len(stream_id, max)
        }
        Frame::MaxStreams { stream_type, max } => {
            encode::max_streams(o, stream_type, max);
            encode::max_streams_len(max)
        }
        Frame::DataBlocked { limit } => {
            encode::data_blocked(o, limit);
            encode::data_blocked_len(limit)
        }
        Frame::StreamDataBlocked { stream_id, limit } => {
            encode::stream_data_blocked(o, stream_id, limit);
            encode::stream_data_blocked_len(stream_id, limit)
        }
        Frame::StreamsBlocked { stream_type, limit } => {
            encode::streams_blocked(o, stream_type, limit);
            encode::streams_blocked_len(limit)
        }
        _ => panic!("{frame:?}"),
    }
}

#[test]
//= rfc9000#section-12.4 type=test
//# An endpoint
//# MAY treat the receipt of a frame type that uses a longer encoding than
//# necessary as a connection error of type PROTOCOL_VIOLATION.
fn types_in_more_bytes_than_needed() {
    for bytes in [
        &[0x40, 0x01][..],
        &[0x40, 0x3f],
        &[0x80, 0, 0, 0x01],
        &[0x80, 0, 0x3f, 0xff],
        &[0xc0, 0, 0, 0, 0, 0, 0, 0x01],
    ] {
        assert!(matches!(
            decode(bytes),
            Err(Violation::ProtocolViolation(_))
        ));
    }
}

#[test]
//= rfc9000#section-12.4 type=test
//# An endpoint MUST treat the receipt of a frame of unknown type as a connection
//# error of type FRAME_ENCODING_ERROR.
fn unknown_types() {
    for wire in (0..0x40).filter(|w| FrameType::from_wire(*w).is_none()) {
        assert_eq!(decode(&[wire, 0, 0, 0, 0]), Err(BAD), "{wire:#x}");
    }
    // Minimal, but of more than one byte: and truncated ones.
    for bytes in [&[0x40, 0x40][..], &[0x80, 0, 0x40, 0], &[0x40], &[0xff]] {
        assert_eq!(decode(bytes), Err(BAD));
    }
    assert_eq!(Frame::decode(&mut Decoder::new(&[])), Err(BAD));
}

#[test]
fn padding_is_one_run() {
    assert_eq!(decode(&[0; 1200]), Ok(Frame::Padding(1200)));
    let mut dec = Decoder::new(&[0, 0, 0, 1]);
    assert_eq!(Frame::decode(&mut dec), Ok(Frame::Padding(3)));
    assert_eq!(Frame::decode(&mut dec), Ok(Frame::Ping));
}

#[test]
//= rfc9000#section-19.8 type=test
//# Receipt of a frame that exceeds this limit MUST be treated as a
//# connection error of type FRAME_ENCODING_ERROR or FLOW_CONTROL_ERROR.
fn stream_beyond_the_last_offset() {
    for (offset, len, ok) in [
        (MAX_OFFSET, 0, true),
        (MAX_OFFSET - 1, 1, true),
        (MAX_OFFSET, 1, false),
        (MAX_OFFSET - 1, 2, false),
    ] {
        let mut bytes = ints(0x0e, &[4, offset, len]);
        bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 9);
        assert_eq!(decode(&bytes).is_ok(), ok);
        if !ok {
            assert_eq!(decode(&bytes), Err(BAD));
        }
    }
}

#[test]
//= rfc9000#section-19.6 type=test
//# Receipt of a frame that exceeds this
//# limit MUST be treated as a connection error of type FRAME_ENCODING_ERROR or
//# CRYPTO_BUFFER_EXCEEDED.
fn crypto_beyond_the_last_offset() {
    let mut bytes = ints(0x06, &[MAX_OFFSET, 1]);
    bytes.byte(9);
    assert_eq!(decode(&bytes), Err(BAD));
    assert!(decode(&ints(0x06, &[MAX_OFFSET, 0])).is_ok());
}

#[test]
fn stream_fields_by_type() {
    for bits in 0..8 {
        let has = |bit: u8| bits & bit != 0;
        let mut bytes = ints(0x08 | bits, &[4]);
        if has(FrameType::STREAM_OFF) {
            bytes.varint(1000);
        }
        if has(FrameType::STREAM_LEN) {
            bytes.varint(2);
        }
        bytes.put(&[1, 2, 3]);
        let mut dec = Decoder::new(&bytes);
        let counted = has(FrameType::STREAM_LEN);
        assert_eq!(
            Frame::decode(&mut dec),
            Ok(Frame::Stream {
                stream_id: StreamId::new(4),
                offset: if has(FrameType::STREAM_OFF) { 1000 } else { 0 },
                data: if counted { &[1, 2] } else { &[1, 2, 3] },
                fin: has(FrameType::STREAM_FIN),
            })
        );
        assert_eq!(dec.remaining(), usize::from(counted));
    }
}

#[test]
//= rfc9000#section-19.11 type=test
//# Receipt of a frame that permits opening of a stream larger
//# than this limit MUST be treated as a connection error of type
//# FRAME_ENCODING_ERROR.
//= rfc9000#section-19.14 type=test
//# Receipt of
//# a frame that encodes a larger stream ID MUST be treated as a connection error
//# of type STREAM_LIMIT_ERROR or FRAME_ENCODING_ERROR.
fn more_streams_than_ids() {
    // hardening R3727
    for wire in [0x12, 0x13, 0x16, 0x17] {
        assert!(decode(&ints(wire, &[MAX_STREAMS])).is_ok());
        assert_eq!(decode(&ints(wire, &[MAX_STREAMS + 1])), Err(BAD));
        assert_eq!(decode(&ints(wire, &[MAX_OFFSET])), Err(BAD));
    }
}

#[test]
//= rfc9000#section-19.7 type=test
//# A client MUST treat receipt of a NEW_TOKEN frame with
//# an empty Token field as a connection error of type FRAME_ENCODING_ERROR.
fn empty_new_token() {
    assert_eq!(decode(&[0x07, 0]), Err(BAD));
    assert_eq!(decode(&[0x07, 1, 5]), Ok(Frame::NewToken { token: &[5] }));
}

#[test]
//= rfc9000#section-19.15 type=test
//# Receiving a value in the Retire
//# Prior To field that is greater than that in the Sequence Number field MUST be
//# treated as a connection error of type FRAME_ENCODING_ERROR.
fn retire_prior_to_beyond_sequence_number() {
    // hardening R3720
    assert_eq!(decode(&new_connection_id(3, 4, &[1; 8])), Err(BAD));
    assert!(decode(&new_connection_id(3, 3, &[1; 8])).is_ok());
}

#[test]
//= rfc9000#section-19.15 type=test
//# Values
//# less than 1 and greater than 20 are invalid and MUST be treated as a
//# connection error of type FRAME_ENCODING_ERROR.
fn connection_id_lengths() {
    // hardening R3720
    for len in 0..=255 {
        let result = decode(&new_connection_id(1, 0, &vec![1; len])).map(|_| ());
        let expected = if (1..=20).contains(&len) {
            Ok(())
        } else {
            Err(BAD)
        };
        assert_eq!(result, expected, "{len}");
    }
}

#[test]
fn datagram_with_and_without_length() {
    let frame = Frame::Datagram { data: &[1, 2] };
    assert_eq!(decode(&[0x30, 1, 2]), Ok(frame));
    assert_eq!(decode(&[0x31, 2, 1, 2]), Ok(frame));
    assert_eq!(decode(&[0x31, 3, 1, 2]), Err(BAD));
    assert_eq!(decode(&[0x30]), Ok(Frame::Datagram { data: &[] }));
}

#[test]
fn headers_without_length_fill_the_packet() {
    let mut out = Vec::new();
    let id = StreamId::new(8);
    encode::stream_header(&mut out, id, 70, None, true);
    assert_eq!(out.len(), encode::stream_header_len(id, 70, None));
    out.put(b"rest");
    assert_eq!(
        decode(&out),
        Ok(Frame::Stream {
            stream_id: id,
            offset: 70,
            data: b"rest",
            fin: true
        })
    );
    let mut out = Vec::new();
    encode::datagram_header(&mut out, None);
    assert_eq!(out.len(), encode::datagram_header_len(None));
    out.put(b"rest");
    assert_eq!(decode(&out), Ok(Frame::Datagram { data: b"rest" }));
}

/// Memory of a fixed size.
struct Room(Vec<u8>, usize);

impl Put for Room {
    fn remaining(&self) -> usize {
        self.1 - self.0.len()
    }
    fn put(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.remaining());
        self.0.extend_from_slice(bytes);
    }
}

#[test]
fn close_reasons_are_cut_to_fit() {
    const REASON: &str = "äöü and then some";
    let code = CloseCode::Transport {
        code: 0x0a,
        frame_type: 0x06,
    };
    for room in 0..30 {
        let mut put = Room(Vec::new(), room);
        let written = encode::connection_close(&mut put, code, REASON.as_bytes());
        assert_eq!(written, room >= 4);
        if !written {
            assert!(put.0.is_empty());
            continue;
        }
        let Ok(Frame::ConnectionClose { code: c, reason }) = decode(&put.0) else {
            panic!("{:?}", put.0);
        };
        assert_eq!(c, code);
        assert!(REASON.starts_with(std::str::from_utf8(reason).unwrap()));
        assert!(reason.len() == REASON.len() || put.remaining() < 2);
    }
}

/// What a frame that owns its data is made of.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..100)
}

fn varint() -> impl Strategy<Value = u64> {
    (0_u64..1 << 62, 0_u32..62).prop_map(|(v, shift)| v >> shift)
}

/// Any frame of `kind`, from integers in ascending order and bytes.
fn frame(kind: u8, [a, b, c]: [u64; 3], data: &[u8], fin: bool) -> Frame<'_> {
    let stream_id = StreamId::new(a);
    let stream_type = if fin {
        StreamType::UniDi
    } else {
        StreamType::BiDi
    };
    let eight = [c.to_be_bytes()[7]; 8];
    match kind {
        0 => Frame::Padding(1 + usize::try_from(a % 300).unwrap()),
        1 => Frame::Ping,
        2 => Frame::ResetStream {
            stream_id,
            app_error: c,
            final_size: b,
        },
        3 => Frame::StopSending {
            stream_id,
            app_error: b,
        },
        4 => Frame::Crypto {
            offset: a.min(MAX_OFFSET - 100),
            data,
        },
        5 if !data.is_empty() => Frame::NewToken { token: data },
        6 => Frame::Stream {
            stream_id,
            offset: b.min(MAX_OFFSET - 100),
            data,
            fin,
        },
        7 => Frame::MaxData { max: a },
        8 => Frame::MaxStreamData { stream_id, max: b },
        9 => Frame::MaxStreams {
            stream_type,
            max: a.min(MAX_STREAMS),
        },
        10 => Frame::DataBlocked { limit: a },
        11 => Frame::StreamDataBlocked {
            stream_id,
            limit: b,
        },
        12 => Frame::StreamsBlocked {
            stream_type,
            limit: a.min(MAX_STREAMS),
        },
        13 => Frame::NewConnectionId {
            seq: b,
            retire_prior: a,
            cid: ConnectionId::new(&data[..data.len().min(20)])
                .filter(|c| !c.is_empty())
                .unwrap_or_else(|| ConnectionId::new(&[1]).unwrap()),
            reset_token: [eight[0]; 16],
        },
        14 => Frame::RetireConnectionId { seq: a },
        15 => Frame::PathChallenge(eight),
        16 => Frame::PathResponse(eight),
        17 => Frame::ConnectionClose {
            code: CloseCode::Transport {
                code: a,
                frame_type: b,
            },
            reason: b"why",
        },
        18 => Frame::ConnectionClose {
            code: CloseCode::Application(a),
            reason: b"",
        },
        19 => Frame::Datagram { data },
        _ => Frame::HandshakeDone,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(
        kind in 0_u8..=20,
        mut nums in prop::array::uniform3(varint()),
        data in bytes(),
        fin: bool,
    ) {
        nums.sort_unstable();
        let frame = frame(kind, nums, &data, fin);
        let (encoded, len) = encode(&frame);
        prop_assert_eq!(decode(&encoded), Ok(frame));
        prop_assert_eq!(encoded.len(), len.unwrap_or(encoded.len()));
        let wire = FrameType::from_wire(encoded[0]);
        prop_assert_eq!(wire, Some(frame.kind()));
        // Cut anywhere, it is an error; but a shorter run of PADDING is PADDING.
        if !matches!(frame, Frame::Padding(_)) {
            for cut in 0..encoded.len() {
                prop_assert_eq!(decode(&encoded[..cut]), Err(BAD));
            }
        }
    }

    /// Hardening A25: whatever a peer sends is a frame or an error, and the loop ends.
    #[test]
    fn every_byte_string_decodes_or_errs(data in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&data);
    }

    /// The same, with types that exist.
    #[test]
    fn every_body_decodes_or_errs(
        wire in prop::sample::select((0_u8..=0x31).collect::<Vec<_>>()),
        fields in prop::collection::vec(varint(), 0..12),
        data in bytes(),
    ) {
        let mut all = ints(wire, &fields);
        all.put(&data);
        decode_all(&all);
    }
}

fn decode_all(data: &[u8]) {
    let mut dec = Decoder::new(data);
    while dec.remaining() > 0 {
        let before = dec.remaining();
        let Ok(frame) = Frame::decode(&mut dec) else {
            break;
        };
        assert!(dec.remaining() < before, "{frame:?} took nothing");
        if let Frame::Ack(ack) = frame {
            let mut last = ack.largest + 1;
            for range in ack.ranges() {
                assert!(range.start() <= range.end() && *range.end() < last);
                last = *range.start();
            }
        }
    }
}

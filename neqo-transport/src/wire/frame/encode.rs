//! From values to bytes: one function per frame, and the length where the caller needs it first.
//!
//! The caller has checked that the frame fits; `*_len` and the constants say what it needs.

use neqo_common::varint;

pub(crate) use super::ack::encode as ack;
use super::{decode::CloseCode, kind::FrameType};
use crate::{
    AppError,
    cid::id::ConnectionId,
    stream_id::{StreamId, StreamType},
    wire::put::Put,
};

const RESET_TOKEN_LEN: usize = 16;

/// A usize as the codec counts: no length in this crate is near 2^62.
fn long(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Writes a type and integers.
fn ints(put: &mut impl Put, kind: FrameType, fields: &[u64]) {
    put.byte(kind.wire());
    for field in fields {
        put.varint(*field);
    }
}

/// The length of a type of one byte and integers.
fn ints_len(fields: &[u64]) -> usize {
    1 + fields.iter().map(|f| varint::len(*f)).sum::<usize>()
}

/// Writes `n` PADDING frames.
pub(crate) fn padding(put: &mut impl Put, n: usize) {
    const ZEROS: [u8; 64] = [0; 64];
    let mut left = n;
    while left > 0 {
        let now = left.min(ZEROS.len());
        put.put(&ZEROS[..now]);
        left -= now;
    }
}

/// Writes PING, of one byte.
pub(crate) fn ping(put: &mut impl Put) {
    put.byte(FrameType::Ping.wire());
}

/// Writes `HANDSHAKE_DONE`, of one byte.
pub(crate) fn handshake_done(put: &mut impl Put) {
    put.byte(FrameType::HandshakeDone.wire());
}

/// Writes `RESET_STREAM`.
pub(crate) fn reset_stream(put: &mut impl Put, id: StreamId, err: AppError, final_size: u64) {
    ints(put, FrameType::ResetStream, &[id.as_u64(), err, final_size]);
}

/// The length of `RESET_STREAM`.
pub(crate) fn reset_stream_len(id: StreamId, err: AppError, final_size: u64) -> usize {
    ints_len(&[id.as_u64(), err, final_size])
}

/// Writes `STOP_SENDING`.
pub(crate) fn stop_sending(put: &mut impl Put, id: StreamId, err: AppError) {
    ints(put, FrameType::StopSending, &[id.as_u64(), err]);
}

/// The length of `STOP_SENDING`.
pub(crate) fn stop_sending_len(id: StreamId, err: AppError) -> usize {
    ints_len(&[id.as_u64(), err])
}

/// Writes the header of CRYPTO; `len` bytes of data follow.
pub(crate) fn crypto_header(put: &mut impl Put, offset: u64, len: usize) {
    ints(put, FrameType::Crypto, &[offset, long(len)]);
}

/// The length of the header of CRYPTO.
pub(crate) fn crypto_header_len(offset: u64, len: usize) -> usize {
    ints_len(&[offset, long(len)])
}

/// Writes `NEW_TOKEN`. The token is not empty.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tokens for later connections are not issued yet")
)]
pub(crate) fn new_token(put: &mut impl Put, token: &[u8]) {
    ints(put, FrameType::NewToken, &[long(token.len())]);
    put.put(token);
}

/// The length of `NEW_TOKEN`.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tokens for later connections are not issued yet")
)]
pub(crate) fn new_token_len(token: &[u8]) -> usize {
    ints_len(&[long(token.len())]) + token.len()
}

/// Writes the header of STREAM; data follows, `len` bytes of it, or to the end of the packet if
/// `len` is `None`.
#[inline]
pub(crate) fn stream_header(
    put: &mut impl Put,
    id: StreamId,
    offset: u64,
    len: Option<usize>,
    fin: bool,
) {
    let mut wire = FrameType::Stream.wire();
    if offset > 0 {
        wire |= FrameType::STREAM_OFF;
    }
    if len.is_some() {
        wire |= FrameType::STREAM_LEN;
    }
    if fin {
        wire |= FrameType::STREAM_FIN;
    }
    put.byte(wire);
    put.varint(id.as_u64());
    if offset > 0 {
        put.varint(offset);
    }
    if let Some(len) = len {
        put.varint(long(len));
    }
}

/// The length of the header of STREAM.
#[inline]
pub(crate) fn stream_header_len(id: StreamId, offset: u64, len: Option<usize>) -> usize {
    let offset_len = if offset > 0 { varint::len(offset) } else { 0 };
    let len_len = len.map_or(0, |l| varint::len(long(l)));
    1 + varint::len(id.as_u64()) + offset_len + len_len
}

/// Writes `MAX_DATA`.
pub(crate) fn max_data(put: &mut impl Put, max: u64) {
    ints(put, FrameType::MaxData, &[max]);
}

/// The length of `MAX_DATA`.
pub(crate) fn max_data_len(max: u64) -> usize {
    ints_len(&[max])
}

/// Writes `MAX_STREAM_DATA`.
pub(crate) fn max_stream_data(put: &mut impl Put, id: StreamId, max: u64) {
    ints(put, FrameType::MaxStreamData, &[id.as_u64(), max]);
}

/// The length of `MAX_STREAM_DATA`.
pub(crate) fn max_stream_data_len(id: StreamId, max: u64) -> usize {
    ints_len(&[id.as_u64(), max])
}

/// Writes `MAX_STREAMS`. `max` is at most 2^60.
pub(crate) fn max_streams(put: &mut impl Put, stream_type: StreamType, max: u64) {
    let kind = match stream_type {
        StreamType::BiDi => FrameType::MaxStreamsBiDi,
        StreamType::UniDi => FrameType::MaxStreamsUniDi,
    };
    ints(put, kind, &[max]);
}

/// The length of `MAX_STREAMS`.
pub(crate) fn max_streams_len(max: u64) -> usize {
    ints_len(&[max])
}

/// Writes `DATA_BLOCKED`.
pub(crate) fn data_blocked(put: &mut impl Put, limit: u64) {
    ints(put, FrameType::DataBlocked, &[limit]);
}

/// The length of `DATA_BLOCKED`.
pub(crate) fn data_blocked_len(limit: u64) -> usize {
    ints_len(&[limit])
}

/// Writes `STREAM_DATA_BLOCKED`.
pub(crate) fn stream_data_blocked(put: &mut impl Put, id: StreamId, limit: u64) {
    ints(put, FrameType::StreamDataBlocked, &[id.as_u64(), limit]);
}

/// The length of `STREAM_DATA_BLOCKED`.
pub(crate) fn stream_data_blocked_len(id: StreamId, limit: u64) -> usize {
    ints_len(&[id.as_u64(), limit])
}

/// Writes `STREAMS_BLOCKED`. `limit` is at most 2^60.
pub(crate) fn streams_blocked(put: &mut impl Put, stream_type: StreamType, limit: u64) {
    let kind = match stream_type {
        StreamType::BiDi => FrameType::StreamsBlockedBiDi,
        StreamType::UniDi => FrameType::StreamsBlockedUniDi,
    };
    ints(put, kind, &[limit]);
}

/// The length of `STREAMS_BLOCKED`.
pub(crate) fn streams_blocked_len(limit: u64) -> usize {
    ints_len(&[limit])
}

/// Writes `NEW_CONNECTION_ID`. The connection ID is not empty, `retire_prior` is at most `seq`.
pub(crate) fn new_connection_id(
    put: &mut impl Put,
    seq: u64,
    retire_prior: u64,
    cid: &ConnectionId,
    reset_token: &[u8; RESET_TOKEN_LEN],
) {
    ints(put, FrameType::NewConnectionId, &[seq, retire_prior]);
    put.byte(u8::try_from(cid.len()).unwrap_or_default());
    put.put(cid);
    put.put(reset_token);
}

/// The length of `NEW_CONNECTION_ID`.
pub(crate) fn new_connection_id_len(seq: u64, retire_prior: u64, cid: &ConnectionId) -> usize {
    ints_len(&[seq, retire_prior]) + 1 + cid.len() + RESET_TOKEN_LEN
}

/// Writes `RETIRE_CONNECTION_ID`.
pub(crate) fn retire_connection_id(put: &mut impl Put, seq: u64) {
    ints(put, FrameType::RetireConnectionId, &[seq]);
}

/// Writes `PATH_CHALLENGE`, of nine bytes.
pub(crate) fn path_challenge(put: &mut impl Put, data: [u8; 8]) {
    put.byte(FrameType::PathChallenge.wire());
    put.put(&data);
}

/// Writes `PATH_RESPONSE`, of nine bytes.
pub(crate) fn path_response(put: &mut impl Put, data: [u8; 8]) {
    put.byte(FrameType::PathResponse.wire());
    put.put(&data);
}

/// Writes `CONNECTION_CLOSE` with as much of `reason`, which is text, as fits. Nothing is written,
/// and false returned, if not even the codes fit.
pub(crate) fn connection_close(put: &mut impl Put, code: CloseCode, reason: &[u8]) -> bool {
    let (kind, fields, n) = match code {
        CloseCode::Transport { code, frame_type } => {
            (FrameType::CloseTransport, [code, frame_type], 2)
        }
        CloseCode::Application(code) => (FrameType::CloseApplication, [code, 0], 1),
    };
    let fields = &fields[..n];
    // The length of the reason may take as many bytes as that of all the room would.
    let fixed = ints_len(fields) + varint::len(long(reason.len().min(put.remaining())));
    let Some(room) = put.remaining().checked_sub(fixed) else {
        return false;
    };
    let reason = cut(reason, room);
    ints(put, kind, fields);
    put.varint(long(reason.len()));
    put.put(reason);
    true
}

/// As much of `text` as has at most `room` bytes, without half a character at its end.
fn cut(text: &[u8], room: usize) -> &[u8] {
    const CONTINUATION: u8 = 0b1000_0000;
    const MASK: u8 = 0b1100_0000;
    let mut end = room.min(text.len());
    while text.get(end).is_some_and(|b| b & MASK == CONTINUATION) && end > 0 {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Writes the header of DATAGRAM; data follows, `len` bytes of it, or to the end of the packet if
/// `len` is `None`.
#[cfg_attr(not(test), expect(dead_code, reason = "RFC 9221 is not sent yet"))]
pub(crate) fn datagram_header(put: &mut impl Put, len: Option<usize>) {
    match len {
        Some(len) => {
            put.byte(FrameType::Datagram.wire() | FrameType::DATAGRAM_LEN);
            put.varint(long(len));
        }
        None => put.byte(FrameType::Datagram.wire()),
    }
}

/// The length of the header of DATAGRAM.
#[cfg_attr(not(test), expect(dead_code, reason = "RFC 9221 is not sent yet"))]
pub(crate) fn datagram_header_len(len: Option<usize>) -> usize {
    1 + len.map_or(0, |l| varint::len(long(l)))
}

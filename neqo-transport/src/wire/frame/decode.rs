//! From bytes to frames, with every check that needs nothing but the frame itself.

use neqo_common::{Decoder, varint};

use super::{MAX_OFFSET, MAX_STREAMS, ack::AckFrame, kind::FrameType};
use crate::{
    AppError, TransportError, Violation,
    cid::id::ConnectionId,
    stream_id::{StreamId, StreamType},
};

/// What cannot be parsed.
const BAD: Violation = Violation::FrameEncoding;

/// Why the peer closes, and whose code that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// A code of RFC 9000 §20.1, and the type of the frame that led to it, 0 if unknown.
    Transport {
        code: TransportError,
        frame_type: u64,
    },
    /// A code of the application.
    Application(AppError),
}

/// A frame, borrowed from the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A run of this many PADDING frames.
    Padding(usize),
    Ping,
    Ack(AckFrame<'a>),
    ResetStream {
        stream_id: StreamId,
        app_error: AppError,
        final_size: u64,
    },
    StopSending {
        stream_id: StreamId,
        app_error: AppError,
    },
    Crypto {
        offset: u64,
        data: &'a [u8],
    },
    NewToken {
        token: &'a [u8],
    },
    Stream {
        stream_id: StreamId,
        offset: u64,
        data: &'a [u8],
        fin: bool,
    },
    MaxData {
        max: u64,
    },
    MaxStreamData {
        stream_id: StreamId,
        max: u64,
    },
    MaxStreams {
        stream_type: StreamType,
        max: u64,
    },
    DataBlocked {
        limit: u64,
    },
    StreamDataBlocked {
        stream_id: StreamId,
        limit: u64,
    },
    StreamsBlocked {
        stream_type: StreamType,
        limit: u64,
    },
    NewConnectionId {
        seq: u64,
        retire_prior: u64,
        cid: ConnectionId,
        reset_token: [u8; 16],
    },
    RetireConnectionId {
        seq: u64,
    },
    PathChallenge([u8; 8]),
    PathResponse([u8; 8]),
    ConnectionClose {
        code: CloseCode,
        reason: &'a [u8],
    },
    HandshakeDone,
    Datagram {
        data: &'a [u8],
    },
}

impl<'a> Frame<'a> {
    /// Takes a frame from the front of `dec`, which holds the rest of a packet's payload.
    /// The caller ends the loop when nothing remains.
    #[inline]
    pub(crate) fn decode(dec: &mut Decoder<'a>) -> Result<Self, Violation> {
        let wire = decode_type(dec)?;
        let kind = FrameType::from_wire(wire).ok_or(BAD)?;
        Ok(match kind {
            FrameType::Padding => Self::Padding(1 + dec.skip_while(0)),
            FrameType::Ack => Self::Ack(AckFrame::decode(dec, false)?),
            FrameType::AckEcn => Self::Ack(AckFrame::decode(dec, true)?),
            FrameType::Stream => stream(dec, wire)?,
            FrameType::Crypto => {
                let offset = int(dec)?;
                let data = bytes(dec)?;
                //= rfc9000#section-19.6
                //# Receipt of a frame that exceeds this
                //# limit MUST be treated as a connection error of type FRAME_ENCODING_ERROR or
                //# CRYPTO_BUFFER_EXCEEDED.
                check_end(offset, data)?;
                Self::Crypto { offset, data }
            }
            FrameType::Datagram => Self::Datagram {
                data: rest_or_counted(dec, wire & FrameType::DATAGRAM_LEN != 0)?,
            },
            FrameType::MaxData
            | FrameType::MaxStreamData
            | FrameType::MaxStreamsBiDi
            | FrameType::MaxStreamsUniDi
            | FrameType::DataBlocked
            | FrameType::StreamDataBlocked
            | FrameType::StreamsBlockedBiDi
            | FrameType::StreamsBlockedUniDi
            | FrameType::ResetStream
            | FrameType::StopSending => flow(dec, kind)?,
            FrameType::Ping
            | FrameType::NewToken
            | FrameType::NewConnectionId
            | FrameType::RetireConnectionId
            | FrameType::PathChallenge
            | FrameType::PathResponse
            | FrameType::CloseTransport
            | FrameType::CloseApplication
            | FrameType::HandshakeDone => control(dec, kind)?,
        })
    }

    /// The frame's type, for the rules in [`FrameType`].
    #[inline]
    pub(crate) const fn kind(&self) -> FrameType {
        match self {
            Self::Padding(_) => FrameType::Padding,
            Self::Ping => FrameType::Ping,
            Self::Ack(ack) if ack.ecn.is_some() => FrameType::AckEcn,
            Self::Ack(_) => FrameType::Ack,
            Self::ResetStream { .. } => FrameType::ResetStream,
            Self::StopSending { .. } => FrameType::StopSending,
            Self::Crypto { .. } => FrameType::Crypto,
            Self::NewToken { .. } => FrameType::NewToken,
            Self::Stream { .. } => FrameType::Stream,
            Self::MaxData { .. } => FrameType::MaxData,
            Self::MaxStreamData { .. } => FrameType::MaxStreamData,
            Self::MaxStreams { stream_type, .. } => match stream_type {
                StreamType::BiDi => FrameType::MaxStreamsBiDi,
                StreamType::UniDi => FrameType::MaxStreamsUniDi,
            },
            Self::DataBlocked { .. } => FrameType::DataBlocked,
            Self::StreamDataBlocked { .. } => FrameType::StreamDataBlocked,
            Self::StreamsBlocked { stream_type, .. } => match stream_type {
                StreamType::BiDi => FrameType::StreamsBlockedBiDi,
                StreamType::UniDi => FrameType::StreamsBlockedUniDi,
            },
            Self::NewConnectionId { .. } => FrameType::NewConnectionId,
            Self::RetireConnectionId { .. } => FrameType::RetireConnectionId,
            Self::PathChallenge(_) => FrameType::PathChallenge,
            Self::PathResponse(_) => FrameType::PathResponse,
            Self::ConnectionClose { code, .. } => match code {
                CloseCode::Transport { .. } => FrameType::CloseTransport,
                CloseCode::Application(_) => FrameType::CloseApplication,
            },
            Self::HandshakeDone => FrameType::HandshakeDone,
            Self::Datagram { .. } => FrameType::Datagram,
        }
    }
}

/// Every type that is known has one byte; all others end in an error.
#[inline]
fn decode_type(dec: &mut Decoder<'_>) -> Result<u8, Violation> {
    const ONE_BYTE: u8 = 0x40;
    match dec.peek_byte() {
        Some(wire) if wire < ONE_BYTE => {
            dec.skip(1);
            Ok(wire)
        }
        //= rfc9000#section-12.4
        //# An endpoint
        //# MAY treat the receipt of a frame type that uses a longer encoding than
        //# necessary as a connection error of type PROTOCOL_VIOLATION.
        Some(_) => {
            let before = dec.remaining();
            let wire = int(dec)?;
            if before - dec.remaining() > varint::len(wire) {
                return Err(Violation::ProtocolViolation("frame type not minimal"));
            }
            //= rfc9000#section-12.4
            //# An endpoint MUST treat the receipt of a frame of unknown type as a connection
            //# error of type FRAME_ENCODING_ERROR.
            Err(BAD)
        }
        None => Err(BAD),
    }
}

#[inline]
fn int(dec: &mut Decoder<'_>) -> Result<u64, Violation> {
    dec.decode_varint().ok_or(BAD)
}

#[inline]
fn bytes<'a>(dec: &mut Decoder<'a>) -> Result<&'a [u8], Violation> {
    dec.decode_vvec().ok_or(BAD)
}

/// Data with a Length field before it, or to the end of the packet.
#[inline]
fn rest_or_counted<'a>(dec: &mut Decoder<'a>, counted: bool) -> Result<&'a [u8], Violation> {
    if counted {
        bytes(dec)
    } else {
        Ok(dec.decode_remainder())
    }
}

#[inline]
fn id(dec: &mut Decoder<'_>) -> Result<StreamId, Violation> {
    int(dec).map(StreamId::new)
}

fn array<const N: usize>(dec: &mut Decoder<'_>) -> Result<[u8; N], Violation> {
    dec.decode_array().copied().ok_or(BAD)
}

/// The end of `data` at `offset` must be a possible offset.
#[inline]
fn check_end(offset: u64, data: &[u8]) -> Result<(), Violation> {
    u64::try_from(data.len())
        .ok()
        .and_then(|len| offset.checked_add(len))
        .filter(|end| *end <= MAX_OFFSET)
        .map_or(Err(BAD), |_| Ok(()))
}

#[inline]
fn stream<'a>(dec: &mut Decoder<'a>, wire: u8) -> Result<Frame<'a>, Violation> {
    let stream_id = id(dec)?;
    let offset = if wire & FrameType::STREAM_OFF == 0 {
        0
    } else {
        int(dec)?
    };
    let data = rest_or_counted(dec, wire & FrameType::STREAM_LEN != 0)?;
    //= rfc9000#section-19.8
    //# Receipt of a frame that exceeds this limit MUST be treated as a
    //# connection error of type FRAME_ENCODING_ERROR or FLOW_CONTROL_ERROR.
    check_end(offset, data)?;
    Ok(Frame::Stream {
        stream_id,
        offset,
        data,
        fin: wire & FrameType::STREAM_FIN != 0,
    })
}

/// A number of streams.
//= rfc9000#section-19.11
//# Receipt of a frame that permits opening of a stream larger
//# than this limit MUST be treated as a connection error of type
//# FRAME_ENCODING_ERROR.
//= rfc9000#section-19.14
//# Receipt of
//# a frame that encodes a larger stream ID MUST be treated as a connection error
//# of type STREAM_LIMIT_ERROR or FRAME_ENCODING_ERROR.
fn stream_count(dec: &mut Decoder<'_>) -> Result<u64, Violation> {
    // hardening R3727
    int(dec).and_then(|n| if n <= MAX_STREAMS { Ok(n) } else { Err(BAD) })
}

/// Frames about streams and credit that carry nothing but integers.
fn flow<'a>(dec: &mut Decoder<'a>, kind: FrameType) -> Result<Frame<'a>, Violation> {
    Ok(match kind {
        FrameType::ResetStream => Frame::ResetStream {
            stream_id: id(dec)?,
            app_error: int(dec)?,
            final_size: int(dec)?,
        },
        FrameType::StopSending => Frame::StopSending {
            stream_id: id(dec)?,
            app_error: int(dec)?,
        },
        FrameType::MaxData => Frame::MaxData { max: int(dec)? },
        FrameType::MaxStreamData => Frame::MaxStreamData {
            stream_id: id(dec)?,
            max: int(dec)?,
        },
        FrameType::MaxStreamsBiDi => Frame::MaxStreams {
            stream_type: StreamType::BiDi,
            max: stream_count(dec)?,
        },
        FrameType::MaxStreamsUniDi => Frame::MaxStreams {
            stream_type: StreamType::UniDi,
            max: stream_count(dec)?,
        },
        FrameType::DataBlocked => Frame::DataBlocked { limit: int(dec)? },
        FrameType::StreamDataBlocked => Frame::StreamDataBlocked {
            stream_id: id(dec)?,
            limit: int(dec)?,
        },
        FrameType::StreamsBlockedBiDi => Frame::StreamsBlocked {
            stream_type: StreamType::BiDi,
            limit: stream_count(dec)?,
        },
        FrameType::StreamsBlockedUniDi => Frame::StreamsBlocked {
            stream_type: StreamType::UniDi,
            limit: stream_count(dec)?,
        },
        _ => return Err(BAD),
    })
}

/// Frames about the connection as a whole.
fn control<'a>(dec: &mut Decoder<'a>, kind: FrameType) -> Result<Frame<'a>, Violation> {
    Ok(match kind {
        FrameType::Ping => Frame::Ping,
        FrameType::HandshakeDone => Frame::HandshakeDone,
        FrameType::NewToken => {
            let token = bytes(dec)?;
            //= rfc9000#section-19.7
            //# A client MUST treat receipt of a NEW_TOKEN frame with
            //# an empty Token field as a connection error of type FRAME_ENCODING_ERROR.
            if token.is_empty() {
                return Err(BAD);
            }
            Frame::NewToken { token }
        }
        FrameType::NewConnectionId => new_connection_id(dec)?,
        FrameType::RetireConnectionId => Frame::RetireConnectionId { seq: int(dec)? },
        FrameType::PathChallenge => Frame::PathChallenge(array(dec)?),
        FrameType::PathResponse => Frame::PathResponse(array(dec)?),
        FrameType::CloseTransport => Frame::ConnectionClose {
            code: CloseCode::Transport {
                code: int(dec)?,
                frame_type: int(dec)?,
            },
            reason: bytes(dec)?,
        },
        FrameType::CloseApplication => Frame::ConnectionClose {
            code: CloseCode::Application(int(dec)?),
            reason: bytes(dec)?,
        },
        _ => return Err(BAD),
    })
}

fn new_connection_id<'a>(dec: &mut Decoder<'a>) -> Result<Frame<'a>, Violation> {
    // hardening R3720
    let (seq, retire_prior) = (int(dec)?, int(dec)?);
    //= rfc9000#section-19.15
    //# Receiving a value in the Retire
    //# Prior To field that is greater than that in the Sequence Number field MUST be
    //# treated as a connection error of type FRAME_ENCODING_ERROR.
    if retire_prior > seq {
        return Err(BAD);
    }
    //= rfc9000#section-19.15
    //# Values
    //# less than 1 and greater than 20 are invalid and MUST be treated as a
    //# connection error of type FRAME_ENCODING_ERROR.
    let cid = dec
        .decode_vec(1)
        .filter(|cid| !cid.is_empty())
        .and_then(ConnectionId::new)
        .ok_or(BAD)?;
    Ok(Frame::NewConnectionId {
        seq,
        retire_prior,
        cid,
        reset_token: array(dec)?,
    })
}

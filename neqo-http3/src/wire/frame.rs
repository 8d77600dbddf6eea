//! Frame types, the table of where each is allowed, and frame headers (RFC 9114, Section 7).

use neqo_common::{Encoder, Role};

use crate::error::Violation;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameType {
    Data,
    Headers,
    CancelPush,
    Settings,
    PushPromise,
    Goaway,
    MaxPushId,
    /// PRIORITY_UPDATE for a request stream (RFC 9218, Section 7.2).
    PriorityUpdateRequest,
    /// PRIORITY_UPDATE for a push stream.
    PriorityUpdatePush,
    /// A type that HTTP/2 uses and HTTP/3 has no use for.
    ReservedHttp2,
    /// Anything else, grease included.
    Unknown(u64),
}

impl From<u64> for FrameType {
    fn from(v: u64) -> Self {
        match v {
            0x00 => Self::Data,
            0x01 => Self::Headers,
            0x03 => Self::CancelPush,
            0x04 => Self::Settings,
            0x05 => Self::PushPromise,
            0x07 => Self::Goaway,
            0x0d => Self::MaxPushId,
            0x02 | 0x06 | 0x08 | 0x09 => Self::ReservedHttp2,
            0xf_0700 => Self::PriorityUpdateRequest,
            0xf_0701 => Self::PriorityUpdatePush,
            _ => Self::Unknown(v),
        }
    }
}

/// A frame type that this crate sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Data = 0x00,
    Headers = 0x01,
    Settings = 0x04,
    Goaway = 0x07,
    PriorityUpdateRequest = 0xf_0700,
}

/// Where a frame arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The peer's control stream.
    Control,
    /// A request stream.
    Request,
}

impl FrameType {
    /// The one table of where a frame may arrive, as seen by an endpoint in the given role. Whether it is allowed at
    /// this point of the stream is for the stream's own state to say.
    pub(crate) const fn check(self, place: Place, receiver: Role) -> Result<(), Violation> {
        let allowed = match self {
            //= rfc9114#section-7.2.1
            //# If a DATA
            //# frame is received on a control stream, the recipient MUST respond with a
            //# connection error of type H3_FRAME_UNEXPECTED.
            //= rfc9114#section-7.2.2
            //# If a
            //# HEADERS frame is received on a control stream, the recipient MUST respond with a
            //# connection error of type H3_FRAME_UNEXPECTED.
            Self::Data | Self::Headers => matches!(place, Place::Request),
            //= rfc9114#section-7.2.3
            //# Receiving a CANCEL_PUSH
            //# frame on a stream other than the control stream MUST be treated as a connection
            //# error of type H3_FRAME_UNEXPECTED.
            //= rfc9114#section-7.2.4
            //# If an endpoint receives a SETTINGS frame on a different stream, the endpoint
            //# MUST respond with a connection error of type H3_FRAME_UNEXPECTED.
            //= rfc9114#section-7.2.6
            //# A
            //# client MUST treat a GOAWAY frame on a stream other than the control stream as a
            //# connection error of type H3_FRAME_UNEXPECTED.
            Self::CancelPush | Self::Settings | Self::Goaway => matches!(place, Place::Control),
            //= rfc9114#section-7.2.5
            //# If a PUSH_PROMISE frame is received on the control stream, the client MUST
            //# respond with a connection error of type H3_FRAME_UNEXPECTED.
            //= rfc9114#section-7.2.5
            //# A server MUST treat the receipt of
            //# a PUSH_PROMISE frame as a connection error of type H3_FRAME_UNEXPECTED.
            Self::PushPromise => matches!((place, receiver), (Place::Request, Role::Client)),
            //= rfc9114#section-7.2.7
            //# A client MUST treat the receipt of
            //# a MAX_PUSH_ID frame as a connection error of type H3_FRAME_UNEXPECTED.
            //= rfc9114#section-7.2.7
            //# Receipt of a
            //# MAX_PUSH_ID frame on any other stream MUST be treated as a connection error of
            //# type H3_FRAME_UNEXPECTED.
            //= rfc9218#section-7.2
            //# Receiving a PRIORITY_UPDATE frame on a stream other than the client control stream MUST be treated as a
            //# connection error of type H3_FRAME_UNEXPECTED.
            Self::MaxPushId | Self::PriorityUpdateRequest | Self::PriorityUpdatePush => {
                matches!((place, receiver), (Place::Control, Role::Server))
            }
            // hardening R3796
            //= rfc9114#section-7.2.8
            //# These frame types MUST NOT be
            //# sent, and their receipt MUST be treated as a connection error of type
            //# H3_FRAME_UNEXPECTED.
            Self::ReservedHttp2 => false,
            //= rfc9114#section-9
            //# Implementations MUST ignore unknown or unsupported values in all extensible
            //# protocol elements.
            Self::Unknown(_) => true,
        };
        if allowed {
            Ok(())
        } else {
            Err(Violation::HttpFrameUnexpected)
        }
    }
}

/// Appends the header of a frame with a payload of `len` bytes.
pub(crate) fn encode_header(frame: Outgoing, len: u64, out: &mut Vec<u8>) {
    Encoder::new_borrowed_vec(out)
        .encode_varint(frame as u64)
        .encode_varint(len);
}

/// How many bytes the header of a frame with a payload of `len` bytes has.
pub(crate) const fn header_len(frame: Outgoing, len: u64) -> usize {
    Encoder::varint_len(frame as u64) + Encoder::varint_len(len)
}

/// A reserved identifier (for a frame, a setting, a stream or an error code), chosen by `n`.
///
/// The first 128 stay below two bytes' worth of length.
//= rfc9114#section-7.2.8
//# Frame types of the format `0x1f * N + 0x21` for non-negative integer values of
//# `N` are reserved to exercise the requirement that unknown types be ignored
pub(crate) const fn grease(n: u8) -> u64 {
    0x1f * (n as u64) + 0x21
}

#[cfg(test)]
mod tests {
    use neqo_common::Role;

    use super::{FrameType, Outgoing, Place, encode_header, grease, header_len};
    use crate::error::Violation;

    /// RFC 9114, Table 1, with the receiver's role: allowed at (control, request) for a client, then for a server.
    const TABLE: [(u64, [bool; 4]); 16] = [
        (0x00, [false, true, false, true]),
        (0x01, [false, true, false, true]),
        (0x02, [false; 4]),
        (0x03, [true, false, true, false]),
        (0x04, [true, false, true, false]),
        (0x05, [false, true, false, false]),
        (0x06, [false; 4]),
        (0x07, [true, false, true, false]),
        (0x08, [false; 4]),
        (0x09, [false; 4]),
        (0x0d, [false, false, true, false]),
        (0xf_0700, [false, false, true, false]),
        (0xf_0701, [false, false, true, false]),
        (0x0a, [true; 4]),
        (0x21, [true; 4]),
        ((1 << 62) - 1, [true; 4]),
    ];

    //= rfc9114#section-9 type=test
    //# Implementations MUST ignore unknown or unsupported values in all extensible
    //# protocol elements.
    //= rfc9114#section-7.2.8 type=test
    //# These frame types MUST NOT be
    //# sent, and their receipt MUST be treated as a connection error of type
    //# H3_FRAME_UNEXPECTED.
    #[test]
    fn table() {
        // hardening R3796
        let cases = [
            (Place::Control, Role::Client),
            (Place::Request, Role::Client),
            (Place::Control, Role::Server),
            (Place::Request, Role::Server),
        ];
        for (frame, allowed) in TABLE {
            for ((place, role), allowed) in cases.into_iter().zip(allowed) {
                let expected = if allowed {
                    Ok(())
                } else {
                    Err(Violation::HttpFrameUnexpected)
                };
                assert_eq!(
                    FrameType::from(frame).check(place, role),
                    expected,
                    "{frame:#x} {place:?} {role}"
                );
            }
        }
    }

    #[test]
    fn types_sent_are_types_received() {
        for (sent, received) in [
            (Outgoing::Data, FrameType::Data),
            (Outgoing::Headers, FrameType::Headers),
            (Outgoing::Settings, FrameType::Settings),
            (Outgoing::Goaway, FrameType::Goaway),
            (
                Outgoing::PriorityUpdateRequest,
                FrameType::PriorityUpdateRequest,
            ),
        ] {
            assert_eq!(FrameType::from(sent as u64), received);
        }
    }

    #[test]
    fn headers() {
        for (len, bytes) in [
            (5, &b"\x00\x05"[..]),
            (64, b"\x00\x40\x40"),
            (16384, b"\x00\x80\x00\x40\x00"),
        ] {
            let mut out = Vec::new();
            encode_header(Outgoing::Data, len, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(header_len(Outgoing::Data, len), bytes.len());
        }
    }

    //= rfc9114#section-7.2.8 type=test
    //# Frame types of the format `0x1f * N + 0x21` for non-negative integer values of
    //# `N` are reserved to exercise the requirement that unknown types be ignored
    #[test]
    fn grease_is_unknown() {
        for n in 0..=u8::MAX {
            assert_eq!((grease(n) - 0x21) % 0x1f, 0);
            assert!(matches!(FrameType::from(grease(n)), FrameType::Unknown(_)));
        }
    }
}

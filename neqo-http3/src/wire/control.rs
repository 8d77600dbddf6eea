//! The frames of a control stream (RFC 9114, Section 7.2; RFC 9218, Section 7.2).

use neqo_common::{Decoder, Encoder, to_u64};

use super::frame::{FrameType, Outgoing, encode_header};
use crate::{
    error::{Res, Violation},
    headers::Priority,
    settings::Settings,
};

/// A frame of a control stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlFrame {
    /// SETTINGS.
    Settings(Settings),
    /// GOAWAY with a stream ID (from a server) or a push ID (from a client).
    Goaway(u64),
    /// MAX_PUSH_ID with the largest push ID that may be used.
    MaxPushId(u64),
    /// CANCEL_PUSH with a push ID.
    CancelPush(u64),
    /// PRIORITY_UPDATE for the request stream with this ID.
    PriorityUpdateRequest(u64, Priority),
    /// PRIORITY_UPDATE for the push stream with this push ID.
    PriorityUpdatePush(u64),
}

impl ControlFrame {
    /// Reads the payload of a frame of type `frame`, which has to be one that belongs here.
    pub(crate) fn decode(frame: FrameType, payload: &[u8]) -> Res<Self> {
        let mut dec = Decoder::new(payload);
        Ok(match frame {
            FrameType::Settings => Self::Settings(Settings::decode(payload)?),
            FrameType::Goaway => Self::Goaway(only_varint(dec)?),
            FrameType::MaxPushId => Self::MaxPushId(only_varint(dec)?),
            FrameType::CancelPush => Self::CancelPush(only_varint(dec)?),
            FrameType::PriorityUpdateRequest => {
                let id = dec.decode_varint().ok_or(Violation::HttpFrame)?;
                //= rfc9218#section-7
                //# Failure to parse the Priority Field Value MAY be treated as a connection error.
                let priority = Priority::from_bytes(dec.decode_remainder())
                    .map_err(|_| Violation::HttpGeneralProtocol)?;
                Self::PriorityUpdateRequest(id, priority)
            }
            FrameType::PriorityUpdatePush => {
                Self::PriorityUpdatePush(dec.decode_varint().ok_or(Violation::HttpFrame)?)
            }
            FrameType::Data
            | FrameType::Headers
            | FrameType::PushPromise
            | FrameType::ReservedHttp2
            | FrameType::Unknown(_) => return Err(Violation::HttpFrameUnexpected.into()),
        })
    }

    /// Appends GOAWAY.
    pub(crate) fn encode_goaway(id: u64, out: &mut Vec<u8>) {
        encode_header(Outgoing::Goaway, to_u64(Encoder::varint_len(id)), out);
        Encoder::new_borrowed_vec(out).encode_varint(id);
    }

    /// Appends PRIORITY_UPDATE for the request stream with this ID.
    pub(crate) fn encode_priority_update(id: u64, priority: Priority, out: &mut Vec<u8>) {
        let value = priority.to_string();
        let len = Encoder::varint_len(id) + value.len();
        encode_header(Outgoing::PriorityUpdateRequest, to_u64(len), out);
        Encoder::new_borrowed_vec(out)
            .encode_varint(id)
            .encode(value.as_bytes());
    }

    /// Appends SETTINGS, with one reserved setting chosen by `grease` if given.
    pub(crate) fn encode_settings(settings: &Settings, grease: Option<u8>, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        settings.encode(grease, &mut payload);
        encode_header(Outgoing::Settings, to_u64(payload.len()), out);
        out.extend_from_slice(&payload);
    }
}

// hardening R3734
//= rfc9114#section-7.1
//# A frame payload that contains additional bytes after the
//# identified fields or a frame payload that terminates before the end of the
//# identified fields MUST be treated as a connection error of type
fn only_varint(mut dec: Decoder<'_>) -> Result<u64, Violation> {
    let v = dec.decode_varint().ok_or(Violation::HttpFrame)?;
    if dec.remaining() > 0 {
        return Err(Violation::HttpFrame);
    }
    Ok(v)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest};

    use super::ControlFrame;
    use crate::{
        error::{Error, Violation},
        headers::Priority,
        settings::Settings,
        wire::frame::FrameType,
    };

    type Make = fn(u64) -> ControlFrame;

    const ONE_VARINT: [(FrameType, Make); 3] = [
        (FrameType::Goaway, ControlFrame::Goaway),
        (FrameType::MaxPushId, ControlFrame::MaxPushId),
        (FrameType::CancelPush, ControlFrame::CancelPush),
    ];

    //= rfc9114#section-7.1 type=test
    //# A frame payload that contains additional bytes after the
    //# identified fields or a frame payload that terminates before the end of the
    //# identified fields MUST be treated as a connection error of type
    #[test]
    fn exact_payloads() {
        // hardening R3734
        for (frame, value) in ONE_VARINT {
            assert_eq!(ControlFrame::decode(frame, &[0x05]), Ok(value(5)));
            assert_eq!(ControlFrame::decode(frame, &[0x40, 0x05]), Ok(value(5)));
            for bad in [&[][..], &[0x40], &[0x05, 0], &[0xc0, 0, 0, 0, 0, 0, 0]] {
                assert_eq!(
                    ControlFrame::decode(frame, bad),
                    Err(Error::Peer(Violation::HttpFrame))
                );
            }
        }
    }

    //= rfc9218#section-7 type=test
    //# Failure to parse the Priority Field Value MAY be treated as a connection error.
    #[test]
    fn priority_update() {
        let mut out = Vec::new();
        let priority = Priority::new(1, true);
        ControlFrame::encode_priority_update(4, priority, &mut out);
        assert_eq!(out, b"\x80\x0f\x07\x00\x07\x04u=1, i"[..out.len()]);
        let frame = FrameType::PriorityUpdateRequest;
        assert_eq!(
            ControlFrame::decode(frame, b"\x04u=1, i"),
            Ok(ControlFrame::PriorityUpdateRequest(4, priority))
        );
        assert_eq!(
            ControlFrame::decode(frame, b"\x04"),
            Ok(ControlFrame::PriorityUpdateRequest(4, Priority::default()))
        );
        assert_eq!(
            ControlFrame::decode(frame, b""),
            Err(Error::Peer(Violation::HttpFrame))
        );
        assert_eq!(
            ControlFrame::decode(frame, b"\x04u=\""),
            Err(Error::Peer(Violation::HttpGeneralProtocol))
        );
    }

    #[test]
    fn encoding() {
        let mut out = Vec::new();
        ControlFrame::encode_goaway(1 << 20, &mut out);
        assert_eq!(out, [7, 4, 0x80, 0x10, 0, 0]);
        out.clear();
        ControlFrame::encode_settings(&Settings::default(), None, &mut out);
        assert_eq!(out, [4, 4, 1, 0, 7, 0]);
        assert_eq!(
            ControlFrame::decode(FrameType::Settings, &[]),
            Ok(ControlFrame::Settings(Settings::default()))
        );
    }

    proptest! {
        #[test]
        fn arbitrary(frame in 0..=0x0e_u64, payload in vec(any::<u8>(), 0..40)) {
            let _decoded = ControlFrame::decode(FrameType::from(frame), &payload);
            let _decoded = ControlFrame::decode(FrameType::PriorityUpdateRequest, &payload);
            let _decoded = ControlFrame::decode(FrameType::PriorityUpdatePush, &payload);
        }
    }
}

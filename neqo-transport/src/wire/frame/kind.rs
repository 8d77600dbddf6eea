//! The one table of frame types: where each is allowed and what it does to its packet.

use neqo_common::Role;
use neqo_crypto::Level;
use strum::{EnumCount, EnumIter};

use crate::Violation;

/// A frame type. The eight types of STREAM, which differ only in fields, are one, and the two of
/// DATAGRAM.
#[derive(Clone, Copy, Debug, EnumCount, EnumIter, PartialEq, Eq)]
pub(crate) enum FrameType {
    Padding,
    Ping,
    Ack,
    AckEcn,
    ResetStream,
    StopSending,
    Crypto,
    NewToken,
    Stream,
    MaxData,
    MaxStreamData,
    MaxStreamsBiDi,
    MaxStreamsUniDi,
    DataBlocked,
    StreamDataBlocked,
    StreamsBlockedBiDi,
    StreamsBlockedUniDi,
    NewConnectionId,
    RetireConnectionId,
    PathChallenge,
    PathResponse,
    CloseTransport,
    CloseApplication,
    HandshakeDone,
    Datagram,
}

/// One row of the table.
#[derive(Clone, Copy)]
struct Rules {
    /// The value on the wire; the lowest of several.
    wire: u8,
    /// Whether it may be in Initial, Handshake, 0-RTT and 1-RTT packets.
    packets: [bool; 4],
    ack_eliciting: bool,
    probing: bool,
    server_only: bool,
}

/// A row in the notation of RFC 9000 Table 3. `packets` has a letter or `_` for each of Initial,
/// Handshake, 0-RTT and 1-RTT; `spec` has the letters of the table, and `S` for what only servers
/// send.
const fn row(wire: u8, packets: [u8; 4], spec: &str) -> Rules {
    const fn has(spec: &str, letter: u8) -> bool {
        let (spec, mut i) = (spec.as_bytes(), 0);
        while i < spec.len() {
            if spec[i] == letter {
                return true;
            }
            i += 1;
        }
        false
    }
    Rules {
        wire,
        packets: [
            packets[0] != b'_',
            packets[1] != b'_',
            packets[2] != b'_',
            packets[3] != b'_',
        ],
        ack_eliciting: !has(spec, b'N'),
        probing: has(spec, b'P'),
        server_only: has(spec, b'S'),
    }
}

/// Indexed by [`FrameType`]. Where it is stricter than Table 3, §12.5 and RFC 9221 §4 say why:
/// a client has nothing to retire before it has seen 1-RTT packets.
const TABLE: [Rules; FrameType::COUNT] = [
    row(0x00, *b"IH01", "NP"), // PADDING
    row(0x01, *b"IH01", ""),   // PING
    row(0x02, *b"IH_1", "NC"), // ACK
    row(0x03, *b"IH_1", "NC"), // ACK with ECN counts
    row(0x04, *b"__01", ""),   // RESET_STREAM
    row(0x05, *b"__01", ""),   // STOP_SENDING
    row(0x06, *b"IH_1", ""),   // CRYPTO
    row(0x07, *b"___1", "S"),  // NEW_TOKEN
    row(0x08, *b"__01", "F"),  // STREAM
    row(0x10, *b"__01", ""),   // MAX_DATA
    row(0x11, *b"__01", ""),   // MAX_STREAM_DATA
    row(0x12, *b"__01", ""),   // MAX_STREAMS, bidirectional
    row(0x13, *b"__01", ""),   // MAX_STREAMS, unidirectional
    row(0x14, *b"__01", ""),   // DATA_BLOCKED
    row(0x15, *b"__01", ""),   // STREAM_DATA_BLOCKED
    row(0x16, *b"__01", ""),   // STREAMS_BLOCKED, bidirectional
    row(0x17, *b"__01", ""),   // STREAMS_BLOCKED, unidirectional
    row(0x18, *b"__01", "P"),  // NEW_CONNECTION_ID
    row(0x19, *b"___1", ""),   // RETIRE_CONNECTION_ID
    row(0x1a, *b"__01", "P"),  // PATH_CHALLENGE
    row(0x1b, *b"___1", "P"),  // PATH_RESPONSE
    row(0x1c, *b"IH01", "N"),  // CONNECTION_CLOSE of the transport
    row(0x1d, *b"__01", "N"),  // CONNECTION_CLOSE of the application
    row(0x1e, *b"___1", "S"),  // HANDSHAKE_DONE
    row(0x30, *b"__01", ""),   // DATAGRAM
];

impl FrameType {
    /// The bits of a STREAM frame's type that tell which fields follow (RFC 9000 §19.8).
    pub(crate) const STREAM_FIN: u8 = 0x01;
    pub(crate) const STREAM_LEN: u8 = 0x02;
    pub(crate) const STREAM_OFF: u8 = 0x04;
    /// The bit of a DATAGRAM frame's type that tells that a length follows (RFC 9221 §4).
    pub(crate) const DATAGRAM_LEN: u8 = 0x01;

    /// The frame type with this value on the wire, if there is one.
    #[inline]
    pub(crate) const fn from_wire(wire: u8) -> Option<Self> {
        Some(match wire {
            0x00 => Self::Padding,
            0x01 => Self::Ping,
            0x02 => Self::Ack,
            0x03 => Self::AckEcn,
            0x04 => Self::ResetStream,
            0x05 => Self::StopSending,
            0x06 => Self::Crypto,
            0x07 => Self::NewToken,
            0x08..=0x0f => Self::Stream,
            0x10 => Self::MaxData,
            0x11 => Self::MaxStreamData,
            0x12 => Self::MaxStreamsBiDi,
            0x13 => Self::MaxStreamsUniDi,
            0x14 => Self::DataBlocked,
            0x15 => Self::StreamDataBlocked,
            0x16 => Self::StreamsBlockedBiDi,
            0x17 => Self::StreamsBlockedUniDi,
            0x18 => Self::NewConnectionId,
            0x19 => Self::RetireConnectionId,
            0x1a => Self::PathChallenge,
            0x1b => Self::PathResponse,
            0x1c => Self::CloseTransport,
            0x1d => Self::CloseApplication,
            0x1e => Self::HandshakeDone,
            0x30 | 0x31 => Self::Datagram,
            _ => return None,
        })
    }

    const fn rules(self) -> &'static Rules {
        &TABLE[self as usize]
    }

    /// The value on the wire; the lowest, with no optional field present, where there are several.
    pub(crate) const fn wire(self) -> u8 {
        self.rules().wire
    }

    /// Whether it may appear in packets of this level.
    #[inline]
    pub(crate) const fn allowed_in(self, level: Level) -> bool {
        let packets = &self.rules().packets;
        match level {
            Level::Initial => packets[0],
            Level::Handshake => packets[1],
            Level::ZeroRtt => packets[2],
            Level::OneRtt => packets[3],
        }
    }

    /// Whether `sender` may send it in packets of this level.
    //= rfc9000#section-12.4
    //# An endpoint MUST treat receipt of
    //# a frame in a packet type that is not permitted as a connection error of type
    //# PROTOCOL_VIOLATION.
    #[inline]
    pub(crate) fn check(self, sender: Role, level: Level) -> Result<(), Violation> {
        if !self.allowed_in(level) {
            return Err(Violation::ProtocolViolation(
                "frame in a packet type where it is not allowed",
            ));
        }
        //= rfc9000#section-19.7
        //# Clients MUST NOT send NEW_TOKEN frames.  A server MUST treat receipt of a
        //# NEW_TOKEN frame as a connection error of type PROTOCOL_VIOLATION.
        //= rfc9000#section-19.20
        //# A server MUST treat
        //# receipt of a HANDSHAKE_DONE frame as a connection error of type
        //# PROTOCOL_VIOLATION.
        if self.rules().server_only && sender == Role::Client {
            return Err(Violation::ProtocolViolation("frame that only servers send"));
        }
        Ok(())
    }

    /// Whether a packet with it must be acknowledged (RFC 9000 §13.2).
    #[inline]
    pub(crate) const fn is_ack_eliciting(self) -> bool {
        self.rules().ack_eliciting
    }

    /// Whether a packet with nothing else probes a path (RFC 9000 §9.1).
    #[inline]
    pub(crate) const fn is_probing(self) -> bool {
        self.rules().probing
    }
}

#[cfg(test)]
mod tests {
    use neqo_common::Role;
    use neqo_crypto::Level;
    use strum::IntoEnumIterator as _;

    use super::FrameType;

    /// RFC 9000 Table 3 by its words and not by its letters, for every frame, level and sender.
    #[test]
    //= rfc9000#section-12.4 type=test
    //# An endpoint MUST treat receipt of
    //# a frame in a packet type that is not permitted as a connection error of type
    //# PROTOCOL_VIOLATION.
    fn every_frame_in_every_packet_from_either_end() {
        use FrameType as F;
        for f in FrameType::iter() {
            let everywhere = matches!(f, F::Padding | F::Ping | F::CloseTransport);
            let handshake = everywhere || matches!(f, F::Ack | F::AckEcn | F::Crypto);
            // RFC 9000 §12.5, hardening R3775
            let never_early = matches!(
                f,
                F::Ack
                    | F::AckEcn
                    | F::Crypto
                    | F::HandshakeDone
                    | F::NewToken
                    | F::PathResponse
                    | F::RetireConnectionId
            );
            assert_eq!(f.allowed_in(Level::Initial), handshake, "{f:?}");
            assert_eq!(f.allowed_in(Level::Handshake), handshake, "{f:?}");
            assert_eq!(f.allowed_in(Level::ZeroRtt), !never_early, "{f:?}");
            assert!(f.allowed_in(Level::OneRtt), "{f:?}");
            for level in [
                Level::Initial,
                Level::Handshake,
                Level::ZeroRtt,
                Level::OneRtt,
            ] {
                assert_eq!(
                    f.check(Role::Server, level).is_ok(),
                    f.allowed_in(level),
                    "{f:?} {level:?}"
                );
            }
        }
    }

    /// Of everything that clients may not send, servers refuse it at every level.
    #[test]
    //= rfc9000#section-19.7 type=test
    //# Clients MUST NOT send NEW_TOKEN frames.  A server MUST treat receipt of a
    //# NEW_TOKEN frame as a connection error of type PROTOCOL_VIOLATION.
    //= rfc9000#section-19.20 type=test
    //# A server MUST treat
    //# receipt of a HANDSHAKE_DONE frame as a connection error of type
    //# PROTOCOL_VIOLATION.
    fn server_only_frames() {
        for f in FrameType::iter() {
            let only = matches!(f, FrameType::NewToken | FrameType::HandshakeDone);
            assert_eq!(f.check(Role::Client, Level::OneRtt).is_err(), only, "{f:?}");
        }
    }

    #[test]
    fn eliciting_and_probing() {
        use FrameType as F;
        for f in FrameType::iter() {
            let quiet = matches!(
                f,
                F::Padding | F::Ack | F::AckEcn | F::CloseTransport | F::CloseApplication
            );
            assert_eq!(f.is_ack_eliciting(), !quiet, "{f:?}");
            let probing = matches!(
                f,
                F::Padding | F::NewConnectionId | F::PathChallenge | F::PathResponse
            );
            assert_eq!(f.is_probing(), probing, "{f:?}");
        }
    }

    #[test]
    fn wire_values() {
        for f in FrameType::iter() {
            assert_eq!(FrameType::from_wire(f.wire()), Some(f));
        }
        let known = (0..=u8::MAX)
            .filter(|w| FrameType::from_wire(*w).is_some())
            .count();
        assert_eq!(known, 0x1f + 2);
    }
}

//! Every frame in every packet of either side, and in every order.

use neqo_common::Role;
use strum::IntoEnumIterator as _;

use super::{Pair, connected, error_code, forge::Forged, midway};
use crate::{
    ConnectionId, State, StreamType,
    connection::Connection,
    space::PacketNumberSpace::{self, ApplicationData, Handshake, Initial},
    stream_id::StreamId,
    wire::{
        frame::{CloseCode, EcnCounts, encode, kind::FrameType},
        put::Put as _,
    },
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const PROTOCOL_VIOLATION: u64 = 0x0a;
const STREAM_STATE_ERROR: u64 = 0x05;
const FRAME_ENCODING_ERROR: u64 = 0x07;

/// Writes a frame.
type Write<'a> = &'a dyn Fn(&mut Vec<u8>);

/// The largest packet number that `c` really sent in a space.
fn sent(c: &Connection, id: PacketNumberSpace) -> Option<u64> {
    let sent = &c.spaces.get(id)?.loss.sent;
    (0..sent.next_pn())
        .rev()
        .find(|pn| sent.ever_sent_all(&(*pn..=*pn)) && sent.get(*pn).is_some())
}

/// A frame of each type that `sender` might rightly send; its streams are the `n`th.
fn sample(kind: FrameType, sender: Role, acked: u64, n: u64) -> Vec<u8> {
    use FrameType as F;
    let bidi = StreamId::nth(StreamType::BiDi, sender, n);
    let uni = StreamId::nth(StreamType::UniDi, sender, n);
    let mut v = Vec::new();
    match kind {
        F::Padding => encode::padding(&mut v, 3),
        F::Ping => encode::ping(&mut v),
        F::Ack => assert!(encode::ack(&mut v, 5, None, std::iter::once(acked..=acked))),
        F::AckEcn => {
            let ecn = Some(EcnCounts::default());
            assert!(encode::ack(&mut v, 5, ecn, std::iter::once(acked..=acked)));
        }
        F::ResetStream => encode::reset_stream(&mut v, bidi, 7, 100),
        F::StopSending => encode::stop_sending(&mut v, bidi, 8),
        F::Crypto => {
            encode::crypto_header(&mut v, 50_000, 1);
            v.put(&[1]);
        }
        F::NewToken => encode::new_token(&mut v, b"token"),
        F::Stream => {
            encode::stream_header(&mut v, bidi, 10, Some(5), n.is_multiple_of(2));
            v.put(b"hello");
        }
        F::MaxData => encode::max_data(&mut v, 1 << 40),
        F::MaxStreamData => encode::max_stream_data(&mut v, bidi, 1 << 30),
        F::MaxStreamsBiDi => encode::max_streams(&mut v, StreamType::BiDi, 1000),
        F::MaxStreamsUniDi => encode::max_streams(&mut v, StreamType::UniDi, 1000),
        F::DataBlocked => encode::data_blocked(&mut v, 10),
        F::StreamDataBlocked => encode::stream_data_blocked(&mut v, uni, 10),
        F::StreamsBlockedBiDi => encode::streams_blocked(&mut v, StreamType::BiDi, 10),
        F::StreamsBlockedUniDi => encode::streams_blocked(&mut v, StreamType::UniDi, 10),
        F::NewConnectionId => {
            let cid = ConnectionId::new(&[0xcc; 8]).unwrap();
            encode::new_connection_id(&mut v, 8, 1, &cid, &[0xdd; 16]);
        }
        F::RetireConnectionId => encode::retire_connection_id(&mut v, 1),
        F::PathChallenge => encode::path_challenge(&mut v, [1; 8]),
        F::PathResponse => encode::path_response(&mut v, [2; 8]),
        F::CloseTransport => {
            let code = CloseCode::Transport {
                code: 0x33,
                frame_type: 0,
            };
            assert!(encode::connection_close(&mut v, code, b"why"));
        }
        F::CloseApplication => {
            assert!(encode::connection_close(
                &mut v,
                CloseCode::Application(0x44),
                b"why"
            ));
        }
        F::HandshakeDone => encode::handshake_done(&mut v),
        F::Datagram => {
            encode::datagram_header(&mut v, Some(2));
            v.put(b"hi");
        }
    }
    v
}

/// A pair in which packets of `space` are welcome.
fn pair_for(space: PacketNumberSpace) -> Pair {
    if space == ApplicationData {
        connected()
    } else {
        midway()
    }
}

/// What RFC 9000 Table 3 and RFC 9221 say of a frame from `sender`, in words of its own.
fn expected(kind: FrameType, space: PacketNumberSpace, sender: Role, acked: bool) -> Option<u64> {
    use FrameType as F;
    let anywhere = matches!(
        kind,
        F::Padding | F::Ping | F::Ack | F::AckEcn | F::Crypto | F::CloseTransport
    );
    let servers = matches!(kind, F::NewToken | F::HandshakeDone);
    let unsupported = kind == F::Datagram;
    let nothing_to_ack = matches!(kind, F::Ack | F::AckEcn) && !acked;
    let bad = (space != ApplicationData && !anywhere)
        || (servers && sender == Role::Client)
        || unsupported
        || nothing_to_ack;
    bad.then_some(PROTOCOL_VIOLATION)
}

/// Each cell of the table is tried on a live connection, and the code is read from the wire.
//= rfc9000#section-12.4 type=test
//# An endpoint MUST treat receipt of
//# a frame in a packet type that is not permitted as a connection error of type
//# PROTOCOL_VIOLATION.
// hardening A25, R3743, R3745, R3775
#[test]
fn every_frame_in_every_packet_from_either_side() {
    for space in [Initial, Handshake, ApplicationData] {
        for sender in ROLES {
            for kind in FrameType::iter() {
                let mut pair = pair_for(space);
                let receiver = sender.remote();
                let acked = sent(pair.side(receiver), space);
                let frame = sample(kind, sender, acked.unwrap_or_default(), 0);
                pair.inject_in(sender, space, &frame);
                let context = format!("{kind:?} of {sender:?} in {space:?}");
                match expected(kind, space, sender, acked.is_some()) {
                    Some(code) => {
                        assert_eq!(error_code(pair.side(receiver)), Some(code), "{context}");
                        assert_eq!(pair.close_code(receiver), Some(code), "{context}");
                    }
                    None if matches!(
                        kind,
                        FrameType::CloseTransport | FrameType::CloseApplication
                    ) =>
                    {
                        let state = pair.side(receiver).state().clone();
                        assert!(
                            matches!(state, State::Draining { .. }),
                            "{context}: {state:?}"
                        );
                        assert!(pair.output(receiver).is_empty(), "{context}");
                    }
                    None => {
                        let state = pair.side(receiver).state();
                        assert!(!state.closing() && !state.closed(), "{context}: {state:?}");
                    }
                }
            }
        }
    }
}

/// A connection on which anything was said still works, or has closed for a reason.
fn still_sane(pair: &mut Pair, receiver: Role, context: &str) -> bool {
    let now = pair.now;
    let c = pair.side(receiver);
    drop(c.process_output(now));
    assert!(c.consistent(), "{context}");
    !c.state().closing() && !c.state().closed()
}

// hardening A25
#[test]
fn every_pair_of_frames_in_either_order() {
    for sender in ROLES {
        let (receiver, mut n, mut pair) = (sender.remote(), 0, connected());
        for first in FrameType::iter() {
            for second in FrameType::iter() {
                let acked = sent(pair.side(receiver), ApplicationData).unwrap_or_default();
                let one = sample(first, sender, acked, n);
                let two = sample(second, sender, acked, n);
                let context = format!("{first:?} {second:?} of {sender:?}");
                pair.inject(sender, &[one.clone(), two.clone()].concat());
                let mut alive = still_sane(&mut pair, receiver, &context);
                n += 1;
                if !alive || n % 40 == 0 {
                    pair = connected();
                    n = 0;
                }
                // The same in two packets, the second of which arrives first.
                let early = pair.forge(sender, &sample(first, sender, acked, n));
                let late = pair.forge(sender, &sample(second, sender, acked, n));
                pair.deliver(receiver, late);
                pair.deliver(receiver, early);
                alive = still_sane(&mut pair, receiver, &context);
                n += 1;
                if !alive {
                    pair = connected();
                    n = 0;
                }
            }
        }
    }
}

// hardening A25
#[test]
fn every_pair_of_frames_during_the_handshake() {
    use FrameType as F;
    let allowed = [
        F::Padding,
        F::Ping,
        F::Ack,
        F::AckEcn,
        F::Crypto,
        F::CloseTransport,
    ];
    for space in [Initial, Handshake] {
        for sender in ROLES {
            for first in allowed {
                for second in allowed {
                    let (receiver, mut pair) = (sender.remote(), midway());
                    let acked = sent(pair.side(receiver), space).unwrap_or_default();
                    let one = sample(first, sender, acked, 0);
                    let two = sample(second, sender, acked, 0);
                    pair.inject_in(sender, space, &[one, two].concat());
                    still_sane(
                        &mut pair,
                        receiver,
                        &format!("{first:?} {second:?} {space:?}"),
                    );
                    pair.exchange();
                }
            }
        }
    }
}

//= rfc9000#section-12.4 type=test
//# An endpoint MUST treat the receipt of a frame of unknown type as a connection
//# error of type FRAME_ENCODING_ERROR.
#[test]
fn unknown_and_malformed_frames() {
    let cases: [(&[u8], u64); 7] = [
        (&[0x1f], FRAME_ENCODING_ERROR),
        (&[0x3f, 0, 0], FRAME_ENCODING_ERROR),
        (&[0x40, 0x01], PROTOCOL_VIOLATION), // PING in two bytes
        (&[0x7f, 0xff], FRAME_ENCODING_ERROR),
        (&[0x02, 5, 0, 0, 9], FRAME_ENCODING_ERROR), // ACK below zero
        (&[0x1a, 1, 2], FRAME_ENCODING_ERROR),       // half a PATH_CHALLENGE
        (&[0xff], FRAME_ENCODING_ERROR),
    ];
    for sender in ROLES {
        for (frame, code) in cases {
            let mut pair = connected();
            pair.inject(sender, frame);
            assert_eq!(pair.close_code(sender.remote()), Some(code), "{frame:x?}");
        }
    }
}

//= rfc9000#section-12.4 type=test
//# An endpoint MUST
//# treat receipt of a packet containing no frames as a connection error of type
//# PROTOCOL_VIOLATION.
#[test]
fn a_packet_without_frames() {
    // Four bytes of packet number leave enough for the sample without any frame.
    let mut pair = connected();
    let now = pair.now;
    let forged = Forged {
        pn: Some(1 << 28),
        ..Forged::new(ApplicationData, &[])
    };
    let d = forged.seal(&mut pair.client, now);
    pair.reach_server(d);
    assert_eq!(pair.close_code(Role::Server), Some(PROTOCOL_VIOLATION));
}

//= rfc9000#section-17.2 type=test
//# An endpoint MUST treat receipt of a packet that has a non-zero value for these
//# bits after removing both packet and header protection as a connection error
//# of type PROTOCOL_VIOLATION.
// hardening R3749
#[test]
fn reserved_bits() {
    for sender in ROLES {
        for (space, bits) in [(Initial, 0x0c), (Handshake, 0x04), (ApplicationData, 0x18)] {
            let mut pair = pair_for(space);
            let now = pair.now;
            let forged = Forged {
                first_byte: bits,
                ..Forged::new(space, &[1])
            };
            let d = forged.seal(pair.side(sender), now);
            pair.deliver(sender.remote(), d);
            assert_eq!(
                pair.close_code(sender.remote()),
                Some(PROTOCOL_VIOLATION),
                "{space:?}"
            );
        }
    }
}

/// Frames about the half of a unidirectional stream that does not exist, and about streams that
/// were never opened.
//= rfc9000#section-19.8 type=test
//# An endpoint MUST terminate the connection with error STREAM_STATE_ERROR
//# if it receives a STREAM frame for a locally initiated stream that has
//# not yet been created, or for a send-only stream.
// hardening R3743
#[test]
fn the_wrong_half_of_a_stream() {
    for sender in ROLES {
        let mine = StreamId::nth(StreamType::UniDi, sender, 0);
        let theirs = StreamId::nth(StreamType::UniDi, sender.remote(), 0);
        let unborn = StreamId::nth(StreamType::BiDi, sender.remote(), 3);
        let frames: [Write<'_>; 8] = [
            &|v| encode::stop_sending(v, mine, 1),
            &|v| encode::max_stream_data(v, mine, 1),
            &|v| encode::stream_header(v, theirs, 0, Some(0), true),
            &|v| encode::reset_stream(v, theirs, 0, 0),
            &|v| encode::stream_data_blocked(v, theirs, 0),
            &|v| encode::stream_header(v, unborn, 0, Some(0), false),
            &|v| encode::stop_sending(v, unborn, 1),
            &|v| encode::max_stream_data(v, unborn, 1),
        ];
        for (i, write) in frames.iter().enumerate() {
            let mut pair = connected();
            pair.side(sender.remote())
                .stream_create(StreamType::UniDi)
                .unwrap();
            let mut v = Vec::new();
            write(&mut v);
            pair.inject(sender, &v);
            assert_eq!(
                pair.close_code(sender.remote()),
                Some(STREAM_STATE_ERROR),
                "{i}"
            );
        }
    }
}

// hardening R3814
//= rfc9000#section-17.2.2 type=test
//# Initial packets sent by the server MUST set the Token Length field to 0; clients that
//# receive an Initial packet with a non-zero Token Length field MUST either discard
//# the packet or generate a connection error of type PROTOCOL_VIOLATION.
#[test]
fn a_token_from_a_server() {
    let mut pair = midway();
    let now = pair.now;
    let forged = Forged {
        token: b"token",
        ..Forged::new(Initial, &[0x1e])
    };
    let d = forged.seal(pair.server(), now);
    let before = pair.client.stats().dropped_rx();
    pair.deliver(Role::Client, d);
    assert_eq!(pair.client.stats().dropped_rx(), before + 1);
    pair.exchange();
    assert!(pair.confirmed());
}

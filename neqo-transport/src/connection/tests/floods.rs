//! What peers could fill our memory with, or lie about: CRYPTO, ACK, streams.

use neqo_common::Role;

use super::{SEC, connected, connected_with, error_code, forge::Forged, midway};
use crate::{
    ConnectionParameters, StreamId, StreamType,
    config::limits,
    space::PacketNumberSpace::{self, ApplicationData, Handshake, Initial},
    wire::{frame::encode, put::Put as _},
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const FLOW_CONTROL_ERROR: u64 = 0x03;
const STREAM_LIMIT_ERROR: u64 = 0x04;
const FINAL_SIZE_ERROR: u64 = 0x06;
const FRAME_ENCODING_ERROR: u64 = 0x07;
const PROTOCOL_VIOLATION: u64 = 0x0a;
const CRYPTO_BUFFER_EXCEEDED: u64 = 0x0d;

fn crypto(offset: u64, len: usize) -> Vec<u8> {
    let mut v = Vec::new();
    encode::crypto_header(&mut v, offset, len);
    v.put(&vec![0; len]);
    v
}

fn stream(id: StreamId, offset: u64, len: usize, fin: bool) -> Vec<u8> {
    let mut v = Vec::new();
    encode::stream_header(&mut v, id, offset, Some(len), fin);
    v.put(&vec![0; len]);
    v
}

fn ack(ranges: &[std::ops::RangeInclusive<u64>]) -> Vec<u8> {
    let mut v = Vec::new();
    assert!(encode::ack(&mut v, 0, None, ranges.iter().cloned()));
    v
}

fn code_after(space: PacketNumberSpace, sender: Role, frame: &[u8]) -> Option<u64> {
    let mut pair = if space == ApplicationData {
        connected()
    } else {
        midway()
    };
    pair.inject_in(sender, space, frame);
    let code = error_code(pair.side(sender.remote()));
    if code.is_some() {
        assert_eq!(pair.close_code(sender.remote()), code);
    }
    code
}

// hardening A4
//= rfc9000#section-7.5 type=test
//# If an endpoint does not expand its buffer, it MUST close
//# the connection with a CRYPTO_BUFFER_EXCEEDED error code.
#[test]
fn crypto_far_ahead() {
    for sender in ROLES {
        for space in [Initial, Handshake, ApplicationData] {
            for offset in [
                limits::CRYPTO_BUFFER + 10_000,
                1 << 20,
                1 << 40,
                (1 << 62) - 2,
            ] {
                let code = code_after(space, sender, &crypto(offset, 1));
                assert_eq!(code, Some(CRYPTO_BUFFER_EXCEEDED), "{space:?} {offset}");
            }
            let over = code_after(space, sender, &crypto((1 << 62) - 1, 1));
            assert!(matches!(
                over,
                Some(FRAME_ENCODING_ERROR | CRYPTO_BUFFER_EXCEEDED)
            ));
            assert_eq!(code_after(space, sender, &crypto(40_000, 100)), None);
        }
    }
}

/// Pieces of one byte, every other one missing.
// hardening A4, R3896
#[test]
fn crypto_in_crumbs() {
    for sender in ROLES {
        let mut pair = connected();
        let (mut offset, mut pieces) = (2000, 0);
        while error_code(pair.side(sender.remote())).is_none() {
            let mut frames = Vec::new();
            for _ in 0..200 {
                frames.extend(crypto(offset, 1));
                offset += 2;
                pieces += 1;
            }
            pair.inject(sender, &frames);
            assert!(offset < 1 << 20, "it has to end");
        }
        assert_eq!(
            error_code(pair.side(sender.remote())),
            Some(CRYPTO_BUFFER_EXCEEDED)
        );
        assert!(pieces <= 2 * limits::REASSEMBLY_GAPS, "{pieces}");
    }
}

/// TLS messages that never end, or make no sense, after the handshake.
// hardening A4
#[test]
fn crypto_after_the_handshake() {
    for sender in ROLES {
        let mut pair = connected();
        let mut offset = pair
            .side(sender)
            .spaces
            .get(ApplicationData)
            .map_or(0, |_| 0);
        let mut sent = 0;
        // A message of 2^24 - 1 bytes, of a type that may follow a handshake or not.
        let mut first = crypto(offset, 1000);
        first[4..8].copy_from_slice(&[4, 0xff, 0xff, 0xff]);
        pair.inject(sender, &first);
        while error_code(pair.side(sender.remote())).is_none() && sent < 20_000 {
            offset += 1000;
            pair.inject(sender, &crypto(offset, 1000));
            drop(pair.output(sender.remote()));
            sent += 1;
        }
        let code = error_code(pair.side(sender.remote()));
        assert!(code.is_some(), "after {sent} packets");
        assert!(sent < 1000, "{sent}");
    }
}

// hardening A26
//= rfc9000#section-13.1 type=test
//# An endpoint SHOULD treat receipt of an acknowledgment for a packet it did not
//# send as a connection error of type PROTOCOL_VIOLATION, if it is able to detect
//# the condition.
#[test]
fn acknowledgments_of_what_was_never_sent() {
    for sender in ROLES {
        for space in [Initial, Handshake, ApplicationData] {
            for ahead in [0, 1, 1000, 1 << 40] {
                let mut pair = if space == ApplicationData {
                    connected()
                } else {
                    midway()
                };
                let receiver = sender.remote();
                let next = pair
                    .side(receiver)
                    .spaces
                    .get(space)
                    .unwrap()
                    .loss
                    .sent
                    .next_pn();
                let cwnd = pair.side(receiver).stats().cwnd;
                pair.inject_in(sender, space, &ack(&[next + ahead..=next + ahead]));
                assert_eq!(error_code(pair.side(receiver)), Some(PROTOCOL_VIOLATION));
                assert_eq!(pair.side(receiver).stats().cwnd, cwnd);
                assert_eq!(pair.close_code(receiver), Some(PROTOCOL_VIOLATION));
            }
        }
    }
}

/// Numbers are left out; who acknowledges them has not seen what it acknowledges.
// hardening A26
//= rfc9000#section-21.4 type=test
//# An endpoint MAY skip packet numbers when sending packets to detect this behavior.
#[test]
fn acknowledgments_of_skipped_numbers() {
    for receiver in ROLES {
        let mut pair = connected();
        for _ in 0..150 {
            pair.inject(receiver, &[1]);
        }
        let sent = &pair
            .side(receiver)
            .spaces
            .get(ApplicationData)
            .unwrap()
            .loss
            .sent;
        let next = sent.next_pn();
        let gap = (next - 140..next)
            .rev()
            .find(|pn| !sent.ever_sent_all(&(*pn..=*pn)))
            .expect("a gap within 128 packets");
        let cwnd = pair.side(receiver).stats().cwnd;
        pair.inject(receiver.remote(), &ack(&[gap - 1..=next - 1]));
        assert_eq!(error_code(pair.side(receiver)), Some(PROTOCOL_VIOLATION));
        assert_eq!(pair.side(receiver).stats().cwnd, cwnd);
    }
}

// hardening A8
#[test]
fn acknowledgments_of_nonsense() {
    // As many ranges as fit, far more, and ranges that go below zero.
    let mut many = vec![0x02, 0x80, 0, 0x10, 0, 0, 0x44, 0x00, 0];
    many.extend([0; 1300]);
    let mut lies = vec![0x02, 0x80, 0, 0x10, 0, 0, 0x80, 0, 0x40, 0x00, 0];
    lies.extend([0; 1200]);
    let below = [0x02, 0x05, 0, 1, 2, 1, 1];
    for sender in ROLES {
        for (frame, codes) in [
            (&many[..], [PROTOCOL_VIOLATION, FRAME_ENCODING_ERROR]),
            (&lies[..], [FRAME_ENCODING_ERROR; 2]),
            (&below[..], [FRAME_ENCODING_ERROR; 2]),
        ] {
            let code = code_after(ApplicationData, sender, frame);
            assert!(code.is_some_and(|c| codes.contains(&c)), "{code:?}");
        }
    }
}

/// Every other packet is missing, for ever.
// hardening A8
#[test]
fn our_own_acknowledgments_stay_short() {
    let mut pair = connected();
    let now = pair.now;
    let first = pair.client.spaces.get(ApplicationData).unwrap().pn.peek();
    for n in 0..5000 {
        let forged = Forged {
            pn: Some(first + 2 * n),
            ..Forged::new(ApplicationData, &[1])
        };
        let d = forged.seal(&mut pair.client, now);
        pair.reach_server(d);
        for d in pair.output(Role::Server) {
            assert!(d.len() < 40 + 16 * limits::ACK_RANGES, "{}", d.len());
        }
    }
    assert_eq!(error_code(pair.server()), None);
}

// hardening A12
//= rfc9000#section-4.6 type=test
//# An endpoint that receives a frame with a stream ID exceeding the limit
//# it has sent MUST treat this as a connection error of type
//# STREAM_LIMIT_ERROR
#[test]
fn streams_beyond_the_limit() {
    for sender in ROLES {
        for (t, limit) in [
            (StreamType::BiDi, limits::MAX_STREAMS_BIDI),
            (StreamType::UniDi, limits::MAX_STREAMS_UNI),
        ] {
            for index in [limit, limit + 1, 1 << 32, (1 << 60) - 1] {
                let id = StreamId::nth(t, sender, index);
                let mut pair = connected();
                pair.inject(sender, &stream(id, 0, 1, false));
                assert_eq!(pair.side(sender.remote()).streams.len(), 0);
                assert_eq!(pair.close_code(sender.remote()), Some(STREAM_LIMIT_ERROR));
            }
            let last = StreamId::nth(t, sender, limit - 1);
            assert_eq!(
                code_after(ApplicationData, sender, &stream(last, 0, 1, false)),
                None
            );
        }
    }
}

// hardening A12, A13
#[test]
fn open_and_reset_for_ever() {
    let mut pair = connected();
    let id = |n| StreamId::nth(StreamType::UniDi, Role::Client, n);
    for n in 0..20_000 {
        let mut frames = stream(id(n), 0, 1, false);
        encode::reset_stream(&mut frames, id(n), 7, 1);
        pair.inject(Role::Client, &frames);
        super::events(pair.server());
        assert!(pair.server().streams.len() <= 1);
        // The new limits are sent, and no more than that.
        let said = pair.output(Role::Server);
        assert!(said.len() <= 2);
        for d in said {
            pair.deliver(Role::Client, d);
        }
        if n % 20 == 0 {
            pair.wait(SEC / 10);
        }
        assert_eq!(error_code(pair.server()), None, "{n}");
    }
}

// hardening A15
#[test]
fn within_each_window_but_not_within_all() {
    let params = ConnectionParameters::default()
        .max_data(10_000)
        .max_stream_data(StreamType::UniDi, true, 4000);
    for sender in ROLES {
        let id = |n| StreamId::nth(StreamType::UniDi, sender, n);
        let mut pair = connected_with(params.clone());
        // Offsets count, not bytes.
        pair.inject(sender, &stream(id(0), 3999, 1, false));
        pair.inject(sender, &stream(id(1), 3999, 1, false));
        assert_eq!(error_code(pair.side(sender.remote())), None);
        pair.inject(sender, &stream(id(2), 2000, 1, false));
        assert_eq!(pair.close_code(sender.remote()), Some(FLOW_CONTROL_ERROR));
        // One alone.
        let mut pair = connected_with(params.clone());
        pair.inject(sender, &stream(id(0), 4000, 1, false));
        assert_eq!(pair.close_code(sender.remote()), Some(FLOW_CONTROL_ERROR));
        // A reset counts, too.
        let mut pair = connected_with(params.clone());
        let mut v = Vec::new();
        encode::reset_stream(&mut v, id(0), 0, 4001);
        pair.inject(sender, &v);
        assert_eq!(pair.close_code(sender.remote()), Some(FLOW_CONTROL_ERROR));
    }
}

//= rfc9000#section-4.5 type=test
//# Once a final size for a stream is known, it cannot change.
#[test]
fn final_sizes_that_change() {
    for sender in ROLES {
        let id = StreamId::nth(StreamType::UniDi, sender, 0);
        let ends = stream(id, 10, 10, true);
        let mut reset = Vec::new();
        encode::reset_stream(&mut reset, id, 0, 19);
        for second in [stream(id, 20, 1, false), stream(id, 10, 9, true), reset] {
            let mut pair = connected();
            pair.inject(sender, &ends);
            assert_eq!(error_code(pair.side(sender.remote())), None);
            pair.inject(sender, &second);
            assert_eq!(pair.close_code(sender.remote()), Some(FINAL_SIZE_ERROR));
        }
    }
}

/// Frames that ask for an answer, from a peer that does not listen: what waits does not grow.
// hardening A14
#[test]
fn questions_without_end() {
    let mut pair = connected();
    let mut frames = vec![1];
    encode::data_blocked(&mut frames, 1);
    encode::streams_blocked(&mut frames, StreamType::UniDi, 1);
    encode::streams_blocked(&mut frames, StreamType::BiDi, 1);
    for n in 0..50 {
        let id = StreamId::nth(StreamType::BiDi, Role::Client, n);
        encode::stream_data_blocked(&mut frames, id, 1);
        encode::stop_sending(&mut frames, id, 1);
    }
    for _ in 0..2000 {
        pair.inject(Role::Client, &frames);
        super::events(pair.server());
    }
    let said = pair.output(Role::Server);
    assert!(said.len() <= 4, "{} datagrams", said.len());
    assert_eq!(error_code(pair.server()), None);
}

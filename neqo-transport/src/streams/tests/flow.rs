//! Flow control, and events about space.

use std::{num::NonZeroUsize, time::Duration};

use super::{C_BIDI, C_UNI, Pair, ROOM, RTT, StreamEvent, Token, WIDE, bidi, limits, uni};
use crate::{
    Error, Misuse, Violation,
    config::limits::{MAX_SEND_UNSENT, MAX_STREAM_WINDOW},
    stream_id::{StreamId, StreamType},
    wire::frame::Frame,
};

const MANY: u64 = 1 << 30;

#[test]
fn senders_keep_both_limits() {
    //= rfc9000#section-4.1 type=test
    //# Senders MUST NOT send data in excess of either limit.
    for (limits, blocked) in [
        (limits(MANY, 5000, 10), Token::StreamDataBlocked(C_UNI)),
        (limits(5000, MANY, 10), Token::DataBlocked),
    ] {
        let mut p = Pair::with(WIDE, limits);
        let id = uni(&mut p.client);
        assert_eq!(
            p.client.s.send(id, &[3; 9000]),
            Ok(9000),
            "buffered all the same"
        );
        let packets = p.client.write_all();
        let sent: usize = packets
            .iter()
            .flat_map(super::Packet::data)
            .map(|d| d.1)
            .sum();
        assert_eq!(sent, 5000);
        let told: Vec<_> = packets.iter().flat_map(super::Packet::tokens).collect();
        assert_eq!(told.iter().filter(|t| **t == blocked).count(), 1);
        // Told again when it was lost, but not otherwise.
        p.client.s.send(id, &[3; 10]).unwrap();
        assert!(!p.client.s.wants_to_send());
        p.client.s.lost(blocked);
        assert_eq!(p.client.write(ROOM).unwrap().tokens(), [blocked]);
        // Limits that are not higher change nothing.
        p.client.s.on_max_data(5000);
        p.client.s.on_max_stream_data(id, 5000).unwrap();
        assert!(!p.client.s.wants_to_send());
        p.client.s.on_max_data(6000);
        p.client.s.on_max_stream_data(id, 6000).unwrap();
        let sent: usize = p
            .client
            .write(ROOM)
            .unwrap()
            .data()
            .iter()
            .map(|d| d.1)
            .sum();
        assert_eq!(sent, 1000);
        // Not blocked by this limit any more.
        p.client.s.on_max_data(MANY);
        p.client.s.on_max_stream_data(id, MANY).unwrap();
        p.client.write_all();
        p.client.s.lost(blocked);
        assert!(!p.client.s.wants_to_send());
    }
}

#[test]
fn receivers_enforce_both_limits() {
    //= rfc9000#section-4.1 type=test
    //# A receiver MUST close the connection with an error of type
    //# FLOW_CONTROL_ERROR if the sender violates the advertised connection or
    //# stream data limits
    let too_much = Err(Error::Peer(Violation::FlowControl));
    let mut e = Pair::with(WIDE, limits(100, 60, 10)).server;
    e.stream(C_UNI, 59, b"x", false).unwrap();
    assert_eq!(e.stream(C_UNI, 60, b"x", false), too_much);
    assert_eq!(e.s.on_reset_stream(C_UNI, 0, 61), too_much);
    // hardening A15: within the limit of each stream, but not of the connection.
    e.stream(C_BIDI, 39, b"x", false).unwrap();
    assert_eq!(e.stream(C_BIDI, 40, b"x", false), too_much);
    assert_eq!(e.s.on_reset_stream(StreamId::new(4), 0, 1), too_much);
    e.stream(C_BIDI, 0, &[0; 39], true)
        .expect_err("shorter than before");
}

#[test]
fn reset_and_discard_give_credit_back() {
    //= rfc9000#section-4.5 type=test
    //# The receiver MUST use the final size of the stream to account for all
    //# bytes sent on the stream in its connection-level flow controller.
    let mut e = Pair::with(WIDE, limits(100, 100, 10)).server;
    for (i, stopped) in [(0, false), (1, true), (2, false), (3, true)] {
        let id = StreamId::nth(StreamType::UniDi, neqo_common::Role::Client, i);
        e.stream(id, 10, b"xy", false).unwrap();
        if stopped {
            e.s.stop_sending(id, 1).unwrap();
        }
        e.s.on_reset_stream(id, 0, 100).unwrap();
        e.now += RTT * 10;
        let packets = e.write_all();
        let mut max_data = None;
        for p in &packets {
            p.each(|f| {
                if let Frame::MaxData { max } = f {
                    max_data = Some(max);
                }
            });
        }
        assert_eq!(max_data, Some((i + 2) * 100));
        e.events();
    }
    assert_eq!(e.s.len(), 0);
}

#[test]
fn windows_move_when_half_is_read() {
    let mut p = Pair::with(WIDE, limits(10_000, 4000, 10));
    let id = uni(&mut p.client);
    p.client.s.send(id, &[1; 9000]).unwrap();
    for packet in p.client.write_all() {
        p.server.deliver(&packet);
    }
    // The peer said that it is blocked, but nothing was read yet.
    assert!(!p.server.s.wants_to_send());
    assert_eq!(p.server.s.recv(id, &mut [0; 1999]), Ok((1999, false)));
    assert!(!p.server.s.wants_to_send());
    assert_eq!(p.server.s.recv(id, &mut [0; 1]), Ok((1, false)));
    let update = p.server.write(ROOM).unwrap();
    update.each(|f| {
        let max = 6000;
        assert_eq!(f, Frame::MaxStreamData { stream_id: id, max });
    });
    // Lost, it is sent again with what is true then.
    p.server.s.recv(id, &mut [0; 500]).unwrap();
    p.server.lost(&update);
    p.server.write(ROOM).unwrap().each(|f| {
        let max = 6500;
        assert_eq!(f, Frame::MaxStreamData { stream_id: id, max });
    });
    // Credit is given on request, however little.
    p.server.s.recv(id, &mut [0; 1]).unwrap();
    assert!(!p.server.s.wants_to_send());
    p.server.s.on_stream_data_blocked(id, 6500).unwrap();
    p.server.s.on_data_blocked(10_000);
    assert_eq!(
        p.server.write(ROOM).unwrap().tokens(),
        [Token::MaxData, Token::MaxStreamData(id)]
    );
    // With the final size known, no more credit is given.
    p.server.stream(id, 4000, &[1; 100], true).unwrap();
    p.server.s.lost(Token::MaxStreamData(id));
    p.server.s.on_stream_data_blocked(id, 6500).unwrap();
    assert!(!p.server.s.wants_to_send());
}

#[test]
fn windows_grow_with_the_path() {
    let run = |step: Duration| {
        let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 10)).server;
        let mut offset = 0;
        let mut windows = Vec::new();
        for _ in 0..8 {
            // The peer uses its window in each round.
            let window = e.s.recv_window(C_UNI);
            for _ in 0..window / 1024 {
                e.stream(C_UNI, offset, &[0; 1024], false).unwrap();
                offset += 1024;
            }
            e.read(C_UNI);
            e.now += step;
            for p in e.write_all() {
                assert!(p.0.len() < 30);
            }
            windows.push(e.s.recv_window(C_UNI));
        }
        windows
    };
    let quick = run(RTT);
    assert_eq!(quick.last(), Some(&MAX_STREAM_WINDOW), "{quick:?}");
    assert!(quick.is_sorted() && quick[0] == 1 << 20, "{quick:?}");
    let slow = run(RTT * 3);
    assert_eq!(slow, [1 << 20; 8]);
}

#[test]
fn the_application_sets_a_window() {
    let mut e = Pair::new().server;
    e.stream(C_UNI, 0, b"x", false).unwrap();
    e.s.set_max_data(C_UNI, 2 << 20).unwrap();
    let mut told = Vec::new();
    e.write(ROOM).unwrap().each(|f| match f {
        Frame::MaxStreamData { stream_id, max } => told.push((Some(stream_id), max)),
        Frame::MaxData { max } => told.push((None, max)),
        other => panic!("{other:?}"),
    });
    // The connection's window follows.
    assert_eq!(told, [(Some(C_UNI), 2 << 20), (None, 3 << 20)]);
    // A smaller one takes nothing back.
    e.s.set_max_data(C_UNI, 10).unwrap();
    e.read(C_UNI);
    assert!(!e.s.wants_to_send());
    assert_eq!(e.stream(C_UNI, (2 << 19) - 1, b"x", false), Ok(()));
}

#[test]
fn stream_limits() {
    let mut p = Pair::with(WIDE, limits(MANY, MANY, 4));
    //= rfc9000#section-4.6 type=test
    //# Endpoints MUST NOT exceed the limit set by their peer.
    let ids: Vec<_> = (0..4).map(|_| bidi(&mut p.client)).collect();
    for _ in 0..2 {
        assert_eq!(
            p.client.s.create(StreamType::BiDi),
            Err(Error::Api(Misuse::StreamLimit))
        );
    }
    let blocked = p.client.write(ROOM).unwrap();
    assert_eq!(blocked.tokens(), [Token::StreamsBlocked(StreamType::BiDi)]);
    p.client.lost(&blocked);
    let blocked = p.client.write(ROOM).unwrap();
    p.server.deliver(&blocked);
    //= rfc9000#section-4.6 type=test
    //# MAX_STREAMS frames that do not increase the stream limit MUST be
    //# ignored.
    p.client.s.on_max_streams(StreamType::BiDi, 4);
    assert!(p.client.events().is_empty());
    // One stream ends, so one more can be opened.
    p.server.stream(ids[0], 0, b"", false).unwrap();
    for end in [&mut p.client, &mut p.server] {
        end.s.close_send(ids[0]).unwrap();
    }
    p.settle();
    assert_eq!(p.server.read(ids[0]), (vec![], true));
    assert_eq!(p.server.events().len(), 2);
    p.settle();
    assert_eq!(
        p.client.events()[0],
        StreamEvent::SendStreamCreatable {
            stream_type: StreamType::BiDi
        }
    );
    assert_eq!(bidi(&mut p.client), StreamId::new(16));
    assert!(p.client.s.create(StreamType::BiDi).is_err());
    // Not blocked at the old limit any more.
    p.client.write_all();
    p.client.lost(&blocked);
    assert!(p.client.s.wants_to_send(), "blocked at the new one");
}

#[test]
fn the_buffer_is_bounded_and_writable_comes_back() {
    let mut p = Pair::with(WIDE, limits(MANY, MANY, 10));
    let id = uni(&mut p.client);
    let n = p.client.s.send(id, &vec![1; MAX_SEND_UNSENT + 5]).unwrap();
    assert_eq!(n, MAX_SEND_UNSENT);
    assert_eq!(p.client.s.avail_send_space(id), Ok(0));
    assert_eq!(p.client.s.send(id, b"x"), Ok(0));
    // Told once, and not of every packet's worth.
    let mut sent = 0;
    while p.client.events().is_empty() {
        sent += p.client.write(ROOM).unwrap().data()[0].1;
    }
    assert!((MAX_SEND_UNSENT / 4..MAX_SEND_UNSENT / 4 + ROOM).contains(&sent));
    p.client.write_all();
    assert!(p.client.events().is_empty());
    // With a watermark, more space is waited for.
    p.client.s.send(id, &vec![1; MAX_SEND_UNSENT]).unwrap();
    let watermark = NonZeroUsize::new(MAX_SEND_UNSENT / 2).unwrap();
    p.client
        .s
        .set_writable_event_low_watermark(id, watermark)
        .unwrap();
    while p.client.events().is_empty() {
        p.client.write(ROOM).unwrap();
    }
    assert!(p.client.s.avail_send_space(id).unwrap() >= watermark.get());
}

#[test]
fn atomic_writes() {
    let mut p = Pair::with(WIDE, limits(100, 60, 10));
    let (a, b) = (uni(&mut p.client), uni(&mut p.client));
    assert_eq!(
        p.client.s.send_atomic(a, &vec![0; MAX_SEND_UNSENT + 1]),
        Err(Error::Api(Misuse::TooMuchData))
    );
    assert_eq!(p.client.s.send_atomic(a, &[0; 60]), Ok(true));
    assert_eq!(
        p.client.s.send_atomic(a, &[0; 1]),
        Ok(false),
        "no stream credit"
    );
    assert_eq!(
        p.client.s.send_atomic(b, &[0; 41]),
        Ok(false),
        "no credit of the connection"
    );
    assert_eq!(p.client.s.send_atomic(b, &[0; 40]), Ok(true));
    p.client.s.on_max_stream_data(a, 61).unwrap();
    let writable = |stream_id| StreamEvent::SendStreamWritable { stream_id };
    assert_eq!(p.client.events(), [writable(a)]);
    assert_eq!(p.client.s.send_atomic(a, &[0; 1]), Ok(false));
    p.client.s.on_max_data(101);
    let mut told = p.client.events();
    told.sort_by_key(|e| format!("{e:?}"));
    assert_eq!(told, [writable(a), writable(b)]);
    assert_eq!(p.client.s.send_atomic(a, &[0; 1]), Ok(true));
}

#[test]
fn early_limits_are_raised() {
    let mut p = Pair::with(WIDE, limits(10, 10, 1));
    let id = bidi(&mut p.client);
    p.client.s.send(id, &[0; 30]).unwrap();
    p.client.write_all();
    p.client.s.set_peer_limits(limits(40, 40, 2));
    let sent: usize = p
        .client
        .write_all()
        .iter()
        .flat_map(super::Packet::data)
        .map(|d| d.1)
        .sum();
    assert_eq!(sent, 20);
    bidi(&mut p.client);
}

#[test]
fn keep_alive_ends_with_the_stream() {
    let mut p = Pair::new();
    let id = bidi(&mut p.client);
    p.client.s.keep_alive(id, true).unwrap();
    p.client.s.keep_alive(id, true).unwrap();
    assert!(p.client.s.wants_keep_alive());
    p.client.s.keep_alive(id, false).unwrap();
    assert!(!p.client.s.wants_keep_alive());
    p.client.s.keep_alive(id, true).unwrap();
    p.client.stream(id, 0, b"x", true).unwrap();
    p.client.read(id);
    assert!(!p.client.s.wants_keep_alive());
}

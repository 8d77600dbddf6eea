//! Peers that mean harm.

use std::collections::BTreeMap;

use bytes::Bytes;
use neqo_common::Role;

use super::{
    super::{Pool, Token, recv::Reassembly},
    C_UNI, End, Packet, Pair, ROOM, StreamEvent, StreamFrame, WIDE, limits, uni,
};
use crate::{
    Error, Violation,
    config::limits::{
        MAX_SEND_HELD, MAX_SEND_UNSENT, REASSEMBLY_BYTES_PER_GAP, REASSEMBLY_GAPS, SEND_FLOOR,
    },
    rx::payload::Payload,
    stream_id::{StreamId, StreamType},
    wire::frame::Frame,
};

const fn client_uni(i: u64) -> StreamId {
    StreamId::nth(StreamType::UniDi, Role::Client, i)
}

#[test]
fn one_byte_in_two_over_the_whole_window() {
    // hardening A5, R3896
    const WINDOW: u64 = 16 << 20;
    let mut r = Reassembly::default();
    let mut pool = Pool::default();
    let mut failed_at = None;
    for offset in (1..WINDOW).step_by(2) {
        if r.insert(offset, Payload::borrowed(b"x"), &mut pool)
            .is_err()
        {
            failed_at = Some(offset);
            break;
        }
    }
    let pieces = r.pieces() as u64;
    assert!(failed_at.is_some());
    assert!(pieces >= REASSEMBLY_GAPS as u64);
    assert!(pieces <= REASSEMBLY_GAPS as u64 + WINDOW / REASSEMBLY_BYTES_PER_GAP + 1);
    assert!(r.memory() < 1 << 20, "{}", r.memory());
    // The same on a stream is the peer's fault.
    let mut e = Pair::with(WIDE, limits(WINDOW, WINDOW, 1)).server;
    let s = &mut e.s;
    let res = (1..WINDOW).step_by(2).try_for_each(|offset| {
        s.on_stream(StreamFrame {
            stream_id: C_UNI,
            offset,
            data: Payload::borrowed(b"x"),
            fin: false,
        })
    });
    assert!(matches!(
        res,
        Err(Error::Peer(Violation::ProtocolViolation(_)))
    ));
}

#[test]
fn honest_loss_is_no_attack() {
    // Every second packet of a window of 16 MiB is lost, or the first one alone.
    const PACKET: usize = 1200;
    for step in [1, 2] {
        let mut r = Reassembly::default();
        let mut pool = Pool::default();
        let n = (16 << 20) / PACKET;
        let datagrams: Vec<_> = (0..n).map(|_| Bytes::from(vec![0; PACKET])).collect();
        for i in (1..n).step_by(step) {
            let data = Payload::owned(&datagrams[i], &datagrams[i]);
            r.insert((i * PACKET) as u64, data, &mut pool).unwrap();
        }
        assert!(r.memory() < 40 << 20, "{}", r.memory());
        for (i, datagram) in datagrams.iter().enumerate() {
            let data = Payload::owned(datagram, datagram);
            r.insert((i * PACKET) as u64, data, &mut pool).unwrap();
        }
        assert_eq!(r.readable(), (n * PACKET) as u64);
        assert_eq!(r.pieces(), 0);
    }
}

#[test]
fn small_frames_do_not_pin_datagrams() {
    // hardening A6
    let mut r = Reassembly::default();
    let mut pool = Pool::default();
    let mut datagrams = Vec::new();
    for i in 0..20_000_u64 {
        let datagram = Bytes::from(vec![0; 1200]);
        // In order, or with a gap in front that the second half fills up behind.
        let offset = if i < 10_000 { i } else { i + 1 };
        let data = Payload::owned(&datagram[5..6], &datagram);
        r.insert(offset, data, &mut pool).unwrap();
        datagrams.push(datagram);
    }
    assert!(datagrams.iter().all(Bytes::is_unique));
    assert!(r.memory() < 8 * 20_000, "{}", r.memory());
    // Nor do large ones without bound: a reader that is behind gets copies.
    let mut r = Reassembly::default();
    for (i, datagram) in datagrams.iter().take(2000).enumerate() {
        r.insert(
            i as u64 * 1200,
            Payload::owned(datagram, datagram),
            &mut pool,
        )
        .unwrap();
    }
    let pinned = datagrams.iter().filter(|d| !d.is_unique()).count();
    assert!(pinned > 0 && pinned * 1200 <= 512 * 1024, "{pinned}");
    // Once they are read, slices are kept again.
    while r.read_bytes(&mut pool).is_some() {}
    assert!(datagrams.iter().all(Bytes::is_unique));
    r.insert(
        2000 * 1200,
        Payload::owned(&datagrams[0], &datagrams[0]),
        &mut pool,
    )
    .unwrap();
    assert!(!datagrams[0].is_unique());
}

#[test]
fn streams_that_come_and_go_leave_nothing() {
    // hardening A12
    const ROUNDS: u64 = 100_000;
    let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 100)).server;
    let mut limit = 100;
    // One stream stays, so that the others are never at the front.
    e.s.on_reset_stream(client_uni(0), 0, 0).unwrap();
    for i in 1..ROUNDS {
        assert!(i < limit, "the limit follows");
        e.s.on_reset_stream(client_uni(i), 0, 0).unwrap();
        while e.s.next_event().is_some() {}
        if e.s.wants_to_send() {
            let p = e.write(ROOM).unwrap();
            p.each(|f| {
                if let Frame::MaxStreams { max, .. } = f {
                    limit = max;
                }
            });
            e.acked(&p);
        }
    }
    assert_eq!(e.s.len(), 0);
    assert!(e.s.memory() < 1000, "{} entries", e.s.memory());
}

#[test]
fn a_stream_that_stays_costs_nothing_but_itself() {
    // hardening A12
    let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 50_000)).server;
    for i in 0..50_000 {
        e.s.on_stream(StreamFrame {
            stream_id: client_uni(i),
            offset: 0,
            data: Payload::borrowed(b""),
            fin: i % 10_000 != 7,
        })
        .unwrap();
        while let Some(event) = e.s.next_event() {
            if let StreamEvent::RecvStreamReadable { stream_id } = event {
                e.s.recv(stream_id, &mut []).unwrap();
            }
        }
    }
    assert_eq!(e.s.len(), 5);
    assert!(e.s.memory() < 1000, "{} entries", e.s.memory());
    for i in 0..5 {
        assert_eq!(
            e.s.recv(client_uni(i * 10_000 + 7), &mut [0]),
            Ok((0, false))
        );
    }
}

#[test]
fn an_id_beyond_the_limit_allocates_nothing() {
    // hardening A12
    //= rfc9000#section-4.6 type=test
    //# An endpoint that receives a frame with a stream ID exceeding the limit
    //# it has sent MUST treat this as a connection error of type
    //# STREAM_LIMIT_ERROR
    let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 100)).server;
    for index in [100, 101, 1 << 40, (1 << 60) - 1] {
        assert_eq!(
            e.stream(client_uni(index), 0, b"x", false),
            Err(Error::Peer(Violation::StreamLimit))
        );
        assert_eq!(e.s.memory(), 0);
    }
    assert_eq!(e.stream(client_uni(99), 0, b"x", false), Ok(()));
    assert_eq!(e.s.len(), 100);
}

#[test]
fn resets_do_not_outrun_the_application() {
    // hardening A13
    let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 100)).server;
    for i in 0..100 {
        e.s.on_reset_stream(client_uni(i), 0, 0).unwrap();
        assert!(
            !e.s.wants_to_send(),
            "no more streams, nothing was seen yet"
        );
    }
    assert_eq!(
        e.s.on_reset_stream(client_uni(100), 0, 0),
        Err(Error::Peer(Violation::StreamLimit))
    );
    // Also those that are stopped and reset by turns queue a bounded number of frames.
    let mut e = Pair::with(WIDE, limits(1 << 20, 1 << 20, 100)).server;
    for i in 0..100 {
        let id = StreamId::nth(StreamType::BiDi, Role::Client, i);
        e.s.on_stop_sending(id, 0).unwrap();
        e.s.on_reset_stream(id, 0, 0).unwrap();
    }
    let frames: usize = e.write_all().iter().map(|p| p.tokens().len()).sum();
    assert_eq!(frames, 100);
}

#[test]
fn blocked_floods_are_answered_once() {
    // hardening A14
    let mut p = Pair::with(WIDE, limits(2 << 20, 1 << 20, 100));
    p.server.stream(C_UNI, 0, &[0; 1000], false).unwrap();
    p.server.read(C_UNI);
    for _ in 0..10_000 {
        p.server.s.on_data_blocked(0);
        p.server.s.on_stream_data_blocked(C_UNI, 0).unwrap();
        p.server.s.on_streams_blocked(StreamType::UniDi, 0);
    }
    assert_eq!(p.server.write(ROOM).unwrap().tokens().len(), 2);
    for _ in 0..10_000 {
        p.server.s.on_data_blocked(0);
        p.server.s.on_stream_data_blocked(C_UNI, 0).unwrap();
    }
    assert!(!p.server.s.wants_to_send(), "nothing new to give");
}

/// Sends what the streams hold, and acknowledges all of it but the first packet of each stream.
fn drain_all_but_the_first(e: &mut End, kept: &mut BTreeMap<StreamId, Packet>) {
    for p in e.write_all() {
        let (id, _) = p.data()[0];
        let first = matches!(p.tokens()[..], [Token::Data { offset: 0, .. }]);
        if first {
            kept.insert(id, p);
        } else {
            e.acked(&p);
        }
    }
}

/// Fills the streams until none of them takes any more.
fn fill(e: &mut End, ids: &[StreamId], kept: &mut BTreeMap<StreamId, Packet>) {
    let chunk = Bytes::from(vec![0; MAX_SEND_UNSENT]);
    loop {
        let before = e.s.room.held();
        for id in ids {
            // One stream to a packet, so that the first of each can be told.
            while e.s.send_bytes(*id, chunk.clone()).unwrap() > 0 {}
            drain_all_but_the_first(e, kept);
        }
        if e.s.room.held() == before {
            break;
        }
    }
}

/// An end that holds all it may, for the streams that are returned.
fn crowded() -> (End, Vec<StreamId>, BTreeMap<StreamId, Packet>) {
    const WIDEST: u64 = 1 << 30;
    let mut e = Pair::with(WIDE, limits(WIDEST, WIDEST, 100)).client;
    let ids: Vec<_> = (0..10).map(|_| uni(&mut e)).collect();
    let mut kept = BTreeMap::new();
    fill(&mut e, &ids, &mut kept);
    e.events();
    (e, ids, kept)
}

#[test]
fn a_peer_that_lies_about_the_first_packet_of_each_stream() {
    let (mut e, ids, kept) = crowded();
    let chunk = Bytes::from(vec![0; MAX_SEND_UNSENT]);
    assert_eq!(kept.len(), ids.len());
    let held = e.s.room.held();
    assert!(held >= MAX_SEND_HELD, "{held}");
    let floors = ids.len() * SEND_FLOOR;
    assert!(held <= MAX_SEND_HELD + floors as u64, "{held}");
    assert!(ids.iter().all(|id| e.s.avail_send_space(*id) == Ok(0)));

    // Another stream goes on within its floor: it is told each time that what it sent arrived.
    let honest = uni(&mut e);
    for _ in 0..3 {
        assert_eq!(e.s.send_bytes(honest, chunk.clone()), Ok(SEND_FLOOR));
        assert_eq!(e.s.send(honest, b"x"), Ok(0));
        for p in e.write_all() {
            e.acked(&p);
        }
        let told = StreamEvent::SendStreamWritable { stream_id: honest };
        assert_eq!(e.events(), [told]);
    }
    assert_eq!(e.s.send_bytes(honest, chunk), Ok(SEND_FLOOR));

    // Once what was held back arrives, all who waited are told, and can send.
    e.acked(&kept[&ids[0]]);
    let told = e.events();
    for id in ids.iter().chain([&honest]) {
        let writable = StreamEvent::SendStreamWritable { stream_id: *id };
        assert!(told.contains(&writable), "{id} in {told:?}");
    }
    assert!(e.s.avail_send_space(honest).unwrap() > SEND_FLOOR);
    // To give up a stream makes room, too.
    let before = e.s.room.held();
    e.s.reset_send(ids[1], 0).unwrap();
    e.frame(Frame::StopSending {
        stream_id: ids[2],
        app_error: 0,
    })
    .unwrap();
    assert!(e.s.room.held() < before - (4 << 20));
    assert!(e.s.consistent());
}

#[test]
fn who_comes_too_late_for_the_room_is_told_again() {
    let (mut e, ids, kept) = crowded();
    let chunk = Bytes::from(vec![0; MAX_SEND_UNSENT]);
    // Room for all, which one takes before the others hear of it.
    e.acked(&kept[&ids[0]]);
    while e.s.send_bytes(ids[0], chunk.clone()).unwrap() > 0 {
        drop(e.write_all());
    }
    assert_eq!(e.s.room.left(), 0);
    assert_eq!(e.events(), [], "nobody can write");
    // The next time they are told.
    e.acked(&kept[&ids[1]]);
    let told = e.events();
    for id in &ids[2..] {
        let writable = StreamEvent::SendStreamWritable { stream_id: *id };
        assert!(told.contains(&writable), "{id} in {told:?}");
    }
}

//! The first things first: a handshake, a stream, a close.

use super::{connected, events};
use crate::{CloseReason, ConnectionEvent, Error, State, StreamType};

#[test]
fn handshake_is_confirmed_on_both_sides() {
    let mut pair = connected();
    let info = pair.client.tls_info().unwrap();
    assert_eq!(info.alpn(), Some(super::ALPN));
    assert!(events(&mut pair.client).contains(&ConnectionEvent::StateChange(State::Confirmed)));
    assert_eq!(pair.client.stats().dropped_rx(), 0);
    assert_eq!(pair.server().stats().dropped_rx(), 0);
}

#[test]
fn bytes_go_both_ways() {
    let mut pair = connected();
    let id = pair.client.stream_create(StreamType::BiDi).unwrap();
    assert_eq!(pair.client.stream_send(id, b"hello").unwrap(), 5);
    pair.client.stream_close_send(id).unwrap();
    pair.exchange();
    let server = pair.server();
    assert!(events(server).contains(&ConnectionEvent::RecvStreamReadable { stream_id: id }));
    let mut buf = [0; 100];
    assert_eq!(server.stream_recv(id, &mut buf).unwrap(), (5, true));
    assert_eq!(&buf[..5], b"hello");
    server.stream_send(id, b"world!").unwrap();
    server.stream_close_send(id).unwrap();
    pair.exchange();
    assert_eq!(pair.client.stream_recv(id, &mut buf).unwrap(), (6, true));
    assert_eq!(&buf[..6], b"world!");
}

#[test]
fn a_megabyte_arrives_whole() {
    let mut pair = connected();
    let id = pair.client.stream_create(StreamType::UniDi).unwrap();
    let data: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    let mut fin = false;
    for _ in 0..100_000 {
        if sent < data.len() {
            sent += pair.client.stream_send(id, &data[sent..]).unwrap();
            if sent == data.len() {
                pair.client.stream_close_send(id).unwrap();
            }
        }
        pair.exchange();
        let mut buf = [0; 8192];
        while let Ok((n, end)) = pair.server().stream_recv(id, &mut buf) {
            got.extend_from_slice(&buf[..n]);
            fin |= end;
            if n == 0 || end {
                break;
            }
        }
        if fin {
            break;
        }
        // Reading made room: the window opens before any timer is due.
        pair.exchange();
        if sent == data.len() {
            pair.next_timer();
        }
    }
    assert!(fin);
    assert_eq!(got, data);
    assert_eq!(pair.client.stats().lost, 0);
}

#[test]
fn close_is_heard() {
    let mut pair = connected();
    pair.client.close(pair.now, 17, "bye");
    assert!(pair.client.state().closing());
    pair.exchange();
    let State::Draining { error, .. } = pair.server().state() else {
        panic!("{:?}", pair.server().state());
    };
    assert_eq!(
        *error,
        CloseReason::Transport(Error::PeerApplication {
            code: 17,
            reason: "bye".to_owned()
        })
    );
    for _ in 0..3 {
        pair.next_timer();
    }
    assert!(pair.client.state().closed());
    assert!(pair.server().state().closed());
}

//! A host that never asks what happened.

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

use neqo_common::event::Provider as _;
use neqo_crypto::{Client, Identity, Server as Tls, Verification};
use neqo_transport::{
    CloseReason, Connection, ConnectionParameters, Output, RandomConnectionIdGenerator,
    server::{ConnectionHandle, Server},
};

use super::{Http3Server, Http3ServerEvent, connections::Connections};
use crate::{
    Http3Parameters, Http3State, config::limits::MAX_ENDED_CONNECTIONS, error::H3_NO_ERROR,
};

static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::self_signed(&["example.com"]).unwrap());

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn server(now: Instant) -> Http3Server {
    let tls = Tls::builder(IDENTITY.clone()).build().unwrap();
    let cids = || Box::new(RandomConnectionIdGenerator::new(8)) as _;
    let params = ConnectionParameters::default();
    let quic = Server::new(now, tls, &["h3", "other"], cids, params).unwrap();
    Http3Server::with_transport(quic, Http3Parameters::default())
}

fn client(protocol: &str, now: Instant) -> Connection {
    let trust = Verification::PinSha256(vec![IDENTITY.sha256()]);
    let tls = Client::builder().verification(trust).build().unwrap();
    Connection::new_client(
        "example.com",
        &[protocol],
        Box::new(RandomConnectionIdGenerator::new(8)),
        addr(1000),
        addr(443),
        ConnectionParameters::default().client_tls(tls),
        now,
    )
    .unwrap()
}

/// Passes datagrams until both are silent. The server's host does not ask for events.
fn exchange(client: &mut Connection, server: &mut Http3Server, now: Instant) {
    loop {
        let mut quiet = true;
        while let Output::Datagram(d) = client.process_output(now) {
            quiet = false;
            server.process_input(d, now);
        }
        while let Output::Datagram(d) = server.process_output(now) {
            quiet = false;
            client.process_input(d, now);
        }
        if quiet {
            return;
        }
    }
}

/// `n` connections come and go.
fn come_and_go(server: &mut Http3Server, protocol: &str, n: usize, now: &mut Instant) {
    for _ in 0..n {
        let mut client = client(protocol, *now);
        exchange(&mut client, server, *now);
        assert!(client.state().connected());
        client.close(*now, H3_NO_ERROR, "");
        exchange(&mut client, server, *now);
        *now += Duration::from_secs(10);
        drop(server.process_output(*now));
        assert_eq!(server.transport().connection_count(), 0);
    }
}

#[test]
fn one_state_of_each_connection_is_kept() {
    let mut now = test_fixture::now();
    let mut server = server(now);
    come_and_go(&mut server, "h3", 100, &mut now);
    assert!(server.connections.footprint() <= 100 + 64 + 2);
    let mut last = client("h3", now);
    exchange(&mut last, &mut server, now);

    let mut events = Vec::new();
    while let Some(event) = server.next_event() {
        events.push(event);
    }
    assert_eq!(events.len(), 101, "one for each");
    for event in &events[..100] {
        let Http3ServerEvent::StateChange { conn, state } = event else {
            panic!("{event:?}");
        };
        assert!(matches!(state, Http3State::Closed(_)), "{state:?}");
        assert!(server.state(*conn).is_none());
    }
    let Http3ServerEvent::StateChange { conn, state } = &events[100] else {
        panic!("{events:?}");
    };
    assert_eq!(server.state(*conn).as_ref(), Some(state));
    assert_eq!(*state, Http3State::Connected);
    assert!(!server.has_events());
    assert_eq!(server.connections.footprint(), 1);
}

#[test]
fn other_protocols_are_not_remembered_for_ever() {
    let mut now = test_fixture::now();
    let mut server = server(now);
    come_and_go(&mut server, "other", 100, &mut now);
    assert!(server.others.len() <= 66, "{}", server.others.len());
    assert_eq!(server.connections.footprint(), 0);
}

#[test]
fn of_those_that_ended_the_newest_are_kept() {
    let now = test_fixture::now();
    let mut server = server(now);
    let mut quic = client("h3", now);
    exchange(&mut quic, &mut server, now);
    let conn: ConnectionHandle = server.transport().handles().next().unwrap();
    let mut connections = Connections::default();
    let closed = |code| Http3State::Closed(CloseReason::Application(code));
    let n = u64::try_from(MAX_ENDED_CONNECTIONS).unwrap();
    for code in 0..n + 100 {
        connections.note_state(conn, closed(code));
    }
    assert_eq!(connections.footprint(), MAX_ENDED_CONNECTIONS);
    let (_, super::News::State(first)) = connections.next_event().unwrap() else {
        panic!("there are no other events");
    };
    assert_eq!(first, closed(100));
}

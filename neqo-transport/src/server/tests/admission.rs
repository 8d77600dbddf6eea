//! Retry, Version Negotiation, refusal: answers before there is a connection.

use super::{
    ALPN, Client, ConnectionParameters, Datagram, Duration, Net, SEC, State, Tos, Version,
    client_addr, fake_initial, generator, hello_datagrams, server_addr, strange_version,
};
use crate::{
    CloseReason, Error,
    config::limits,
    server::{Dropped, Limits, ValidateAddress},
    wire::header::{Packet, QuicBit},
};

fn is_retry(d: &Datagram) -> bool {
    let packet = Packet::decode(d, &generator(), QuicBit::Required);
    matches!(packet, Ok(Packet::Retry(_)))
}

#[test]
fn every_client_proves_its_address() {
    for v in [ValidateAddress::Always, ValidateAddress::NoToken] {
        let mut net = Net::new();
        net.server.set_validation(v);
        let mut clients: Vec<Client> = (0..3).map(|_| net.client()).collect();
        net.exchange(&mut clients);
        // The handshake authenticates the connection IDs of the Retry (RFC 9000 §7.3).
        assert!(clients.iter().all(Client::confirmed));
        let stats = net.server.stats();
        assert_eq!((stats.accepted, stats.retries), (3, 3 * hello_datagrams()));
    }
}

#[test]
fn retry_keeps_no_state() {
    let mut net = Net::new();
    net.server.set_validation(ValidateAddress::Always);
    let first = net.client().send(net.now).unwrap();
    let size = first.len();
    net.server.process_input(first, net.now);
    let sent = net.drain();
    assert_eq!(sent.len(), 1);
    assert!(is_retry(&sent[0]) && sent[0].len() < size);
    assert_eq!(net.server.roster.footprint(), 0);
    assert!(net.server.is_idle());
}

/// A client's second Initial packet, which carries the token of a Retry.
fn with_token(net: &mut Net) -> (Client, Datagram) {
    net.server.set_validation(ValidateAddress::Always);
    let mut client = net.client();
    let first = client.send(net.now).unwrap();
    net.server.process_input(first, net.now);
    for d in net.drain() {
        client.conn.process_input(d, net.now);
    }
    let second = client.send(net.now).unwrap();
    (client, second)
}

fn assert_invalid_token(net: &mut Net, client: &mut Client) {
    let stats = net.server.stats();
    assert_eq!((stats.accepted, stats.refused, stats.retries), (0, 1, 1));
    assert_eq!(net.server.roster.footprint(), 0);
    for d in net.drain() {
        let d = Datagram::new(d.source(), client.addr, d.tos(), d.to_vec());
        client.conn.process_input(d, net.now);
    }
    let reason = client.conn.state().error();
    assert!(matches!(
        reason,
        Some(CloseReason::Transport(Error::PeerClosed { code: 0x0b, .. }))
    ));
}

#[test]
fn a_token_is_good_at_one_address() {
    let mut net = Net::new();
    let (mut client, second) = with_token(&mut net);
    let elsewhere = Datagram::new(
        client_addr(999),
        server_addr(),
        Tos::default(),
        second.to_vec(),
    );
    net.server.process_input(elsewhere, net.now);
    assert_invalid_token(&mut net, &mut client);
}

#[test]
fn a_token_is_good_for_a_short_time() {
    let mut net = Net::new();
    let (mut client, second) = with_token(&mut net);
    net.now += limits::RETRY_TOKEN_LIFETIME + Duration::from_millis(1);
    net.server.process_input(second, net.now);
    assert_invalid_token(&mut net, &mut client);
}

#[test]
fn a_token_in_time() {
    let mut net = Net::new();
    let (client, second) = with_token(&mut net);
    net.now += limits::RETRY_TOKEN_LIFETIME;
    net.server.process_input(second, net.now);
    let mut clients = [client];
    net.exchange(&mut clients);
    assert!(clients[0].confirmed());
}

// hardening A19: the second Initial goes to yet another connection ID.
#[test]
fn a_token_is_good_for_one_connection_id() {
    let mut net = Net::new();
    let (_, second) = with_token(&mut net);
    let Ok(Packet::Protected(p)) = Packet::decode(&second, &generator(), QuicBit::Required) else {
        panic!("not an Initial");
    };
    let token = p.token(&second).to_vec();
    net.inject(1, fake_initial(Version::Version1, &[3; 8], &token, 1200));
    assert_eq!(net.server.stats().refused, 1);
    // At the right connection ID the token is good, but the packet is not authentic.
    net.inject(1, fake_initial(Version::Version1, p.dcid(), &token, 1200));
    assert_eq!(net.server.stats().dropped[Dropped::Unauthentic], 1);
    assert_eq!(net.server.roster.footprint(), 0);
}

// hardening A19
#[test]
fn retry_with_any_connection_id() {
    let mut net = Net::new();
    net.server.set_validation(ValidateAddress::Always);
    for version in Version::all() {
        for len in 0..=20 {
            net.inject(1, fake_initial(version, &vec![4; len], &[], 1200));
            let sent = net.drain();
            assert_eq!(sent.iter().filter(|d| is_retry(d)).count(), sent.len());
            assert_eq!(sent.len(), usize::from(len >= 8), "{len}");
        }
    }
    let dropped = net.server.stats().dropped[Dropped::ShortConnectionId];
    assert_eq!(dropped, 2 * 8);
}

// hardening A19
#[test]
fn tokens_that_are_garbage() {
    let mut net = Net::new();
    net.server.set_validation(ValidateAddress::Always);
    for len in 0..600 {
        net.inject(
            1,
            fake_initial(Version::Version1, &[4; 8], &vec![0; len], 1200),
        );
        assert!(net.drain().iter().all(is_retry));
    }
    assert_eq!(net.server.stats().retries, 600);
    net.server.set_validation(ValidateAddress::Never);
    for len in 0..600 {
        net.inject(
            1,
            fake_initial(Version::Version1, &[4; 8], &vec![0; len], 1200),
        );
    }
    assert_eq!(net.server.stats().dropped[Dropped::Unauthentic], 600);
    assert_eq!(net.server.roster.footprint(), 0);
}

//= rfc9000#section-14.1 type=test
//# A server MUST discard an Initial packet that is carried in a UDP datagram with a
//# payload that is smaller than the smallest allowed maximum datagram size of 1200
//# bytes.
#[test]
fn small_initials() {
    let mut net = Net::new();
    net.server.set_validation(ValidateAddress::Always);
    net.inject(1, fake_initial(Version::Version1, &[4; 8], &[], 1199));
    assert!(net.drain().is_empty());
    assert_eq!(net.server.stats().dropped[Dropped::ShortInitial], 1);
}

// hardening A18, A23
#[test]
fn retry_above_a_threshold() {
    let mut net = Net::new();
    net.server.set_limits(Limits {
        retry_above: 2,
        ..Limits::default()
    });
    // Two that never answer.
    for _ in 0..2 {
        let first = net.client().send(net.now).unwrap();
        net.server.process_input(first, net.now);
    }
    assert_eq!(net.server.stats().retries, 0);
    drop(net.drain());
    // One that does.
    drop(net.connected());
    assert_eq!(net.server.stats().retries, hello_datagrams());
    // They are gone after a while, and with them the doubt.
    net.run_until(net.now + limits::SERVER_HANDSHAKE_TIME + 20 * SEC);
    assert_eq!(net.server.stats().late, 2);
    drop(net.connected());
    assert_eq!(net.server.stats().retries, hello_datagrams());
}

//= rfc9000#section-5.2.2 type=test
//# Servers MUST drop smaller packets that specify unsupported
//# versions.
// hardening A21
#[test]
fn unknown_versions() {
    let mut net = Net::new();
    for (dcid, scid) in [(0, 0), (8, 3), (20, 20), (21, 8), (255, 255)] {
        let (dcid, scid) = (vec![1; dcid], vec![2; scid]);
        net.inject(1, strange_version(&dcid, &scid, 1199));
        assert!(net.drain().is_empty());
        net.inject(1, strange_version(&dcid, &scid, 1200));
        let sent = net.drain();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].len() < 600);
        let packet = Packet::decode(&sent[0], &generator(), QuicBit::Required);
        let Ok(Packet::VersionNegotiation(vn)) = packet else {
            panic!("not a Version Negotiation");
        };
        assert_eq!((vn.dcid, vn.scid), (&scid[..], &dcid[..]));
        for version in Version::all() {
            assert!(vn.versions().any(|v| v == version.wire_version()));
        }
    }
    assert_eq!(net.server.stats().version_negotiations, 5);
    assert_eq!(net.server.stats().dropped[Dropped::Version], 5);
}

//= rfc9000#section-6.1 type=test
//# An endpoint MUST NOT
//# send a Version Negotiation packet in response to receiving a Version Negotiation
//# packet.
#[test]
fn version_negotiation_is_not_answered() {
    let mut net = Net::new();
    net.inject(1, strange_version(&[1; 8], &[2; 8], 1200));
    let mut raw = net.drain().remove(0).into_data();
    net.inject(1, raw.clone());
    raw.resize(raw.len() + 1200, 0);
    net.inject(1, raw);
    assert!(net.drain().is_empty());
    assert_eq!(net.server.stats().dropped[Dropped::Unattributed], 2);
}

#[test]
fn a_version_that_is_not_enabled() {
    let only = |v| ConnectionParameters::default().versions(v, vec![v]);
    let mut net = Net::with(only(Version::Version1));
    let both = vec![Version::Version2, Version::Version1];
    let params = ConnectionParameters::default().versions(Version::Version2, both);
    let mut clients = [
        net.client_with(params),
        net.client_with(only(Version::Version2)),
    ];
    net.exchange(&mut clients);
    assert!(clients[0].confirmed());
    assert_eq!(clients[0].conn.version(), Version::Version1);
    assert_eq!(
        *clients[1].conn.state(),
        State::Closed(CloseReason::Transport(Error::VersionNegotiation))
    );
    assert_eq!(
        net.server.stats().version_negotiations,
        2 * hello_datagrams()
    );
}

#[test]
fn another_protocol_is_told_so() {
    let mut net = Net::new();
    let mut client = net.client();
    let params = ConnectionParameters::default().client_tls(net.tls.clone());
    client.conn = crate::Connection::new_client(
        "example.com",
        &["another"],
        Box::new(generator()),
        client.addr,
        server_addr(),
        params,
        net.now,
    )
    .unwrap();
    let mut clients = [client];
    net.exchange(&mut clients);
    assert_ne!(ALPN, "another");
    // no_application_protocol
    let reason = clients[0].conn.state().error();
    assert!(matches!(
        reason,
        Some(CloseReason::Transport(Error::PeerClosed {
            code: 0x178,
            ..
        }))
    ));
    // It counts as half-open until it is gone.
    assert_eq!(net.server.roster.load().half_open, 1);
    net.run_until(net.now + 10 * SEC);
    assert_eq!(net.server.roster.load().half_open, 0);
}

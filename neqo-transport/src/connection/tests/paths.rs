//! Paths: challenges, migration of a client behind a NAT, and what forgers of addresses get.

use std::net::SocketAddr;

use neqo_common::{Datagram, Role};

use super::{Pair, SEC, client_addr, connected, from_addr, server_addr};
use crate::{
    StreamId, StreamType,
    config::limits,
    connection::Output,
    rx::payload::Payload,
    space::PacketNumberSpace::ApplicationData,
    wire::frame::{Frame, encode},
};

const PING: &[u8] = &[1];

fn elsewhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 2000))
}

/// A NAT that has given the client another address.
fn nat(from: Role, d: &Datagram) -> Datagram {
    match from {
        Role::Client => from_addr(d, elsewhere()),
        Role::Server => Datagram::new(d.source(), client_addr(), d.tos(), d.to_vec()),
    }
}

fn challenge(n: u64) -> Vec<u8> {
    let mut v = Vec::new();
    encode::path_challenge(&mut v, n.to_be_bytes());
    v
}

/// The server has so much to send that it always has.
fn busy(pair: &mut Pair) -> StreamId {
    let id = pair.server().stream_create(StreamType::UniDi).unwrap();
    pair.server().stream_send(id, &vec![0; 250_000]).unwrap();
    id
}

fn primary(pair: &mut Pair) -> SocketAddr {
    pair.server().paths.primary().remote
}

/// The data of all PATH_RESPONSE frames in a 1-RTT packet to the client.
fn responses(pair: &mut Pair, d: &Datagram) -> Vec<u64> {
    let mut bytes = d.to_vec();
    let p = super::first_packet(&bytes).unwrap();
    let space = pair.client.spaces.get_mut(ApplicationData).unwrap();
    let unmasker = space.keys.unmasker().unwrap();
    let u = p
        .unmask(&mut bytes, |sample| unmasker.mask(sample))
        .unwrap();
    let pn = u.packet_number(&bytes, space.acks.largest());
    let (keys, _) = space.keys.opener(pn, u.key_phase()).unwrap();
    let range = u.open(&mut bytes, pn, keys).unwrap().payload().unwrap();
    let mut dec = neqo_common::Decoder::new(Payload::borrowed(&bytes[range]).bytes());
    let mut found = Vec::new();
    while dec.remaining() > 0 {
        if let Frame::PathResponse(data) = Frame::decode(&mut dec).unwrap() {
            found.push(u64::from_be_bytes(data));
        }
    }
    found
}

// hardening A2
#[test]
fn a_thousand_challenges_are_one_response() {
    let mut pair = connected();
    for n in 0..1000 {
        pair.inject(Role::Client, &challenge(n));
    }
    let said = pair.output(Role::Server);
    let all: Vec<u64> = said.iter().flat_map(|d| responses(&mut pair, d)).collect();
    assert_eq!(all, [999], "the last one wins");
    let response = said.iter().find(|d| d.len() >= 1200);
    assert!(response.is_some(), "RFC 9000 §8.2.2: padded");
}

// hardening A2
#[test]
fn challenges_while_the_window_is_closed() {
    let mut pair = connected();
    busy(&mut pair);
    let flight = pair.output(Role::Server);
    assert!(!flight.is_empty());
    for n in 0..1000 {
        pair.inject(Role::Client, &challenge(n));
        for d in pair.output(Role::Server) {
            assert!(responses(&mut pair, &d).len() <= 1);
        }
    }
    assert!(pair.server().stats().frame_tx.path_response <= 1000);
    for d in flight {
        pair.deliver(Role::Client, d);
    }
    pair.exchange();
    pair.transfer(Role::Client, 1000);
}

// hardening A3
#[test]
fn ten_thousand_ports() {
    let mut pair = connected();
    busy(&mut pair);
    let (mut challenges, mut sent) = (0, 0);
    for n in 0..10_000_u16 {
        let d = pair.forge(Role::Client, PING);
        let len = d.len();
        pair.reach_server(from_addr(&d, ([127, 0, 0, 1], 10_000 + n).into()));
        let said = pair.output(Role::Server);
        // hardening A21: never more than three times what came from there.
        let there: usize = said
            .iter()
            .filter(|d| d.destination().port() == 10_000 + n)
            .map(Datagram::len)
            .sum();
        assert!(there <= 3 * len, "{there} bytes for {len}");
        sent += said.len();
        challenges = pair.server().stats().frame_tx.path_challenge;
        assert!(pair.server().paths.iter().count() <= limits::PATHS);
        if n % 100 == 0 {
            pair.now += SEC / 10;
        }
    }
    assert!(challenges <= 10_000 * 3, "{challenges}");
    assert!(sent <= 50_000, "{sent}");
    // The client, who never moved, goes on.
    for _ in 0..20 {
        pair.inject(Role::Client, PING);
        pair.next_timer();
    }
    assert_eq!(primary(&mut pair), client_addr());
    pair.transfer(Role::Client, 1000);
}

//= rfc9000#section-9.3 type=test
//# An endpoint only changes the address to which it sends packets in response to the
//# highest-numbered non-probing packet.
#[test]
fn a_nat_rebinding_is_followed_and_validated() {
    let mut pair = connected();
    pair.transfer(Role::Client, 1000);
    let id = busy(&mut pair);
    let mut got = 0;
    pair.client.stream_create(StreamType::UniDi).unwrap();
    pair.inject(Role::Client, PING);
    let (mut to_old, mut to_new) = (0, 0);
    let mut buf = [0; 8192];
    // Large enough for the server to be allowed an answer.
    let trigger = pair.forge(Role::Client, &[PING, &[0; 500]].concat());
    pair.reach_server(nat(Role::Client, &trigger));
    assert_eq!(primary(&mut pair), elsewhere());
    for _ in 0..1000 {
        pair.exchange_over(&mut |from, d| {
            if from == Role::Server {
                let moved = d.destination() == elsewhere();
                to_new += usize::from(moved);
                to_old += usize::from(!moved);
            }
            vec![nat(from, &d)]
        });
        while let Ok((n, _)) = pair.client.stream_recv(id, &mut buf) {
            got += n;
            if n == 0 {
                break;
            }
        }
        if got == 250_000 {
            break;
        }
        pair.advance();
    }
    assert_eq!(got, 250_000);
    assert_eq!(to_old, 0);
    assert!(to_new > 150);
    assert!(pair.server().paths.primary().amplification.is_validated());
    assert_eq!(primary(&mut pair), elsewhere());
}

/// One small packet from the new address is all that the server hears: it must be able to answer.
#[test]
fn one_packet_from_a_new_address_is_answered() {
    let mut pair = connected();
    let d = pair.forge(Role::Client, &[[1].as_slice(), &[0; 500]].concat());
    pair.reach_server(nat(Role::Client, &d));
    let said = pair.output(Role::Server);
    assert!(!said.is_empty());
    for d in &said {
        assert_eq!(d.destination(), elsewhere());
    }
    assert_eq!(pair.server().stats().frame_tx.path_challenge, 1);
}

// hardening A21
//= rfc9000#section-8 type=test
//# Therefore, after receiving packets from an address that is not yet
//# validated, an endpoint MUST limit the amount of data it sends to the
//# unvalidated address to three times the amount of data received from that address.
#[test]
fn amplification_at_an_address_that_is_forged() {
    let mut pair = connected();
    busy(&mut pair);
    let (mut received, mut sent) = (0, 0);
    for _ in 0..50 {
        let d = pair.forge(Role::Client, PING);
        received += d.len();
        pair.reach_server(nat(Role::Client, &d));
        for _ in 0..5 {
            for d in pair.output(Role::Server) {
                if d.destination() == elsewhere() {
                    sent += d.len();
                }
                assert!(sent <= 3 * received, "{sent} for {received}");
            }
            pair.now += SEC / 20;
        }
    }
    assert!(sent > 0);
}

/// An attacker copies a packet of the client and wins the race with it. Challenges to its address
/// are never answered: the server returns to the address that was validated.
//= rfc9000#section-9.3.2 type=test
//# To protect the connection from failing due to such a spurious migration, an
//# endpoint MUST revert to using the last validated peer address when validation of a new
//# peer address fails.
#[test]
fn back_to_the_validated_address() {
    let mut pair = connected();
    pair.transfer(Role::Server, 1000);
    busy(&mut pair);
    pair.pass(Role::Server);
    let d = pair.forge(Role::Client, &[[1].as_slice(), &[0; 1100]].concat());
    pair.reach_server(nat(Role::Client, &d));
    assert_eq!(primary(&mut pair), elsewhere());
    // Nothing is heard from the client meanwhile, whatever it says.
    let mut lost = 0;
    for _ in 0..200 {
        drop(pair.output(Role::Client));
        lost += pair
            .output(Role::Server)
            .iter()
            .filter(|d| d.destination() == elsewhere())
            .count();
        if primary(&mut pair) == client_addr() {
            break;
        }
        pair.advance();
    }
    assert!(lost > 0);
    assert_eq!(primary(&mut pair), client_addr());
    pair.transfer(Role::Client, 1000);
    pair.transfer(Role::Server, 1000);
}

/// A packet that was overtaken comes from another address: the server does not move, and goes on.
#[test]
fn an_old_packet_from_elsewhere_moves_nothing() {
    let mut pair = connected();
    let id = busy(&mut pair);
    let old = pair.forge(Role::Client, PING);
    pair.inject(Role::Client, PING);
    pair.reach_server(from_addr(&old, elsewhere()));
    assert_eq!(primary(&mut pair), client_addr());
    // All that goes there is lost.
    let (mut got, mut buf) = (0, [0; 8192]);
    for _ in 0..2000 {
        pair.exchange_over(&mut |_, d| {
            if d.destination() == elsewhere() {
                Vec::new()
            } else {
                vec![d]
            }
        });
        while let Ok((n, _)) = pair.client.stream_recv(id, &mut buf) {
            got += n;
            if n == 0 {
                break;
            }
        }
        if got == 250_000 {
            break;
        }
        pair.advance();
    }
    assert_eq!(got, 250_000);
}

/// A probing packet does not move the connection, but is answered where it came from.
//= rfc9000#section-9.1 type=test
//# An endpoint can migrate a connection to a new local address by sending packets
//# containing non-probing frames from that address.
#[test]
fn a_probe_from_elsewhere_is_answered_there() {
    let mut pair = connected();
    let d = pair.forge(Role::Client, &[challenge(5), vec![0; 1150]].concat());
    pair.reach_server(from_addr(&d, elsewhere()));
    assert_eq!(primary(&mut pair), client_addr());
    let said = pair.output(Role::Server);
    let there: Vec<_> = said
        .iter()
        .filter(|d| d.destination() == elsewhere())
        .collect();
    let all: Vec<u64> = there.iter().flat_map(|d| responses(&mut pair, d)).collect();
    assert_eq!(all, [5]);
    pair.exchange_over(&mut |_, d| {
        if d.destination() == elsewhere() {
            Vec::new()
        } else {
            vec![d]
        }
    });
    assert_eq!(primary(&mut pair), client_addr());
    pair.transfer(Role::Server, 3000);
}

/// A server that closes says so to the client, not to whom it probes.
#[test]
fn a_close_goes_to_the_primary_path() {
    let mut pair = connected();
    let d = pair.forge(Role::Client, &[challenge(5), vec![0; 1150]].concat());
    pair.reach_server(from_addr(&d, elsewhere()));
    let now = pair.now;
    pair.server().close(now, 1, "");
    let said = pair.output(Role::Server);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].destination(), client_addr());
}

//= rfc9000#section-9 type=test
//# If a client receives packets from an unknown server address, the client MUST
//# discard these packets.
#[test]
fn clients_hear_only_their_server() {
    let mut pair = connected();
    let d = pair.forge(Role::Server, PING);
    let before = pair.client.stats().packets_rx;
    pair.deliver(Role::Client, from_addr(&d, elsewhere()));
    assert_eq!(pair.client.stats().packets_rx, before);
    pair.deliver(Role::Client, d);
    assert_eq!(pair.client.stats().packets_rx, before + 1);
}

/// During the handshake nobody moves.
//= rfc9000#section-9 type=test
//# An endpoint MUST NOT initiate connection migration before the handshake is confirmed
#[test]
fn no_migration_during_the_handshake() {
    let mut pair = super::midway();
    let flight = pair.output(Role::Client);
    let before = pair.server().stats().packets_rx;
    for d in &flight {
        pair.reach_server(from_addr(d, elsewhere()));
    }
    assert_eq!(pair.server().stats().packets_rx, before);
    for d in flight {
        pair.reach_server(d);
    }
    pair.exchange();
    assert!(pair.confirmed());
}

/// The host has bound its socket to no address in particular.
#[test]
fn a_path_whose_own_address_is_not_known() {
    let mut pair = connected();
    let d = pair.forge(Role::Client, PING);
    let any = SocketAddr::from(([0, 0, 0, 0], server_addr().port()));
    pair.reach_server(Datagram::new(client_addr(), any, d.tos(), d.to_vec()));
    let now = pair.now;
    assert!(!matches!(pair.server().process_output(now), Output::None));
    assert_eq!(pair.server().paths.iter().count(), 1);
}

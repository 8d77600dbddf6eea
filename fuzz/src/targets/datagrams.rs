//! Harnesses for what arrives on a socket: anything.

use std::{collections::HashMap, net::SocketAddr};

use neqo_common::{Datagram, Encoder, Tos};
use neqo_transport::server::{Limits, ValidateAddress};
use test_fixture::sim::{Node as _, address};

use super::endpoint::{self, MAX_OPS, client, mutated, output, server, step};
use crate::{input::Input, puppet::connection_ids};

/// Caps that an input can reach.
const LIMITS: Limits = Limits {
    connections: 6,
    half_open: 4,
    retry_above: 3,
};
/// RFC 9000, Section 8: what may be sent to an address for each byte that came from it.
const AMPLIFICATION: usize = 3;
/// The smallest datagram that begins a connection.
const MIN_INITIAL: usize = 1200;

/// Datagrams to a server from addresses that never prove that they receive: it sends none more than
/// three times what it sent, and keeps its caps.
pub fn server_datagrams(data: &[u8]) {
    let mut input = Input::new(data);
    let mut node = server();
    let mode = input.byte();
    node.server.set_validation(match mode & 3 {
        1 => ValidateAddress::Always,
        2 => ValidateAddress::NoToken,
        _ => ValidateAddress::Never,
    });
    node.server.set_limits(LIMITS);
    let mut now = test_fixture::now();
    let flight = output(&mut client(), now);
    let mut traffic: HashMap<SocketAddr, (usize, usize)> = HashMap::new();
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        let op = input.byte();
        let port = 4000 + u16::from(op >> 4);
        let d = match op & 7 {
            0 => {
                now += step(&mut input);
                None
            }
            1 | 2 => Some(input.chunk().to_vec()),
            3 => Some(long_header(&mut input)),
            _ => flight
                .get(usize::from(op & 1))
                .map(|d| mutated(d, &mut input).into_data()),
        };
        if let Some(bytes) = d {
            let mut source = address(0);
            source.set_port(port);
            traffic.entry(source).or_default().0 += bytes.len();
            let d = Datagram::new(source, address(1), Tos::default(), bytes);
            node.input(d, now);
        }
        for d in output(&mut node, now) {
            traffic.entry(d.destination()).or_default().1 += d.len();
        }
        for (address, (received, sent)) in &traffic {
            assert!(
                *sent <= received * AMPLIFICATION,
                "{address}: {received} bytes came, {sent} went"
            );
        }
        assert!(node.server.connection_count() <= LIMITS.connections);
    }
}

/// A datagram that begins with a long header of any version and connection IDs.
fn long_header(input: &mut Input<'_>) -> Vec<u8> {
    let mut d = Encoder::new();
    d.encode_byte(0x80 | input.byte());
    match input.byte() {
        0 => d.encode_uint(4, 1_u32),
        1 => d.encode_uint(4, 0x6b33_43cf_u32),
        _ => d.encode(input.take(4)),
    };
    for _ in 0..2 {
        let len = usize::from(input.byte());
        d.encode_vec(1, input.take(len));
    }
    if input.byte() & 1 == 1 {
        d.encode_vvec(input.chunk());
    }
    d.encode_vvec(input.chunk());
    if input.byte() & 1 == 1 {
        d.pad_to(MIN_INITIAL, 0);
    }
    d.as_ref().to_vec()
}

/// Datagrams to a client after its first flight. What was not written by its server takes it nowhere.
pub fn client_datagrams(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = test_fixture::now();
    let mut node = client();
    let flight = output(&mut node, now);
    let answers = answers(&flight);
    let first = flight.first().expect("a client speaks first");
    let (dcid, scid) = connection_ids(first).expect("a long header");
    let (dcid, scid) = (dcid.to_vec(), scid.to_vec());
    let mut authentic = false;
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        let op = input.byte();
        let bytes = match op & 7 {
            0 => {
                now += step(&mut input);
                None
            }
            1 => Some(input.chunk().to_vec()),
            // Version Negotiation and Retry are not encrypted: with the IDs, anyone can write them.
            2 => Some(unprotected(
                0,
                0x80 | input.byte(),
                &scid,
                &dcid,
                input.chunk(),
            )),
            3 => Some(unprotected(1, 0xf0 | op >> 4, &scid, &dcid, input.chunk())),
            4 => Some(unprotected(1, 0xc0 | op >> 4, &scid, &dcid, input.chunk())),
            _ => {
                authentic = true;
                let which = usize::from(op >> 3) % answers.len().max(1);
                answers
                    .get(which)
                    .map(|d| mutated(d, &mut input).into_data())
            }
        };
        if let Some(bytes) = bytes {
            let d = Datagram::new(address(1), address(0), Tos::default(), bytes);
            node.input(d, now);
        }
        output(&mut node, now);
    }
    assert!(authentic || !node.connection.state().connected());
}

/// What a server answers to a first flight.
fn answers(flight: &[Datagram]) -> Vec<Datagram> {
    let mut node = endpoint::server();
    for d in flight {
        node.input(d.clone(), test_fixture::now());
    }
    output(&mut node, test_fixture::now())
}

fn unprotected(version: u32, first: u8, dcid: &[u8], scid: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut d = Encoder::new();
    d.encode_byte(first).encode_uint(4, version);
    d.encode_vec(1, dcid).encode_vec(1, scid).encode(rest);
    d.as_ref().to_vec()
}

//! Transport parameters authenticate the connection IDs of the handshake (RFC 9000 §7.3).

use neqo_common::{Random, Role};

use super::{Pair, error_code};
use crate::{
    ConnectionId, ConnectionParameters, RandomConnectionIdGenerator,
    cid::local::LocalCids,
    wire::{put::Put as _, tparams::TransportParameters},
};

const TRANSPORT_PARAMETER_ERROR: u64 = 0x08;

fn other_cids() -> LocalCids {
    let generator = Box::new(RandomConnectionIdGenerator::new(8));
    LocalCids::new(generator, None, &mut Random::from_seed([77; 32])).unwrap()
}

/// The client must close with this code, and the server must hear it.
fn client_refuses(mut pair: Pair) {
    pair.exchange();
    assert_eq!(error_code(&pair.client), Some(TRANSPORT_PARAMETER_ERROR));
    assert_eq!(error_code(pair.server()), Some(0));
    assert!(!pair.server().state().connected());
}

//= rfc9000#section-7.3 type=test
//# An endpoint MUST treat the following as a connection error of type
//# TRANSPORT_PARAMETER_ERROR or PROTOCOL_VIOLATION:
#[test]
fn wrong_original_destination_connection_id() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.tamper = |a| a.original_dcid = ConnectionId::new(&[1; 8]).unwrap();
    client_refuses(pair);
}

#[test]
fn retry_source_connection_id_without_retry() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.tamper = |a| a.retry_scid = ConnectionId::new(&[1; 8]);
    client_refuses(pair);
}

#[test]
fn wrong_or_no_retry_source_connection_id_after_retry() {
    for scid in [None, ConnectionId::new(&[3; 8])] {
        let mut pair = Pair::new(ConnectionParameters::default());
        super::versions::retry_once(&mut pair);
        pair.tamper = if scid.is_some() {
            |a| a.retry_scid = ConnectionId::new(&[3; 8])
        } else {
            |a| a.retry_scid = None
        };
        client_refuses(pair);
    }
}

#[test]
fn wrong_initial_source_connection_id_of_the_server() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.pass(Role::Client);
    // The flight is composed, the header of its packets is not.
    pair.server().local_cids = other_cids();
    pair.pass(Role::Server);
    assert_eq!(error_code(&pair.client), Some(TRANSPORT_PARAMETER_ERROR));
}

#[test]
fn wrong_initial_source_connection_id_of_the_client() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.client.local_cids = other_cids();
    pair.pass(Role::Client);
    assert_eq!(error_code(pair.server()), Some(TRANSPORT_PARAMETER_ERROR));
    assert_eq!(
        pair.close_code(Role::Server),
        Some(TRANSPORT_PARAMETER_ERROR)
    );
}

/// Once the peer has chosen its connection ID, Initial packets with another one are dropped.
//= rfc9000#section-7.2 type=test
//# Any further changes to the Destination Connection ID are only permitted if the values
//# are taken from NEW_CONNECTION_ID frames; if subsequent Initial packets include a
//# different Source Connection ID, they MUST be discarded.
#[test]
fn the_peer_cannot_change_its_mind() {
    for sender in [Role::Client, Role::Server] {
        let mut pair = super::midway();
        let real = std::mem::replace(&mut pair.side(sender).local_cids, other_cids());
        let before = pair.side(sender.remote()).stats().packets_rx;
        pair.inject_in(sender, crate::space::PacketNumberSpace::Initial, &[1]);
        assert_eq!(pair.side(sender.remote()).stats().packets_rx, before);
        pair.side(sender).local_cids = real;
        pair.exchange();
        assert!(pair.confirmed());
    }
}

/// The transport parameters of a client that says nothing but who it is.
fn minimal(pair: &Pair) -> TransportParameters {
    TransportParameters {
        initial_source_connection_id: Some(pair.client.local_cids.first()),
        ..TransportParameters::default()
    }
}

/// What the server closes with when a client announces these bytes.
fn server_says(announce: impl FnOnce(&Pair) -> Vec<u8>) -> Option<u64> {
    let mut pair = Pair::new(ConnectionParameters::default());
    let params = announce(&pair);
    pair.announce(&params);
    pair.exchange();
    let code = error_code(pair.server());
    assert!(code.is_some() || pair.confirmed(), "{}", pair.states());
    code
}

fn encoded(p: &TransportParameters, role: Role) -> Vec<u8> {
    p.encode(role, Some(&mut Random::from_seed([1; 32])))
}

fn raw(id: u64, value: &[u8]) -> Vec<u8> {
    let mut v = Vec::new();
    v.varint(id);
    v.varint(value.len() as u64);
    v.put(value);
    v
}

// hardening A18, R3730, R3732
//= rfc9000#section-7.4 type=test
//# An endpoint MUST NOT send a parameter more than once in a given transport
//# parameters extension.
#[test]
fn transport_parameters_that_a_client_cannot_have() {
    let error = Some(TRANSPORT_PARAMETER_ERROR);
    assert_eq!(server_says(|p| encoded(&minimal(p), Role::Client)), None);
    assert_eq!(server_says(|_| Vec::new()), error, "nobody");
    let with = |more: Vec<u8>| server_says(|p| [encoded(&minimal(p), Role::Client), more].concat());
    assert_eq!(
        with(raw(0x00, &[1; 8])),
        error,
        "original_destination_connection_id"
    );
    assert_eq!(with(raw(0x02, &[1; 16])), error, "stateless_reset_token");
    assert_eq!(with(raw(0x0d, &[1; 49])), error, "preferred_address");
    assert_eq!(
        with(raw(0x10, &[1; 8])),
        error,
        "retry_source_connection_id"
    );
    assert_eq!(with(raw(0x0f, &[1; 8])), error, "a duplicate");
    assert_eq!(
        with([raw(0x4000, &[1; 8]), raw(0x4000, &[])].concat()),
        error,
        "unknown twice"
    );
    assert_eq!(
        with(raw(0x03, &[0x44, 0xaf])),
        error,
        "1199 bytes of UDP payload"
    );
    assert_eq!(with(raw(0x0a, &[21])), error, "ack_delay_exponent");
    assert_eq!(
        with(raw(0x0b, &[0x80, 0, 0x40, 0])),
        error,
        "max_ack_delay of 2^14"
    );
    assert_eq!(with(raw(0x0e, &[1])), error, "active_connection_id_limit");
    assert_eq!(
        with(raw(0x08, &[0xd0, 0, 0, 0, 0, 0, 0, 1])),
        error,
        "2^60 + 1 streams"
    );
    assert_eq!(with(raw(0x04, &[0x40])), error, "half an integer");
    assert_eq!(with(vec![0x04, 9, 1]), error, "longer than all");
}

/// The largest values of everything overflow nothing.
// hardening A20
#[test]
fn transport_parameters_of_giants() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let all = TransportParameters {
        max_idle_timeout: std::time::Duration::from_millis((1 << 62) - 1),
        max_udp_payload_size: (1 << 62) - 1,
        initial_max_data: (1 << 62) - 1,
        initial_max_stream_data_bidi_local: (1 << 62) - 1,
        initial_max_stream_data_bidi_remote: (1 << 62) - 1,
        initial_max_stream_data_uni: (1 << 62) - 1,
        initial_max_streams_bidi: 1 << 60,
        initial_max_streams_uni: 1 << 60,
        ack_delay_exponent: 20,
        max_ack_delay: std::time::Duration::from_millis((1 << 14) - 1),
        active_connection_id_limit: (1 << 62) - 1,
        max_datagram_frame_size: (1 << 62) - 1,
        ..minimal(&pair)
    };
    pair.announce(&encoded(&all, Role::Client));
    pair.exchange();
    assert!(pair.confirmed(), "{}", pair.states());
    assert_eq!(
        pair.client.remote_cids.active_len(),
        crate::config::limits::LOCAL_ACTIVE_CIDS
    );
    pair.transfer(Role::Server, 100_000);
    // An ACK Delay field as large as can be.
    let mut ack = vec![0x02];
    let sent = pair
        .server()
        .spaces
        .get(crate::space::PacketNumberSpace::ApplicationData);
    let last = sent.unwrap().loss.sent.next_pn() - 1;
    ack.varint(last);
    ack.varint((1 << 62) - 1);
    ack.put(&[0, 0]);
    pair.inject(Role::Client, &ack);
    pair.wait(super::SEC);
    assert_eq!(error_code(pair.server()), None);
}

/// Each byte of authentic transport parameters changed, and each prefix of them.
// hardening A20
#[test]
fn transport_parameters_with_typing_errors() {
    let mut random = Random::from_seed([6; 32]);
    let pair = Pair::new(ConnectionParameters::default());
    let all = TransportParameters {
        initial_max_data: 10_000,
        initial_max_streams_bidi: 7,
        max_ack_delay: std::time::Duration::from_millis(33),
        ..minimal(&pair)
    };
    let good = encoded(&all, Role::Client);
    for at in 0..good.len() {
        let mut bad = good.clone();
        let [b] = random.bytes();
        bad[at] = b;
        for params in [bad, good[..at].to_vec()] {
            let code = server_says(|_| params.clone());
            assert!(
                matches!(code, None | Some(TRANSPORT_PARAMETER_ERROR)),
                "{code:?} {params:x?}"
            );
        }
    }
}

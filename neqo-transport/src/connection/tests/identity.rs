//! Transport parameters authenticate the connection IDs of the handshake (RFC 9000 §7.3).

use neqo_common::{Random, Role};

use super::{Pair, error_code};
use crate::{
    ConnectionId, ConnectionParameters, RandomConnectionIdGenerator, cid::local::LocalCids,
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

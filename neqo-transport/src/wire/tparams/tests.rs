use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    time::Duration,
};

use neqo_common::{Decoder, Random, Role};
use proptest::prelude::*;
use strum::IntoEnumIterator as _;

use super::{PreferredAddress, TransportParameters, VersionInformation, id::TransportParameterId};
use crate::{
    Violation, cid::id::ConnectionId, config::limits, version::Version, wire::put::Put as _,
};

const BAD: Violation = Violation::TransportParameter;

fn raw(params: &[(u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, value) in params {
        out.varint(*id);
        out.varint(u64::try_from(value.len()).unwrap());
        out.put(value);
    }
    out
}

fn int(v: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.varint(v);
    out
}

/// One parameter from a server.
fn one(id: u64, value: &[u8]) -> Result<TransportParameters, Violation> {
    TransportParameters::decode(&raw(&[(id, value)]), Role::Server)
}

fn cid(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

fn preferred() -> PreferredAddress {
    PreferredAddress {
        v4: Some(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 443)),
        v6: Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 444, 0, 0)),
        cid: cid(&[1; 8]),
        reset_token: [2; 16],
    }
}

/// A value of each field that is not its default.
fn full() -> TransportParameters {
    TransportParameters {
        original_destination_connection_id: Some(cid(&[1; 9])),
        max_idle_timeout: Duration::from_secs(30),
        stateless_reset_token: Some([3; 16]),
        max_udp_payload_size: 1500,
        initial_max_data: 1 << 30,
        initial_max_stream_data_bidi_local: 1,
        initial_max_stream_data_bidi_remote: 2,
        initial_max_stream_data_uni: 3,
        initial_max_streams_bidi: 1 << 60,
        initial_max_streams_uni: 100,
        ack_delay_exponent: 20,
        max_ack_delay: Duration::from_millis((1 << 14) - 1),
        disable_active_migration: true,
        preferred_address: Some(preferred()),
        active_connection_id_limit: 8,
        initial_source_connection_id: Some(cid(&[4; 20])),
        retry_source_connection_id: Some(cid(&[])),
        max_datagram_frame_size: 65_535,
        grease_quic_bit: true,
        version_information: Some(VersionInformation::new(
            Version::Version2,
            &[Version::Version2, Version::Version1],
        )),
    }
}

#[test]
fn everything_round_trips() {
    let mut rng = Random::from_seed([1; 32]);
    let encoded = full().encode(Role::Server, Some(&mut rng));
    assert_eq!(
        TransportParameters::decode(&encoded, Role::Server),
        Ok(full())
    );
}

#[test]
fn absence_is_the_default() {
    let defaults = TransportParameters::decode(&[], Role::Client).unwrap();
    assert_eq!(defaults, TransportParameters::default());
    // RFC 9000 §18.2.
    assert_eq!(defaults.max_udp_payload_size, 65_527);
    assert_eq!(defaults.ack_delay_exponent, 3);
    assert_eq!(defaults.max_ack_delay, Duration::from_millis(25));
    assert_eq!(defaults.active_connection_id_limit, 2);
    // Nothing but the one that means nothing is sent.
    let encoded = defaults.encode(Role::Server, Some(&mut Random::from_seed([2; 32])));
    let mut dec = Decoder::new(&encoded);
    assert_eq!(dec.decode_varint().unwrap() % 31, 27);
    assert!(dec.decode_vvec().is_some() && dec.remaining() == 0);
}

#[test]
//= rfc9000#section-18.2 type=test
//# A client MUST NOT include any server-only transport parameter:
//# original_destination_connection_id, preferred_address,
//# retry_source_connection_id, or stateless_reset_token.
fn clients_send_no_server_only_ones() {
    let mut rng = Random::from_seed([1; 32]);
    let encoded = full().encode(Role::Client, Some(&mut rng));
    let decoded = TransportParameters::decode(&encoded, Role::Client).unwrap();
    let expected = TransportParameters {
        original_destination_connection_id: None,
        preferred_address: None,
        retry_source_connection_id: None,
        stateless_reset_token: None,
        ..full()
    };
    assert_eq!(decoded, expected);
}

#[test]
//= rfc9000#section-18.2 type=test
//# A server MUST treat
//# receipt of any of these transport parameters as a connection error of type
//# TRANSPORT_PARAMETER_ERROR.
fn server_only_from_a_client() {
    let mut address = Vec::new();
    preferred().encode(&mut address);
    for (id, value) in [
        (0x00, &[1; 8][..]),
        (0x02, &[1; 16]),
        (0x0d, &address),
        (0x10, &[1; 8]),
    ] {
        let encoded = raw(&[(id, value)]);
        assert_eq!(
            TransportParameters::decode(&encoded, Role::Client),
            Err(BAD)
        );
        assert!(TransportParameters::decode(&encoded, Role::Server).is_ok());
    }
}

#[test]
//= rfc9000#section-7.4 type=test
//# An endpoint SHOULD treat receipt of duplicate transport
//# parameters as a connection error of type TRANSPORT_PARAMETER_ERROR.
fn duplicates() {
    // hardening R3732, A18: known ones and unknown ones
    for id in TransportParameterId::iter()
        .map(|id| id as u64)
        .chain([27, 0x3fff_ffff])
    {
        let first = match TransportParameterId::from_repr(id) {
            Some(TransportParameterId::StatelessResetToken) => vec![1; 16],
            Some(
                TransportParameterId::DisableActiveMigration | TransportParameterId::GreaseQuicBit,
            ) => vec![],
            Some(TransportParameterId::MaxUdpPayloadSize) => int(1300),
            Some(TransportParameterId::VersionInformation) => vec![0, 0, 0, 1],
            Some(TransportParameterId::PreferredAddress) => {
                let mut address = Vec::new();
                preferred().encode(&mut address);
                address
            }
            _ => int(5),
        };
        let decode = |params: &[_]| TransportParameters::decode(&raw(params), Role::Server);
        assert!(decode(&[(id, &first)]).is_ok(), "{id:#x}");
        assert_eq!(
            decode(&[(id, &first), (59, &[]), (id, &first)]),
            Err(BAD),
            "{id:#x}"
        );
    }
}

#[test]
fn more_parameters_than_anyone_sends() {
    // The bound `limits::TRANSPORT_PARAMETERS`. hardening A18
    let many = |n: usize| {
        let ids = (0..u64::try_from(n).unwrap()).map(|i| (31 * i + 27, &[][..]));
        TransportParameters::decode(&raw(&ids.collect::<Vec<_>>()), Role::Client)
    };
    assert!(many(limits::TRANSPORT_PARAMETERS).is_ok());
    assert_eq!(many(limits::TRANSPORT_PARAMETERS + 1), Err(BAD));
}

#[test]
fn limits_of_integers() {
    // hardening R3730; the lowest and highest value of each, RFC 9000 §18.2 and §4.6
    const TOP: u64 = (1 << 62) - 1;
    for (id, low, high) in [
        (0x01, 0, TOP),
        (0x03, 1200, TOP),
        (0x04, 0, TOP),
        (0x05, 0, TOP),
        (0x06, 0, TOP),
        (0x07, 0, TOP),
        (0x08, 0, 1 << 60),
        (0x09, 0, 1 << 60),
        (0x0a, 0, 20),
        (0x0b, 0, (1 << 14) - 1),
        (0x0e, 2, TOP),
        (0x20, 0, TOP),
    ] {
        assert!(one(id, &int(low)).is_ok(), "{id:#x}");
        assert!(one(id, &int(high)).is_ok(), "{id:#x}");
        if low > 0 {
            assert_eq!(one(id, &int(low - 1)), Err(BAD), "{id:#x}");
        }
        if high < TOP {
            assert_eq!(one(id, &int(high + 1)), Err(BAD), "{id:#x}");
        }
        assert_eq!(one(id, &[]), Err(BAD), "{id:#x}");
        assert_eq!(
            one(id, &[&int(low)[..], &[0]].concat()),
            Err(BAD),
            "{id:#x}"
        );
        assert_eq!(one(id, &[0x40]), Err(BAD), "{id:#x}");
    }
}

#[test]
//= rfc9000#section-18.2 type=test
//# An endpoint that receives a value less than 2 MUST close the connection
//# with an error of type TRANSPORT_PARAMETER_ERROR.
fn active_connection_id_limit() {
    assert_eq!(one(0x0e, &int(0)), Err(BAD));
    assert_eq!(one(0x0e, &int(1)), Err(BAD));
    assert_eq!(one(0x0e, &int(2)).unwrap().active_connection_id_limit, 2);
}

#[test]
//= rfc9287#section-3 type=test
//# an endpoint that understands
//# this transport parameter MUST treat receipt of a non-empty value of the
//# transport parameter as a connection error of type TRANSPORT_PARAMETER_ERROR.
fn flags_are_empty() {
    for id in [0x0c, 0x2ab2] {
        assert!(one(id, &[]).is_ok());
        assert_eq!(one(id, &[0]), Err(BAD));
    }
}

#[test]
fn connection_ids_and_tokens() {
    // hardening A20
    for id in [0x00, 0x0f, 0x10] {
        for len in 0..=30 {
            assert_eq!(one(id, &vec![1; len]).is_ok(), len <= 20);
        }
    }
    for len in 0..=30 {
        assert_eq!(one(0x02, &vec![1; len]).is_ok(), len == 16);
    }
}

#[test]
//= rfc9000#section-18.2 type=test
//# Similarly,
//# a server MUST NOT include a zero-length connection ID in this transport
//# parameter.
fn preferred_address_cids() {
    for len in 0..=25_u8 {
        let mut value = vec![192, 0, 2, 1, 1, 187];
        value.put(&[0; 18]);
        value.byte(len);
        value.put(&vec![9; usize::from(len)]);
        value.put(&[8; 16]);
        let result = one(0x0d, &value);
        assert_eq!(result.is_ok(), (1..=20).contains(&len));
        let Ok(p) = result.map(|p| p.preferred_address.unwrap()) else {
            continue;
        };
        assert_eq!(p.v4, preferred().v4);
        assert_eq!(p.v6, None, "all zero is none");
        assert_eq!(one(0x0d, &[&value[..], &[0]].concat()), Err(BAD));
        for cut in 0..value.len() {
            assert_eq!(one(0x0d, &value[..cut]), Err(BAD));
        }
    }
}

#[test]
//= rfc9000#section-18.2 type=test
//# A server that chooses
//# a zero-length connection ID MUST NOT provide a preferred address.
fn preferred_address_without_cids() {
    let mut address = Vec::new();
    preferred().encode(&mut address);
    let decode = |scid: &[u8]| {
        TransportParameters::decode(&raw(&[(0x0d, &address), (0x0f, scid)]), Role::Server)
    };
    assert_eq!(decode(&[]), Err(BAD));
    assert!(decode(&[1]).is_ok());
}

#[test]
//= rfc9368#section-4 type=test
//# If an endpoint
//# receives a Chosen Version equal to zero, or any Available Version equal to zero,
//# it MUST treat it as a parsing failure.
fn zero_versions_and_partial_ones() {
    let words = |v: &[u32]| v.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
    for bad in [&[][..], &[0], &[0, 1], &[1, 0], &[1, 1, 0]] {
        assert_eq!(one(0x11, &words(bad)), Err(BAD), "{bad:?}");
    }
    for cut in [1, 2, 3, 5, 7] {
        assert_eq!(one(0x11, &words(&[1, 1])[..cut]), Err(BAD));
    }
}

#[test]
//= rfc9368#section-4 type=test
//# If a server receives Version
//# Information where the Chosen Version is not included in Available Versions, it
//# MUST treat it as a parsing failure.
fn chosen_but_not_available() {
    const V2: u32 = 0x6b33_43cf;
    let decode = |versions: &[u32], sender| {
        let value: Vec<_> = versions.iter().flat_map(|v| v.to_be_bytes()).collect();
        TransportParameters::decode(&raw(&[(0x11, &value)]), sender)
            .map(|p| p.version_information.unwrap())
    };
    for lacking in [&[1][..], &[1, V2]] {
        assert_eq!(decode(lacking, Role::Client), Err(BAD));
        assert!(decode(lacking, Role::Server).is_ok());
    }
    // Only known versions are kept, each once and in order.
    let many: Vec<u32> = [1, 0x1a1a_1a1a, V2]
        .into_iter()
        .chain((2..5000).chain([1, V2, 1]))
        .collect();
    let info = decode(&many, Role::Client).unwrap();
    assert_eq!(info.chosen, 1);
    assert_eq!(info.available[..], [V2, 1]);
}

#[test]
//= rfc9000#section-7.3 type=test
//# An endpoint MUST treat the following as a connection error of type
//# TRANSPORT_PARAMETER_ERROR or PROTOCOL_VIOLATION:
fn connection_ids_authenticate_the_handshake() {
    let (a, b, c) = (cid(&[1]), cid(&[2]), cid(&[3]));
    let server = TransportParameters {
        initial_source_connection_id: Some(a),
        original_destination_connection_id: Some(b),
        retry_source_connection_id: Some(c),
        ..TransportParameters::default()
    };
    assert_eq!(server.check_cids(Role::Server, &a, &b, Some(&c)), Ok(()));
    for (scid, odcid, retry) in [
        (&b, &b, Some(&c)),
        (&a, &a, Some(&c)),
        (&a, &b, Some(&a)),
        (&a, &b, None),
    ] {
        assert_eq!(
            server.check_cids(Role::Server, scid, odcid, retry),
            Err(BAD)
        );
    }
    // Absent where it must be present, or present where it must not be.
    let none = TransportParameters::default();
    assert_eq!(none.check_cids(Role::Server, &a, &b, None), Err(BAD));
    assert_eq!(none.check_cids(Role::Client, &a, &b, None), Err(BAD));
    let client = TransportParameters {
        initial_source_connection_id: Some(a),
        ..TransportParameters::default()
    };
    assert_eq!(client.check_cids(Role::Client, &a, &b, Some(&c)), Ok(()));
    assert_eq!(client.check_cids(Role::Client, &b, &b, None), Err(BAD));
}

#[test]
fn greased_ids_are_reserved_and_varied() {
    let mut rng = Random::from_seed([8; 32]);
    let ids: HashSet<_> = (0..100)
        .map(|_| TransportParameterId::grease(&mut rng))
        .collect();
    assert!(ids.iter().all(|id| id % 31 == 27 && *id < 1 << 62));
    assert_eq!(ids.len(), 100);
    assert!(
        TransportParameterId::iter().all(|id| id as u64 % 31 != 27),
        "none of ours is greased over"
    );
}

proptest! {
    /// Hardening A20: whatever a peer sends is parameters or an error.
    #[test]
    fn every_byte_string(data in prop::collection::vec(any::<u8>(), 0..200), client: bool) {
        let sender = if client { Role::Client } else { Role::Server };
        if let Ok(params) = TransportParameters::decode(&data, sender) {
            let again = params.encode(sender, Some(&mut Random::from_seed([0; 32])));
            prop_assert_eq!(TransportParameters::decode(&again, sender), Ok(params));
        }
    }

    #[test]
    fn every_value(
        params in prop::collection::vec(
            (prop::sample::select((0_u64..0x21).chain([0x2ab2]).collect::<Vec<_>>()),
             prop::collection::vec(any::<u8>(), 0..60)), 0..6),
        client: bool,
    ) {
        let sender = if client { Role::Client } else { Role::Server };
        let params: Vec<_> = params.iter().map(|(id, v)| (*id, &v[..])).collect();
        if let Ok(params) = TransportParameters::decode(&raw(&params), sender) {
            let again = params.encode(sender, Some(&mut Random::from_seed([0; 32])));
            prop_assert_eq!(TransportParameters::decode(&again, sender), Ok(params));
        }
    }
}

//! Retry, Version Negotiation and both versions.

use neqo_common::{Datagram, Random, Role, Tos};
use neqo_crypto::Version::{self, Version1, Version2};

use super::{Pair, client_addr, error_code, first_packet, packets, server_addr};
use crate::{
    CloseReason, ConnectionId, ConnectionParameters, Error, State,
    wire::header::{Protected, version_negotiation},
};

const TOKEN: &[u8] = b"a token that means something to the server";

fn from_server(bytes: Vec<u8>) -> Datagram {
    Datagram::new(server_addr(), client_addr(), Tos::default(), bytes)
}

fn cid(byte: u8) -> ConnectionId {
    ConnectionId::new(&[byte; 8]).unwrap()
}

/// A Retry packet with a valid tag, whatever it says.
fn retry(p: &Protected, scid: &ConnectionId, odcid: &ConnectionId, token: &[u8]) -> Vec<u8> {
    let version = p.version().unwrap();
    let first = if version == Version1 { 0xf0 } else { 0xc0 };
    let mut out = vec![first];
    out.extend(version.wire_version().to_be_bytes());
    for id in [p.scid(), scid] {
        out.push(u8::try_from(id.len()).unwrap());
        out.extend(&**id);
    }
    out.extend(token);
    let tag = neqo_crypto::retry::tag(version, odcid, &out).unwrap();
    out.extend(tag);
    out
}

/// Answers the client's first flight with a Retry. Returns the first packet.
pub(super) fn retry_once(pair: &mut Pair) -> Protected {
    let first = pair.output(Role::Client).remove(0);
    let p = first_packet(&first).unwrap();
    pair.retry = Some((*p.dcid(), cid(0xaa)));
    pair.deliver(
        Role::Client,
        from_server(retry(&p, &cid(0xaa), p.dcid(), TOKEN)),
    );
    p
}

pub(super) fn with_versions(initial: Version, all: &[Version]) -> ConnectionParameters {
    ConnectionParameters::default().versions(initial, all.to_vec())
}

//= rfc9000#section-17.2.5.2 type=test
//# A client MUST accept and process at most one Retry packet for each connection attempt.
//= rfc9000#section-17.2.5.3 type=test
//# A client MUST use the same cryptographic handshake message it included in
//# this packet.
#[test]
fn a_retry_is_obeyed_once() {
    for version in [Version1, Version2] {
        let mut pair = Pair::new(with_versions(version, &[version]));
        let p = retry_once(&mut pair);
        let again = pair.output(Role::Client);
        for d in &again {
            assert!(d.len() >= 1200);
            let p = first_packet(d).unwrap();
            assert_eq!(p.token(d), TOKEN);
            assert_eq!(*p.dcid(), cid(0xaa));
        }
        assert!(!again.is_empty());
        // A second Retry, for either connection ID, is ignored.
        for odcid in [*p.dcid(), cid(0xaa)] {
            pair.deliver(
                Role::Client,
                from_server(retry(&p, &cid(0xbb), &odcid, b"other")),
            );
        }
        assert_eq!(pair.client.stats().dropped_rx(), 2);
        assert_eq!(pair.output(Role::Client).len(), 0);
        for d in again {
            pair.reach_server(d);
        }
        pair.exchange();
        assert!(pair.confirmed());
        assert_eq!(pair.client.version(), version);
        pair.transfer(Role::Client, 3000);
    }
}

//= rfc9000#section-17.2.5.2 type=test
//# Clients MUST discard Retry packets that have a Retry Integrity Tag that cannot
//# be validated; see {{Section 5.8 of QUIC-TLS}}.
//= rfc9000#section-17.2.5.1 type=test
//# A client MUST discard a Retry packet that
//# contains a Source Connection ID field that is identical to the Destination
//# Connection ID field of its Initial packet.
// hardening R3785
#[test]
fn bad_retries_are_ignored() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let flight = pair.output(Role::Client);
    let p = first_packet(&flight[0]).unwrap();
    let good = retry(&p, &cid(0xaa), p.dcid(), TOKEN);
    let mut bad = Vec::new();
    for at in 0..good.len() {
        let mut b = good.clone();
        b[at] ^= 1;
        // The four unused bits of the first byte are authenticated too.
        bad.push(b);
    }
    bad.push(retry(&p, p.dcid(), p.dcid(), TOKEN)); // R3785
    bad.push(retry(&p, &cid(0xaa), p.dcid(), b"")); // no token
    bad.push(retry(&p, &cid(0xaa), &cid(1), TOKEN)); // for another packet
    bad.extend((0..good.len()).map(|n| good[..n].to_vec()));
    for b in bad {
        pair.deliver(Role::Client, from_server(b.clone()));
        assert!(pair.client.handshake.ids.retry_scid.is_none(), "{b:x?}");
        assert!(pair.client.state().error().is_none(), "{b:x?}");
    }
    for d in flight {
        pair.reach_server(d);
    }
    pair.exchange();
    assert!(pair.confirmed());
}

/// Tokens of any length: those that leave no room for a ClientHello end in a timeout, nothing else.
// hardening A19
#[test]
fn retry_tokens_of_any_length() {
    for len in [1, 100, 800, 1000, 1100, 1150, 1180, 1190, 1200, 1300, 5000] {
        let mut pair = Pair::new(ConnectionParameters::default());
        let flight = pair.output(Role::Client);
        let p = first_packet(&flight[0]).unwrap();
        pair.retry = Some((*p.dcid(), cid(0xaa)));
        let token = vec![7; len];
        pair.deliver(
            Role::Client,
            from_server(retry(&p, &cid(0xaa), p.dcid(), &token)),
        );
        for _ in 0..100 {
            pair.exchange_over(&mut |from, d| {
                assert!(
                    from == Role::Server
                        || d.len() >= 1200
                        || packets(&d)[0].version().is_none()
                        || packets(&d)[0].level() != neqo_crypto::Level::Initial
                );
                vec![d]
            });
            if pair.confirmed() || !pair.advance() {
                break;
            }
        }
        assert_eq!(
            pair.confirmed(),
            len <= 1000 || pair.server.is_some() && pair.confirmed(),
            "{len}"
        );
        assert!(pair.confirmed() || pair.client.state().closed(), "{len}");
    }
}

/// A Retry after the server's first Initial packet comes too late.
#[test]
fn late_retry() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let flight = pair.output(Role::Client);
    let p = first_packet(&flight[0]).unwrap();
    for d in flight {
        pair.reach_server(d);
    }
    pair.pass(Role::Server);
    pair.deliver(
        Role::Client,
        from_server(retry(&p, &cid(0xaa), p.dcid(), TOKEN)),
    );
    assert!(pair.client.handshake.ids.retry_scid.is_none());
    pair.exchange();
    assert!(pair.confirmed());
}

pub(super) fn negotiate(p: &Protected, versions: &[Version]) -> Datagram {
    let mut random = Random::from_seed([1; 32]);
    from_server(version_negotiation::encode(
        p.dcid(),
        p.scid(),
        versions,
        &mut random,
    ))
}

/// The versions of the client, those of the server, and what becomes of it.
#[test]
fn version_negotiation_to_the_best_common_version() {
    for (theirs, ours) in [(Version1, Version2), (Version2, Version1)] {
        let mut pair = Pair::new(with_versions(ours, &[ours, theirs]));
        pair.context.params = with_versions(theirs, &[theirs]);
        let first = pair.output(Role::Client).remove(0);
        let p = first_packet(&first).unwrap();
        assert_eq!(p.version(), Some(ours));
        pair.deliver(Role::Client, negotiate(&p, &[theirs]));
        assert_eq!(pair.client.version(), theirs);
        // A second one is ignored, whatever it says.
        //= rfc9000#section-6.2 type=test
        //# A client MUST discard any Version Negotiation packet if it has
        //# received and successfully processed any other packet, including an
        //# earlier Version Negotiation packet.
        pair.deliver(Role::Client, negotiate(&p, &[ours]));
        assert_eq!(pair.client.version(), theirs);
        pair.exchange();
        assert!(pair.confirmed());
        pair.transfer(Role::Server, 3000);
    }
}

/// A forged Version Negotiation makes the client use a version that it would not have used with
/// this server: the server's transport parameters tell.
//= rfc9368#section-4 type=test
//# clients MUST validate that the server's Chosen Version is equal to the negotiated version
#[test]
fn a_downgrade_is_noticed() {
    const VERSION_NEGOTIATION_ERROR: u64 = 0x11;
    let mut pair = Pair::new(with_versions(Version2, &[Version2, Version1]));
    let first = pair.output(Role::Client).remove(0);
    let p = first_packet(&first).unwrap();
    pair.deliver(Role::Client, negotiate(&p, &[Version1]));
    pair.exchange();
    assert_eq!(error_code(&pair.client), Some(VERSION_NEGOTIATION_ERROR));
}

//= rfc9000#section-6.2 type=test
//# A client MUST discard a Version Negotiation packet that lists
//# the QUIC version selected by the client.
#[test]
fn version_negotiation_that_makes_no_sense() {
    let mut pair = Pair::new(with_versions(Version1, &[Version2, Version1]));
    let flight = pair.output(Role::Client);
    let p = first_packet(&flight[0]).unwrap();
    let mut random = Random::from_seed([1; 32]);
    let mut encode = |dcid: &[u8], scid: &[u8], versions: &[Version]| {
        from_server(version_negotiation::encode(
            dcid,
            scid,
            versions,
            &mut random,
        ))
    };
    let other = cid(1);
    let bad = [
        negotiate(&p, &[Version2, Version1]),
        encode(&other, p.scid(), &[Version2]),
        encode(p.dcid(), &other, &[Version2]),
        encode(&[], &[], &[Version2]),
        encode(&[0; 255], &[1; 255], &[Version2]),
    ];
    for d in bad {
        pair.deliver(Role::Client, d);
    }
    let mut cut = negotiate(&p, &[Version2]).to_vec();
    cut.pop();
    pair.deliver(Role::Client, from_server(cut));
    assert_eq!(pair.client.version(), Version1);
    assert_eq!(pair.client.stats().dropped_rx(), 6);
    for d in flight {
        pair.reach_server(d);
    }
    pair.pass(Role::Server);
    // After the first packet, too.
    pair.deliver(Role::Client, negotiate(&p, &[Version2]));
    pair.exchange();
    assert!(pair.confirmed());
    assert_eq!(pair.client.version(), Version1);
}

//= rfc9000#section-6.2 type=test
//# A client that supports only this version of QUIC MUST abandon the current
//# connection attempt if it receives a Version Negotiation packet
#[test]
fn no_version_in_common() {
    let mut pair = Pair::new(with_versions(Version1, &[Version1]));
    let first = pair.output(Role::Client).remove(0);
    let p = first_packet(&first).unwrap();
    pair.deliver(Role::Client, negotiate(&p, &[Version2]));
    assert_eq!(
        *pair.client.state(),
        State::Closed(CloseReason::Transport(Error::VersionNegotiation))
    );
    assert!(pair.output(Role::Client).is_empty());
}

/// Version 2 has other keys, other packet types and another Retry (RFC 9369 §3).
#[test]
fn version_2_from_end_to_end() {
    let mut pair = Pair::new(with_versions(Version2, &[Version2, Version1]));
    let mut versions = Vec::new();
    pair.confirm_over(&mut |_, d| {
        versions.extend(packets(&d).iter().filter_map(Protected::version));
        vec![d]
    });
    assert!(!versions.is_empty() && versions.iter().all(|v| *v == Version2));
    assert_eq!(pair.client.version(), Version2);
    assert_eq!(pair.server().version(), Version2);
    pair.transfer(Role::Client, 20_000);
    pair.client.initiate_key_update().unwrap();
    pair.transfer(Role::Client, 20_000);
    pair.transfer(Role::Server, 20_000);
}

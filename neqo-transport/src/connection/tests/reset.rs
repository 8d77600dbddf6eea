//! Stateless reset at the receiver (RFC 9000 §10.3.1).

use neqo_common::{Datagram, Random, Role, Tos};

use super::{Pair, SEC, client_addr, connected, server_addr};
use crate::{CloseReason, ConnectionId, Error, ResetToken, State, wire::frame::encode};

fn issued(pair: &mut Pair, seq: u64) -> (ConnectionId, ResetToken) {
    pair.server().local_cids.issued(seq).unwrap()
}

/// What ends with `token` and looks like a 1-RTT packet to `dcid`.
fn reset(dcid: &[u8], token: &ResetToken, len: usize) -> Datagram {
    let mut bytes = vec![0; len];
    Random::from_seed([u8::try_from(len % 251).unwrap(); 32]).fill(&mut bytes);
    bytes[0] = 0x40 | bytes[0] & 0x3f;
    let n = dcid.len().min(len - 17);
    bytes[1..=n].copy_from_slice(&dcid[..n]);
    bytes[len - 16..].copy_from_slice(token);
    Datagram::new(server_addr(), client_addr(), Tos::default(), bytes)
}

fn is_reset(pair: &Pair) -> bool {
    let state = pair.client.state();
    matches!(
        state,
        State::Draining {
            error: CloseReason::Transport(Error::StatelessReset),
            ..
        }
    )
}

// hardening A27
//= rfc9000#section-10.3.1 type=test
//# If the last 16 bytes of the datagram are identical in value to a stateless
//# reset token, the endpoint MUST enter the draining period and not send any
//# further packets on this connection.
#[test]
fn a_stateless_reset_of_any_size_ends_the_connection() {
    for len in (21..60).chain([100, 500, 1199, 1200, 1400]) {
        for known in [false, true] {
            let mut pair = connected();
            let (_, token) = issued(&mut pair, 0);
            // To a connection ID that is nobody's, as most are, or by chance to one of ours.
            let dcid = if known {
                pair.client.local_cids.first()
            } else {
                ConnectionId::new(&[7; 8]).unwrap()
            };
            pair.deliver(Role::Client, reset(&dcid, &token, len));
            assert!(
                is_reset(&pair),
                "{len} bytes, {known}: {:?}",
                pair.client.state()
            );
            pair.client
                .stream_create(crate::StreamType::UniDi)
                .unwrap_err();
            assert!(pair.output(Role::Client).is_empty());
            pair.now += 10 * SEC;
            assert!(pair.output(Role::Client).is_empty());
            assert!(pair.client.state().closed());
        }
    }
}

// hardening A27
#[test]
fn near_misses() {
    let mut pair = connected();
    let (_, token) = issued(&mut pair, 0);
    let dcid = pair.client.local_cids.first();
    for bit in 0..128 {
        let mut wrong = token;
        wrong[bit / 8] ^= 1 << (bit % 8);
        for dcid in [dcid, ConnectionId::new(&[7; 8]).unwrap()] {
            pair.deliver(Role::Client, reset(&dcid, &wrong, 43));
        }
    }
    // One byte behind it, or one of it missing.
    let good = reset(&dcid, &token, 43);
    let moved = [&good[..], &[0]].concat();
    let cut = &good[..42];
    for bytes in [&moved[..], cut, &token[..15]] {
        let d = Datagram::new(server_addr(), client_addr(), Tos::default(), bytes);
        pair.deliver(Role::Client, d);
    }
    // From an address that the client does not know.
    let stranger = super::from_addr(&good, ([127, 0, 0, 9], 443).into());
    pair.deliver(Role::Client, stranger);
    assert_eq!(pair.client.state(), &State::Confirmed);
    pair.transfer(Role::Server, 1000);
    // In an authentic packet it means nothing.
    let mut v = Vec::new();
    encode::crypto_header(&mut v, 50_000, 16);
    v.extend(token);
    pair.inject(Role::Server, &v);
    assert_eq!(pair.client.state(), &State::Confirmed);
}

/// Only the token of the connection ID in use counts.
//= rfc9000#section-10.3.1 type=test
//# An endpoint MUST NOT check for any stateless reset tokens associated with
//# connection IDs it has not used or for connection IDs that have been retired.
#[test]
fn tokens_of_unused_and_retired_connection_ids() {
    let mut pair = connected();
    let dcid = pair.client.local_cids.first();
    let all: Vec<_> = (0..8).map(|seq| issued(&mut pair, seq)).collect();
    for (_, token) in &all[1..] {
        pair.deliver(Role::Client, reset(&dcid, token, 43));
        assert_eq!(pair.client.state(), &State::Confirmed, "not used");
    }
    let mut frame = Vec::new();
    encode::new_connection_id(&mut frame, 7, 7, &all[7].0, &all[7].1);
    pair.inject(Role::Server, &frame);
    pair.exchange();
    for (_, token) in &all[..7] {
        pair.deliver(Role::Client, reset(&dcid, token, 43));
        assert_eq!(pair.client.state(), &State::Confirmed, "retired");
    }
    pair.deliver(Role::Client, reset(&dcid, &all[7].1, 43));
    assert!(is_reset(&pair));
}

/// By chance, what stands where the packet number would be is one that was received before.
#[test]
fn a_stateless_reset_that_looks_like_a_duplicate() {
    let mut pair = connected();
    let (_, token) = issued(&mut pair, 0);
    let d = pair.forge(Role::Server, &[[1].as_slice(), &[0; 60]].concat());
    let mut bytes = d.to_vec();
    pair.deliver(Role::Client, d);
    let end = bytes.len() - 16;
    bytes[end..].copy_from_slice(&token);
    let before = pair.client.stats().dups_rx;
    pair.deliver(
        Role::Client,
        Datagram::new(server_addr(), client_addr(), Tos::default(), bytes),
    );
    assert_eq!(pair.client.stats().dups_rx, before + 1);
    assert!(is_reset(&pair));
}

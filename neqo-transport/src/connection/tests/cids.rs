//! Connection IDs issued and retired (RFC 9000 §5.1, §19.15, §19.16).

use neqo_common::Role;

use super::{Pair, SEC, connected, connected_with, error_code};
use crate::{ConnectionId, ConnectionParameters, config::limits, wire::frame::encode};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const FRAME_ENCODING_ERROR: u64 = 0x07;
const CONNECTION_ID_LIMIT_ERROR: u64 = 0x09;
const PROTOCOL_VIOLATION: u64 = 0x0a;

fn cid(seq: u64) -> ConnectionId {
    ConnectionId::new(&(0xc0de_0000 + seq).to_be_bytes()).unwrap()
}

fn token(seq: u64) -> [u8; 16] {
    let mut t = [0xee; 16];
    t[..8].copy_from_slice(&seq.to_be_bytes());
    t
}

fn new_cid(seq: u64, retire_prior: u64) -> Vec<u8> {
    let mut v = Vec::new();
    encode::new_connection_id(&mut v, seq, retire_prior, &cid(seq), &token(seq));
    v
}

fn retire(seq: u64) -> Vec<u8> {
    let mut v = Vec::new();
    encode::retire_connection_id(&mut v, seq);
    v
}

/// The first sequence number that neither side has used.
const FRESH: u64 = limits::LOCAL_ACTIVE_CIDS as u64;

/// Frames from `sender` in a packet each, whose acknowledgements never come, until the receiver
/// closes. Returns how many it took and the code.
fn flood(sender: Role, frames: impl Iterator<Item = Vec<u8>>) -> (usize, Option<u64>) {
    let mut pair = connected();
    for (n, frame) in frames.enumerate() {
        pair.inject(sender, &frame);
        // What the receiver says is lost.
        drop(pair.output(sender.remote()));
        if let Some(code) = error_code(pair.side(sender.remote())) {
            return (n + 1, Some(code));
        }
    }
    (0, None)
}

// hardening A1, R3797
#[test]
fn rising_retire_prior_to() {
    for sender in ROLES {
        // One is retired by each frame.
        let (n, code) = flood(sender, (FRESH..1000).map(|seq| new_cid(seq, seq - 7)));
        assert_eq!(code, Some(CONNECTION_ID_LIMIT_ERROR));
        assert!(n <= 2 * limits::REMOTE_ACTIVE_CIDS + 1, "{n}");
        // All are retired by each frame.
        let (n, code) = flood(sender, (FRESH..1000).map(|seq| new_cid(seq, seq)));
        assert_eq!(code, Some(CONNECTION_ID_LIMIT_ERROR));
        assert!(n <= limits::REMOTE_ACTIVE_CIDS + 2, "{n}");
        // Those that are retired before they arrive.
        let first = std::iter::once(new_cid(5000, 5000));
        let (n, code) = flood(
            sender,
            first.chain((FRESH..1000).map(|seq| new_cid(seq, 0))),
        );
        assert_eq!(code, Some(CONNECTION_ID_LIMIT_ERROR));
        assert!(n <= limits::REMOTE_ACTIVE_CIDS + 2, "{n}");
        // And one and the same.
        let first = std::iter::once(new_cid(5000, 5000));
        let (n, code) = flood(
            sender,
            first.chain(std::iter::repeat_n(new_cid(9, 0), 1000)),
        );
        assert!(code.is_none() || n > 2, "{n} {code:?}");
    }
}

/// A peer that acknowledges may change its connection IDs as often as it likes.
#[test]
fn patient_rotation() {
    for sender in ROLES {
        let mut pair = connected();
        for seq in FRESH..FRESH + 200 {
            pair.inject(sender, &new_cid(seq, seq - 7));
            assert_eq!(error_code(pair.side(sender.remote())), None, "{seq}");
            // The sender knows nothing of the connection IDs that were forged, so what says that
            // they are retired is acknowledged by hand.
            drop(pair.output(sender.remote()));
            let c = pair.side(sender.remote());
            c.remote_cids.acked();
        }
        assert_eq!(
            pair.side(sender.remote()).remote_cids.current(),
            cid(FRESH + 200 - 8)
        );
    }
}

// hardening R3720
//= rfc9000#section-19.15 type=test
//# Receiving a value in the Retire
//# Prior To field that is greater than that in the Sequence Number field MUST be
//# treated as a connection error of type FRAME_ENCODING_ERROR.
#[test]
fn malformed_new_connection_id() {
    for sender in ROLES {
        let mut long = vec![0x18, 8, 1, 21];
        long.extend([1; 37]);
        for bad in [
            new_cid(FRESH, FRESH + 1),
            vec![
                0x18, 8, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            ],
            long,
        ] {
            let mut pair = connected();
            pair.inject(sender, &bad);
            assert_eq!(pair.close_code(sender.remote()), Some(FRAME_ENCODING_ERROR));
        }
    }
}

//= rfc9000#section-5.1.1 type=test
//# After processing a NEW_CONNECTION_ID frame and adding and retiring active connection
//# IDs, if the number of active connection IDs exceeds the value advertised in its
//# active_connection_id_limit transport parameter, an endpoint MUST close the connection
#[test]
fn too_many() {
    for sender in ROLES {
        for limit in [2, 3, 8] {
            let params = ConnectionParameters::default().active_connection_id_limit(limit);
            let mut pair = connected_with(params);
            pair.inject(sender, &new_cid(limit, 1));
            assert_eq!(error_code(pair.side(sender.remote())), None, "{limit}");
            pair.inject(sender, &new_cid(limit + 1, 1));
            assert_eq!(
                error_code(pair.side(sender.remote())),
                Some(CONNECTION_ID_LIMIT_ERROR),
                "{limit}"
            );
        }
    }
}

//= rfc9000#section-19.15 type=test
//# If an endpoint receives a NEW_CONNECTION_ID frame that repeats a previously
//# issued connection ID with a different Stateless Reset Token field value or a
//# different Sequence Number field value
#[test]
fn the_same_with_a_difference() {
    for sender in ROLES {
        let mut other = Vec::new();
        encode::new_connection_id(&mut other, FRESH, 1, &cid(99), &token(FRESH));
        let mut renumbered = Vec::new();
        encode::new_connection_id(&mut renumbered, FRESH + 1, 2, &cid(FRESH), &token(FRESH));
        let mut retokened = Vec::new();
        encode::new_connection_id(&mut retokened, FRESH, 1, &cid(FRESH), &token(99));
        for bad in [other, renumbered, retokened] {
            let mut pair = connected();
            pair.inject(sender, &new_cid(FRESH, 1));
            pair.inject(sender, &new_cid(FRESH, 1));
            assert_eq!(error_code(pair.side(sender.remote())), None);
            pair.inject(sender, &bad);
            assert_eq!(pair.close_code(sender.remote()), Some(PROTOCOL_VIOLATION));
        }
    }
}

// hardening R3731
//= rfc9000#section-19.16 type=test
//# Receipt of a RETIRE_CONNECTION_ID frame containing a sequence number
//# greater than any previously sent to the peer MUST be treated as a
//# connection error of type PROTOCOL_VIOLATION.
//= rfc9000#section-19.16 type=test
//# The sequence number specified in a RETIRE_CONNECTION_ID frame MUST NOT
//# refer to the Destination Connection ID field of the packet in which
//# the frame is contained.
#[test]
fn retirements_that_cannot_be() {
    for sender in ROLES {
        for seq in [0, FRESH, FRESH + 1, 1 << 40, (1 << 62) - 1] {
            let mut pair = connected();
            pair.inject(sender, &retire(seq));
            assert_eq!(
                pair.close_code(sender.remote()),
                Some(PROTOCOL_VIOLATION),
                "{seq}"
            );
        }
    }
}

fn active(pair: &mut Pair, role: Role) -> usize {
    pair.side(role).local_cids.active_len()
}

/// All that are not in use are retired at once, again and again.
// hardening A1
#[test]
fn all_are_retired_for_ever() {
    for sender in ROLES {
        let mut pair = connected();
        let receiver = sender.remote();
        while pair.side(receiver).next_cid_change().is_some() {}
        let mut seq = 1;
        for round in 0..300 {
            let frames: Vec<u8> = (seq..seq + FRESH - 1).flat_map(retire).collect();
            seq += FRESH - 1;
            pair.inject(sender, &frames);
            assert_eq!(error_code(pair.side(receiver)), None, "{round}");
            assert_eq!(active(&mut pair, receiver), limits::LOCAL_ACTIVE_CIDS);
            if round % 2 == 0 {
                drop(pair.output(receiver));
            }
        }
        // Nothing piles up where nobody asks.
        let c = pair.side(receiver);
        let changes = std::iter::from_fn(|| c.next_cid_change()).count();
        assert!(changes <= 2 * limits::LOCAL_ACTIVE_CIDS, "{changes}");
        assert!(c.local_cids.unsent_len() <= limits::LOCAL_ACTIVE_CIDS);
    }
}

/// The connection goes on when the one in use is retired by its issuer.
#[test]
fn the_issuer_retires_what_is_in_use() {
    let mut pair = connected();
    let cids: Vec<_> = std::iter::from_fn(|| pair.server().next_cid_change()).collect();
    assert!(cids.len() >= limits::LOCAL_ACTIVE_CIDS);
    let before = pair.client.remote_cids.current();
    // What the server really issued last comes again, and asks for all before it.
    let (cid, token) = pair.server().local_cids.issued(FRESH - 1).unwrap();
    let mut frame = Vec::new();
    encode::new_connection_id(&mut frame, FRESH - 1, FRESH - 1, &cid, &token);
    pair.inject(Role::Server, &frame);
    pair.wait(SEC);
    let after = pair.client.remote_cids.current();
    assert_ne!(before, after);
    assert!(pair.server().is_valid_local_cid(&after));
    assert!(!pair.server().is_valid_local_cid(&before));
    pair.transfer(Role::Client, 5000);
    pair.transfer(Role::Server, 5000);
}

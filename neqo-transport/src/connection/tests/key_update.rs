//! Key updates (RFC 9001 §6).

use neqo_common::Role;

use super::{MS, Pair, SEC, connected, error_code};
use crate::{Error, Misuse, connection::Connection, space::PacketNumberSpace::ApplicationData};

const KEY_UPDATE_ERROR: u64 = 0x0e;
const PING: &[u8] = &[1];

fn phase(c: &Connection) -> bool {
    c.spaces.get(ApplicationData).unwrap().keys.phase_bit()
}

/// A pair that may update its keys: both have had a 1-RTT packet acknowledged.
fn ready() -> Pair {
    let mut pair = connected();
    pair.transfer(Role::Client, 3000);
    pair.transfer(Role::Server, 3000);
    pair.wait(SEC);
    assert_eq!((phase(&pair.client), phase(pair.server())), (false, false));
    pair
}

fn update(pair: &mut Pair, role: Role) {
    pair.side(role).initiate_key_update().unwrap();
}

/// Updates keys whatever the rules say, as a peer of ours would that ignores them.
fn force_update(pair: &mut Pair, role: Role) {
    let keys = &mut pair
        .side(role)
        .spaces
        .get_mut(ApplicationData)
        .unwrap()
        .keys;
    drop(keys.seal((1 << 62) - 2));
    keys.on_acked((1 << 62) - 1);
    keys.initiate_update().unwrap();
}

//= rfc9001#section-6.1 type=test
//# An endpoint MUST NOT initiate a subsequent key update unless it has received
//# an acknowledgment for a packet that was sent protected with keys from the
//# current key phase.
#[test]
fn either_side_may_begin_and_the_other_follows() {
    for role in [Role::Client, Role::Server] {
        let mut pair = ready();
        for round in 0..5 {
            update(&mut pair, role);
            assert_eq!(
                pair.side(role).initiate_key_update(),
                Err(Error::Api(Misuse::KeyUpdateBlocked))
            );
            pair.transfer(role, 3000);
            pair.transfer(role.remote(), 3000);
            pair.wait(SEC);
            let expected = round % 2 == 0;
            assert_eq!(
                (phase(&pair.client), phase(pair.server())),
                (expected, expected)
            );
        }
        assert_eq!(
            pair.client.stats().dropped_rx() + pair.server().stats().dropped_rx(),
            0
        );
    }
}

#[test]
fn both_at_once() {
    let mut pair = ready();
    for round in 0..4 {
        update(&mut pair, Role::Client);
        update(&mut pair, Role::Server);
        pair.transfer(Role::Client, 3000);
        pair.transfer(Role::Server, 3000);
        pair.wait(SEC);
        let expected = round % 2 == 0;
        assert_eq!(
            (phase(&pair.client), phase(pair.server())),
            (expected, expected)
        );
    }
    assert_eq!(
        pair.client.stats().dropped_rx() + pair.server().stats().dropped_rx(),
        0
    );
}

// hardening A32, R3893
//= rfc9001#section-6.2 type=test
//# An endpoint MAY treat the receipt of such a packet as a connection error of type
//# KEY_UPDATE_ERROR
#[test]
fn two_updates_without_an_acknowledgment_between() {
    for role in [Role::Client, Role::Server] {
        let mut pair = ready();
        force_update(&mut pair, role);
        pair.inject(role, PING);
        assert_eq!(error_code(pair.side(role.remote())), None);
        force_update(&mut pair, role);
        pair.inject(role, PING);
        assert_eq!(error_code(pair.side(role.remote())), Some(KEY_UPDATE_ERROR));
    }
}

/// Each update is answered once: whoever began is not made to update again by the answer.
// hardening R3893
#[test]
fn an_update_is_answered_once() {
    let mut pair = ready();
    update(&mut pair, Role::Client);
    pair.transfer(Role::Client, 1000);
    for _ in 0..5 {
        pair.inject(Role::Client, PING);
        pair.wait(100 * MS);
    }
    assert_eq!((phase(&pair.client), phase(pair.server())), (true, true));
}

#[test]
fn not_before_the_handshake_is_confirmed() {
    let mut pair = super::midway();
    for role in [Role::Client, Role::Server] {
        assert_eq!(
            pair.side(role).initiate_key_update(),
            Err(Error::Api(Misuse::KeyUpdateBlocked))
        );
    }
}

//= rfc9001#section-6.5 type=test
//# An endpoint MAY allow a period of approximately the Probe Timeout (PTO; see
//# {{Section 6.2 of QUIC-RECOVERY}}) after promoting the next set of receive keys to be current
#[test]
fn packets_of_the_old_phase_arrive_late() {
    let mut pair = ready();
    let late = pair.forge(Role::Client, PING);
    let too_late = pair.forge(Role::Client, PING);
    update(&mut pair, Role::Client);
    let newer = pair.forge(Role::Client, PING);
    let newest = pair.forge(Role::Client, PING);
    // Newer ones arrive in the wrong order, too.
    let before = pair.server().stats().packets_rx;
    pair.reach_server(newest);
    pair.reach_server(late);
    pair.reach_server(newer);
    assert_eq!(pair.server().stats().packets_rx, before + 3);
    for _ in 0..20 {
        pair.wait(SEC);
    }
    let dropped = pair.server().stats().dropped_rx();
    pair.reach_server(too_late);
    assert_eq!(
        pair.server().stats().dropped_rx(),
        dropped + 1,
        "the keys are gone"
    );
    assert_eq!(error_code(pair.server()), None);
    pair.transfer(Role::Client, 1000);
    pair.transfer(Role::Server, 1000);
}

/// Who began an update and then has nothing to say still hears the peer, who cannot know of it.
//= rfc9001#section-6.1 type=test
//# The endpoint that initiates a key update also updates the keys that it uses for
//# receiving packets.  These keys will be needed to process packets the peer sends
//# after updating.
#[test]
fn old_keys_are_kept_until_the_peer_follows() {
    for role in [Role::Client, Role::Server] {
        let mut pair = ready();
        update(&mut pair, role);
        for _ in 0..10 {
            pair.wait(SEC);
        }
        let before = pair.side(role).stats().dropped_rx();
        pair.transfer(role.remote(), 1000);
        assert_eq!(pair.side(role).stats().dropped_rx(), before);
        pair.transfer(role, 1000);
        assert_eq!(phase(&pair.client), phase(pair.server()));
    }
}

/// An update whose first packets are lost.
#[test]
fn updates_over_a_bad_network() {
    let mut pair = ready();
    let mut random = neqo_common::Random::from_seed([5; 32]);
    for _ in 0..6 {
        update(&mut pair, Role::Client);
        pair.exchange_over(&mut |_, d| {
            if random.below(3) == 0 {
                Vec::new()
            } else {
                vec![d]
            }
        });
        pair.transfer(Role::Client, 5000);
        pair.transfer(Role::Server, 5000);
        pair.wait(SEC);
        assert_eq!(phase(&pair.client), phase(pair.server()));
    }
}

/// What does not open is counted, over all phases.
// hardening A32
//= rfc9001#section-6.6 type=test
//# In addition to counting packets sent, endpoints MUST count the number of
//# received packets that fail authentication during the lifetime of a connection.
#[test]
fn forgeries_are_counted() {
    let mut pair = ready();
    let forged = |pair: &mut Pair| {
        let space = pair.server().spaces.get(ApplicationData).unwrap();
        space.keys.unmasker().unwrap().forged()
    };
    for n in 1..=20 {
        // Long enough for the last byte not to be sampled: the packet number stays what it is.
        let d = pair.forge(Role::Client, &[PING[0]; 40]);
        let mut bytes = d.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        pair.reach_server(neqo_common::Datagram::new(
            d.source(),
            d.destination(),
            d.tos(),
            bytes,
        ));
        assert_eq!(forged(&mut pair), n);
        if n == 10 {
            update(&mut pair, Role::Client);
            pair.transfer(Role::Client, 1000);
            pair.transfer(Role::Server, 1000);
        }
    }
}

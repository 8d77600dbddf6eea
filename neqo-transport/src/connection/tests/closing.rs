//! How connections end: silence, CONNECTION_CLOSE and what follows it (RFC 9000 §10).

use std::time::Duration;

use neqo_common::{Role, event::Provider as _};
use neqo_crypto::Level;

use super::{MS, Pair, SEC, connected, connected_with, midway, packets};
use crate::{
    CloseReason, ConnectionParameters, Error, Misuse, State, StreamType,
    space::PacketNumberSpace::{Handshake, Initial},
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const IDLE: Error = Error::IdleTimeout;

fn closed_for(pair: &mut Pair, role: Role, e: &Error) -> bool {
    *pair.side(role).state() == State::Closed(CloseReason::Transport(e.clone()))
}

//= rfc9000#section-10.1 type=test
//# If a max_idle_timeout is specified by either endpoint in its transport
//# parameters (Section 18.2), the connection is silently closed and its state
//# is discarded when it remains idle for longer than the minimum of both peers
#[test]
fn silence_ends_a_connection() {
    let mut pair = connected_with(ConnectionParameters::default().idle_timeout(5 * SEC));
    pair.wait(SEC);
    let mut said = 0;
    let start = pair.now;
    while pair.advance() {
        said += pair.output(Role::Client).len() + pair.output(Role::Server).len();
    }
    assert_eq!(said, 0, "silently");
    assert!(closed_for(&mut pair, Role::Client, &IDLE));
    assert!(closed_for(&mut pair, Role::Server, &IDLE));
    assert!(pair.now >= start + 3 * SEC && pair.now <= start + 6 * SEC);
    assert_eq!(
        pair.client.stream_create(StreamType::BiDi),
        Err(Error::Api(Misuse::ConnectionState))
    );
}

#[test]
fn traffic_keeps_a_connection_alive() {
    let mut pair = connected_with(ConnectionParameters::default().idle_timeout(5 * SEC));
    for _ in 0..20 {
        pair.wait(4 * SEC);
        pair.inject(Role::Client, &[1]);
        pair.wait(100 * MS);
    }
    assert!(pair.confirmed());
}

/// Packets that do not open do not count as traffic.
#[test]
fn garbage_does_not_keep_a_connection_alive() {
    let mut pair = connected_with(ConnectionParameters::default().idle_timeout(5 * SEC));
    for _ in 0..20 {
        let mut d = pair.forge(Role::Client, &[1]).to_vec();
        *d.last_mut().unwrap() ^= 1;
        let d = neqo_common::Datagram::new(
            super::client_addr(),
            super::server_addr(),
            neqo_common::Tos::default(),
            d,
        );
        pair.reach_server(d);
        pair.now += SEC;
        drop(pair.output(Role::Server));
    }
    assert!(closed_for(&mut pair, Role::Server, &IDLE));
}

#[test]
fn a_stream_that_wants_to_live() {
    let mut pair = connected_with(ConnectionParameters::default().idle_timeout(5 * SEC));
    let id = pair.client.stream_create(StreamType::BiDi).unwrap();
    pair.client.stream_send(id, b"x").unwrap();
    pair.client.stream_keep_alive(id, true).unwrap();
    let until = pair.now + 60 * SEC;
    while pair.now < until {
        pair.next_timer();
    }
    assert!(pair.confirmed());
    let pings = pair.client.stats().frame_tx.ping;
    assert!((10..60).contains(&pings), "{pings} in a minute");
    pair.client.stream_keep_alive(id, false).unwrap();
    while pair.advance() {
        pair.exchange();
    }
    assert!(closed_for(&mut pair, Role::Client, &IDLE));
}

/// As many as the peer's packets are powers of two.
//= rfc9000#section-10.2.1 type=test
//# An endpoint SHOULD limit the rate at which it generates packets in the
//# closing state.
#[test]
fn a_closing_side_answers_less_and_less() {
    for role in ROLES {
        let mut pair = connected();
        let now = pair.now;
        pair.side(role).close(now, 5, "enough");
        assert_eq!(pair.output(role).len(), 1);
        assert!(pair.output(role).is_empty(), "once");
        let mut answers = 0;
        for _ in 0..1000 {
            pair.inject(role.remote(), &[1]);
            answers += pair.output(role).len();
        }
        assert_eq!(answers, 10, "of 1000");
    }
}

//= rfc9000#section-10.2 type=test
//# These states SHOULD persist for at least three times the
//# current PTO interval as defined in {{QUIC-RECOVERY}}.
//= rfc9000#section-10.2.2 type=test
//# An endpoint that enters the draining state MUST NOT send any packets
#[test]
fn closing_and_draining_last_three_ptos() {
    for role in ROLES {
        let mut pair = connected();
        pair.wait(SEC);
        let now = pair.now;
        let mut pto = [Duration::ZERO; 2];
        for (i, r) in [role, role.remote()].into_iter().enumerate() {
            pto[i] = pair.side(r).pto();
        }
        pair.side(role).close(now, 5, "enough");
        pair.pass(role);
        let peer = role.remote();
        assert!(matches!(pair.side(role).state(), State::Closing { .. }));
        assert!(matches!(pair.side(peer).state(), State::Draining { .. }));
        // A draining side is silent whatever arrives.
        for _ in 0..20 {
            let d = pair.forge(role, &[1]);
            pair.deliver(peer, d);
            assert!(pair.output(peer).is_empty());
        }
        pair.now = now + (pto[0].min(pto[1]) * 3).saturating_sub(MS);
        assert!(pair.output(role).is_empty() && pair.output(peer).is_empty());
        assert!(pair.side(role).state().closing() && pair.side(peer).state().closing());
        pair.now = now + pto[0].max(pto[1]) * 3;
        assert!(pair.output(role).is_empty() && pair.output(peer).is_empty());
        assert!(pair.side(role).state().closed() && pair.side(peer).state().closed());
        assert_eq!(pair.side(role).next_timeout(now), None);
    }
}

/// The first reason stays, whatever comes later; a peer's close ends the wait in silence.
#[test]
fn who_closes_first() {
    let mut pair = connected();
    let now = pair.now;
    pair.client.close(now, 5, "first");
    pair.client.close(now, 6, "second");
    pair.server().close(now, 7, "third");
    let (a, b) = (pair.output(Role::Client), pair.output(Role::Server));
    for d in a {
        pair.reach_server(d);
    }
    for d in b {
        pair.deliver(Role::Client, d);
    }
    assert_eq!(
        pair.client.state().error(),
        Some(&CloseReason::Application(5))
    );
    assert_eq!(
        pair.server().state().error(),
        Some(&CloseReason::Application(7))
    );
    while pair.advance() {
        pair.exchange();
    }
    assert!(pair.client.state().closed() && pair.server().state().closed());
    assert!(pair.client.events().count() > 0);
}

//= rfc9000#section-10.2.3 type=test
//# A CONNECTION_CLOSE of type 0x1d MUST be replaced by a CONNECTION_CLOSE of type 0x1c
//# when sending the frame in Initial or Handshake packets.
#[test]
fn an_application_that_closes_early_is_hidden() {
    const APPLICATION_ERROR: u64 = 0x0c;
    for role in ROLES {
        let mut pair = midway();
        let now = pair.now;
        pair.side(role).close(now, 77, "secret");
        let said = pair.output(role);
        assert_eq!(said.len(), 1);
        let levels: Vec<_> = packets(&said[0])
            .iter()
            .map(super::Protected::level)
            .collect();
        assert!(
            levels.contains(&Level::Initial) && levels.contains(&Level::Handshake),
            "{levels:?}"
        );
        assert!(said[0].len() >= 1200 || role == Role::Server);
        for d in said {
            pair.deliver(role.remote(), d);
        }
        let expected = CloseReason::Transport(Error::PeerClosed {
            code: APPLICATION_ERROR,
            reason: String::new(),
        });
        assert_eq!(pair.side(role.remote()).state().error(), Some(&expected));
    }
}

/// At each level alone, too.
#[test]
fn a_close_is_heard_at_each_level() {
    for role in ROLES {
        for space in [Initial, Handshake] {
            let mut pair = midway();
            let mut frame = Vec::new();
            let code = crate::wire::frame::CloseCode::Transport {
                code: 0x0c,
                frame_type: 0,
            };
            crate::wire::frame::encode::connection_close(&mut frame, code, b"");
            pair.inject_in(role, space, &frame);
            assert_eq!(super::error_code(pair.side(role.remote())), Some(0));
            assert!(pair.side(role.remote()).state().closing());
        }
    }
}

#[test]
fn closing_before_a_word_was_said() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let now = pair.now;
    pair.client.close(now, 1, "never mind");
    let first = pair.output(Role::Client);
    for d in first {
        pair.reach_server(d);
    }
    while pair.advance() {
        pair.exchange();
    }
    assert!(pair.client.state().closed());
}

/// Reasons of any length and any text, cut where a character ends.
#[test]
fn reasons() {
    for reason in [
        "",
        "ü",
        &"ü".repeat(500),
        &"x".repeat(100_000),
        "\u{0}\n\u{7f}",
    ] {
        let mut pair = connected();
        let now = pair.now;
        pair.client.close(now, u64::MAX, reason);
        pair.pass(Role::Client);
        let Some(CloseReason::Transport(Error::PeerApplication { code, reason })) =
            pair.server().state().error()
        else {
            panic!("{:?}", pair.server().state());
        };
        assert_eq!(*code, (1 << 62) - 1);
        assert!(
            reason.len() <= 200 && !reason.chars().any(char::is_control),
            "{reason:?}"
        );
    }
}

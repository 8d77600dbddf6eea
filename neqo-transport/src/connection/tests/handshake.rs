//! Handshakes over networks that lose, repeat and reorder, and what discards keys.

use neqo_common::{Datagram, Role, event::Provider as _};
use neqo_crypto::{AuthenticationStatus, Identity, Level};

use super::{MS, Pair, SEC, connected, error_code, events, first_packet, midway, packets};
use crate::{
    CloseReason, ConnectionEvent, ConnectionId, ConnectionParameters, Error, State, StreamType,
    config::limits,
    space::PacketNumberSpace::{ApplicationData, Handshake, Initial},
    wire::frame::encode,
};

/// An identity whose certificate is too long for three times a client's first flight, compressed, too.
fn long_identity() -> Identity {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut state = 1u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(LETTERS[usize::try_from(state >> 59).unwrap()])
    };
    let mut names: Vec<String> = (0..220)
        .map(|_| (0..60).map(|_| letter()).collect())
        .collect();
    names.push("example.com".into());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Identity::self_signed(&names).unwrap()
}

/// Every datagram with an Initial packet of a client, and of a server if it elicits an
/// acknowledgement, has at least 1,200 bytes. Ours hold ACK alone if they are short.
fn check_padding(from: Role, d: &Datagram) {
    if first_packet(d).is_none_or(|p| p.level() != Level::Initial) || d.len() >= 1200 {
        return;
    }
    assert_eq!(from, Role::Server, "{} bytes", d.len());
    // 12 bytes of ACK at most, and header and tag.
    let len = packets(d)[0].len();
    assert!(len < 75, "an Initial packet of {len} bytes in {}", d.len());
}

/// Loses the `k`th datagram of either direction.
fn losing(pair: &mut Pair, k: usize, loser: Role) -> bool {
    let (mut seen, mut hit) = (0, false);
    pair.confirm_over(&mut |from, d| {
        check_padding(from, &d);
        if from == loser {
            seen += 1;
            if seen == k + 1 {
                hit = true;
                return Vec::new();
            }
        }
        vec![d]
    });
    pair.exchange();
    pair.transfer(Role::Client, 5000);
    pair.transfer(Role::Server, 5000);
    hit
}

//= rfc9000#section-14.1 type=test
//# A client MUST expand the payload of all UDP datagrams carrying
//# Initial packets to at least the smallest allowed maximum datagram size of 1200 bytes
#[test]
fn any_single_datagram_may_be_lost() {
    for loser in [Role::Client, Role::Server] {
        let hits = (0..12)
            .filter(|k| losing(&mut Pair::new(ConnectionParameters::default()), *k, loser))
            .count();
        assert!(hits >= 2, "{hits} datagrams of {loser:?}");
    }
}

#[test]
fn any_single_datagram_of_a_long_handshake_may_be_lost() {
    let identity = long_identity();
    for loser in [Role::Client, Role::Server] {
        let hits = (0..16)
            .filter(|k| {
                let params = ConnectionParameters::default();
                losing(
                    &mut Pair::with_identity(params, identity.clone()),
                    *k,
                    loser,
                )
            })
            .count();
        // NSS may have no ML-KEM, and a ClientHello without a key share of that takes one datagram less.
        let least = if cfg!(feature = "rustls") { 4 } else { 3 };
        assert!(hits >= least, "{hits} datagrams of {loser:?}");
    }
}

#[test]
fn any_pattern_of_loss_of_the_first_datagrams() {
    for pattern in 0..256_u32 {
        let mut pair = Pair::new(ConnectionParameters::default());
        let mut n = 0;
        pair.confirm_over(&mut |from, d| {
            check_padding(from, &d);
            n += 1;
            let lost = n <= 8 && pattern >> (n - 1) & 1 == 1;
            if lost { Vec::new() } else { vec![d] }
        });
    }
}

#[test]
fn duplicates_change_nothing() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.confirm_over(&mut |_, d| vec![d.clone(), d.clone(), d]);
    assert!(pair.client.stats().dups_rx > 0);
    pair.transfer(Role::Client, 5000);
    assert_eq!(pair.client.stats().lost + pair.server().stats().lost, 0);
}

/// Both flights arrive backwards, in every round.
#[test]
fn reversed_flights() {
    for identity in [super::IDENTITY.clone(), long_identity()] {
        let mut pair = Pair::with_identity(ConnectionParameters::default(), identity);
        for _ in 0..50 {
            for from in [Role::Client, Role::Server] {
                for d in pair.output(from).into_iter().rev() {
                    pair.deliver(from.remote(), d);
                }
            }
            if pair.confirmed() {
                break;
            }
            pair.advance();
        }
        assert!(pair.confirmed());
        pair.transfer(Role::Server, 5000);
    }
}

/// The packets of each coalesced datagram arrive in datagrams of their own, or the other way.
//= rfc9000#section-12.2 type=test
//# Receivers MAY route based on the information in the first packet contained
//# in a UDP datagram.
#[test]
fn coalesced_packets_may_be_taken_apart() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let mut coalesced = 0;
    pair.confirm_over(&mut |from, d| {
        let all = packets(&d);
        coalesced += usize::from(all.len() > 1);
        if from == Role::Client || all.len() < 2 {
            return vec![d];
        }
        let mut rest = &d[..];
        let mut parts = Vec::new();
        for p in all {
            let (one, behind) = rest.split_at(p.len());
            parts.push(Datagram::new(d.source(), d.destination(), d.tos(), one));
            rest = behind;
        }
        parts.reverse();
        parts
    });
    assert!(coalesced > 0);
}

// hardening A21
//= rfc9000#section-8.1 type=test
//# Prior to validating the client address, servers MUST NOT send more than
//# three times as many bytes as the number of bytes they have received.
#[test]
fn a_server_with_a_large_flight_sends_three_times_what_it_received() {
    let mut pair = Pair::with_identity(ConnectionParameters::default(), long_identity());
    let (mut received, mut sent) = (0, 0);
    for round in 0..5 {
        // Some of what the client says arrives, and nothing of the server's.
        for d in pair.output(Role::Client) {
            assert!(d.len() >= 1200);
            if round % 3 == 0 {
                received += d.len();
                pair.reach_server(d);
            }
        }
        sent += pair
            .output(Role::Server)
            .iter()
            .map(Datagram::len)
            .sum::<usize>();
        assert!(sent <= 3 * received, "{sent} of 3 * {received}");
        assert!(sent > received);
        pair.advance();
    }
    assert_eq!(*pair.server().state(), State::Handshaking);
}

/// The server has said all that it may and waits; the client has nothing to say but must.
//= rfc9002#section-6.2.2.1 type=test
//# That is, the client MUST set the PTO timer
//# if the client has not received an acknowledgment for any of its Handshake
//# packets and the handshake is not confirmed
#[test]
fn the_client_breaks_the_deadlock() {
    let mut pair = Pair::with_identity(ConnectionParameters::default(), long_identity());
    pair.exchange_over(&mut |from, d| {
        // All ACKs and everything else that the client says after its first flight is lost.
        let first = first_packet(&d).is_some_and(|p| p.level() == Level::Initial);
        if from == Role::Client && (!first || d.len() < 1200) {
            Vec::new()
        } else {
            vec![d]
        }
    });
    for _ in 0..40 {
        pair.next_timer();
        if pair.confirmed() {
            break;
        }
    }
    assert!(pair.confirmed(), "{}", pair.states());
}

/// 1-RTT packets that overtake the end of the handshake are kept and used, in both directions.
//= rfc9001#section-5.7 type=test
//# Even if it has 1-RTT secrets, an endpoint MUST NOT
//# process incoming 1-RTT protected packets before the TLS handshake is complete.
#[test]
fn early_packets_are_kept() {
    let mut pair = midway();
    let finished = pair.output(Role::Client);
    let id = pair.client.stream_create(StreamType::UniDi).unwrap();
    pair.client.stream_send(id, b"early").unwrap();
    let early = pair.output(Role::Client);
    assert!(!early.is_empty());
    for d in early {
        pair.reach_server(d);
    }
    let mut buf = [0; 10];
    assert!(pair.server().stats().saved_datagrams > 0);
    assert!(pair.server().stream_recv(id, &mut buf).is_err());
    for d in finished {
        pair.reach_server(d);
    }
    assert_eq!(*pair.server().state(), State::Confirmed);
    assert_eq!(pair.server().stream_recv(id, &mut buf).unwrap(), (5, false));
    pair.exchange();
    assert!(pair.confirmed());
}

/// The server's Handshake packets overtake its Initial packet.
#[test]
fn handshake_packets_before_the_initial_one() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.pass(Role::Client);
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for d in pair.output(Role::Server) {
        let mut rest = &d[..];
        for p in packets(&d) {
            let (one, behind) = rest.split_at(p.len());
            let one = Datagram::new(d.source(), d.destination(), d.tos(), one);
            let initial = p.level() == Level::Initial;
            if initial { &mut late } else { &mut early }.push(one);
            rest = behind;
        }
    }
    assert!(!early.is_empty() && !late.is_empty());
    for d in early {
        pair.deliver(Role::Client, d);
    }
    assert_eq!(*pair.client.state(), State::WaitInitial);
    assert!(pair.client.stats().saved_datagrams > 0);
    for d in late {
        pair.deliver(Role::Client, d);
    }
    assert_eq!(*pair.client.state(), State::Connected);
    pair.exchange();
    assert!(pair.confirmed());
}

//= rfc9001#section-4.9.1 type=test
//# a client MUST discard Initial keys when it first sends a Handshake packet
//# a server MUST discard Initial keys when it first successfully processes a
//# Handshake packet.
//= rfc9001#section-4.9.2 type=test
//# An endpoint MUST discard its Handshake keys when the TLS handshake is confirmed
#[test]
fn keys_are_discarded_in_time() {
    let mut pair = midway();
    let finished = pair.output(Role::Client);
    assert!(
        pair.client.spaces.get(Initial).is_none(),
        "Handshake was sent"
    );
    assert!(pair.client.spaces.get(Handshake).is_some());
    assert!(pair.server().spaces.get(Initial).is_some());
    for d in finished {
        pair.reach_server(d);
    }
    assert!(pair.server().spaces.get(Initial).is_none());
    assert!(pair.server().spaces.get(Handshake).is_none());
    assert!(
        pair.client.spaces.get(Handshake).is_some(),
        "until HANDSHAKE_DONE"
    );
    pair.exchange();
    assert!(pair.client.spaces.get(Handshake).is_none());
    assert_eq!(*pair.client.state(), State::Confirmed);
    for c in [&pair.client, pair.server.as_ref().unwrap()] {
        assert!(c.spaces.get(ApplicationData).is_some());
    }
}

/// HANDSHAKE_DONE that is lost is said again, and one too many does no harm.
//= rfc9000#section-13.3 type=test
//# The HANDSHAKE_DONE frame MUST be retransmitted until it is acknowledged.
#[test]
fn handshake_done_until_acknowledged() {
    let mut pair = midway();
    pair.pass(Role::Client);
    let lost = pair.output(Role::Server);
    assert!(!lost.is_empty());
    assert_eq!(*pair.client.state(), State::Connected);
    for _ in 0..10 {
        pair.next_timer();
        if pair.confirmed() {
            break;
        }
    }
    assert!(pair.confirmed());
    pair.inject(Role::Server, &[0x1e, 0x1e]);
    assert_eq!(*pair.client.state(), State::Confirmed);
}

#[test]
fn the_host_takes_its_time_to_accept() {
    let mut pair = Pair::asking();
    pair.exchange();
    assert!(events(&mut pair.client).contains(&ConnectionEvent::AuthenticationNeeded));
    assert_eq!(*pair.client.state(), State::Handshaking);
    assert_eq!(*pair.server().state(), State::Handshaking);
    // Nothing shows acceptance, and neither side gives up, for some seconds.
    for _ in 0..80 {
        pair.wait(100 * MS);
    }
    assert_eq!(*pair.server().state(), State::Handshaking);
    // What the application says meanwhile stays here.
    let id = pair.client.stream_create(StreamType::BiDi).unwrap();
    pair.client.stream_send(id, b"secret").unwrap();
    assert!(pair.output(Role::Client).is_empty());
    let now = pair.now;
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    pair.exchange();
    assert!(pair.confirmed());
    pair.transfer(Role::Client, 1000);
}

#[test]
fn a_verdict_that_nobody_asked_for() {
    let both = |pair: &mut Pair| {
        let now = pair.now;
        for verdict in [
            AuthenticationStatus::Ok,
            AuthenticationStatus::UnknownIssuer,
        ] {
            pair.client.authenticated(verdict, now);
        }
    };
    let mut pair = Pair::asking();
    both(&mut pair);
    pair.exchange();
    let now = pair.now;
    let server = pair.server();
    server.authenticated(AuthenticationStatus::UnknownIssuer, now);
    assert_eq!(*pair.server().state(), State::Handshaking);
    assert_eq!(*pair.client.state(), State::Handshaking);
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    both(&mut pair);
    pair.exchange();
    assert!(pair.confirmed());
    both(&mut pair);
    pair.transfer(Role::Client, 1000);
}

// hardening A31
#[test]
fn the_host_refuses() {
    const BAD_CERTIFICATE: u64 = 0x100 + 42;
    let mut pair = Pair::asking();
    pair.exchange();
    let now = pair.now;
    pair.client
        .authenticated(AuthenticationStatus::CertHostnameMismatch, now);
    assert!(pair.client.state().closing());
    assert_eq!(pair.close_code(Role::Client), Some(BAD_CERTIFICATE));
    assert!(pair.client.events().count() > 0);
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    pair.exchange();
    assert!(!pair.client.state().connected() && !pair.server().state().connected());
}

/// A host that never answers: the handshake times out on both sides.
#[test]
fn the_host_never_answers() {
    let mut pair = Pair::asking();
    let start = pair.now;
    pair.exchange();
    for _ in 0..200 {
        if !pair.advance() {
            break;
        }
        pair.exchange();
    }
    let timeout = State::Closed(CloseReason::Transport(Error::HandshakeTimeout));
    assert_eq!(*pair.client.state(), timeout);
    assert_eq!(*pair.server().state(), timeout);
    assert!(pair.now < start + 3 * ConnectionParameters::DEFAULT_IDLE_TIMEOUT);
}

#[test]
fn nobody_answers() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let (start, mut sent) = (pair.now, 0);
    loop {
        for d in pair.output(Role::Client) {
            assert!(d.len() >= 1200);
            sent += 1;
        }
        if !pair.advance() {
            break;
        }
    }
    assert_eq!(
        *pair.client.state(),
        State::Closed(CloseReason::Transport(Error::HandshakeTimeout))
    );
    assert!(sent < 30, "{sent} datagrams");
    assert!(pair.now <= start + ConnectionParameters::DEFAULT_IDLE_TIMEOUT + 2 * SEC);
}

/// What was sent and what was received at any moment of the handshake is refused as garbage
/// later: packets of discarded spaces do nothing.
#[test]
fn old_handshake_packets_come_again() {
    let mut pair = Pair::new(ConnectionParameters::default());
    let mut all = Vec::new();
    pair.confirm_over(&mut |from, d| {
        all.push((from, d.clone()));
        vec![d]
    });
    pair.wait(100 * MS);
    for (from, d) in all {
        pair.deliver(from.remote(), d);
    }
    pair.exchange();
    assert!(pair.confirmed());
    assert_eq!(error_code(&pair.client), None);
    pair.transfer(Role::Client, 1000);
}

/// An Initial packet of a client in a datagram that is too short is as good as none.
//= rfc9000#section-14.1 type=test
//# A server MUST discard an Initial packet that is carried in a UDP
//# datagram with a payload that is smaller than the smallest allowed
//# maximum datagram size of 1200 bytes.
#[test]
fn short_initial_datagrams() {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.pass(Role::Client);
    let ping = super::forge::Forged::new(Initial, &[1]).seal(&mut pair.client, pair.now);
    let before = pair.server().stats().packets_rx;
    let cut = Datagram::new(ping.source(), ping.destination(), ping.tos(), &ping[..1199]);
    pair.reach_server(cut);
    assert_eq!(pair.server().stats().packets_rx, before);
    pair.reach_server(ping);
    assert_eq!(pair.server().stats().packets_rx, before + 1);
    let d = connected().forge(Role::Client, &[1]);
    assert!(d.len() < 1200, "and others may be short");
}

/// Batches have datagrams of one size, and Initial packets are padded in them as well.
#[test]
fn handshakes_in_batches() {
    let most = std::num::NonZeroUsize::new(64).unwrap();
    for identity in [super::IDENTITY.clone(), long_identity()] {
        for lost in 0..6 {
            let mut pair = Pair::with_identity(ConnectionParameters::default(), identity.clone());
            let mut n = 0;
            for _ in 0..60 {
                for from in [Role::Client, Role::Server] {
                    let now = pair.now;
                    if from == Role::Server && pair.server.is_none() {
                        continue;
                    }
                    while let Some(batch) =
                        pair.side(from).process_multiple_output(now, most).dgram()
                    {
                        let all: Vec<_> = batch
                            .iter()
                            .map(|d| {
                                Datagram::new(d.source(), d.destination(), d.tos(), d.to_vec())
                            })
                            .collect();
                        for d in &all {
                            check_padding(from, d);
                            assert!(d.len() <= all[0].len());
                        }
                        for d in all {
                            n += 1;
                            if n != lost {
                                pair.deliver(from.remote(), d);
                            }
                        }
                    }
                }
                if pair.confirmed() {
                    break;
                }
                pair.advance();
            }
            assert!(pair.confirmed(), "{}", pair.states());
            pair.transfer(Role::Server, 50_000);
        }
    }
}

/// A client that has proved its address by Retry may be sent everything at once.
//= rfc9000#section-8.1.2 type=test
//# A server can also use a Retry packet to defer the state and processing costs of
//# connection establishment.
#[test]
fn no_amplification_limit_after_retry() {
    let mut pair = Pair::with_identity(ConnectionParameters::default(), long_identity());
    super::versions::retry_once(&mut pair);
    let mut received = 0;
    for d in pair.output(Role::Client) {
        received += d.len();
        pair.reach_server(d);
    }
    let sent: usize = pair.output(Role::Server).iter().map(Datagram::len).sum();
    assert!(sent > 3 * received, "{sent} for {received}");
}

/// A server that is held by the amplification limit and closes says so when it may.
#[test]
fn a_close_waits_for_the_amplification_limit() {
    let mut pair = Pair::with_identity(ConnectionParameters::default(), long_identity());
    pair.pass(Role::Client);
    while !pair.output(Role::Server).is_empty() {}
    assert!(pair.server().paths.primary().amplification.is_blocked());
    let now = pair.now;
    pair.server().close(now, 5, "no");
    assert!(pair.output(Role::Server).is_empty());
    for _ in 0..3 {
        pair.now += SEC;
        if pair
            .client
            .next_instant(pair.now)
            .is_some_and(|at| at > pair.now)
        {
            continue;
        }
        pair.pass(Role::Client);
        pair.pass(Role::Server);
    }
    assert_eq!(error_code(&pair.client), Some(0), "{}", pair.states());
    assert!(pair.client.state().closing());
}

/// What cannot be opened yet is kept within bounds.
// hardening A14
#[test]
fn early_packets_without_end() {
    let mut pair = midway();
    for _ in 0..1000 {
        let d = pair.forge(Role::Client, &[1]);
        pair.reach_server(d);
    }
    let kept = pair.server().stats().saved_datagrams;
    assert!(kept <= limits::SAVED_PACKETS as u64, "{kept}");
    pair.exchange();
    assert!(pair.confirmed());
}

/// Clients whose sockets tell connections apart need no connection IDs.
#[test]
fn a_client_without_connection_ids() {
    const PROTOCOL_VIOLATION: u64 = 0x0a;
    let frames = {
        let (mut new, mut retire) = (Vec::new(), Vec::new());
        let cid = ConnectionId::new(&[1; 8]).unwrap();
        encode::new_connection_id(&mut new, 1, 0, &cid, &[1; 16]);
        encode::retire_connection_id(&mut retire, 0);
        [(Role::Client, new), (Role::Server, retire)]
    };
    for (sender, frame) in frames {
        let mut pair = Pair::new(ConnectionParameters::default());
        pair.renew_client(0);
        pair.exchange();
        assert!(pair.confirmed());
        assert!(pair.client.local_cids.first().is_empty());
        pair.transfer(Role::Client, 3000);
        pair.transfer(Role::Server, 3000);
        //= rfc9000#section-19.15 type=test
        //# An endpoint that is sending packets with a zero-length Destination
        //# Connection ID MUST treat receipt of a NEW_CONNECTION_ID frame as a
        //# connection error of type PROTOCOL_VIOLATION.
        //= rfc9000#section-19.16 type=test
        //# An endpoint cannot send this frame if it was provided with a zero-length
        //# connection ID by its peer.
        pair.inject(sender, &frame);
        assert_eq!(
            error_code(pair.side(sender.remote())),
            Some(PROTOCOL_VIOLATION)
        );
    }
}

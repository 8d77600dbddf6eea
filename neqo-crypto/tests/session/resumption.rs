//! Tickets and early data.

use std::time::Duration;

use neqo_crypto::{
    AuthenticationStatus, Cipher, Client, Direction, Event, Events, Level, ResumptionToken, Server,
    Verification,
};

use crate::pair::{
    CLIENT_PARAMS, End, Pair, agreed, alpn, client_of, connected, every_pair, handshake, join, now,
};

every_pair! {
    early_data_with_tickets_of_others,
    early_data_at_the_wrong_time,
    a_ticket_resumes_once,
    a_chain_of_resumptions_ends,
    an_expired_token_is_of_no_use,
    a_resumed_session_has_new_parameters,
    tokens_of_others_are_ignored,
    a_resumed_session_asks_no_verdict,
    a_refused_ticket_asks_for_a_verdict,
    early_data,
    early_data_is_not_replayed,
    early_data_only_if_both_want_it,
    resumption_remembers_the_group,
}

fn early(p: Pair, verification: Verification) -> (Client, Server) {
    (
        client_of(p.client_builder().enable_early_data(true), verification),
        p.server_builder().enable_early_data(true).build().unwrap(),
    )
}

fn a_ticket_resumes_once(p: Pair) {
    let (c, s) = (p.client(Verification::Insecure), p.server());
    let (first, _) = connected(&c, &s);
    let token = first.tickets.first().expect("a ticket");
    assert!(token.expiry() > now() && token.expiry() <= now() + ResumptionToken::MAX_LIFETIME);
    assert!(!token.early_data());
    for resumed in [true, false] {
        let (mut client, mut server) = (End::resuming(&c, token), End::server(&s));
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        for end in [&client, &server] {
            let info = end.session.info().unwrap();
            assert_eq!((info.resumed(), info.alpn()), (resumed, Some("h3")));
        }
        assert!(!client.has(Level::ZeroRtt, Direction::Write));
        assert_eq!(
            client.session.peer_certificate(),
            first.session.peer_certificate()
        );
        assert!(!client.tickets.is_empty());
    }
}

/// What was proved once is not believed for ever (RFC 8446 §4.6.1): the tickets of resumed sessions end with those of
/// the first, and a server stops sending them.
fn a_chain_of_resumptions_ends(p: Pair) {
    const STEP: Duration = Duration::from_hours(11);
    let (c, s) = (p.client(Verification::Insecure), p.server());
    let (first, _) = connected(&c, &s);
    let end = now() + ResumptionToken::MAX_LIFETIME;
    let mut next = first.tickets.first().cloned();
    let mut at = now();
    let mut last = None;
    while let Some(token) = next.clone().filter(|t| t.expiry() > at + STEP) {
        at += STEP;
        let (mut client, mut server) = (End::resuming_at(&c, &token, at), End::server(&s));
        server.now = at;
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        assert!(client.session.info().unwrap().resumed());
        assert!(client.tickets.iter().all(|t| t.expiry() <= end));
        next = client.tickets.first().cloned();
        last = next.clone().or(last);
    }
    // So that none of its tickets is good for longer than a week.
    let life = Duration::from_hours(if p.server_is_nss() { 48 } else { 24 });
    let rest = end - at;
    assert!(next.is_none() && rest < life && rest + STEP >= life);
    let (mut client, mut server) = (End::resuming_at(&c, &last.unwrap(), end), End::server(&s));
    server.now = end;
    handshake(&mut client, &mut server).unwrap();
    assert!(!client.session.info().unwrap().resumed());
}

fn an_expired_token_is_of_no_use(p: Pair) {
    let (c, s) = (p.client(Verification::Insecure), p.server());
    let (first, _) = connected(&c, &s);
    let token = &first.tickets[0];
    for (now, resumed) in [
        (token.expiry(), false),
        (now() + Duration::from_mins(1), true),
    ] {
        let (mut client, mut server) = (End::resuming_at(&c, token, now), End::server(&s));
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        assert_eq!(client.session.info().unwrap().resumed(), resumed);
    }
}

/// The parameters that count are the new ones, though rustls first shows those that came with the ticket.
fn a_resumed_session_has_new_parameters(p: Pair) {
    let (c, s) = early(p, Verification::Host);
    let (mut client, mut server) = (End::client(&c), End::server(&s));
    handshake(&mut client, &mut server).unwrap();
    client.verdict(AuthenticationStatus::Ok).unwrap();
    join(&mut client, &mut server).unwrap();
    let (mut client, mut server) = (End::resuming(&c, &client.tickets[0]), End::server(&s));
    server.answers = false;
    handshake(&mut client, &mut server).unwrap();
    assert_eq!(client.params, None);
    server.answer(b"others").unwrap();
    join(&mut client, &mut server).unwrap();
    assert!(client.complete && client.session.info().unwrap().resumed());
    assert_eq!(client.params.as_deref(), Some(&b"others"[..]));
}

fn tokens_of_others_are_ignored(p: Pair) {
    let (c, s) = (p.client(Verification::Insecure), p.server());
    let (first, _) = connected(&c, &s);
    let token = &first.tickets[0];
    let other_client = p.client(Verification::Insecure);
    let garbage = ResumptionToken::new(vec![1, 2, 3], now(), true);
    let same_name = c.resume(
        "EXAMPLE.com.",
        &alpn(&["h3"]),
        CLIENT_PARAMS,
        &first.tickets[1],
        now(),
    );
    let other_name = c.resume("example.org", &alpn(&["h3"]), CLIENT_PARAMS, token, now());
    // NSS's tokens are whole, rustls's refer to the client's memory.
    let whole = p.client_is_nss();
    for (mut client, resumes) in [
        (End::resuming(&c, &garbage), false),
        (End::new(other_name.unwrap()), false),
        (End::new(same_name.unwrap()), true),
        (End::resuming(&other_client, token), whole),
    ] {
        let mut server = End::server(&s);
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        assert_eq!(client.session.info().unwrap().resumed(), resumes);
    }
}

fn a_resumed_session_asks_no_verdict(p: Pair) {
    let (c, s) = (p.client(Verification::Host), p.server());
    let (mut client, mut server) = (End::client(&c), End::server(&s));
    handshake(&mut client, &mut server).unwrap();
    assert!(client.tickets.is_empty(), "no ticket before the verdict");
    client.verdict(AuthenticationStatus::Ok).unwrap();
    join(&mut client, &mut server).unwrap();
    let mut client = End::resuming(&c, &client.tickets[0]);
    let mut server = End::server(&s);
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(client.chain.is_none() && client.session.info().unwrap().resumed());
}

/// The server does not know the session, or cannot use it: the host is asked again.
fn a_refused_ticket_asks_for_a_verdict(p: Pair) {
    let (c, s) = early(p, Verification::Host);
    let (mut client, mut server) = (End::client(&c), End::server(&s));
    handshake(&mut client, &mut server).unwrap();
    client.verdict(AuthenticationStatus::Ok).unwrap();
    join(&mut client, &mut server).unwrap();
    let mut client = End::resuming(&c, &client.tickets[0]);
    let other = p.server_builder().ciphers(&[Cipher::Aes256GcmSha384]);
    let mut server = End::server(&other.build().unwrap());
    handshake(&mut client, &mut server).unwrap();
    assert!(client.chain.is_some() && !client.complete);
    assert!(
        client.has(Level::ZeroRtt, Direction::Write),
        "it was offered"
    );
    assert!(!client.has(Level::OneRtt, Direction::Write));
    client.verdict(AuthenticationStatus::Ok).unwrap();
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let info = client.session.info().unwrap();
    assert!(!info.resumed() && !info.early_data_accepted());
    assert!(!server.has(Level::ZeroRtt, Direction::Read));
}

fn early_data(p: Pair) {
    let (c, s) = early(p, Verification::Insecure);
    let (first, _) = connected(&c, &s);
    assert!(!first.has(Level::ZeroRtt, Direction::Write));
    let token = &first.tickets[0];
    assert!(token.early_data());
    let (mut client, mut server) = (End::resuming(&c, token), End::server(&s));
    client.start().unwrap();
    assert!(client.has(Level::ZeroRtt, Direction::Write), "at once");
    server.start().unwrap();
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let ours = &client.secrets[&(Level::ZeroRtt, Direction::Write)];
    let theirs = &server.secrets[&(Level::ZeroRtt, Direction::Read)];
    assert_eq!((ours.bytes(), ours.cipher), (theirs.bytes(), theirs.cipher));
    for end in [&client, &server] {
        assert!(end.session.info().unwrap().early_data_accepted());
    }
}

/// The same first flight twice: the second is a full handshake for the server, whoever sent it.
// hardening A30
fn early_data_is_not_replayed(p: Pair) {
    let (c, s) = early(p, Verification::Insecure);
    let (first, _) = connected(&c, &s);
    let mut client = End::resuming(&c, &first.tickets[0]);
    client.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    let accepts: Vec<_> = (0..2)
        .map(|_| {
            let mut server = End::server(&s);
            server.start().unwrap();
            server.read(level, &hello).unwrap();
            server.has(Level::ZeroRtt, Direction::Read)
        })
        .collect();
    assert_eq!(accepts, [true, false]);
}

fn early_data_only_if_both_want_it(p: Pair) {
    let (c, s) = early(p, Verification::Insecure);
    let unwilling = p.client(Verification::Insecure);
    let (first, _) = connected(&unwilling, &s);
    let mut client = End::resuming(&unwilling, &first.tickets[0]);
    client.start().unwrap();
    assert!(!client.has(Level::ZeroRtt, Direction::Write));

    let (first, _) = connected(&c, &p.server());
    let mut client = End::resuming(&c, &first.tickets[0]);
    client.start().unwrap();
    assert!(!client.has(Level::ZeroRtt, Direction::Write));
}

/// The group that a server wanted is remembered with the ticket, so that resumption saves the `HelloRetryRequest`.
fn resumption_remembers_the_group(p: Pair) {
    let c = p.client(Verification::Insecure);
    let s = p
        .server_builder()
        .groups(&[neqo_crypto::Group::Secp384r1])
        .build()
        .unwrap();
    let (first, _) = connected(&c, &s);
    let (mut client, mut server) = (End::resuming(&c, &first.tickets[0]), End::server(&s));
    client.start().unwrap();
    server.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    server.read(level, &hello).unwrap();
    assert!(server.has(Level::Handshake, Direction::Write), "no retry");
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
}

/// Another server cannot know whether the first one saw this early data, and may have other demands on its clients. It
/// makes a full handshake, be it that the library lets it read the ticket.
// hardening A30
fn early_data_with_tickets_of_others(p: Pair) {
    let (c, s) = early(p, Verification::Insecure);
    let (_, other) = early(p, Verification::Insecure);
    let (first, _) = connected(&c, &s);
    let mut client = End::resuming(&c, &first.tickets[0]);
    let mut server = End::server(&other);
    handshake(&mut client, &mut server).unwrap();
    assert!(client.has(Level::ZeroRtt, Direction::Write), "offered");
    agreed(&client, &server);
    assert!(!server.has(Level::ZeroRtt, Direction::Read), "not accepted");
    for end in [&client, &server] {
        let info = end.session.info().unwrap();
        assert!(!info.resumed() && !info.early_data_accepted());
    }
    // What the other gives is good with the other.
    let (mut client, mut server) = (End::resuming(&c, &client.tickets[0]), End::server(&other));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.info().unwrap().early_data_accepted());
}

/// A first flight that was held back: early data that is old is not accepted, for the memory of what came is not
/// endless. (rustls remembers the tickets instead, and dates by the wall clock.)
fn early_data_at_the_wrong_time(p: Pair) {
    let (c, s) = early(p, Verification::Insecure);
    let (first, _) = connected(&c, &s);
    let mut client = End::resuming(&c, &first.tickets[0]);
    client.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    let later = now() + Duration::from_mins(1);
    let mut session = s.session(&alpn(&["h3"])).unwrap();
    let mut out = Events::default();
    session.start(later, &mut out).unwrap();
    session.read(level, &hello, later, &mut out).unwrap();
    session
        .set_local_params(b"server", later, &mut out)
        .unwrap();
    let accepted = out
        .iter()
        .any(|e| matches!(e, Event::Secret(s) if s.level == Level::ZeroRtt));
    assert_eq!(accepted, !p.server_is_nss());
}

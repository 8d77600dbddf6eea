//! Peers that break rules, and garbage.

use neqo_crypto::{ClientHello, Error, Events, Group, Level, MAX_CLIENT_HELLO, Verification};
use proptest::prelude::*;

use crate::{
    pair::{
        CLIENT_PARAMS, End, Failed, Pair, SERVER_PARAMS, connected, every_pair, join_with, now,
    },
    spoiled::run,
};

every_pair! {
    garbage_at_the_start,
    missing_transport_parameters,
    missing_transport_parameters_of_the_server,
    compatibility_mode,
    wrong_level,
    messages_after_the_handshake,
    ticket_flood,
    client_hello_is_bounded,
    data_after_the_client_hello,
    data_after_the_server_hello,
    no_older_tls,
    malformed_second_hello,
    limited_early_data,
    certificate_request_after_the_handshake,
    calls_out_of_order,
    our_client_hello_is_understood,
}

fn hello(p: Pair) -> Vec<u8> {
    let mut client = End::client(&p.client(Verification::Insecure));
    client.start().unwrap();
    client.outbox.pop_front().unwrap().1
}

fn started(p: Pair) -> End {
    let mut server = End::server(&p.server());
    server.start().unwrap();
    server
}

/// Turns the extension with the client's transport parameters into another one.
fn rename_params(hello: &mut [u8], to: u16) {
    let at = hello
        .windows(CLIENT_PARAMS.len())
        .position(|w| w == CLIENT_PARAMS)
        .unwrap()
        - 4;
    assert_eq!(hello[at..at + 2], [0, 0x39]);
    hello[at..at + 2].copy_from_slice(&to.to_be_bytes());
}

//= rfc9001#section-8.2 type=test
//# quic_transport_parameters extension; endpoints that receive ClientHello or
//# EncryptedExtensions messages without the quic_transport_parameters extension
//# MUST close the connection with an error of type 0x016d (equivalent to a fatal
fn missing_transport_parameters(p: Pair) {
    for other in [0x1234, 0xffa5] {
        let mut hello = hello(p);
        rename_params(&mut hello, other);
        let mut server = started(p);
        assert_eq!(server.read(Level::Initial, &hello), Err(Error::Alert(109)));
        assert!(server.hello.is_none() && server.params.is_none());
        assert_eq!(server.answer(SERVER_PARAMS), Err(Error::State));
    }
}

/// The `EncryptedExtensions` of `flight` without the server's transport parameters.
fn cut_params(flight: &mut Vec<u8>) {
    const HEADER: usize = 4;
    let extension = [&[0, 0x39, 0, 8][..], SERVER_PARAMS].concat();
    let at = flight.windows(extension.len()).position(|w| w == extension);
    let (Some(8), Some(at)) = (flight.first(), at) else {
        return;
    };
    flight.drain(at..at + extension.len());
    for length in [HEADER - 2..HEADER, HEADER..HEADER + 2] {
        let old = u16::from_be_bytes(flight[length.clone()].try_into().unwrap());
        let new = old - u16::try_from(extension.len()).unwrap();
        flight[length].copy_from_slice(&new.to_be_bytes());
    }
}

//= rfc9001#section-8.2 type=test
//# EncryptedExtensions messages without the quic_transport_parameters extension
//# MUST close the connection with an error of type 0x016d
fn missing_transport_parameters_of_the_server(p: Pair) {
    let mut client = End::client(&p.client(Verification::Insecure));
    let mut server = started(p);
    client.start().unwrap();
    let result = join_with(&mut client, &mut server, &mut |mut flight| {
        cut_params(&mut flight);
        vec![flight]
    });
    assert_eq!(result, Err(Failed::Client(Error::Alert(109))));
    assert!(client.params.is_none() && !client.complete);
}

//= rfc9001#section-8.4 type=test
//# server SHOULD treat the receipt of a TLS ClientHello with a non-empty
//# legacy_session_id field as a connection error of type PROTOCOL_VIOLATION.
fn compatibility_mode(p: Pair) {
    let mut hello = hello(p);
    assert_eq!(hello[38], 0, "we do not ask for it");
    hello[38] = 1;
    hello.insert(39, 0xaa);
    let len = u16::from_be_bytes([hello[2], hello[3]]) + 1;
    hello[2..4].copy_from_slice(&len.to_be_bytes());
    let e = started(p).read(Level::Initial, &hello).unwrap_err();
    assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
}

//= rfc9001#section-4.1.3 type=test
//# - If the packet is from a previously installed encryption level, it MUST NOT
//# contain data that extends past the end of previously received data in that
//# flow.
fn wrong_level(p: Pair) {
    for level in [Level::Handshake, Level::OneRtt, Level::ZeroRtt] {
        let e = started(p).read(level, &hello(p)).unwrap_err();
        assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
    }
    for level in [Level::Initial, Level::ZeroRtt, Level::Handshake] {
        let (mut client, mut server) = connected(&p.client(Verification::Insecure), &p.server());
        for end in [&mut client, &mut server] {
            let e = end.read(level, &[0]).unwrap_err();
            assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
            assert_eq!(end.read(level, &[0]), Err(Error::State));
        }
    }
}

fn messages_after_the_handshake(p: Pair) {
    //= rfc9001#section-6 type=test
    //# Endpoints MUST treat the receipt of a TLS KeyUpdate
    //# message as a connection error of type 0x010a, equivalent to a
    //# fatal TLS alert of unexpected_message
    let key_update = [24, 0, 0, 1, 0];
    let (mut client, mut server) = connected(&p.client(Verification::Insecure), &p.server());
    for end in [&mut client, &mut server] {
        assert_eq!(end.read(Level::OneRtt, &key_update), Err(Error::Alert(10)));
    }
}

/// A server that floods its client with tickets: only so many are kept (hardening A4).
fn ticket_flood(p: Pair) {
    let (mut client, _) = connected(&p.client(Verification::Insecure), &p.server());
    let before = client.tickets.len();
    for _ in 0..1000 {
        client.read(Level::OneRtt, &ticket(&[])).unwrap();
    }
    assert_eq!(client.tickets.len(), 8);
    assert!(before > 0);
}

// hardening A4
fn client_hello_is_bounded(p: Pair) {
    let mut long = vec![0; MAX_CLIENT_HELLO];
    long[..4].copy_from_slice(&[1, 0, 0xff, 0xfc]);
    let mut server = started(p);
    assert_eq!(server.read(Level::Initial, &long[..1000]), Ok(()));
    assert_eq!(
        server.read(Level::Initial, &long[1000..]),
        Err(Error::Alert(50)),
        "malformed"
    );
    let e = started(p).read(Level::Initial, &[1, 0, 0xff, 0xfd]);
    assert_eq!(e, Err(Error::Alert(50)), "too long");
    // What comes after the ClientHello is bounded, too.
    let mut server = started(p);
    server.answers = false;
    server.read(Level::Initial, &hello(p)).unwrap();
    let e = server.read(Level::Initial, &vec![0; MAX_CLIENT_HELLO]);
    assert_eq!(e, Err(Error::Alert(50)));
}

/// A second message in the client's first flight.
fn data_after_the_client_hello(p: Pair) {
    for together in [true, false] {
        let mut server = started(p);
        server.answers = false;
        let mut hello = hello(p);
        let len = hello.len();
        hello.extend([1, 0, 0, 1, 0]);
        if together {
            server.read(Level::Initial, &hello).unwrap();
        } else {
            server.read(Level::Initial, &hello[..len]).unwrap();
            server.read(Level::Initial, &hello[len..]).unwrap();
        }
        assert_eq!(server.hello.as_deref(), Some(&hello[..len]));
        let e = server.answer(SERVER_PARAMS).unwrap_err();
        assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
    }
}

/// A `ServerHello` and something more at its level.
//= rfc9001#section-4.1.3 type=test
//# When TLS provides keys for a higher encryption level,
//# if there is data from a previous encryption level that TLS has not consumed,
//# this MUST be treated as a connection error of type PROTOCOL_VIOLATION.
fn data_after_the_server_hello(p: Pair) {
    let (mut client, mut server) = (End::client(&p.client(Verification::Insecure)), started(p));
    client.start().unwrap();
    let (_, hello) = client.outbox.pop_front().unwrap();
    server.read(Level::Initial, &hello).unwrap();
    let (level, mut hello) = server.outbox.pop_front().unwrap();
    hello.push(8);
    let e = client.read(level, &hello).unwrap_err();
    assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
    assert!(client.secrets.is_empty());
}

/// A second `ClientHello` with a session id that is too long is the client's fault. (A newer NSS sends no alert.)
fn malformed_second_hello(p: Pair) {
    let s = p.server_builder().groups(&[Group::Secp384r1]);
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&s.build().unwrap()),
    );
    client.start().unwrap();
    server.start().unwrap();
    let mut n = 0;
    let result = join_with(&mut client, &mut server, &mut |mut data| {
        if n == 2 {
            assert_eq!((data[0], data[38]), (1, 0), "no session id");
            data[38] = 33;
        }
        n += 1;
        vec![data]
    });
    let Err(Failed::Server(e)) = result else {
        panic!("{result:?}");
    };
    assert_ne!(e.alert(), 80, "{e:?}");
}

//= rfc9001#section-4.2 type=test
//# Clients MUST NOT offer TLS versions older than 1.3.
fn no_older_tls(p: Pair) {
    // supported_versions, three bytes, a list of one version: 1.3
    let offer = [0, 43, 0, 3, 2, 3, 4];
    let mut hello = hello(p);
    let at = hello.windows(7).position(|w| w == offer).unwrap();
    hello[at + 6] = 3;
    let e = started(p).read(Level::Initial, &hello);
    assert_eq!(e, Err(Error::Alert(70)), "protocol_version");
}

/// A `NewSessionTicket` with these extensions.
fn ticket(extensions: &[u8]) -> Vec<u8> {
    let body = [
        &[0, 0, 0, 60][..], // lifetime
        &[1, 2, 3, 4],      // age_add
        &[1, 7],            // nonce
        &[0, 2, 8, 9],      // ticket
        &u16::try_from(extensions.len()).unwrap().to_be_bytes(),
        extensions,
    ]
    .concat();
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[4], &len[1..], &body].concat()
}

//= rfc9001#section-4.6.1 type=test
//# A client MUST treat receipt of a
//# NewSessionTicket that contains an early_data extension with any other value as
//# a connection error of type PROTOCOL_VIOLATION.
fn limited_early_data(p: Pair) {
    for (size, ok) in [(u32::MAX, true), (1, false), (u32::MAX - 1, false)] {
        let (mut client, _) = connected(&p.client(Verification::Insecure), &p.server());
        let before = client.tickets.len();
        let extension = [&[0, 42, 0, 4][..], &size.to_be_bytes()].concat();
        match client.read(Level::OneRtt, &ticket(&extension)) {
            Ok(()) => assert!(ok && client.tickets[before].early_data()),
            Err(e) => assert!(!ok && matches!(e, Error::ProtocolViolation(_)), "{e:?}"),
        }
    }
}

//= rfc9001#section-4.4 type=test
//# clients MUST treat receipt of such messages as a connection error of type
//# PROTOCOL_VIOLATION.
fn certificate_request_after_the_handshake(p: Pair) {
    let (mut client, _) = connected(&p.client(Verification::Insecure), &p.server());
    let mut messages = ticket(&[]);
    messages.push(13);
    let e = client.read(Level::OneRtt, &messages).unwrap_err();
    assert!(matches!(e, Error::ProtocolViolation(_)), "{e:?}");
}

fn calls_out_of_order(p: Pair) {
    let mut out = Events::default();
    let mut client = End::client(&p.client(Verification::Insecure));
    assert_eq!(client.read(Level::Initial, &[2]), Err(Error::State));
    client.start().unwrap();
    assert_eq!(client.session.start(now(), &mut out), Err(Error::State));
    assert_eq!(client.answer(&[]), Err(Error::State));
    let mut server = started(p);
    assert_eq!(server.start(), Err(Error::State));
    assert_eq!(server.answer(&[]), Err(Error::State));
    assert!(server.session.info().is_none() && server.session.peer_certificate().is_none());
}

fn our_client_hello_is_understood(p: Pair) {
    let hello = hello(p);
    let parsed = ClientHello::parse(&hello).unwrap();
    assert_eq!(parsed.transport_parameters(), Some(CLIENT_PARAMS));
    assert_eq!(ClientHello::message_len(&hello), Ok(Some(hello.len())));
}

fn garbage_at_the_start(p: Pair) {
    let (c, s) = (p.client(Verification::Insecure), p.server());
    run(256, &prop::collection::vec(any::<u8>(), 1..600), |bytes| {
        let mut server = End::server(&s);
        server.start().unwrap();
        if server.read(Level::Initial, &bytes).is_ok() {
            prop_assert!(server.outbox.is_empty());
        }
        let mut client = End::client(&c);
        client.start().unwrap();
        if client.read(Level::Initial, &bytes).is_ok() {
            prop_assert!(client.secrets.is_empty());
        }
        prop_assert!(!client.complete && !server.complete);
        Ok(())
    });
}

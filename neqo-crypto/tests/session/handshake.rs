//! Handshakes that should succeed, or fail for a lack of common ground.

use neqo_crypto::{
    Cipher, ClientHello, Direction, Error, Group, Level, OpenKeys, Primitives, SealKeys, Secret,
    TAG_LEN, Verification, Version,
};

use crate::pair::{
    CLIENT_PARAMS, End, Failed, NAME, Pair, SERVER_PARAMS, agreed, alpn, client_of, connected,
    every_pair, handshake, identity, join, join_with,
};

every_pair! {
    certificates_are_compressed,
    the_signature_scheme_is_known,
    more_key_shares,
    every_cipher,
    every_group,
    the_best_by_default,
    hello_retry_request,
    parameters_may_not_change_after_hello_retry_request,
    no_common_group_or_cipher,
    alpn_mismatch,
    alpn_is_the_servers_choice,
    alpn_is_mandatory,
    server_names,
    parameters_are_composed_late,
    server_gets_the_read_secret_last,
    crypto_data_split_anywhere,
    crypto_data_byte_by_byte,
    keys_of_both_sides_fit,
    exporters_depend_on_label_and_context,
    exporters_have_limits,
    too_much_to_say,
}

fn every_cipher(p: Pair) {
    for cipher in Cipher::ALL {
        let c = client_of(
            p.client_builder().ciphers(&[cipher]),
            Verification::Insecure,
        );
        let (client, server) = connected(&c, &p.server());
        for end in [&client, &server] {
            assert_eq!(end.session.info().unwrap().cipher(), cipher);
        }
        let s = p.server_builder().ciphers(&[cipher]).build().unwrap();
        let (client, _) = connected(&client_of(p.client_builder(), Verification::Insecure), &s);
        assert_eq!(client.session.info().unwrap().cipher(), cipher);
    }
}

fn every_group(p: Pair) {
    for group in p.groups() {
        for cipher in Cipher::ALL {
            let builder = p.client_builder().groups(&[group]).ciphers(&[cipher]);
            let c = client_of(builder, Verification::Insecure);
            let (client, server) = connected(&c, &p.server());
            for end in [&client, &server] {
                let info = end.session.info().unwrap();
                assert_eq!((info.group(), info.cipher()), (Some(group), cipher));
            }
        }
    }
}

fn the_best_by_default(p: Pair) {
    let (client, _) = connected(&p.client(Verification::Insecure), &p.server());
    let info = client.session.info().unwrap();
    // Post-quantum where both have it.
    assert_eq!(info.group(), p.groups().first().copied());
    assert_eq!(info.cipher(), Cipher::Aes128GcmSha256);
    assert_eq!(
        (info.alpn(), info.alpn_bytes()),
        (Some("h3"), Some(&b"h3"[..]))
    );
    assert!(!info.resumed() && !info.early_data_accepted() && !info.ech_accepted());
}

/// The client's first key share is for a group that the server does not have: `HelloRetryRequest`.
fn hello_retry_request(p: Pair) {
    let s = p
        .server_builder()
        .groups(&[Group::Secp384r1])
        .build()
        .unwrap();
    let (client, server) = connected(&p.client(Verification::Insecure), &s);
    for end in [&client, &server] {
        let info = end.session.info().unwrap();
        assert_eq!(info.group(), Some(Group::Secp384r1));
    }
}

/// The second `ClientHello` brings other transport parameters than the first.
fn parameters_may_not_change_after_hello_retry_request(p: Pair) {
    let s = p
        .server_builder()
        .groups(&[Group::Secp384r1])
        .build()
        .unwrap();
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&s),
    );
    let mut flights = 0;
    client.start().unwrap();
    server.start().unwrap();
    let result = join_with(&mut client, &mut server, &mut |mut data| {
        if data[0] == 1 {
            flights += 1;
            if flights == 2 {
                let at = data
                    .windows(CLIENT_PARAMS.len())
                    .position(|w| w == CLIENT_PARAMS)
                    .unwrap();
                data[at] ^= 1;
            }
        }
        vec![data]
    });
    assert_eq!(flights, 2);
    assert_eq!(result, Err(Failed::Server(Error::Alert(47))));
}

fn no_common_group_or_cipher(p: Pair) {
    let c = client_of(
        p.client_builder().groups(&[Group::X25519]),
        Verification::Insecure,
    );
    let s = p
        .server_builder()
        .groups(&[Group::Secp384r1])
        .build()
        .unwrap();
    let result = handshake(&mut End::client(&c), &mut End::server(&s));
    assert_eq!(result, Err(Failed::Server(Error::Alert(40))));
    let c = client_of(
        p.client_builder().ciphers(&[Cipher::Aes256GcmSha384]),
        Verification::Insecure,
    );
    let s = p
        .server_builder()
        .ciphers(&[Cipher::ChaCha20Poly1305Sha256])
        .build()
        .unwrap();
    let result = handshake(&mut End::client(&c), &mut End::server(&s));
    assert_eq!(result, Err(Failed::Server(Error::Alert(40))));
    assert!(p.client_builder().ciphers(&[]).build().is_err());
    assert!(p.server_builder().groups(&[]).build().is_err());
}

//= rfc9001#section-8.1 type=test
//# The server MUST treat the inability to select a
//# compatible application protocol as a connection error of type 0x0178
//# (no_application_protocol).
fn alpn_mismatch(p: Pair) {
    let c = p.client(Verification::Insecure);
    let mut client = End::client(&c);
    let mut server = End::new(p.server().session(&alpn(&["hq-interop"])).unwrap());
    let result = handshake(&mut client, &mut server);
    assert_eq!(result, Err(Failed::Server(Error::Alert(120))));
}

fn alpn_is_the_servers_choice(p: Pair) {
    let session =
        p.client(Verification::Insecure)
            .session(NAME, &alpn(&["h3", "hq-interop"]), CLIENT_PARAMS);
    let mut client = End::new(session.unwrap());
    let session = p.server().session(&alpn(&["hq-interop", "h3"]));
    let mut server = End::new(session.unwrap());
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert_eq!(client.session.info().unwrap().alpn(), Some("hq-interop"));
    assert_eq!(server.session.info().unwrap().alpn(), Some("hq-interop"));
}

//= rfc9001#section-8.1 type=test
//# is used for agreeing on an application protocol, endpoints MUST use ALPN for
//# this purpose.
fn alpn_is_mandatory(p: Pair) {
    for bad in [alpn(&[]), alpn(&["h3", ""]), vec![vec![b'x'; 256]]] {
        assert!(matches!(
            p.client(Verification::Insecure)
                .session(NAME, &bad, CLIENT_PARAMS),
            Err(Error::Config(_))
        ));
        assert!(matches!(p.server().session(&bad), Err(Error::Config(_))));
    }
}

fn server_names(p: Pair) {
    let c = p.client(Verification::Insecure);
    let (client, server) = connected(&c, &p.server());
    assert_eq!(server.session.info().unwrap().server_name(), Some(NAME));
    assert_eq!(client.session.info().unwrap().server_name(), Some(NAME));
    let hello = server.hello.unwrap();
    let hello = ClientHello::parse(&hello).unwrap();
    assert_eq!(hello.server_name(), Some(NAME));
    assert_eq!(hello.alpn(), [b"h3"]);

    for address in ["192.0.2.1", "2001:db8::1"] {
        let session = c.session(address, &alpn(&["h3"]), CLIENT_PARAMS).unwrap();
        let (mut client, mut server) = (End::new(session), End::server(&p.server()));
        handshake(&mut client, &mut server).unwrap();
        assert_eq!(server.session.info().unwrap().server_name(), None);
    }
    // RFC 6066 §3: without a trailing dot.
    let session = c
        .session("Example.com.", &alpn(&["h3"]), CLIENT_PARAMS)
        .unwrap();
    let (mut client, mut server) = (End::new(session), End::server(&p.server()));
    handshake(&mut client, &mut server).unwrap();
    for end in [&client, &server] {
        assert_eq!(end.session.info().unwrap().server_name(), Some(NAME));
    }
    for bad in [
        "",
        ".",
        "example.com..",
        "no spaces here",
        "-",
        "0x7f000001",
        "127.1",
        "a.0x1",
    ] {
        assert!(matches!(
            c.session(bad, &alpn(&["h3"]), CLIENT_PARAMS),
            Err(Error::Config(_))
        ));
    }
}

/// A server sees the client's parameters before it says its own.
fn parameters_are_composed_late(p: Pair) {
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&p.server()),
    );
    server.answers = false;
    handshake(&mut client, &mut server).unwrap();
    assert_eq!(server.params.as_deref(), Some(CLIENT_PARAMS));
    assert!(server.outbox.is_empty() && server.secrets.is_empty());
    server.answer(SERVER_PARAMS).unwrap();
    assert_eq!(server.answer(SERVER_PARAMS), Err(Error::State), "only once");
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
}

//= rfc9001#section-5.7 type=test
//# A server MUST NOT process incoming 1-RTT protected
//# packets before the TLS handshake is complete.
fn server_gets_the_read_secret_last(p: Pair) {
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&p.server()),
    );
    client.start().unwrap();
    server.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    server.read(level, &hello).unwrap();
    assert!(server.has(Level::OneRtt, Direction::Write));
    assert!(!server.has(Level::OneRtt, Direction::Read) && !server.complete);
    assert_eq!(server.exported(), Err(Error::NotAvailable));
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
}

/// Cuts each flight in two at every place.
fn crypto_data_split_anywhere(p: Pair) {
    let (client_of, server_of) = (p.client(Verification::Insecure), p.server());
    let mut at = 0;
    loop {
        let (mut client, mut server) = (End::client(&client_of), End::server(&server_of));
        let mut longest = 0;
        client.start().unwrap();
        server.start().unwrap();
        join_with(&mut client, &mut server, &mut |data| {
            longest = longest.max(data.len());
            let (a, b) = data.split_at(at.min(data.len()));
            vec![a.to_vec(), b.to_vec()]
        })
        .unwrap();
        agreed(&client, &server);
        at += 1;
        if at > longest {
            break;
        }
    }
    assert!(at > 400, "only {at} places");
}

fn crypto_data_byte_by_byte(p: Pair) {
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&p.server()),
    );
    client.start().unwrap();
    server.start().unwrap();
    join_with(&mut client, &mut server, &mut |data| {
        data.into_iter().map(|b| vec![b]).collect()
    })
    .unwrap();
    agreed(&client, &server);
}

/// Whatever libraries the two sides protect packets with, and after each key update.
fn keys_of_both_sides_fit(p: Pair) {
    for cipher in Cipher::ALL {
        let builder = p.client_builder().ciphers(&[cipher]);
        let c = client_of(builder, Verification::Insecure);
        let (client, server) = connected(&c, &p.server());
        for (from, to) in [(&client, &server), (&server, &client)] {
            let write = &from.secrets[&(Level::OneRtt, Direction::Write)];
            let read = &to.secrets[&(Level::OneRtt, Direction::Read)];
            for version in Version::all() {
                for &sealing in Primitives::ALL {
                    for &opening in Primitives::ALL {
                        let seal = SealKeys::with(sealing, version, write).unwrap();
                        let open = OpenKeys::with(opening, version, read).unwrap();
                        fit_through_updates(seal, open);
                    }
                }
            }
        }
    }
}

fn fit_through_updates(mut seal: SealKeys, mut open: OpenKeys) {
    const HEADER: usize = 6;
    let mask = seal.mask(&[7; 16]);
    let mut secrets: Vec<Secret> = Vec::new();
    for pn in 7..12 {
        let mut sealed = [&b"header"[..], b"data", &[0; TAG_LEN]].concat();
        seal.seal(pn, &mut sealed, HEADER).unwrap();
        let opened = |keys: &mut OpenKeys| {
            let mut packet = sealed.clone();
            let (header, body) = packet.split_at_mut(HEADER);
            keys.open(pn, header, body).map(|data| data.to_vec())
        };
        assert_eq!(opened(&mut open).unwrap(), b"data");
        assert_eq!((seal.mask(&[7; 16]), open.mask(&[7; 16])), (mask, mask));
        assert_eq!(seal.secret().bytes(), open.secret().bytes());
        let old = secrets.iter().any(|s| s.bytes() == seal.secret().bytes());
        assert!(!old, "keys of an earlier generation");
        secrets.push(seal.secret().clone());
        seal = seal.next().unwrap();
        open = open.next().unwrap();
        assert_eq!(opened(&mut open), Err(Error::Aead));
    }
}

fn exporters_depend_on_label_and_context(p: Pair) {
    let (client, server) = connected(&p.client(Verification::Insecure), &p.server());
    let export = |end: &End, label, context: &[u8]| {
        let mut out = [0; 32];
        end.session.export(label, context, &mut out).unwrap();
        out
    };
    assert_eq!(export(&client, "a", b""), export(&server, "a", b""));
    assert_ne!(export(&client, "a", b""), export(&server, "b", b""));
    assert_ne!(export(&client, "a", b""), export(&server, "a", b"c"));
    let fresh = End::client(&p.client(Verification::Insecure));
    assert_eq!(fresh.exported(), Err(Error::NotAvailable));
}

fn exporters_have_limits(p: Pair) {
    let (client, server) = connected(&p.client(Verification::Insecure), &p.server());
    let long = "x".repeat(215);
    let mut most = vec![0; 255 * client.session.info().unwrap().cipher().secret_len()];
    for end in [&client, &server] {
        let export = |label: &str, context: &[u8], out: &mut [u8]| {
            let result = end.session.export(label, context, out);
            assert!(
                matches!(result, Ok(()) | Err(Error::Config(_))),
                "{result:?}"
            );
            result.is_ok()
        };
        assert!(export(&long[1..], b"", &mut [0]));
        assert!(!export(&long, b"", &mut [0]));
        assert!(!export("", b"", &mut [0]));
        assert!(!export("a", b"", &mut []));
        assert!(export("a", &vec![1; 65_535], &mut most));
        assert!(!export("a", &vec![1; 65_536], &mut most));
        most.push(0);
        assert!(!export("a", b"", &mut most));
        most.pop();
    }
}

/// What would not fit into a handshake message, or its extensions.
fn too_much_to_say(p: Pair) {
    const MOST: usize = 16 * 1024;
    let c = p.client(Verification::Insecure);
    let config = |r: Result<_, Error>| matches!(r, Err(Error::Config(_)));
    assert!(config(
        c.session(NAME, &alpn(&["h3"]), &vec![0; MOST + 1])
            .map(drop)
    ));
    let many = vec![vec![b'a'; 255]; MOST / 256];
    let more = [&many[..], &[b"h3".to_vec()]].concat();
    assert!(config(c.session(NAME, &more, CLIENT_PARAMS).map(drop)));
    assert!(config(p.server().session(&more).map(drop)));

    let session = c.session(NAME, &many, &[7; MOST]).unwrap();
    let (mut client, mut server) = (
        End::new(session),
        End::new(p.server().session(&many).unwrap()),
    );
    server.answers = false;
    handshake(&mut client, &mut server).unwrap();
    assert!(matches!(
        server.answer(&vec![9; MOST + 1]),
        Err(Error::Config(_))
    ));
    server.answer(&[9; MOST]).unwrap();
    join(&mut client, &mut server).unwrap();
    assert!(client.complete && server.complete);
    assert_eq!(client.params.unwrap(), [9; MOST]);
    assert_eq!(server.params.unwrap(), [7; MOST]);
}

/// The types of the messages that follow the `ServerHello`, in a server's first flight.
fn flight_of(client: &mut End, server: &mut End) -> Vec<u8> {
    client.start().unwrap();
    server.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    server.read(level, &hello).unwrap();
    server.waiting(Level::Handshake)
}

/// Where both can; NSS if it is newer.
fn certificates_are_compressed(p: Pair) {
    let mut client = End::client(&p.client(Verification::Insecure));
    let mut server = End::server(&p.server());
    let flight = flight_of(&mut client, &mut server);
    let certificate = if p.compresses() { 25 } else { 11 };
    assert_eq!(flight, [8, certificate, 15, 20]);
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let chain = client.session.peer_certificate().unwrap();
    assert_eq!(chain.certs(), identity().chain());
}

fn the_signature_scheme_is_known(p: Pair) {
    const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
    let (c, s) = (p.client(Verification::Insecure), p.server());
    let (client, server) = connected(&c, &s);
    let scheme = |end: &End| end.session.info().unwrap().signature_scheme();
    assert_eq!(scheme(&client), Some(ECDSA_SECP256R1_SHA256));
    assert_eq!(scheme(&server), None);
    let token = client.tickets.first().expect("a ticket");
    let (mut client, mut server) = (End::resuming(&c, token), End::server(&s));
    handshake(&mut client, &mut server).unwrap();
    assert!(client.session.info().unwrap().resumed());
    assert_eq!(scheme(&client), None);
}

/// A client that sends shares of more groups saves the `HelloRetryRequest`; rustls decides by itself.
fn more_key_shares(p: Pair) {
    let groups = [Group::X25519, Group::Secp256r1, Group::Secp384r1];
    let s = p.server_builder().groups(&[Group::Secp384r1]).build();
    let s = s.unwrap();
    for (more, retries) in [(2, false), (1, true), (0, true)] {
        let builder = p.client_builder().groups(&groups);
        let builder = builder.verification(Verification::Insecure);
        let client = match builder.additional_key_shares(more).build() {
            Ok(c) => c,
            Err(e) => {
                assert!(more > 0 && !p.client_is_nss() && matches!(e, Error::Config(_)));
                continue;
            }
        };
        let (mut client, mut server) = (End::client(&client), End::server(&s));
        let flight = flight_of(&mut client, &mut server);
        assert_eq!(flight.is_empty(), retries, "{more} more");
        join(&mut client, &mut server).unwrap();
        agreed(&client, &server);
    }
}

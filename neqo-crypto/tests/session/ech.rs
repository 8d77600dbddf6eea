//! Encrypted `ClientHello`: accepted, pretended, and by which configurations; and refused by the library whose servers
//! have none.

use neqo_crypto::{
    AuthenticationStatus, ClientCertificate, ClientHello, Direction, EchKeys, Error, Group,
    Identity, Level, Provider, ServerBuilder, Verification,
};

use crate::{
    ech_refused::check_retry,
    pair::{
        CLIENT_PARAMS, End, Failed, NAME, Pair, agreed, alpn, client_of, every_pair, handshake,
        join,
    },
};

every_pair! {
    accepted,
    accepted_after_hello_retry_request,
    accepted_from_a_client_with_a_certificate,
    with_a_ticket,
    pretended,
    pretended_for_the_public_name,
    pretended_for_an_address,
    servers_on_rustls_have_none,
    the_first_configuration_that_can_be_used,
    unusable_configurations,
    the_last_list_counts,
    names_that_cannot_be_public,
}

pub(crate) const PUBLIC: &str = "public.example";

/// Configurations of a key that nobody has, for the name [`PUBLIC`].
pub(crate) fn nobodys() -> Vec<u8> {
    hex::decode(concat!(
        "0045fe0d0041f400200020363c4993465d1bce2bc040050984ebc0a2984d7a219b4ae2b06a42434189e935",
        "00080001000100010003400e7075626c69632e6578616d706c650000"
    ))
    .unwrap()
}

/// Keys for the server; `None` if it is on rustls.
pub(crate) fn keys(p: Pair) -> Option<EchKeys> {
    p.server_is_nss()
        .then(|| EchKeys::generate(p.server, 7, PUBLIC).unwrap())
}

/// A server that has both names.
pub(crate) fn server_builder(p: Pair, keys: &EchKeys) -> ServerBuilder {
    let identity = Identity::self_signed(&[NAME, PUBLIC]).unwrap();
    p.server_builder_of(identity).ech(keys.clone())
}

pub(crate) fn server(p: Pair, keys: &EchKeys) -> End {
    End::server(&server_builder(p, keys).build().unwrap())
}

/// A client that uses `configs`.
pub(crate) fn client(p: Pair, verification: Verification, configs: &[u8]) -> End {
    let mut client = End::client(&p.client(verification));
    client.session.enable_ech(configs).unwrap();
    client
}

pub(crate) fn insecure(p: Pair, configs: &[u8]) -> End {
    client(p, Verification::Insecure, configs)
}

fn accepted(p: Pair) {
    let Some(keys) = keys(p) else { return };
    for verification in [Verification::Insecure, Verification::Host] {
        let host = matches!(verification, Verification::Host);
        let mut client = client(p, verification, keys.configs());
        let mut server = server(p, &keys);
        handshake(&mut client, &mut server).unwrap();
        if host {
            client.verdict(AuthenticationStatus::Ok).unwrap();
            join(&mut client, &mut server).unwrap();
        }
        agreed(&client, &server);
        assert_eq!(client.fallback, None);
        for end in [&client, &server] {
            let info = end.session.info().unwrap();
            assert!(info.ech_accepted());
            assert_eq!(info.server_name(), Some(NAME));
        }
        let hello = server.hello.unwrap();
        let outer = ClientHello::parse(&hello).unwrap();
        assert_eq!(outer.server_name(), Some(PUBLIC));
        assert!(!hello.windows(NAME.len()).any(|w| w == NAME.as_bytes()));
    }
}

fn accepted_after_hello_retry_request(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let mut client = insecure(p, keys.configs());
    let s = server_builder(p, &keys).groups(&[Group::Secp384r1]);
    let mut server = End::server(&s.build().unwrap());
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let info = client.session.info().unwrap();
    assert!(info.ech_accepted());
    assert_eq!(info.group(), Some(Group::Secp384r1));
}

fn accepted_from_a_client_with_a_certificate(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let shown = Identity::self_signed(&["client.example"]).unwrap();
    let c = client_of(
        p.client_builder().identity(shown.clone()),
        Verification::Insecure,
    );
    let s = server_builder(p, &keys).client_certificate(ClientCertificate::Required);
    let (mut client, mut server) = (End::client(&c), End::server(&s.build().unwrap()));
    client.session.enable_ech(keys.configs()).unwrap();
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.info().unwrap().ech_accepted());
    let chain = server.session.peer_certificate().unwrap();
    assert_eq!(chain.certs(), shown.chain());
}

/// Tickets and early data go with it, while the server has the key.
fn with_a_ticket(p: Pair) {
    let (Some(keys), Some(others)) = (keys(p), keys(p)) else {
        return;
    };
    for verification in [Verification::Insecure, Verification::Host] {
        let host = matches!(verification, Verification::Host);
        let builder = p.client_builder().enable_early_data(true);
        let c = client_of(builder, verification);
        let builder = server_builder(p, &keys).enable_early_data(true);
        let s = builder.build().unwrap();
        let (mut first, mut server) = (End::client(&c), End::server(&s));
        first.session.enable_ech(keys.configs()).unwrap();
        handshake(&mut first, &mut server).unwrap();
        if host {
            first.verdict(AuthenticationStatus::Ok).unwrap();
            join(&mut first, &mut server).unwrap();
        }
        agreed(&first, &server);

        let (mut client, mut server) = (End::resuming(&c, &first.tickets[0]), End::server(&s));
        client.session.enable_ech(keys.configs()).unwrap();
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        let (level, write, read) = (Level::ZeroRtt, Direction::Write, Direction::Read);
        let (ours, theirs) = (
            &client.secrets[&(level, write)],
            &server.secrets[&(level, read)],
        );
        assert_eq!(ours.bytes(), theirs.bytes());
        let info = client.session.info().unwrap();
        assert!(info.ech_accepted() && info.resumed() && info.early_data_accepted());

        let (mut client, mut server) = (End::resuming(&c, &first.tickets[1]), End::server(&s));
        client.session.enable_ech(others.configs()).unwrap();
        let mut result = handshake(&mut client, &mut server);
        assert!(client.has(level, write), "offered");
        assert!(!server.has(level, read), "accepted");
        if host {
            result.unwrap();
            assert!(client.chain.is_some());
            let verdict = client.verdict(AuthenticationStatus::Ok);
            result = verdict.map_err(Failed::Client);
        }
        check_retry(&client, &result, keys.configs());
        let info = client.session.info();
        assert!(info.is_none_or(|i| !i.resumed() && !i.early_data_accepted()));
    }
}

/// No server can tell, so every server does without, be it one that has keys.
fn pretended(p: Pair) {
    let plain = || p.server_builder();
    let encrypting = keys(p).map(|k| [server_builder(p, &k), server_builder(p, &k)]);
    let [one, another] = encrypting.unwrap_or_else(|| [plain(), plain()]);
    let p384 = &[Group::Secp384r1];
    for s in [plain(), plain().groups(p384), one, another.groups(p384)] {
        let mut client = insecure(p, &[]);
        let mut server = End::server(&s.build().unwrap());
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        assert_eq!(client.fallback, None);
        let hello = server.hello.unwrap();
        assert!(hello.windows(2).any(|w| w == [0xfe, 0x0d]));
        let outer = ClientHello::parse(&hello).unwrap();
        assert_eq!(outer.server_name(), Some(NAME));
        assert!(!client.session.info().unwrap().ech_accepted());
    }
}

/// After `HelloRetryRequest` it is like one who has an old key, and NSS cannot say what the new one is.
fn pretended_for_the_public_name(p: Pair) {
    let Some(keys) = keys(p) else { return };
    for (group, result) in [
        (Group::X25519, Ok(())),
        (Group::Secp384r1, Err(Failed::Server(Error::Alert(40)))),
    ] {
        let c = p
            .client_builder()
            .groups(&[Group::X25519, Group::Secp384r1]);
        let c = client_of(c, Verification::Insecure);
        let session = c.session(PUBLIC, &alpn(&["h3"]), CLIENT_PARAMS);
        let mut client = End::new(session.unwrap());
        client.session.enable_ech(&[]).unwrap();
        let s = server_builder(p, &keys).groups(&[group]).build().unwrap();
        assert_eq!(handshake(&mut client, &mut End::server(&s)), result);
    }
}

fn pretended_for_an_address(p: Pair) {
    let c = p.client(Verification::Insecure);
    let session = c.session("192.0.2.1", &alpn(&["h3"]), CLIENT_PARAMS);
    let (mut client, mut server) = (End::new(session.unwrap()), End::server(&p.server()));
    client.session.enable_ech(&[]).unwrap();
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let hello = server.hello.unwrap();
    assert!(hello.windows(2).any(|w| w == [0xfe, 0x0d]));
    assert_eq!(ClientHello::parse(&hello).unwrap().server_name(), None);
}

fn servers_on_rustls_have_none(p: Pair) {
    if p.server_is_nss() {
        return;
    }
    let e = EchKeys::generate(p.server, 1, PUBLIC).unwrap_err();
    assert!(
        matches!(&e, Error::Config(m) if m.contains("rustls")),
        "{e}"
    );
    if let Some(nss) = Provider::ALL.iter().find(|l| l.to_string() == "nss") {
        let keys = EchKeys::generate(*nss, 1, PUBLIC).unwrap();
        assert!(p.server_builder().ech(keys).build().is_err());
    }
}

/// RFC 9849 §4: a host name, and nothing that looks like an address.
fn names_that_cannot_be_public(p: Pair) {
    if !p.server_is_nss() {
        return;
    }
    let long = ["a"; 64].concat();
    for bad in [
        "",
        "127.0.0.1",
        "::1",
        "1",
        "a.0x1",
        "a b",
        "-x",
        "ä.example",
        "example.com.",
        &long,
        "a\0b",
    ] {
        let keys = EchKeys::generate(p.server, 1, bad);
        assert!(matches!(keys, Err(Error::Config(_))), "{bad:?}");
    }
}

/// What a client cannot use it passes over: another version, and a name that could be an address.
fn the_first_configuration_that_can_be_used(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let good = &keys.configs()[2..];
    let mut unknown = good.to_vec();
    unknown[..2].copy_from_slice(&[0xfe, 0x0c]);
    let mut number = good.to_vec();
    let at = number.len() - 2 - PUBLIC.len();
    number[at..at + PUBLIC.len()].copy_from_slice(b"public.1234567");
    let list = |configs: &[&[u8]]| {
        let all = configs.concat();
        let len = u16::try_from(all.len()).unwrap().to_be_bytes();
        [&len[..], &all].concat()
    };
    let (mut client, mut server) = (
        insecure(p, &list(&[&unknown, &number, good])),
        server(p, &keys),
    );
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(client.session.info().unwrap().ech_accepted());
    for configs in [&[&unknown[..]][..], &[&number[..]], &[&number, &unknown]] {
        let mut session = End::client(&p.client(Verification::Insecure)).session;
        let e = session.enable_ech(&list(configs)).unwrap_err();
        assert!(matches!(e, Error::Config(_)), "{e}");
    }
}

/// But for one that cannot be used: then that before does, and no name is shown.
fn the_last_list_counts(p: Pair) {
    let hellos = |lists: &[&[u8]]| {
        let mut client = End::client(&p.client(Verification::Insecure));
        for list in lists {
            drop(client.session.enable_ech(list));
        }
        client.start().unwrap();
        let hello = client.outbox.pop_front().unwrap().1;
        ClientHello::parse(&hello)
            .unwrap()
            .server_name()
            .unwrap()
            .to_owned()
    };
    let good = nobodys();
    let mut unknown_kem = good.clone();
    unknown_kem[8] = 0x21;
    let (pretence, malformed) = (&[][..], &[1][..]);
    assert_eq!(hellos(&[pretence, &good]), PUBLIC);
    assert_eq!(hellos(&[&good, pretence]), NAME);
    for bad in [&unknown_kem[..], malformed] {
        assert_eq!(hellos(&[&good, bad]), PUBLIC);
        assert_eq!(hellos(&[&good, pretence, bad]), NAME);
        assert_eq!(hellos(&[bad]), NAME);
    }
}

fn unusable_configurations(p: Pair) {
    let mut session = End::client(&p.client(Verification::Insecure)).session;
    let mut unknown_kem = nobodys();
    unknown_kem[8] = 0x21;
    let cut = &nobodys()[..70];
    for bad in [&[1][..], &[0, 4, 1, 2, 0, 0], &[0; 40], &unknown_kem, cut] {
        let e = session.enable_ech(bad).unwrap_err();
        assert!(matches!(e, Error::Config(_)), "{e}");
    }
    let c = p.client(Verification::Insecure);
    let address = c.session("192.0.2.1", &alpn(&["h3"]), CLIENT_PARAMS);
    let e = address.unwrap().enable_ech(&nobodys()).unwrap_err();
    assert!(
        matches!(&e, Error::Config(m) if m.contains("address")),
        "{e}"
    );
    let mut server = p.server().session(&alpn(&["h3"])).unwrap();
    assert_eq!(server.enable_ech(&[]), Err(Error::State));
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&p.server()),
    );
    client.start().unwrap();
    assert_eq!(
        client.session.enable_ech(&[]),
        Err(Error::State),
        "too late"
    );
    server.start().unwrap();
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
}

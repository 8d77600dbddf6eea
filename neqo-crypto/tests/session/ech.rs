//! Encrypted `ClientHello`: accepted, not accepted, pretended; and refused by the library whose servers have none.

use neqo_common::{Decoder, Encoder};
use neqo_crypto::{
    AuthenticationStatus, Cipher, ClientCertificate, ClientHello, Direction, EchKeys, Error, Group,
    Identity, Level, Provider, ServerBuilder, Verification,
};

use crate::pair::{
    CLIENT_PARAMS, End, Failed, NAME, Pair, agreed, alpn, client_of, connected, every_pair,
    handshake, join,
};

every_pair! {
    accepted,
    accepted_after_hello_retry_request,
    accepted_from_a_client_with_a_certificate,
    with_a_ticket,
    pretended,
    pretended_for_the_public_name,
    pretended_for_an_address,
    retry,
    retry_after_hello_retry_request,
    retry_without,
    no_certificate_for_the_public_name,
    the_host_is_undisturbed,
    a_ticket_after_hello_retry_request,
    a_ticket_is_not_shown_to_a_forger,
    fallback_is_verified_for_the_public_name,
    fallback_refused_by_the_host,
    fallback_judged_before_the_end_of_the_flight,
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

fn server(p: Pair, keys: &EchKeys) -> End {
    End::server(&server_builder(p, keys).build().unwrap())
}

/// A client that uses `configs`.
fn client(p: Pair, verification: Verification, configs: &[u8]) -> End {
    let mut client = End::client(&p.client(verification));
    client.session.enable_ech(configs).unwrap();
    client
}

fn insecure(p: Pair, configs: &[u8]) -> End {
    client(p, Verification::Insecure, configs)
}

/// Checks that the client was told to come back with `configs`, and has told the server nothing.
fn check_retry(client: &End, result: &Result<(), Failed>, configs: &[u8]) {
    let Err(Failed::Client(e)) = result else {
        panic!("accepted: {result:?}");
    };
    assert_eq!(e.alert(), 121, "ech_required");
    assert_eq!(*e, Error::EchRetry(configs.to_vec()));
    assert!(!client.complete);
    assert!(!client.has(Level::OneRtt, Direction::Write));
    assert!(client.waiting(Level::Handshake).is_empty());
    assert_eq!(
        client.session.export("label", &[], &mut [0; 9]),
        Err(Error::NotAvailable)
    );
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

/// The extension `kind` of a `ClientHello`.
fn extension(hello: &[u8], kind: u16) -> Option<&[u8]> {
    let mut d = Decoder::new(hello);
    d.decode(4 + 2 + 32 + 1)?;
    d.decode_vec(2)?;
    d.decode_vec(1)?;
    let mut d = Decoder::new(d.decode_vec(2)?);
    loop {
        let found: u16 = d.decode_uint()?;
        let body = d.decode_vec(2)?;
        if found == kind {
            return Some(body);
        }
    }
}

const PRE_SHARED_KEY: u16 = 41;

fn a_ticket_after_hello_retry_request(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let groups = [Group::X25519, Group::Secp384r1];
    let builder = p.client_builder().groups(&groups).enable_early_data(true);
    let c = client_of(builder, Verification::Insecure);
    let resume = |configs: &[u8], groups: &[Group]| {
        // Its first session is with a server that likes the client's first group, so that it offers that again.
        let s = |groups: &[Group]| {
            let s = server_builder(p, &keys).groups(groups);
            s.enable_early_data(true).build().unwrap()
        };
        let (first, _) = connected(&c, &s(&[Group::X25519]));
        let mut client = End::resuming(&c, &first.tickets[0]);
        client.session.enable_ech(configs).unwrap();
        let mut server = End::server(&s(groups));
        let result = handshake(&mut client, &mut server);
        assert!(client.has(Level::ZeroRtt, Direction::Write), "offered");
        (client, server, result)
    };
    let (client, server, result) = resume(keys.configs(), &[Group::Secp384r1]);
    result.unwrap();
    agreed(&client, &server);
    let info = client.session.info().unwrap();
    assert!(info.ech_accepted() && !info.resumed() && !info.early_data_accepted());
    let (client, _, result) = resume(&nobodys(), &[Group::X25519]);
    check_retry(&client, &result, keys.configs());
    let (client, _, result) = resume(&nobodys(), &[Group::Secp384r1]);
    assert!(!client.complete);
    let e = if p.client_is_nss() {
        Failed::Server(Error::Alert(40))
    } else {
        Failed::Client(Error::Alert(40))
    };
    assert_eq!(result, Err(e));
}

/// A `HelloRetryRequest` (RFC 8446 §4.1.3) for TLS_AES_128_GCM_SHA256 and secp384r1, with one more extension.
fn forged_retry(extension: &[u8]) -> Vec<u8> {
    let random = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
    let chosen = "002b00020304003300020018"; // supported_versions, key_share
    let extensions = [&hex::decode(chosen).unwrap(), extension].concat();
    let mut e = Encoder::default();
    e.encode_byte(2).encode_vec_with(3, |e| {
        e.encode_uint(2, 0x303_u16)
            .encode(hex::decode(random).unwrap());
        e.encode_vec(1, &[])
            .encode_uint(2, 0x1301_u16)
            .encode_byte(0);
        e.encode_vec(2, &extensions);
    });
    e.into()
}

/// Anybody can forge a `HelloRetryRequest`; a ticket in the second `ClientHello` would tell whom the client means.
fn a_ticket_is_not_shown_to_a_forger(p: Pair) {
    let groups = [Group::X25519, Group::Secp384r1];
    let client = || {
        let builder = p.client_builder().groups(&groups);
        let builder = builder.ciphers(&[Cipher::Aes128GcmSha256]);
        client_of(builder, Verification::Insecure)
    };
    let identity = |hello: &[u8]| {
        let offered = extension(hello, PRE_SHARED_KEY)?;
        Some(offered[4..20].to_vec())
    };
    let s = p.server_builder().groups(&groups[..1]).build().unwrap();
    let confirmation = [&[0xfe, 0x0d, 0, 8][..], &[7; 8]].concat();
    for forged in [forged_retry(&[]), forged_retry(&confirmation)] {
        let c = client();
        let (first, _) = connected(&c, &s);
        let mut hiding = End::resuming(&c, &first.tickets[0]);
        hiding.session.enable_ech(&nobodys()).unwrap();
        hiding.start().unwrap();
        assert!(identity(&hiding.outbox.pop_front().unwrap().1).is_some());
        let result = hiding.read(Level::Initial, &forged);
        if !p.client_is_nss() {
            assert_eq!(result, Err(Error::Alert(40)));
            assert!(hiding.outbox.is_empty());
            continue;
        }
        result.unwrap();
        let shown = identity(&hiding.outbox.pop_front().unwrap().1);
        let mut honest = End::resuming(&client(), &first.tickets[0]);
        honest.start().unwrap();
        let real = identity(&honest.outbox.pop_front().unwrap().1);
        assert!(real.is_some() && shown != real);
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

/// The server has another key by now, and says so.
fn retry(p: Pair) {
    let Some(keys) = keys(p) else { return };
    for verification in [Verification::Insecure, Verification::Host] {
        let host = matches!(verification, Verification::Host);
        let mut first = client(p, verification, &nobodys());
        let mut result = handshake(&mut first, &mut server(p, &keys));
        if host {
            result.unwrap();
            assert_eq!(first.fallback.as_deref(), Some(PUBLIC));
            assert!(first.chain.is_some());
            assert!(!first.session.info().unwrap().ech_accepted());
            let verdict = first.verdict(AuthenticationStatus::Ok);
            result = verdict.map_err(Failed::Client);
            assert_eq!(first.verdict(AuthenticationStatus::Ok), Err(Error::State));
        }
        check_retry(&first, &result, keys.configs());
        let Err(Failed::Client(Error::EchRetry(configs))) = result else {
            panic!("checked before");
        };
        let (mut second, mut end) = (insecure(p, &configs), server(p, &keys));
        handshake(&mut second, &mut end).unwrap();
        agreed(&second, &end);
        assert!(second.session.info().unwrap().ech_accepted());
    }
}

/// Here NSS cannot say what its keys are, and must not seem to say that it has none.
fn retry_after_hello_retry_request(p: Pair) {
    let run = |s: ServerBuilder| {
        let s = s.groups(&[Group::Secp384r1]).build().unwrap();
        let mut client = insecure(p, &nobodys());
        let result = handshake(&mut client, &mut End::server(&s));
        (client, result)
    };
    let (client, result) = run(p.server_builder());
    check_retry(&client, &result, &[]);
    if let Some(keys) = keys(p) {
        let (_, result) = run(server_builder(p, &keys));
        assert_eq!(result, Err(Failed::Server(Error::Alert(40))));
    }
}

/// The server wants to know who the client is; that is nothing for the owner of the public name.
fn no_certificate_for_the_public_name(p: Pair) {
    let shown = Identity::self_signed(&["client.example"]).unwrap();
    let builder = p.client_builder().identity(shown);
    let c = client_of(builder, Verification::Insecure);
    let demanding = ClientCertificate::Required;
    let s = p.server_builder().client_certificate(demanding);
    let (mut client, mut server) = (End::client(&c), End::server(&s.build().unwrap()));
    client.session.enable_ech(&nobodys()).unwrap();
    let result = handshake(&mut client, &mut server);
    check_retry(&client, &result, &[]);
    assert!(server.session.peer_certificate().is_none());
}

/// Nothing that comes while the host thinks changes what it is asked, or lets anything out.
fn the_host_is_undisturbed(p: Pair) {
    let asked = || {
        let mut client = client(p, Verification::Host, &nobodys());
        handshake(&mut client, &mut End::server(&p.server())).unwrap();
        assert_eq!(client.fallback.as_deref(), Some(PUBLIC));
        client
    };
    let mut client = asked();
    client.read(Level::Handshake, &[]).unwrap();
    let verdict = client.verdict(AuthenticationStatus::Ok);
    check_retry(&client, &verdict.map_err(Failed::Client), &[]);
    for (level, data) in [
        (Level::Initial, &[2, 0, 0, 0][..]),
        (Level::Handshake, &[20]),
        (Level::Handshake, &[20, 0, 0, 0]),
        (Level::OneRtt, &[4, 0, 0, 0]),
    ] {
        let mut client = asked();
        let e = client.read(level, data).unwrap_err();
        assert!(!matches!(e, Error::EchRetry(_)), "before the verdict");
        assert!(client.outbox.is_empty());
        assert_eq!(client.verdict(AuthenticationStatus::Ok), Err(Error::State));
    }
}

/// The server has no key at all.
fn retry_without(p: Pair) {
    let mut client = insecure(p, &nobodys());
    let result = handshake(&mut client, &mut End::server(&p.server()));
    check_retry(&client, &result, &[]);
}

/// A certificate for the name that was to be hidden does not do.
fn fallback_is_verified_for_the_public_name(p: Pair) {
    for (name, ok) in [(NAME, false), (PUBLIC, true)] {
        let identity = Identity::self_signed(&[name]).unwrap();
        let Some(c) = p.trusting(identity.chain()) else {
            return;
        };
        let mut client = End::client(&c);
        client.session.enable_ech(&nobodys()).unwrap();
        let mut server = End::server(&p.server_builder_of(identity).build().unwrap());
        let result = handshake(&mut client, &mut server);
        if ok {
            check_retry(&client, &result, &[]);
        } else {
            let refused = matches!(
                result,
                Err(Failed::Client(Error::Certificate { alert: 42, .. }))
            );
            assert!(refused, "{result:?}");
        }
    }
}

/// Whoever is not even the public name's does not say how to come back.
fn fallback_refused_by_the_host(p: Pair) {
    let mut client = client(p, Verification::Host, &nobodys());
    handshake(&mut client, &mut End::server(&p.server())).unwrap();
    assert_eq!(client.fallback.as_deref(), Some(PUBLIC));
    client
        .verdict(AuthenticationStatus::CertHostnameMismatch)
        .unwrap();
    assert_eq!(client.alert, Some(42));
    assert!(client.waiting(Level::Handshake).is_empty());
    assert_eq!(client.read(Level::Handshake, &[0]), Err(Error::State));
}

/// The verdict comes when `Finished` is still on its way.
fn fallback_judged_before_the_end_of_the_flight(p: Pair) {
    let mut client = client(p, Verification::Host, &nobodys());
    let mut server = End::server(&p.server());
    client.start().unwrap();
    server.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    server.read(level, &hello).unwrap();
    let mut flight = Vec::new();
    while let Some((level, data)) = server.outbox.pop_front() {
        match level {
            Level::Initial => client.read(level, &data).unwrap(),
            _ => flight.extend(data),
        }
    }
    let hash = client.secrets[&(Level::Handshake, Direction::Read)]
        .bytes()
        .len();
    let (proof, finished) = flight.split_at(flight.len() - 4 - hash);
    for byte in proof {
        client.read(Level::Handshake, &[*byte]).unwrap();
    }
    assert_eq!(client.fallback.as_deref(), Some(PUBLIC));
    client.verdict(AuthenticationStatus::Ok).unwrap();
    let result = client.read(Level::Handshake, finished);
    check_retry(&client, &result.map_err(Failed::Client), &[]);
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

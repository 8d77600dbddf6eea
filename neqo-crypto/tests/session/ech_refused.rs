//! Encrypted `ClientHello` that a server does not accept: who is asked about it, what is left for another attempt, and what
//! nobody gets to see.

use neqo_common::{Decoder, Encoder};
use neqo_crypto::{
    AuthenticationStatus, Cipher, ClientCertificate, Direction, Error, Group, Identity, Level,
    ServerBuilder, Verification,
};

use crate::{
    ech::{PUBLIC, client, insecure, keys, nobodys, server, server_builder},
    pair::{End, Failed, NAME, Pair, agreed, client_of, connected, every_pair, handshake},
};

every_pair! {
    retry,
    retry_after_hello_retry_request,
    no_certificate_for_the_public_name,
    the_host_is_undisturbed,
    retry_without,
    fallback_is_verified_for_the_public_name,
    fallback_refused_by_the_host,
    fallback_judged_before_the_end_of_the_flight,
    a_ticket_is_not_shown_to_a_forger,
    a_ticket_after_hello_retry_request,
}

/// Checks that the client was told to come back with `configs`, and has told the server nothing.
pub(crate) fn check_retry(client: &End, result: &Result<(), Failed>, configs: &[u8]) {
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

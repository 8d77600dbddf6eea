//! Encrypted `ClientHello`: accepted, not accepted, pretended; and refused by the library that has none.

use neqo_crypto::{
    AuthenticationStatus, ClientHello, Direction, EchKeys, Error, Identity, Level, Provider,
    Server, Verification,
};

use crate::pair::{
    CLIENT_PARAMS, End, Failed, NAME, Pair, agreed, alpn, client_of, every_pair, handshake, join,
};

every_pair! {
    accepted,
    accepted_after_hello_retry_request,
    with_a_ticket,
    pretended,
    retry,
    retry_without,
    fallback_is_verified_for_the_public_name,
    refused_by_rustls,
    unusable_configurations,
    names_that_cannot_be_public,
}

pub(crate) const PUBLIC: &str = "public.example";

/// Keys for a library; `None` if it is rustls.
pub(crate) fn keys_for(provider: Provider) -> Option<EchKeys> {
    match EchKeys::generate(provider, 7, PUBLIC) {
        Ok(keys) => Some(keys),
        Err(e) => {
            assert!(provider.to_string() == "rustls", "{e}");
            None
        }
    }
}

fn keys(p: Pair) -> Option<EchKeys> {
    keys_for(p.server)
}

fn server_with(p: Pair, keys: &EchKeys) -> Server {
    let identity = Identity::self_signed(&[NAME, PUBLIC]).unwrap();
    let builder = p.server_builder_of(identity).ech(keys.clone());
    builder.build().unwrap()
}

/// A client that uses `configs`; `None` if its library cannot.
fn client(p: Pair, verification: Verification, configs: &[u8]) -> Option<End> {
    let session = p
        .client(verification)
        .session(NAME, &alpn(&["h3"]), CLIENT_PARAMS);
    let mut session = session.unwrap();
    match session.enable_ech(configs) {
        Ok(()) => Some(End::new(session)),
        Err(e) => {
            assert!(!p.client_is_nss() && matches!(e, Error::Config(_)), "{e}");
            None
        }
    }
}

fn accepted(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let Some(mut client) = client(p, Verification::Insecure, keys.configs()) else {
        return;
    };
    let mut server = End::server(&server_with(p, &keys));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert_eq!(client.fallback, None);
    for end in [&client, &server] {
        let info = end.session.info().unwrap();
        assert!(info.ech_accepted());
        assert_eq!(info.server_name(), Some(NAME));
    }
    let hello = server.hello.unwrap();
    assert_eq!(
        ClientHello::parse(&hello).unwrap().server_name(),
        Some(PUBLIC)
    );
    assert!(!hello.windows(NAME.len()).any(|w| w == NAME.as_bytes()));
}

fn accepted_after_hello_retry_request(p: Pair) {
    let Some(keys) = keys(p) else { return };
    let Some(mut client) = client(p, Verification::Insecure, keys.configs()) else {
        return;
    };
    let server = p
        .server_builder()
        .groups(&[neqo_crypto::Group::Secp384r1])
        .ech(keys);
    let mut server = End::server(&server.build().unwrap());
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(client.session.info().unwrap().ech_accepted());
}

/// Tickets and early data go with it, while the server has the key.
fn with_a_ticket(p: Pair) {
    let (Some(keys), Some(others)) = (keys(p), keys(p)) else {
        return;
    };
    let builder = p.client_builder().enable_early_data(true);
    let c = client_of(builder, Verification::Insecure);
    let identity = Identity::self_signed(&[NAME, PUBLIC]).unwrap();
    let builder = p.server_builder_of(identity).ech(keys.clone());
    let s = builder.enable_early_data(true).build().unwrap();
    let mut fresh = c.session(NAME, &alpn(&["h3"]), CLIENT_PARAMS).unwrap();
    if fresh.enable_ech(keys.configs()).is_err() {
        assert!(!p.client_is_nss());
        return;
    }
    let (mut first, mut server) = (End::new(fresh), End::server(&s));
    handshake(&mut first, &mut server).unwrap();
    agreed(&first, &server);
    for (token, configs, accepted) in [
        (&first.tickets[0], keys.configs(), true),
        (&first.tickets[1], others.configs(), false),
    ] {
        let (mut client, mut server) = (End::resuming(&c, token), End::server(&s));
        client.session.enable_ech(configs).unwrap();
        let result = handshake(&mut client, &mut server);
        assert!(client.has(Level::ZeroRtt, Direction::Write), "offered");
        assert_eq!(server.has(Level::ZeroRtt, Direction::Read), accepted);
        if accepted {
            agreed(&client, &server);
            let early = |end: &End, direction| end.secrets[&(Level::ZeroRtt, direction)].clone();
            let (ours, theirs) = (
                early(&client, Direction::Write),
                early(&server, Direction::Read),
            );
            assert_eq!(ours.bytes(), theirs.bytes());
            let info = client.session.info().unwrap();
            assert!(info.ech_accepted() && info.resumed() && info.early_data_accepted());
        } else {
            let retry = Error::EchRetry(keys.configs().to_vec());
            assert_eq!(result, Err(Failed::Client(retry)));
        }
    }
}

/// No server can tell, so every server does without.
fn pretended(p: Pair) {
    let Some(mut client) = client(p, Verification::Insecure, &[]) else {
        return;
    };
    let mut server = End::server(&p.server());
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert_eq!(client.fallback, None);
    let hello = server.hello.unwrap();
    assert!(hello.windows(2).any(|w| w == [0xfe, 0x0d]));
    assert!(!client.session.info().unwrap().ech_accepted());
}

/// The server has another key by now, and says so.
fn retry(p: Pair) {
    let (Some(old), Some(new)) = (keys(p), keys(p)) else {
        return;
    };
    for verification in [Verification::Insecure, Verification::Host] {
        let host = matches!(verification, Verification::Host);
        let Some(mut first) = client(p, verification, old.configs()) else {
            return;
        };
        let server = server_with(p, &new);
        let mut end = End::server(&server);
        let mut result = handshake(&mut first, &mut end);
        if host {
            result.unwrap();
            assert_eq!(first.fallback.as_deref(), Some(PUBLIC));
            assert!(first.chain.is_some());
            let verdict = first.verdict(AuthenticationStatus::Ok);
            result = verdict.map_err(Failed::Client);
        }
        assert!(!first.complete);
        let Err(Failed::Client(e)) = result else {
            panic!("accepted: {result:?}");
        };
        assert_eq!(e.alert(), 121, "ech_required");
        assert_eq!(e, Error::EchRetry(new.configs().to_vec()));

        let mut second = client(p, Verification::Insecure, new.configs()).unwrap();
        let mut end = End::server(&server);
        handshake(&mut second, &mut end).unwrap();
        agreed(&second, &end);
        assert!(second.session.info().unwrap().ech_accepted());
    }
}

/// The server has no key at all.
fn retry_without(p: Pair) {
    let Some(configs) = keys_for(p.client) else {
        return;
    };
    let mut client = client(p, Verification::Insecure, configs.configs()).unwrap();
    let mut server = End::server(&p.server());
    let result = handshake(&mut client, &mut server);
    assert_eq!(result, Err(Failed::Client(Error::EchRetry(Vec::new()))));
    assert!(!client.complete);
}

/// A certificate for the name that was to be hidden does not do.
fn fallback_is_verified_for_the_public_name(p: Pair) {
    let Some(configs) = keys_for(p.client) else {
        return;
    };
    for (name, ok) in [(NAME, false), (PUBLIC, true)] {
        let identity = Identity::self_signed(&[name]).unwrap();
        let Some(c) = p.trusting(identity.chain()) else {
            return;
        };
        let mut session = c.session(NAME, &alpn(&["h3"]), CLIENT_PARAMS).unwrap();
        session.enable_ech(configs.configs()).unwrap();
        let mut client = End::new(session);
        let mut server = End::server(&p.server_builder_of(identity).build().unwrap());
        let Err(Failed::Client(e)) = handshake(&mut client, &mut server) else {
            panic!("accepted");
        };
        if ok {
            assert_eq!(e, Error::EchRetry(Vec::new()));
        } else {
            assert!(matches!(e, Error::Certificate { alert: 42, .. }), "{e:?}");
        }
    }
}

fn refused_by_rustls(p: Pair) {
    if p.server_is_nss() {
        return;
    }
    let e = EchKeys::generate(p.server, 1, PUBLIC).unwrap_err();
    assert!(
        matches!(&e, Error::Config(m) if m.contains("rustls")),
        "{e}"
    );
    if let Some(keys) = keys_for(p.client) {
        assert!(p.server_builder().ech(keys).build().is_err());
    }
}

/// RFC 9849 §4: a host name, and nothing that looks like an address.
fn names_that_cannot_be_public(p: Pair) {
    if p.server.to_string() != "nss" {
        return;
    }
    let long = ["a"; 64].concat();
    for bad in [
        "",
        "127.0.0.1",
        "::1",
        "1",
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

fn unusable_configurations(p: Pair) {
    let session = p.client(Verification::Insecure);
    let mut session = session
        .session(NAME, &alpn(&["h3"]), CLIENT_PARAMS)
        .unwrap();
    for bad in [&[1][..], &[0, 4, 1, 2, 0, 0], &[0; 40]] {
        let e = session.enable_ech(bad).unwrap_err();
        assert!(matches!(e, Error::Config(_)), "{e}");
    }
    if let Some(keys) = keys_for(p.client) {
        let c = p.client(Verification::Insecure);
        let address = c.session("192.0.2.1", &alpn(&["h3"]), CLIENT_PARAMS);
        let e = address.unwrap().enable_ech(keys.configs()).unwrap_err();
        assert!(
            matches!(&e, Error::Config(m) if m.contains("address")),
            "{e}"
        );
    }
    let mut server = p.server().session(&alpn(&["h3"])).unwrap();
    assert_eq!(server.enable_ech(&[]), Err(Error::State));
    let (mut client, mut server) = (
        End::client(&p.client(Verification::Insecure)),
        End::server(&p.server()),
    );
    handshake(&mut client, &mut server).unwrap();
    join(&mut client, &mut server).unwrap();
    assert!(client.session.enable_ech(&[]).is_err(), "too late");
}

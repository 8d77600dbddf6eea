//! Encrypted `ClientHello` (RFC 9849): what those on the path see, whom the host is asked about, and what is left for
//! another attempt.

use std::sync::LazyLock;

use neqo_common::{Datagram, Decoder, Role};
use neqo_crypto::{
    AuthenticationStatus, Client, ClientHello, EchKeys, Error as Tls, Group, Identity, Level,
    Provider, Server, ServerBuilder, Verification,
};

use super::{
    MS, Pair, error_code, events, first_packet,
    versions::{negotiate, retry_once, with_versions},
};
use crate::{
    CloseReason, ConnectionEvent, ConnectionParameters, Error, Misuse, State, Version, Violation,
    connection::Connection, wire::frame::Frame,
};

/// Makes tests of functions that take the client's library. The server's is NSS, the only one with keys.
macro_rules! every_client {
    ($($name:ident),* $(,)?) => {
        every_client!(nss, Nss, $($name)*);
        #[cfg(feature = "rustls")]
        every_client!(rustls, Rustls, $($name)*);
    };
    ($module:ident, $client:ident, $($name:ident)*) => {
        mod $module {
            use neqo_crypto::Provider;
            $(
                #[test]
                fn $name() {
                    super::$name(Provider::$client);
                }
            )*
        }
    };
}

every_client! {
    accepted,
    accepted_over_loss,
    accepted_over_reordering,
    accepted_after_beginning_again,
    a_configuration_of_the_future,
    refused_and_retried,
    refused_over_loss,
    the_host_refuses_the_fallback,
    a_server_without,
    the_fallback_without_a_host,
    pretended,
    unusable_lists,
    another_list,
    too_late,
    the_host_takes_its_time,
    the_host_takes_too_long,
}

const NAME: &str = "example.com";
const PUBLIC: &str = "public.example";
/// CRYPTO_ERROR with the alert `ech_required`.
const ECH_REQUIRED: u64 = 0x179;
/// CRYPTO_ERROR with the alert `bad_certificate`.
const BAD_CERTIFICATE: u64 = 0x12a;

static BOTH_NAMES: LazyLock<Identity> =
    LazyLock::new(|| Identity::self_signed(&[NAME, PUBLIC]).unwrap());

fn keys() -> EchKeys {
    EchKeys::generate(Provider::Nss, 7, PUBLIC).unwrap()
}

fn server() -> ServerBuilder {
    Server::builder(BOTH_NAMES.clone()).provider(Provider::Nss)
}

fn pin(identity: &Identity) -> Verification {
    Verification::PinSha256(vec![identity.sha256()])
}

fn client(from: Provider, verification: Verification) -> Client {
    let builder = Client::builder().provider(from);
    builder.verification(verification).build().unwrap()
}

/// A client that encrypts by `configs`.
fn offering(
    from: Provider,
    verification: Verification,
    configs: &[u8],
    server: ServerBuilder,
) -> Pair {
    offering_in(
        from,
        ConnectionParameters::default(),
        verification,
        configs,
        server,
    )
}

fn offering_in(
    from: Provider,
    params: ConnectionParameters,
    verification: Verification,
    configs: &[u8],
    server: ServerBuilder,
) -> Pair {
    let mut pair = Pair::with_tls(params, client(from, verification), server.build().unwrap());
    pair.client.client_enable_ech(configs, pair.now).unwrap();
    pair
}

/// Both sides know that the inner `ClientHello` counts, and data flows.
fn check_accepted(pair: &mut Pair) {
    assert!(pair.confirmed(), "{}", pair.states());
    for role in [Role::Client, Role::Server] {
        let info = pair.side(role).tls_info().unwrap();
        assert!(info.ech_accepted());
        assert_eq!(info.server_name(), Some(NAME));
    }
    pair.transfer(Role::Client, 5000);
    pair.transfer(Role::Server, 5000);
}

/// The configurations for another attempt that a connection ended with.
fn retry_configs(c: &Connection) -> Option<&[u8]> {
    match c.state().error()? {
        CloseReason::Transport(Error::Crypto(Tls::EchRetry(configs))) => Some(configs),
        _ => None,
    }
}

/// What the client asks its host about certificates.
fn asked(pair: &mut Pair) -> Vec<ConnectionEvent> {
    let mut all = events(&mut pair.client);
    all.retain(|e| {
        matches!(
            e,
            ConnectionEvent::AuthenticationNeeded
                | ConnectionEvent::EchFallbackAuthenticationNeeded { .. }
        )
    });
    all
}

fn fallback() -> ConnectionEvent {
    ConnectionEvent::EchFallbackAuthenticationNeeded {
        public_name: PUBLIC.into(),
    }
}

/// The `ClientHello` that anybody can read who sees the client's first flight.
fn outer_hello(flight: &[Datagram]) -> Vec<u8> {
    let dcid = *first_packet(&flight[0]).unwrap().dcid();
    let mut hello = Vec::new();
    for d in flight {
        let p = first_packet(d).unwrap();
        assert_eq!(p.level(), Level::Initial);
        let (_, mut keys) =
            neqo_crypto::initial_keys(p.version().unwrap(), &dcid, Role::Server).unwrap();
        let mut packet = d.to_vec();
        let p = p.unmask(&mut packet, |sample| keys.mask(sample)).unwrap();
        let pn = p.packet_number(&packet, None);
        let payload = p.open(&mut packet, pn, &mut keys).unwrap();
        let mut dec = Decoder::from(&packet[payload.payload().unwrap()]);
        while dec.remaining() > 0 {
            if let Frame::Crypto { offset, data } = Frame::decode(&mut dec).unwrap() {
                let at = usize::try_from(offset).unwrap();
                hello.resize(hello.len().max(at + data.len()), 0);
                hello[at..at + data.len()].copy_from_slice(data);
            }
        }
    }
    hello
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|w| w == what.as_bytes())
}

fn accepted(from: Provider) {
    let keys = keys();
    let server = server().ech(keys.clone());
    let mut pair = offering(from, Verification::Host, keys.configs(), server);
    let flight = pair.output(Role::Client);
    let hello = outer_hello(&flight);
    let hello_read = ClientHello::parse(&hello).unwrap();
    assert_eq!(hello_read.server_name(), Some(PUBLIC));
    assert!(!contains(&hello, NAME));
    for d in flight {
        pair.reach_server(d);
    }
    pair.exchange();
    assert_eq!(asked(&mut pair), [ConnectionEvent::AuthenticationNeeded]);
    let now = pair.now;
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    pair.exchange();
    check_accepted(&mut pair);
}

/// Any single datagram is lost, with and without HelloRetryRequest.
fn accepted_over_loss(from: Provider) {
    let keys = keys();
    for again in [false, true] {
        for (loser, k) in [Role::Client, Role::Server]
            .into_iter()
            .flat_map(|r| (1..7).map(move |k| (r, k)))
        {
            let mut server = server().ech(keys.clone());
            if again {
                server = server.groups(&[Group::Secp384r1]);
            }
            let mut pair = offering(from, pin(&BOTH_NAMES), keys.configs(), server);
            let mut seen = 0;
            pair.confirm_over(&mut |from, d| {
                seen += usize::from(from == loser);
                let lost = from == loser && seen == k;
                if lost { Vec::new() } else { vec![d] }
            });
            check_accepted(&mut pair);
            let info = pair.client.tls_info().unwrap();
            assert_eq!(again, info.group() == Some(Group::Secp384r1));
        }
    }
}

/// A ClientHello that takes several datagrams, and all that the server says, arrive backwards.
fn accepted_over_reordering(from: Provider) {
    let keys = keys();
    let names: Vec<String> = (0..60).map(|i| format!("a-long-name-{i}.{NAME}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push(NAME);
    let identity = Identity::self_signed(&names).unwrap();
    let server = Server::builder(identity.clone())
        .provider(Provider::Nss)
        .ech(keys.clone());
    let mut tls = Client::builder()
        .provider(from)
        .verification(pin(&identity));
    if from == Provider::Nss {
        // The other library sends a longer one by itself.
        tls = tls.additional_key_shares(2);
    }
    let mut pair = Pair::with_tls(
        ConnectionParameters::default(),
        tls.build().unwrap(),
        server.build().unwrap(),
    );
    pair.client
        .client_enable_ech(keys.configs(), pair.now)
        .unwrap();
    let mut most = 0;
    for _ in 0..50 {
        for from in [Role::Client, Role::Server] {
            let flight = pair.output(from);
            most = most.max(flight.len());
            for d in flight.into_iter().rev() {
                pair.deliver(from.remote(), d);
            }
        }
        if pair.confirmed() {
            break;
        }
        pair.advance();
    }
    assert!(most > 1);
    check_accepted(&mut pair);
}

/// Neither Retry nor Version Negotiation makes the client forget.
fn accepted_after_beginning_again(from: Provider) {
    let keys = keys();
    let ech = || server().ech(keys.clone());
    let mut pair = offering(from, pin(&BOTH_NAMES), keys.configs(), ech());
    retry_once(&mut pair);
    pair.exchange();
    check_accepted(&mut pair);

    let (ours, theirs) = (Version::Version2, Version::Version1);
    let params = with_versions(ours, &[ours, theirs]);
    let mut pair = offering_in(from, params, pin(&BOTH_NAMES), keys.configs(), ech());
    pair.context.params = with_versions(theirs, &[theirs]);
    let first = pair.output(Role::Client).remove(0);
    let p = first_packet(&first).unwrap();
    pair.deliver(Role::Client, negotiate(&p, &[theirs]));
    let flight = pair.output(Role::Client);
    assert!(!contains(&outer_hello(&flight), NAME));
    for d in flight {
        pair.reach_server(d);
    }
    pair.exchange();
    assert_eq!(pair.client.version(), theirs);
    check_accepted(&mut pair);
}

/// The first usable configuration is used, whatever stands before it.
fn a_configuration_of_the_future(from: Provider) {
    let keys = keys();
    let unknown = [0x12, 0x34, 0, 3, 1, 2, 3];
    let known = &keys.configs()[2..];
    let len = u16::try_from(unknown.len() + known.len()).unwrap();
    let list = [&len.to_be_bytes(), &unknown[..], known].concat();
    let mut pair = offering(from, pin(&BOTH_NAMES), &list, server().ech(keys));
    pair.exchange();
    check_accepted(&mut pair);
}

/// The server has other keys by now: the host judges its public name, and connects again.
fn refused_and_retried(from: Provider) {
    let (old, new) = (keys(), keys());
    let mut pair = offering(
        from,
        Verification::Host,
        old.configs(),
        server().ech(new.clone()),
    );
    pair.exchange();
    assert_eq!(asked(&mut pair), [fallback()]);
    assert!(pair.client.peer_certificate().is_some());
    assert!(!pair.client.tls_info().unwrap().ech_accepted());
    assert_eq!(*pair.client.state(), State::Handshaking);

    let now = pair.now;
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    assert!(pair.client.state().closing(), "{}", pair.states());
    let configs = retry_configs(&pair.client).unwrap().to_vec();
    assert_eq!(configs, new.configs());
    let why = pair.client.state().error().cloned().unwrap();
    assert_eq!(error_code(&pair.client), Some(ECH_REQUIRED));
    assert_eq!(pair.close_code(Role::Client), Some(ECH_REQUIRED));
    assert!(!pair.server().state().connected());
    while pair.advance() {
        pair.exchange();
    }
    assert_eq!(*pair.client.state(), State::Closed(why.clone()));
    let mut ends = events(&mut pair.client);
    ends.retain(|e| matches!(e, ConnectionEvent::StateChange(s) if s.error() == Some(&why)));
    assert_eq!(ends.len(), 2, "closing, closed: {ends:?}");
    assert!(!events(pair.server()).contains(&ConnectionEvent::StateChange(State::Connected)));

    let mut pair = offering(from, pin(&BOTH_NAMES), &configs, server().ech(new));
    pair.exchange();
    check_accepted(&mut pair);
}

/// Any single datagram is lost. The server hears why, unless what is lost is just that: then it gives up.
fn refused_over_loss(from: Provider) {
    let (old, new) = (keys(), keys());
    let mut unheard = 0;
    for (loser, k) in [Role::Client, Role::Server]
        .into_iter()
        .flat_map(|r| (1..6).map(move |k| (r, k)))
    {
        let server = server().ech(new.clone());
        let mut pair = offering(from, pin(&BOTH_NAMES), old.configs(), server);
        let mut seen = 0;
        let mut lost = 0;
        for _ in 0..100 {
            pair.exchange_over(&mut |from, d| {
                seen += usize::from(from == loser);
                if from == loser && seen == k {
                    lost += 1;
                    return Vec::new();
                }
                vec![d]
            });
            if !pair.advance() {
                break;
            }
        }
        assert_eq!(retry_configs(&pair.client), Some(new.configs()));
        match pair.server().state() {
            State::Closed(CloseReason::Transport(Error::PeerClosed { code, .. })) => {
                assert_eq!(*code, ECH_REQUIRED);
            }
            State::Closed(CloseReason::Transport(Error::HandshakeTimeout)) => {
                assert_eq!((loser, lost), (Role::Client, 1));
                unheard += 1;
            }
            other => panic!("{loser:?} {k}: {other:?}"),
        }
    }
    assert_eq!(unheard, 1);
}

/// Who is not the public name has no say in how to connect.
fn the_host_refuses_the_fallback(from: Provider) {
    let (old, new) = (keys(), keys());
    let server = server().ech(new);
    let mut pair = offering(from, Verification::Host, old.configs(), server);
    pair.exchange();
    assert_eq!(asked(&mut pair), [fallback()]);
    let now = pair.now;
    for verdict in [
        AuthenticationStatus::CertHostnameMismatch,
        AuthenticationStatus::Ok,
    ] {
        pair.client.authenticated(verdict, now);
        let why = CloseReason::Transport(Violation::CryptoAlert(42).into());
        assert_eq!(pair.client.state().error(), Some(&why));
    }
    assert_eq!(pair.close_code(Role::Client), Some(BAD_CERTIFICATE));
    assert!(!pair.server().state().connected());
}

/// A server that knows nothing of it, on either library: another attempt is to be made without.
fn a_server_without(from: Provider) {
    for &provider in Provider::ALL {
        let server = || Server::builder(BOTH_NAMES.clone()).provider(provider);
        let mut pair = offering(from, Verification::Host, keys().configs(), server());
        pair.exchange();
        assert_eq!(asked(&mut pair), [fallback()]);
        let now = pair.now;
        pair.client.authenticated(AuthenticationStatus::Ok, now);
        assert_eq!(retry_configs(&pair.client), Some(&[][..]));
        assert_eq!(pair.close_code(Role::Client), Some(ECH_REQUIRED));

        let tls = (client(from, pin(&BOTH_NAMES)), server().build().unwrap());
        let mut pair = Pair::with_tls(ConnectionParameters::default(), tls.0, tls.1);
        pair.exchange();
        assert!(pair.confirmed());
        assert!(!pair.client.tls_info().unwrap().ech_accepted());
    }
}

/// A client that verifies by itself does it for the public name, and asks nobody.
fn the_fallback_without_a_host(from: Provider) {
    let keys = keys();
    let [real, public] = [NAME, PUBLIC].map(|n| Identity::self_signed(&[n]).unwrap());
    let roots = |i: &Identity| Verification::Roots(i.chain().to_vec());
    for (identity, verification, good) in [
        (&public, roots(&public), true),
        (&real, roots(&real), false),
        (&public, roots(&real), false),
        (&public, pin(&public), true),
        (&public, pin(&real), false),
    ] {
        let server = Server::builder(identity.clone()).provider(Provider::Nss);
        let mut pair = offering(from, verification, keys.configs(), server);
        pair.exchange();
        assert_eq!(asked(&mut pair), []);
        let expected = good.then_some(&[][..]);
        assert_eq!(retry_configs(&pair.client), expected);
        let heard = pair.server().state().error().cloned();
        let Some(CloseReason::Transport(Error::PeerClosed { code, .. })) = heard else {
            panic!("{heard:?}");
        };
        assert_eq!(Some(code), error_code(&pair.client));
        assert_eq!(code == ECH_REQUIRED, good);
        if !good {
            assert!(matches!(
                pair.client.state().error(),
                Some(CloseReason::Transport(Error::Crypto(
                    Tls::Certificate { .. }
                )))
            ));
        }
    }
}

/// Without configurations the client pretends, no server falls for it, and nothing is different.
fn pretended(from: Provider) {
    for ech in [None, Some(keys())] {
        for &provider in Provider::ALL {
            let mut server = Server::builder(BOTH_NAMES.clone()).provider(provider);
            match (&ech, provider) {
                (None, _) => {}
                (Some(keys), Provider::Nss) => server = server.ech(keys.clone()),
                #[cfg(feature = "rustls")]
                (Some(_), Provider::Rustls) => continue,
            }
            let mut pair = offering(from, Verification::Host, &[], server);
            let flight = pair.output(Role::Client);
            let hello = outer_hello(&flight);
            assert!(hello.windows(2).any(|w| w == [0xfe, 0x0d]));
            let hello = ClientHello::parse(&hello).unwrap();
            assert_eq!(hello.server_name(), Some(NAME));
            for d in flight {
                pair.reach_server(d);
            }
            pair.exchange();
            assert_eq!(asked(&mut pair), [ConnectionEvent::AuthenticationNeeded]);
            let now = pair.now;
            pair.client.authenticated(AuthenticationStatus::Ok, now);
            pair.exchange();
            assert!(pair.confirmed(), "{}", pair.states());
            for role in [Role::Client, Role::Server] {
                assert!(!pair.side(role).tls_info().unwrap().ech_accepted());
            }
            pair.transfer(Role::Client, 5000);
        }
    }
}

fn is_config_error(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::Crypto(Tls::Config(_))))
}

/// What cannot be used changes nothing: neither the connection nor what was to be used before, even if the client
/// begins again.
fn unusable_lists(from: Provider) {
    let (keys, version) = (keys(), Version::Version1);
    let cut = &keys.configs()[..keys.configs().len() - 1];
    for (before, again) in [None, Some(keys.configs())]
        .into_iter()
        .flat_map(|before| [(before, false), (before, true)])
    {
        let tls = (
            client(from, pin(&BOTH_NAMES)),
            server().ech(keys.clone()).build().unwrap(),
        );
        let mut pair = Pair::with_tls(with_versions(version, &[version]), tls.0, tls.1);
        if let Some(configs) = before {
            pair.client.client_enable_ech(configs, pair.now).unwrap();
        }
        for bad in [&[1][..], &[0, 4, 1, 2, 0, 0], &[0; 40], cut] {
            let result = pair.client.client_enable_ech(bad, pair.now);
            assert!(is_config_error(&result), "{bad:x?}");
            assert_eq!(*pair.client.state(), State::Init);
        }
        if again {
            pair.client.restart(version, pair.now).unwrap();
        }
        pair.exchange();
        if before.is_some() {
            check_accepted(&mut pair);
        } else {
            assert!(pair.confirmed(), "{}", pair.states());
            assert!(!pair.client.tls_info().unwrap().ech_accepted());
        }
    }
}

/// The last list counts.
fn another_list(from: Provider) {
    let (old, new) = (keys(), keys());
    let mut pair = offering(
        from,
        pin(&BOTH_NAMES),
        old.configs(),
        server().ech(new.clone()),
    );
    pair.client
        .client_enable_ech(new.configs(), pair.now)
        .unwrap();
    pair.exchange();
    check_accepted(&mut pair);
}

fn too_late(from: Provider) {
    let keys = keys();
    let late = |pair: &mut Pair| {
        let result = pair.client.client_enable_ech(keys.configs(), pair.now);
        assert_eq!(result, Err(Misuse::ConnectionState.into()));
    };
    let tls = |ech: EchKeys| {
        Pair::with_tls(
            ConnectionParameters::default(),
            client(from, pin(&BOTH_NAMES)),
            server().ech(ech).build().unwrap(),
        )
    };
    let mut pair = tls(keys.clone());
    for d in pair.output(Role::Client) {
        late(&mut pair);
        pair.reach_server(d);
    }
    late(&mut pair);
    let now = pair.now;
    let result = pair.server().client_enable_ech(keys.configs(), now);
    assert_eq!(result, Err(Misuse::WrongRole.into()));
    pair.exchange();
    late(&mut pair);
    assert!(pair.confirmed());
    assert!(!pair.client.tls_info().unwrap().ech_accepted());
    pair.transfer(Role::Client, 5000);

    let mut pair = tls(keys.clone());
    pair.client.close(now, 0, "");
    late(&mut pair);
    assert!(pair.client.state().closed());
}

/// The host takes seconds to make up its mind, in either case.
fn the_host_takes_its_time(from: Provider) {
    for refused in [false, true] {
        let (offered, other) = (keys(), keys());
        let used = if refused { &other } else { &offered };
        let mut pair = offering(
            from,
            Verification::Host,
            offered.configs(),
            server().ech(used.clone()),
        );
        for _ in 0..80 {
            pair.wait(100 * MS);
        }
        let question = if refused {
            fallback()
        } else {
            ConnectionEvent::AuthenticationNeeded
        };
        assert_eq!(asked(&mut pair), [question]);
        assert_eq!(*pair.client.state(), State::Handshaking);
        assert_eq!(*pair.server().state(), State::Handshaking);
        let now = pair.now;
        pair.client.authenticated(AuthenticationStatus::Ok, now);
        if refused {
            assert_eq!(retry_configs(&pair.client), Some(other.configs()));
            assert_eq!(pair.close_code(Role::Client), Some(ECH_REQUIRED));
        } else {
            pair.exchange();
            check_accepted(&mut pair);
        }
    }
}

/// The server gave up meanwhile: a verdict then changes nothing any more.
fn the_host_takes_too_long(from: Provider) {
    let server = server().ech(keys());
    let mut pair = offering(from, Verification::Host, keys().configs(), server);
    pair.exchange();
    let now = pair.now;
    pair.server().close(now, 0, "");
    pair.exchange();
    let state = pair.client.state().clone();
    assert!(matches!(state, State::Draining { .. }), "{state:?}");
    pair.client.authenticated(AuthenticationStatus::Ok, now);
    assert_eq!(*pair.client.state(), state);
}

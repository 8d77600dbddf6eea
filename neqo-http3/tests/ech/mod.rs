//! Encrypted `ClientHello`, as a host that speaks HTTP/3 sees it.

use neqo_common::Datagram;
use neqo_crypto::{
    AuthenticationStatus, Client, EchKeys, Error as Tls, Identity, Provider, Server, Verification,
};
use neqo_http3::{Error, Http3ClientEvent, Http3State};
use neqo_transport::{CloseReason, Error as Quic, Misuse, Violation};
use test_fixture::sim::{self, Chance, Loss, Node as _};

use crate::common::{ClientNode, Exchange, SERVER_NAME, ServerNode};

const PUBLIC: &str = "public.example";

fn keys() -> EchKeys {
    EchKeys::generate(Provider::Nss, 1, PUBLIC).unwrap()
}

fn server(seed: u64, keys: Option<&EchKeys>) -> ServerNode {
    let identity = Identity::self_signed(&[SERVER_NAME, PUBLIC]).unwrap();
    let mut tls = Server::builder(identity).provider(Provider::Nss);
    if let Some(keys) = keys {
        tls = tls.ech(keys.clone());
    }
    ServerNode::with_tls(seed, tls.build().unwrap())
}

/// Runs `test` with each library for the client; the server's is NSS, the only one with keys.
fn each_client(test: impl Fn(Provider, u64)) {
    for &from in Provider::ALL {
        sim::run(|seed| test(from, seed));
    }
}

/// A client that makes a request, unless it is going to be refused, and closes.
fn client(from: Provider, seed: u64, configs: &[u8], exchange: Option<Exchange>) -> ClientNode {
    let tls = Client::builder()
        .provider(from)
        .verification(Verification::Host);
    let mut client = ClientNode::with_tls(seed, exchange, tls.build().unwrap());
    client.closes = true;
    let now = test_fixture::now();
    client.h3.enable_ech(configs, now).unwrap();
    client
}

fn run(seed: u64, client: &mut ClientNode, server: &mut ServerNode) {
    let link = super::good().loss(Loss::Uniform(Chance::percent(5)));
    super::run(seed, link, client, server);
}

/// Makes a request.
fn fetches(from: Provider, seed: u64, configs: &[u8], server: &mut ServerNode) -> ClientNode {
    let mut client = client(from, seed, configs, Some(Exchange::get("/5")));
    run(seed, &mut client, server);
    assert_eq!(client.finished[0].content, b"xxxxx");
    let asked = client.events.iter().filter(|e| {
        matches!(
            e,
            Http3ClientEvent::AuthenticationNeeded
                | Http3ClientEvent::EchFallbackAuthenticationNeeded { .. }
        )
    });
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [&Http3ClientEvent::AuthenticationNeeded]
    );
    let info = client.h3.tls_info().unwrap();
    assert_eq!(info.server_name(), Some(SERVER_NAME));
    assert_eq!(info.ech_accepted(), !configs.is_empty());
    client
}

/// Is refused, and says why the connection ended.
fn refused(
    from: Provider,
    seed: u64,
    configs: &[u8],
    server: &mut ServerNode,
    verdict: AuthenticationStatus,
) -> CloseReason {
    let mut client = client(from, seed, configs, None);
    client.verdict = verdict;
    run(seed, &mut client, server);
    let [
        Http3ClientEvent::EchFallbackAuthenticationNeeded { public_name },
        Http3ClientEvent::StateChange(Http3State::Closing(closing)),
        Http3ClientEvent::StateChange(Http3State::Closed(closed)),
    ] = &client.events[..]
    else {
        panic!("{:?}", client.events);
    };
    assert_eq!(public_name, PUBLIC);
    assert_eq!(closing, closed);
    assert!(client.h3.peer_certificate().is_some());
    assert!(!client.h3.tls_info().unwrap().ech_accepted());
    assert_eq!(client.h3.state().failure(), Some(closing));
    closing.clone()
}

#[test]
fn accepted() {
    each_client(|from, seed| {
        let keys = keys();
        fetches(from, seed, keys.configs(), &mut server(seed, Some(&keys)));
    });
}

#[test]
fn pretended() {
    each_client(|from, seed| {
        for keys in [None, Some(keys())] {
            fetches(from, seed, &[], &mut server(seed, keys.as_ref()));
        }
    });
}

/// All that another attempt needs is in the events, and in the state.
#[test]
fn refused_and_retried() {
    each_client(|from, seed| {
        let (old, new) = (keys(), keys());
        let server = || server(seed, Some(&new));
        let why = refused(
            from,
            seed,
            old.configs(),
            &mut server(),
            AuthenticationStatus::Ok,
        );
        let CloseReason::Transport(Quic::Crypto(Tls::EchRetry(configs))) = why else {
            panic!("{why}");
        };
        assert_eq!(configs, new.configs());
        fetches(from, seed, &configs, &mut server());
    });
}

#[test]
fn refused_by_a_server_without() {
    each_client(|from, seed| {
        let mut server = server(seed, None);
        let why = refused(
            from,
            seed,
            keys().configs(),
            &mut server,
            AuthenticationStatus::Ok,
        );
        let retry = Quic::Crypto(Tls::EchRetry(Vec::new()));
        assert_eq!(why, CloseReason::Transport(retry));
    });
}

#[test]
fn refused_by_somebody_else() {
    each_client(|from, seed| {
        let why = refused(
            from,
            seed,
            keys().configs(),
            &mut server(seed, Some(&keys())),
            AuthenticationStatus::CertHostnameMismatch,
        );
        let alert = Quic::Peer(Violation::CryptoAlert(42));
        assert_eq!(why, CloseReason::Transport(alert));
    });
}

#[test]
fn unusable_or_too_late() {
    each_client(|from, seed| {
        let keys = keys();
        let now = test_fixture::now();
        let mut client = client(from, seed, keys.configs(), Some(Exchange::get("/5")));
        let result = client.h3.enable_ech([1, 2, 3], now);
        assert!(
            matches!(result, Err(Error::Transport(Quic::Crypto(Tls::Config(_))))),
            "{result:?}"
        );
        let mut lost: Vec<Datagram> = Vec::new();
        client.output(now, &mut lost);
        assert!(!lost.is_empty());
        let result = client.h3.enable_ech(keys.configs(), now);
        let late = Quic::Api(Misuse::ConnectionState);
        assert_eq!(result, Err(Error::Transport(late)));
        run(seed, &mut client, &mut server(seed, Some(&keys)));
        assert!(client.h3.tls_info().unwrap().ech_accepted());
        assert_eq!(client.finished.len(), 1);
    });
}

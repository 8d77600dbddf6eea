//! What depends on the TLS libraries, over simulated networks, on every pair of those that are
//! compiled in: handshakes, and a host that takes its time to decide about the certificate.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use neqo_crypto::{
    AuthenticationStatus, Client, ClientBuilder, Group, Identity, Info, Provider, Server,
    ServerBuilder, Verification,
};
use neqo_transport::{CloseReason, Connection, ConnectionParameters, Error, State, TransportError};
use test_fixture::{
    node::{App, ConnectionNode, ServerNode},
    sim::{Chance, Link, Loss, Network, run_many},
    tls,
    transfer::{Requests, Responses},
};

const MS: Duration = Duration::from_millis(1);

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(tls::portable_identity)
}

/// Which libraries the two ends use.
#[derive(Clone, Copy)]
struct Pair {
    client: Provider,
    server: Provider,
}

impl Pair {
    fn client(self) -> ClientBuilder {
        Client::builder().provider(self.client)
    }

    fn server(self) -> ServerBuilder {
        Server::builder(identity().clone()).provider(self.server)
    }
}

/// Makes tests of functions that take a [`Pair`]. The name of each says which one it is.
macro_rules! every_pair {
    ($($name:ident),* $(,)?) => {
        one_pair!(rustls_to_rustls, "rustls", "rustls", Rustls, Rustls, $($name)*);
        one_pair!(rustls_to_nss, "rustls", "nss", Rustls, Nss, $($name)*);
        one_pair!(nss_to_rustls, "nss", "rustls", Nss, Rustls, $($name)*);
        one_pair!(nss_to_nss, "nss", "nss", Nss, Nss, $($name)*);
    };
}

macro_rules! one_pair {
    ($pair:ident, $c:literal, $s:literal, $client:ident, $server:ident, $($name:ident)*) => {
        #[cfg(all(feature = $c, feature = $s))]
        mod $pair {
            $(
                #[test]
                fn $name() {
                    super::$name(super::Pair {
                        client: neqo_crypto::Provider::$client,
                        server: neqo_crypto::Provider::$server,
                    });
                }
            )*
        }
    };
}

every_pair! {
    a_handshake_survives_loss,
    a_handshake_survives_corruption,
    a_handshake_survives_disorder,
    hello_retry_request_survives_loss,
    acceptance_takes_seconds_under_loss,
    refusal_takes_seconds_under_loss,
}

/// A handshake and one request. The client's connection at its end.
fn exchange(p: Pair, seed: u64, link: Link, server: ServerBuilder) -> Connection {
    let params = ConnectionParameters::default();
    let pin = Verification::PinSha256(vec![identity().sha256()]);
    let client = p
        .client()
        .verification(pin)
        .build()
        .expect("it can be used");
    let server = server.build().expect("it can be used");
    let requests = Requests::new(1, 100, 100);
    let mut client = ConnectionNode::client_with(0, seed, client, params.clone(), requests);
    let mut server = ServerNode::with(seed, server, params, Responses::default);
    Network::new(seed)
        .connect(0, 1, link)
        .run(&mut [&mut client, &mut server])
        .expect("the exchange ends");
    client.connection
}

fn a_handshake_survives_loss(p: Pair) {
    run_many(60, |seed| {
        let link = Link::new(20 * MS).loss(Loss::Uniform(Chance::percent(20)));
        exchange(p, seed, link, p.server());
    });
}

fn a_handshake_survives_corruption(p: Pair) {
    run_many(60, |seed| {
        let link = Link::new(20 * MS).corrupt(Chance::percent(15));
        exchange(p, seed, link, p.server());
    });
}

fn a_handshake_survives_disorder(p: Pair) {
    run_many(60, |seed| {
        let link = Link::new(20 * MS)
            .jitter(20 * MS)
            .reorder(Chance::percent(30), 50 * MS)
            .duplicate(Chance::percent(30));
        exchange(p, seed, link, p.server());
    });
}

/// No client sends a share of the one group that the server has, so it has to ask for it.
fn hello_retry_request_survives_loss(p: Pair) {
    run_many(50, |seed| {
        let link = Link::new(20 * MS).loss(Loss::Uniform(Chance::percent(20)));
        let server = p.server().groups(&[Group::Secp384r1]);
        let client = exchange(p, seed, link, server);
        let group = client.tls_info().map(Info::group);
        assert_eq!(group, Some(Some(Group::Secp384r1)));
    });
}

/// A host that thinks about the certificate for a while.
struct Host {
    takes: Duration,
    verdict: AuthenticationStatus,
    due: Option<Instant>,
    given: bool,
    requests: Requests,
}

impl App for Host {
    fn drive(&mut self, connection: &mut Connection, now: Instant) {
        if self.due.is_none() && connection.peer_certificate().is_some() {
            self.due = Some(now + self.takes);
        }
        if !self.given && self.due.is_some_and(|due| due <= now) {
            assert_eq!(*connection.state(), State::Handshaking);
            self.given = true;
            connection.authenticated(self.verdict, now);
        }
        self.requests.drive(connection, now);
    }

    fn wake(&self) -> Option<Instant> {
        self.due.filter(|_| !self.given)
    }

    fn done(&self, connection: &Connection) -> bool {
        self.requests.done(connection) || connection.state().closed()
    }

    fn describe(&self) -> String {
        self.requests.describe()
    }
}

/// What the server sees of it.
#[derive(Default)]
struct Witness {
    responses: Responses,
    connected: bool,
    end: Option<CloseReason>,
    /// Whether the test is about the end.
    waits: bool,
}

impl App for Witness {
    fn drive(&mut self, connection: &mut Connection, now: Instant) {
        self.connected |= connection.state().connected();
        if let State::Closing { error, .. } | State::Draining { error, .. } = connection.state() {
            self.end = Some(error.clone());
        }
        self.responses.drive(connection, now);
    }

    fn done(&self, _: &Connection) -> bool {
        self.end.is_some() || !self.waits
    }

    fn describe(&self) -> String {
        self.responses.describe()
    }
}

/// What became of a connection about whose certificate a host decided late.
struct Decided {
    client: ConnectionNode<Host>,
    witness: Witness,
    /// Datagrams of the client that the network lost.
    lost: u64,
}

fn decide(p: Pair, seed: u64, verdict: AuthenticationStatus) -> Decided {
    let takes = Duration::from_secs(1 + seed % 5);
    let host = Host {
        takes,
        verdict,
        due: None,
        given: false,
        requests: Requests::new(1, 10_000, 10_000),
    };
    let params = ConnectionParameters::default();
    let client = p.client().verification(Verification::Host).build();
    let client = client.expect("the defaults can be used");
    let mut client = ConnectionNode::client_with(0, seed, client, params.clone(), host);
    let server = p.server().build().expect("the defaults can be used");
    let mut server = ServerNode::with(seed, server, params, || Witness {
        waits: verdict.alert().is_some(),
        ..Witness::default()
    });
    let link = Link::new(20 * MS).loss(Loss::Uniform(Chance::percent(15)));
    let summary = Network::new(seed)
        .connect(0, 1, link)
        .run(&mut [&mut client, &mut server])
        .expect("the connection ends");
    assert!(client.app.given && summary.elapsed > takes);
    assert_eq!(server.apps.len(), 1);
    let (_, witness) = server.apps.remove(0);
    Decided {
        client,
        witness,
        lost: summary.between(0, 1).lost,
    }
}

fn acceptance_takes_seconds_under_loss(p: Pair) {
    run_many(50, |seed| {
        let Decided {
            client, witness, ..
        } = decide(p, seed, AuthenticationStatus::Ok);
        assert_eq!(client.app.requests.finished(), 1);
        assert!(witness.connected && client.connection.state().connected());
    });
}

fn refusal_takes_seconds_under_loss(p: Pair) {
    /// CRYPTO_ERROR (RFC 9001 §4.8) with the alert unknown_ca.
    const UNKNOWN_CA: TransportError = 0x100 + 48;
    let (mut runs, mut told) = (0, 0);
    run_many(50, |seed| {
        let verdict = AuthenticationStatus::UnknownIssuer;
        let Decided {
            client,
            witness,
            lost,
        } = decide(p, seed, verdict);
        let State::Closed(CloseReason::Transport(error)) = client.connection.state() else {
            panic!("{:?}", client.connection.state());
        };
        assert_eq!(error.code(), UNKNOWN_CA, "{error}");
        assert!(!witness.connected);
        assert_eq!(witness.responses.received(), 0);
        assert_eq!(client.app.requests.finished(), 0);
        runs += 1;
        match witness.end {
            Some(CloseReason::Transport(Error::PeerClosed {
                code: UNKNOWN_CA, ..
            })) => told += 1,
            // What would have told it was lost, and it gave up waiting.
            Some(CloseReason::Application(0)) if lost > 0 => {}
            end => panic!("{end:?}"),
        }
    });
    assert!(told >= runs / 2, "{told} of {runs} were told");
}

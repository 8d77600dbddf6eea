//! A host that takes its time to decide about the certificate.

use std::time::{Duration, Instant};

use neqo_crypto::{AuthenticationStatus, Verification};
use neqo_transport::{CloseReason, Connection, ConnectionParameters, Error, State, TransportError};
use test_fixture::{
    node::{App, ConnectionNode, ServerNode},
    sim::{Chance, Link, Loss, Network, run_many},
    transfer::{Requests, Responses},
};

use crate::{MS, Pair, every_pair};

every_pair! {
    acceptance_takes_seconds_under_loss,
    refusal_takes_seconds_under_loss,
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

//! Clients that are asked who they are.

use std::time::Instant;

use neqo_crypto::{ClientCertificate, Identity, PeerChain};
use neqo_transport::{CloseReason, Connection, ConnectionParameters, Error, State, TransportError};
use test_fixture::{
    node::{App, ConnectionNode, ServerNode},
    sim::{Chance, Link, Loss, Network, run_many},
    tls,
    transfer::{Requests, Responses},
};

use crate::{MS, Pair, every_pair};

every_pair! {
    a_client_shows_its_certificate,
    a_client_without_certificate_is_sent_away,
}

/// CRYPTO_ERROR (RFC 9001 §4.8) with the alert certificate_required.
const CERTIFICATE_REQUIRED: TransportError = 0x100 + 116;

/// A server's end that looks who is there.
#[derive(Default)]
struct Doorkeeper {
    responses: Responses,
    seen: Option<PeerChain>,
    end: Option<CloseReason>,
}

impl App for Doorkeeper {
    fn drive(&mut self, connection: &mut Connection, now: Instant) {
        self.seen = connection.peer_certificate().cloned();
        if let State::Closing { error, .. } = connection.state() {
            self.end = Some(error.clone());
        } else {
            self.responses.drive(connection, now);
        }
    }

    fn done(&self, _: &Connection) -> bool {
        true
    }

    fn describe(&self) -> String {
        self.responses.describe()
    }
}

/// A client's end that may be sent away.
struct Visitor(Requests);

impl App for Visitor {
    fn drive(&mut self, connection: &mut Connection, now: Instant) {
        self.0.drive(connection, now);
    }

    fn done(&self, connection: &Connection) -> bool {
        self.0.done(connection) || connection.state().closed()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// A visit of a client with this identity to a server that requires one.
fn visit(p: Pair, seed: u64, identity: Option<Identity>) -> (ConnectionNode<Visitor>, Doorkeeper) {
    let params = ConnectionParameters::default();
    let mut client = p.pinning();
    if let Some(identity) = identity {
        client = client.identity(identity);
    }
    let client = client.build().expect("it can be used");
    let server = p.server().client_certificate(ClientCertificate::Required);
    let server = server.build().expect("it can be used");
    let requests = Visitor(Requests::new(1, 1000, 1000));
    let mut client = ConnectionNode::client_with(0, seed, client, params.clone(), requests);
    let mut server = ServerNode::with(seed, server, params, Doorkeeper::default);
    let link = Link::new(20 * MS).loss(Loss::Uniform(Chance::percent(10)));
    Network::new(seed)
        .connect(0, 1, link)
        .run(&mut [&mut client, &mut server])
        .expect("the visit ends");
    let (_, doorkeeper) = server.apps.remove(0);
    (client, doorkeeper)
}

fn a_client_shows_its_certificate(p: Pair) {
    let identity = tls::portable_identity();
    run_many(20, |seed| {
        let (client, server) = visit(p, seed, Some(identity.clone()));
        assert_eq!(client.app.0.finished(), 1);
        let chain = server.seen.expect("it was required");
        assert_eq!(chain.certs(), identity.chain());
    });
}

/// The client is complete before the server has judged (RFC 8446, Section 4.4.2.4), so it may have sent its request.
fn a_client_without_certificate_is_sent_away(p: Pair) {
    run_many(20, |seed| {
        let (client, server) = visit(p, seed, None);
        assert_eq!(client.app.0.finished(), 0);
        assert_eq!(server.responses.received(), 0);
        assert!(server.seen.is_none());
        let Some(CloseReason::Transport(error)) = server.end else {
            panic!("{:?}", server.end);
        };
        assert_eq!(error.code(), CERTIFICATE_REQUIRED, "{error}");
        match client.connection.state() {
            State::Draining { error, .. } | State::Closed(error) => assert!(
                matches!(
                    error,
                    CloseReason::Transport(Error::PeerClosed {
                        code: CERTIFICATE_REQUIRED,
                        ..
                    })
                ),
                "{error:?}"
            ),
            state => panic!("{state:?}"),
        }
    });
}

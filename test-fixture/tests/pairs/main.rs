//! What depends on the TLS libraries, over simulated networks, on every pair of those that are
//! compiled in.

mod secrets;
mod strangers;
mod verdict;

use std::{sync::OnceLock, time::Duration};

use neqo_crypto::{
    Client, ClientBuilder, Group, Identity, Info, Provider, Server, ServerBuilder, Verification,
};
use neqo_transport::{Connection, ConnectionParameters};
use test_fixture::{
    node::{ConnectionNode, ServerNode},
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

    /// One that trusts the server.
    fn pinning(self) -> ClientBuilder {
        let pin = Verification::PinSha256(vec![identity().sha256()]);
        self.client().verification(pin)
    }

    fn server(self) -> ServerBuilder {
        Server::builder(identity().clone()).provider(self.server)
    }
}

/// Makes tests of functions that take a [`Pair`]. The name of each says which one it is.
macro_rules! every_pair {
    ($($name:ident),* $(,)?) => {
        crate::one_pair!(rustls_to_rustls, "rustls", "rustls", Rustls, Rustls, $($name)*);
        crate::one_pair!(rustls_to_nss, "rustls", "nss", Rustls, Nss, $($name)*);
        crate::one_pair!(nss_to_rustls, "nss", "rustls", Nss, Rustls, $($name)*);
        crate::one_pair!(nss_to_nss, "nss", "nss", Nss, Nss, $($name)*);
    };
}

macro_rules! one_pair {
    ($pair:ident, $c:literal, $s:literal, $client:ident, $server:ident, $($name:ident)*) => {
        #[cfg(all(feature = $c, feature = $s))]
        mod $pair {
            $(
                #[test]
                fn $name() {
                    super::$name(crate::Pair {
                        client: neqo_crypto::Provider::$client,
                        server: neqo_crypto::Provider::$server,
                    });
                }
            )*
        }
    };
}

use {every_pair, one_pair};

every_pair! {
    a_handshake_survives_loss,
    a_handshake_survives_corruption,
    a_handshake_survives_disorder,
    hello_retry_request_survives_loss,
}

/// A handshake and one request. The client's connection at its end.
fn exchange(p: Pair, seed: u64, link: Link, server: ServerBuilder) -> Connection {
    let params = ConnectionParameters::default();
    let client = p.pinning().build().expect("it can be used");
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

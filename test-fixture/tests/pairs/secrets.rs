//! Secrets that both libraries have to agree on beyond the handshake.

use std::time::Instant;

use neqo_transport::{Connection, ConnectionParameters};
use test_fixture::{
    node::{App, ConnectionNode, ServerNode},
    sim::{Chance, Link, Loss, Network, run_many},
    transfer::{Requests, Responses},
};

use crate::{MS, Pair, every_pair};

every_pair! {
    keys_are_updated_under_loss,
    exports_are_equal,
}

const LABEL: &str = "EXPERIMENTAL label";

/// Updates keys as often as it may, and exports when the handshake is complete.
struct Updating<A> {
    app: A,
    updates: usize,
    exported: Option<[u8; 32]>,
}

impl<A> Updating<A> {
    const fn new(app: A) -> Self {
        Self {
            app,
            updates: 0,
            exported: None,
        }
    }
}

impl<A: App> App for Updating<A> {
    fn drive(&mut self, connection: &mut Connection, now: Instant) {
        self.app.drive(connection, now);
        self.updates += usize::from(connection.initiate_key_update().is_ok());
        if self.exported.is_none() {
            let mut secret = [0; 32];
            let exported = connection.export_keying_material(LABEL, b"context", &mut secret);
            self.exported = exported.is_ok().then_some(secret);
        }
    }

    fn done(&self, connection: &Connection) -> bool {
        self.app.done(connection)
    }

    fn describe(&self) -> String {
        format!("{} updates, {}", self.updates, self.app.describe())
    }
}

/// A transfer both ways; the ends of it.
fn transfer(p: Pair, seed: u64) -> [Updating<()>; 2] {
    let params = ConnectionParameters::default();
    let client = p.pinning().build().expect("it can be used");
    let server = p.server().build().expect("it can be used");
    let app = Updating::new(Requests::new(5, 50_000, 50_000));
    let mut client = ConnectionNode::client_with(0, seed, client, params.clone(), app);
    let mut server = ServerNode::with(seed, server, params, || Updating::new(Responses::default()));
    let link = Link::new(20 * MS).loss(Loss::Uniform(Chance::percent(5)));
    Network::new(seed)
        .connect(0, 1, link)
        .run(&mut [&mut client, &mut server])
        .expect("the exchange ends");
    assert_eq!(client.app.app.finished(), 5);
    let (_, server) = server.apps.remove(0);
    let ends = [
        (client.app.updates, client.app.exported),
        (server.updates, server.exported),
    ];
    ends.map(|(updates, exported)| Updating {
        app: (),
        updates,
        exported,
    })
}

fn keys_are_updated_under_loss(p: Pair) {
    let mut updates = [0; 2];
    run_many(20, |seed| {
        let ends = transfer(p, seed);
        for (sum, end) in updates.iter_mut().zip(ends) {
            *sum += end.updates;
        }
    });
    assert!(updates.iter().all(|&n| n >= 20), "{updates:?}");
}

fn exports_are_equal(p: Pair) {
    let mut seen = Vec::new();
    run_many(3, |seed| {
        let [client, server] = transfer(p, seed).map(|end| end.exported.expect("connected"));
        assert_eq!(client, server);
        assert!(!seen.contains(&client));
        seen.push(client);
    });
}

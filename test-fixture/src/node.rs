//! Connections as nodes of the simulator.

use std::{num::NonZeroUsize, time::Instant};

use neqo_common::Datagram;
use neqo_crypto::{Client, Identity, ResetKey};
use neqo_transport::{
    Connection, ConnectionParameters, OutputBatch, RandomConnectionIdGenerator,
    server::{ConnectionHandle, Server},
};

use crate::{
    sim::{Node, address},
    tls,
};

/// Length of the connection IDs that the nodes choose.
const CID_LEN: usize = 8;

/// What the randomness of node 0 is for; those of other nodes follow.
const CLIENTS: usize = 10;

/// Datagrams that are asked for at once.
const BATCH: NonZeroUsize = NonZeroUsize::new(16).expect("sixteen is not zero");

/// Rounds of output in one call of a node, after which it is said to be talking to itself.
const MAX_ROUNDS: usize = 10_000;

/// What uses a connection.
///
/// It is called after input and after timers, before output is taken. What it does not expect it
/// may panic about: it only runs in tests.
pub trait App {
    /// Takes events and acts upon them.
    fn drive(&mut self, connection: &mut Connection, now: Instant);

    /// When it wants to be called although nothing happens on the connection.
    fn wake(&self) -> Option<Instant> {
        None
    }

    /// Whether the test is over as far as this end is concerned.
    fn done(&self, connection: &Connection) -> bool;

    /// What a report about a failed run shows.
    fn describe(&self) -> String {
        String::new()
    }
}

/// One connection and what uses it.
#[derive(Debug)]
pub struct ConnectionNode<A> {
    /// The connection.
    pub connection: Connection,
    /// What uses it.
    pub app: A,
}

impl<A: App> ConnectionNode<A> {
    /// Node 0 as a client of node 1, whose certificate it trusts; both have their first [`address`].
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn client(seed: u64, identity: &Identity, params: ConnectionParameters, app: A) -> Self {
        Self::client_of(0, seed, identity, params, app)
    }

    /// The same, as node number `node` of the network.
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn client_of(
        node: usize,
        seed: u64,
        identity: &Identity,
        params: ConnectionParameters,
        app: A,
    ) -> Self {
        Self::client_with(node, seed, tls::client(identity), params, app)
    }

    /// The same with another TLS configuration.
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn client_with(
        node: usize,
        seed: u64,
        tls: Client,
        params: ConnectionParameters,
        app: A,
    ) -> Self {
        let params = params
            .seed(Some(bytes_of(seed, CLIENTS.wrapping_add(node))))
            .client_tls(tls);
        let connection = Connection::new_client(
            tls::NAME,
            &[tls::ALPN],
            Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            address(node),
            address(1),
            params,
            crate::now(),
        )
        .expect("the parameters can be used");
        Self { connection, app }
    }
}

impl<A: App> Node for ConnectionNode<A> {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.connection.process_input(d, now);
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        for _ in 0..MAX_ROUNDS {
            self.app.drive(&mut self.connection, now);
            match self.connection.process_multiple_output(now, BATCH) {
                OutputBatch::None => return self.app.wake(),
                OutputBatch::Callback(wait) => {
                    let due = now + wait;
                    return Some(self.app.wake().map_or(due, |at| at.min(due)));
                }
                OutputBatch::DatagramBatch(batch) => out.extend(batch.iter().map(|d| d.to_owned())),
            }
        }
        panic!("{} has no end of output", self.connection);
    }

    fn done(&self) -> bool {
        self.app.done(&self.connection)
    }

    fn describe(&self) -> String {
        let stats = self.connection.stats();
        format!(
            "{} {:?} {} {stats:?}",
            self.connection,
            self.connection.state(),
            self.app.describe()
        )
    }
}

/// A server that gives each connection its own application.
#[derive(Debug)]
pub struct ServerNode<F, A> {
    /// The server.
    pub server: Server,
    /// The applications of all connections that ever said something, in that order.
    pub apps: Vec<(ConnectionHandle, A)>,
    make: F,
}

impl<F: FnMut() -> A, A: App> ServerNode<F, A> {
    /// A server; `make` makes the application of each connection.
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn new(seed: u64, identity: Identity, params: ConnectionParameters, make: F) -> Self {
        Self::with(seed, tls::server(identity), params, make)
    }

    /// The same with another TLS configuration.
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn with(
        seed: u64,
        tls: neqo_crypto::Server,
        params: ConnectionParameters,
        make: F,
    ) -> Self {
        let mut server = Server::new(
            crate::now(),
            tls,
            &[tls::ALPN],
            || Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            params.seed(Some(bytes_of(seed, 2))),
        )
        .expect("the parameters can be used");
        server.set_reset_key(ResetKey::new(&bytes_of(seed, 3)));
        Self {
            server,
            apps: Vec::new(),
            make,
        }
    }

    /// The connection that spoke first, as long as it lives.
    #[must_use]
    pub fn first(&self) -> Option<&Connection> {
        let (handle, _) = self.apps.first()?;
        self.server.connection(*handle)
    }

    fn drive(&mut self, now: Instant) {
        while let Some(handle) = self.server.next_active() {
            let known = self.apps.iter().position(|(h, _)| *h == handle);
            let at = known.unwrap_or_else(|| {
                self.apps.push((handle, (self.make)()));
                self.apps.len() - 1
            });
            if let Some(connection) = self.server.connection_mut(handle) {
                self.apps[at].1.drive(connection, now);
            }
        }
    }
}

impl<F: FnMut() -> A, A: App> Node for ServerNode<F, A> {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.server.process_input(d, now);
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        for _ in 0..MAX_ROUNDS {
            self.drive(now);
            match self.server.process_multiple_output(now, BATCH) {
                OutputBatch::None => return None,
                OutputBatch::Callback(wait) => return Some(now + wait),
                OutputBatch::DatagramBatch(batch) => out.extend(batch.iter().map(|d| d.to_owned())),
            }
        }
        panic!("the server has no end of output");
    }

    fn done(&self) -> bool {
        self.apps.iter().any(|(handle, app)| {
            let connection = self.server.connection(*handle);
            connection.is_none_or(|connection| app.done(connection))
        })
    }

    fn describe(&self) -> String {
        let apps = self.apps.iter().map(|(handle, app)| {
            let connection = self.server.connection(*handle);
            let state = connection.map(|c| format!("{c} {:?} {:?}", c.state(), c.stats()));
            format!("{} {}", state.unwrap_or_default(), app.describe())
        });
        let apps: Vec<_> = apps.collect();
        format!("{:?} {}", self.server.stats(), apps.join("; "))
    }
}

/// 32 bytes that follow from a seed, different for each purpose.
fn bytes_of(seed: u64, purpose: usize) -> [u8; 32] {
    let mut bytes = [u8::try_from(purpose).unwrap_or(u8::MAX); 32];
    for (b, s) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *b = s;
    }
    bytes
}

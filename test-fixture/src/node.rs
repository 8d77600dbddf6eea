//! Connections as nodes of the simulator.

use std::{num::NonZeroUsize, time::Instant};

use neqo_common::{Datagram, Random};
use neqo_crypto::{Identity, ResetKey};
use neqo_transport::{
    Accept, Connection, ConnectionId, ConnectionParameters, OutputBatch,
    RandomConnectionIdGenerator, ServerContext, Version,
};

use crate::{
    sim::{Node, address},
    tls,
};

/// Length of the connection IDs that the nodes choose.
const CID_LEN: usize = 8;

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
    /// A client at [`address`]`(0)` of the server at `address(1)`, whose certificate it trusts.
    ///
    /// # Panics
    /// When the parameters are refused.
    pub fn client(seed: u64, identity: &Identity, params: ConnectionParameters, app: A) -> Self {
        let params = params
            .seed(Some(bytes_of(seed, 1)))
            .client_tls(tls::client(identity));
        let connection = Connection::new_client(
            tls::NAME,
            &[tls::ALPN],
            Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            address(0),
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
                OutputBatch::None => return None,
                OutputBatch::Callback(wait) => return Some(now + wait),
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

/// A server that accepts every connection and gives each its own application.
#[derive(Debug)]
pub struct ServerNode<F, A> {
    /// The connections, in the order in which they began.
    pub nodes: Vec<ConnectionNode<A>>,
    context: ServerContext,
    random: Random,
    make: F,
}

impl<F: FnMut() -> A, A: App> ServerNode<F, A> {
    /// A server; `make` makes the application of each connection.
    pub fn new(seed: u64, identity: Identity, params: ConnectionParameters, make: F) -> Self {
        let context = ServerContext {
            tls: tls::server(identity),
            alpn: vec![tls::ALPN.into()],
            params,
            reset_key: ResetKey::new(&bytes_of(seed, 2)),
        };
        Self {
            nodes: Vec::new(),
            context,
            random: Random::from_seed(bytes_of(seed, 3)),
            make,
        }
    }

    fn accept(&mut self, header: &Header, d: &Datagram, now: Instant) {
        let accept = Accept {
            version: header.version,
            dcid: header.dcid,
            original_dcid: header.dcid,
            retry_scid: None,
            scid: header.scid,
            local: d.destination(),
            remote: d.source(),
        };
        let connection = Connection::accept(
            &self.context,
            &accept,
            Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            self.random.fork(),
            now,
        )
        .expect("the configuration can be used");
        let app = (self.make)();
        self.nodes.push(ConnectionNode { connection, app });
    }
}

impl<F: FnMut() -> A, A: App> Node for ServerNode<F, A> {
    fn input(&mut self, d: Datagram, now: Instant) {
        let header = Header::parse(&d);
        let dcid = header.as_ref().map_or_else(
            || d.get(1..=CID_LEN).unwrap_or_default(),
            |header| header.dcid.as_ref(),
        );
        let known = self.nodes.iter().position(|n| {
            n.connection.is_valid_local_cid(dcid) || n.connection.odcid().as_ref() == dcid
        });
        let Some(header) = header else {
            if let Some(n) = known {
                self.nodes[n].input(d, now);
            }
            return;
        };
        let n = match known {
            Some(n) => n,
            None if header.begins_connection(&d) => {
                self.accept(&header, &d, now);
                self.nodes.len() - 1
            }
            None => return,
        };
        self.nodes[n].input(d, now);
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        let timers = self.nodes.iter_mut().map(|n| n.output(now, out));
        timers.fold(None, |first, timer| first.into_iter().chain(timer).min())
    }

    fn done(&self) -> bool {
        self.nodes.iter().any(Node::done)
    }

    fn describe(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(Node::describe).collect();
        nodes.join("; ")
    }
}

/// What all versions have in a long header (RFC 8999 §5.1), of a version that is known.
struct Header {
    version: Version,
    dcid: ConnectionId,
    scid: ConnectionId,
    kind: u8,
}

impl Header {
    fn parse(d: &[u8]) -> Option<Self> {
        let (first, rest) = d.split_first()?;
        if first & 0x80 == 0 {
            return None;
        }
        let (version, rest) = rest.split_first_chunk()?;
        let version = Version::try_from(u32::from_be_bytes(*version)).ok()?;
        let (dcid, rest) = cid(rest)?;
        let (scid, _) = cid(rest)?;
        Some(Self {
            version,
            dcid,
            scid,
            kind: first >> 4 & 3,
        })
    }

    /// Whether it is of an Initial packet in a datagram that is large enough (RFC 9000 §14.1).
    fn begins_connection(&self, d: &[u8]) -> bool {
        let initial = match self.version {
            Version::Version1 => 0,
            Version::Version2 => 1, // RFC 9369 §3.2
        };
        self.kind == initial && d.len() >= 1200 && self.dcid.as_ref().len() >= 8
    }
}

fn cid(d: &[u8]) -> Option<(ConnectionId, &[u8])> {
    let (len, rest) = d.split_first()?;
    let (cid, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((ConnectionId::new(cid)?, rest))
}

/// 32 bytes that follow from a seed, different for each purpose.
fn bytes_of(seed: u64, purpose: u8) -> [u8; 32] {
    let mut bytes = [purpose; 32];
    for (b, s) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *b = s;
    }
    bytes
}

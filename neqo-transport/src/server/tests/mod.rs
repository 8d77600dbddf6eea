//! A server and its clients, without a network: datagrams are passed by hand.

mod admission;
mod attacks;
mod service;

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    sync::OnceLock,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Random, Tos, event::Provider as _};
use neqo_crypto::{Identity, Verification};

use super::{ConnectionHandle, Server};
use crate::{
    Connection, ConnectionEvent, ConnectionId, ConnectionParameters, Output,
    RandomConnectionIdGenerator, State, Version,
    wire::{
        header::{LongType, decode::peek_dcid, encode::LongHeader},
        put::Put as _,
    },
};

const ALPN: &str = "test";
const CID_LEN: usize = 8;
const SEC: Duration = Duration::from_secs(1);
/// How many datagrams a ClientHello takes: a key share of ML-KEM fills one, if the TLS library has it.
fn hello_datagrams() -> u64 {
    static COUNT: OnceLock<u64> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let mut net = Net::new();
        let flight = net.client().flight(net.now).len();
        u64::try_from(flight).unwrap()
    })
}

fn server_addr() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 443))
}

/// The `n`th client's address.
fn client_addr(n: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 20_000 + n))
}

fn generator() -> RandomConnectionIdGenerator {
    RandomConnectionIdGenerator::new(CID_LEN)
}

/// A client and where it is.
struct Client {
    conn: Connection,
    addr: SocketAddr,
}

impl Client {
    fn confirmed(&self) -> bool {
        *self.conn.state() == State::Confirmed
    }

    /// All datagrams that it wants to send now.
    fn flight(&mut self, now: Instant) -> Vec<Datagram> {
        std::iter::from_fn(|| self.send(now)).collect()
    }

    /// The next datagram, if there is one.
    fn send(&mut self, now: Instant) -> Option<Datagram> {
        self.conn.process_output(now).dgram()
    }
}

/// A server, what its clients have in common, and the time.
struct Net {
    server: Server,
    identity: Identity,
    tls: neqo_crypto::Client,
    now: Instant,
    clients: u16,
}

impl Net {
    fn new() -> Self {
        Self::with(ConnectionParameters::default())
    }

    fn with(params: ConnectionParameters) -> Self {
        let identity = Identity::self_signed(&["example.com"]).unwrap();
        let tls = neqo_crypto::Client::builder()
            .verification(Verification::PinSha256(vec![identity.sha256()]))
            .build()
            .unwrap();
        let now = crate::test_now();
        Self {
            server: new_server(&identity, params, now),
            identity,
            tls,
            now,
            clients: 0,
        }
    }

    fn client(&mut self) -> Client {
        self.client_with(ConnectionParameters::default())
    }

    fn client_with(&mut self, params: ConnectionParameters) -> Client {
        self.clients += 1;
        let addr = client_addr(self.clients);
        let params = params.client_tls(self.tls.clone());
        let (cids, now) = (Box::new(generator()), self.now);
        let conn = Connection::new_client(
            "example.com",
            &[ALPN],
            cids,
            addr,
            server_addr(),
            params,
            now,
        )
        .unwrap();
        Client { conn, addr }
    }

    /// A client whose handshake is confirmed.
    fn connected(&mut self) -> Client {
        let mut client = self.client();
        self.exchange(std::slice::from_mut(&mut client));
        assert!(client.confirmed());
        client
    }

    /// Passes everything that any side wants to say until all are silent.
    fn exchange(&mut self, clients: &mut [Client]) {
        for _ in 0..100_000 {
            let mut quiet = true;
            for client in &mut *clients {
                while let Some(d) = client.send(self.now) {
                    quiet = false;
                    self.server.process_input(d, self.now);
                }
            }
            while let Output::Datagram(d) = self.server.process_output(self.now) {
                quiet = false;
                deliver(clients, d, self.now);
            }
            if quiet {
                return;
            }
        }
        panic!("they never stop talking");
    }

    /// Takes what the server wants to send, all of it.
    fn drain(&mut self) -> Vec<Datagram> {
        std::iter::from_fn(|| self.server.process_output(self.now).dgram()).collect()
    }

    /// Lets the server's timers fire until `end`. Returns what it sent.
    fn run_until(&mut self, end: Instant) -> Vec<Datagram> {
        let mut sent = Vec::new();
        loop {
            match self.server.process_output(self.now) {
                Output::Datagram(d) => sent.push(d),
                Output::Callback(t) if self.now + t <= end => {
                    self.now += t.max(Duration::from_micros(1));
                }
                Output::Callback(_) | Output::None => break,
            }
        }
        self.now = end;
        sent
    }

    /// Gives the server a datagram from the `n`th client's address.
    fn inject(&mut self, n: u16, data: Vec<u8>) {
        let d = Datagram::new(client_addr(n), server_addr(), Tos::default(), data);
        self.server.process_input(d, self.now);
    }

    /// The connections that have events.
    fn active(&mut self) -> Vec<ConnectionHandle> {
        std::iter::from_fn(|| self.server.next_active()).collect()
    }

    fn handles(&self) -> Vec<ConnectionHandle> {
        self.server.handles().collect()
    }

    fn only_handle(&self) -> ConnectionHandle {
        let all = self.handles();
        assert_eq!(all.len(), 1);
        all[0]
    }
}

fn new_server(identity: &Identity, params: ConnectionParameters, now: Instant) -> Server {
    let tls = neqo_crypto::Server::builder(identity.clone())
        .build()
        .unwrap();
    Server::new(now, tls, &[ALPN], || Box::new(generator()), params).unwrap()
}

/// Hands a datagram to the client that it is for: clients may share an address.
fn deliver(clients: &mut [Client], d: Datagram, now: Instant) {
    let dcid = peek_dcid(&d, &generator()).unwrap();
    let at_addr = |c: &&mut Client| c.addr == d.destination();
    let shared = clients.iter_mut().filter(at_addr).count() > 1;
    let to = clients
        .iter_mut()
        .filter(at_addr)
        .find(|c| !shared || c.conn.is_valid_local_cid(dcid));
    if let Some(client) = to {
        client.conn.process_input(d, now);
    }
}

/// A datagram of `len` bytes with a packet that looks like a client's first, but is not authentic.
fn fake_initial(version: Version, dcid: &[u8], token: &[u8], len: usize) -> Vec<u8> {
    let header = LongHeader {
        version,
        kind: LongType::Initial,
        dcid: ConnectionId::new(dcid).unwrap(),
        scid: ConnectionId::new(&[9; 8]).unwrap(),
        token,
    };
    let mut raw = Vec::new();
    let layout = header.write(&mut raw, (0, None)).unwrap();
    let body = u16::try_from(len - layout.pn_at).unwrap();
    let at = layout.length_at.unwrap();
    raw[at..at + 2].copy_from_slice(&(0x4000 | body).to_be_bytes());
    raw.resize(len, 0x5a);
    raw
}

/// A long header of a version that nobody knows.
fn strange_version(dcid: &[u8], scid: &[u8], len: usize) -> Vec<u8> {
    let mut raw = vec![0xc0, 0xba, 0xba, 0xba, 0xba];
    for cid in [dcid, scid] {
        raw.byte(u8::try_from(cid.len()).unwrap());
        raw.put(cid);
    }
    raw.resize(len.max(raw.len()), 0);
    raw
}

fn events(conn: &mut Connection) -> Vec<ConnectionEvent> {
    std::iter::from_fn(|| conn.next_event()).collect()
}

//! Connections in pairs, without a network: datagrams are passed by hand, and packets with any
//! frames can be forged with the keys of either side.

mod basics;
mod cids;
mod closing;
#[cfg(feature = "nss")]
mod ech;
mod floods;
mod forge;
mod frames;
mod handshake;
mod identity;
mod key_update;
mod mutation;
mod paths;
mod probes;
mod reset;
mod storm;
mod versions;

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Random, Role, event::Provider as _};
use neqo_crypto::{Identity, ResetKey, Verification};

use super::{Accept, Connection, Output, ServerContext, State};
use crate::{
    CloseReason, ConnectionEvent, ConnectionId, ConnectionParameters, Error,
    RandomConnectionIdGenerator,
    space::PacketNumberSpace,
    wire::header::{Packet, Protected, QuicBit},
};

pub(super) const ALPN: &str = "test";
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SEC: Duration = Duration::from_secs(1);

/// One certificate for all tests: making a key takes longer than a handshake.
static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::self_signed(&["example.com"]).unwrap());

pub(super) fn client_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000))
}

pub(super) fn server_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 443))
}

/// What decides on the fate of a datagram: who sent it, and what arrives instead of it.
pub(super) type Network<'a> = &'a mut dyn FnMut(Role, Datagram) -> Vec<Datagram>;

/// Both ends of a connection, and the time.
pub(super) struct Pair {
    pub client: Connection,
    pub server: Option<Connection>,
    context: ServerContext,
    pub now: Instant,
    /// The Destination Connection ID before a Retry, and the Source Connection ID of it.
    pub retry: Option<(ConnectionId, ConnectionId)>,
    /// Changes what the server knows about the client's first packet.
    pub tamper: fn(&mut Accept),
}

impl Pair {
    pub(super) fn new(params: ConnectionParameters) -> Self {
        Self::with_identity(params, IDENTITY.clone())
    }

    pub(super) fn with_identity(params: ConnectionParameters, identity: Identity) -> Self {
        let verification = Verification::PinSha256(vec![identity.sha256()]);
        Self::with_verification(params, verification, identity)
    }

    /// A client that asks its host about the certificate.
    pub(super) fn asking() -> Self {
        let params = ConnectionParameters::default();
        Self::with_verification(params, Verification::Host, IDENTITY.clone())
    }

    fn with_verification(
        params: ConnectionParameters,
        verification: Verification,
        identity: Identity,
    ) -> Self {
        let client = neqo_crypto::Client::builder().verification(verification);
        let server = neqo_crypto::Server::builder(identity);
        Self::with_tls(params, client.build().unwrap(), server.build().unwrap())
    }

    /// A client of "example.com".
    fn with_tls(
        params: ConnectionParameters,
        client: neqo_crypto::Client,
        server: neqo_crypto::Server,
    ) -> Self {
        let now = crate::test_now();
        let context = ServerContext {
            tls: server,
            alpn: vec![ALPN.into()],
            params: params.clone(),
            reset_key: ResetKey::new(&[9; 32]),
        };
        let seed = params.get_seed().unwrap_or([3; 32]);
        let client = Connection::new_client(
            "example.com",
            &[ALPN],
            Box::new(RandomConnectionIdGenerator::new(8)),
            client_addr(),
            server_addr(),
            params.seed(Some(seed)).client_tls(client),
            now,
        )
        .unwrap();
        Self {
            client,
            server: None,
            context,
            now,
            retry: None,
            tamper: |_| {},
        }
    }

    /// Another client with connection IDs of `len` bytes and the same configuration.
    pub(super) fn renew_client(&mut self, len: usize) {
        self.client = Connection::new_client(
            "example.com",
            &[ALPN],
            Box::new(RandomConnectionIdGenerator::new(len)),
            client_addr(),
            server_addr(),
            self.client.params.clone(),
            self.now,
        )
        .unwrap();
    }

    /// Lets the client begin anew with these bytes as its transport parameters.
    pub(super) fn announce(&mut self, params: &[u8]) {
        let c = &mut self.client;
        let session = c.client.as_ref().unwrap().session(params).unwrap();
        c.spaces = crate::space::table::Spaces::new(20, true, &mut c.random);
        c.handshake.session = session;
        c.handshake.events = neqo_crypto::Events::default();
        c.install_initial_keys().unwrap();
        c.start_tls(self.now).unwrap();
    }

    pub(super) fn server(&mut self) -> &mut Connection {
        self.server.as_mut().unwrap()
    }

    pub(super) fn side(&mut self, role: Role) -> &mut Connection {
        match role {
            Role::Client => &mut self.client,
            Role::Server => self.server(),
        }
    }

    pub(super) fn reach_server(&mut self, d: Datagram) {
        if self.server.is_none() {
            let Some(p) = first_packet(&d) else {
                return;
            };
            let original = self.retry.filter(|(_, scid)| scid == p.dcid());
            let mut accept = Accept {
                version: p.version().unwrap(),
                dcid: *p.dcid(),
                original_dcid: original.map_or_else(|| *p.dcid(), |(odcid, _)| odcid),
                retry_scid: original.map(|(_, scid)| scid),
                scid: *p.scid(),
                local: server_addr(),
                remote: client_addr(),
            };
            (self.tamper)(&mut accept);
            let random = Random::from_seed([4; 32]);
            let generator = Box::new(RandomConnectionIdGenerator::new(8));
            self.server = Some(
                Connection::accept(&self.context, &accept, generator, random, self.now).unwrap(),
            );
        }
        let now = self.now;
        self.server().process_input(d, now);
    }

    pub(super) fn deliver(&mut self, to: Role, d: Datagram) {
        let now = self.now;
        match to {
            Role::Client => self.client.process_input(d, now),
            Role::Server => self.reach_server(d),
        }
    }

    /// All that a side wants to say now.
    pub(super) fn output(&mut self, role: Role) -> Vec<Datagram> {
        let now = self.now;
        let mut all = Vec::new();
        if role == Role::Server && self.server.is_none() {
            return all;
        }
        let c = self.side(role);
        while let Output::Datagram(d) = c.process_output(now) {
            all.push(d);
            assert!(all.len() < 10_000, "it never stops talking");
        }
        all
    }

    /// Passes all that `from` wants to say now.
    pub(super) fn pass(&mut self, from: Role) {
        for d in self.output(from) {
            self.deliver(from.remote(), d);
        }
    }

    /// Passes everything that either side wants to say until both are silent.
    pub(super) fn exchange(&mut self) {
        self.exchange_over(&mut |_, d| vec![d]);
    }

    /// The same over a network that loses, changes or repeats datagrams.
    pub(super) fn exchange_over(&mut self, network: Network<'_>) {
        for _ in 0..10_000 {
            let mut quiet = true;
            for from in [Role::Client, Role::Server] {
                for d in self.output(from) {
                    quiet = false;
                    for d in network(from, d) {
                        self.deliver(from.remote(), d);
                    }
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they never stop talking");
    }

    /// Lets time pass to the next timer of either side. Whether there was one.
    pub(super) fn advance(&mut self) -> bool {
        let timers = [
            self.client.next_instant(self.now),
            self.server.as_ref().and_then(|s| s.next_instant(self.now)),
        ];
        let at = timers.into_iter().flatten().min();
        self.now = at.map_or(self.now, |at| self.now.max(at));
        at.is_some()
    }

    /// Lets time pass to the next timer of either side, then exchanges.
    pub(super) fn next_timer(&mut self) {
        self.advance();
        self.exchange();
    }

    /// Lets time pass from timer to timer until both sides are confirmed.
    pub(super) fn confirm_over(&mut self, network: Network<'_>) {
        for _ in 0..100 {
            self.exchange_over(network);
            if self.confirmed() {
                return;
            }
            self.advance();
        }
        panic!("{}", self.states());
    }

    pub(super) fn confirmed(&self) -> bool {
        let server = self.server.as_ref().map(Connection::state);
        *self.client.state() == State::Confirmed && server == Some(&State::Confirmed)
    }

    pub(super) fn states(&self) -> String {
        let server = self.server.as_ref().map(Connection::state);
        format!("{:?} {server:?}", self.client.state())
    }

    pub(super) fn wait(&mut self, d: Duration) {
        self.now += d;
        self.exchange();
    }

    /// The transport error code that `role`, which has closed, says to its peer. It must be the
    /// first thing that it says.
    pub(super) fn close_code(&mut self, role: Role) -> Option<u64> {
        let d = self.output(role).into_iter().next()?;
        self.deliver(role.remote(), d);
        match self.side(role.remote()).state().error()? {
            CloseReason::Transport(Error::PeerClosed { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// Sends `len` bytes on a new stream of `from` and checks that they arrive.
    pub(super) fn transfer(&mut self, from: Role, len: usize) {
        let data = vec![0x5a; len];
        let id = self
            .side(from)
            .stream_create(crate::StreamType::UniDi)
            .unwrap();
        assert_eq!(self.side(from).stream_send(id, &data).unwrap(), len);
        self.side(from).stream_close_send(id).unwrap();
        let (mut got, mut buf) = (0, [0; 4096]);
        for _ in 0..200 {
            self.exchange();
            while let Ok((n, fin)) = self.side(from.remote()).stream_recv(id, &mut buf) {
                got += n;
                if fin {
                    assert_eq!(got, len);
                    return;
                }
                if n == 0 {
                    break;
                }
            }
            self.advance();
        }
        panic!("{got} of {len} bytes from {from}");
    }
}

/// A pair after the handshake.
pub(super) fn connected() -> Pair {
    connected_with(ConnectionParameters::default())
}

pub(super) fn connected_with(params: ConnectionParameters) -> Pair {
    let mut pair = Pair::new(params);
    pair.exchange();
    assert_eq!(*pair.client.state(), State::Confirmed);
    assert_eq!(*pair.server().state(), State::Confirmed);
    pair
}

/// A pair of which the client has the server's whole flight and has said nothing about it: both
/// have keys of all levels.
pub(super) fn midway() -> Pair {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.pass(Role::Client);
    pair.pass(Role::Server);
    assert_eq!(*pair.client.state(), State::Connected);
    assert_eq!(*pair.server().state(), State::Handshaking);
    for id in [PacketNumberSpace::Initial, PacketNumberSpace::Handshake] {
        assert!(pair.client.spaces.get(id).is_some());
        assert!(pair.server().spaces.get(id).is_some());
    }
    pair
}

/// The first packet of a datagram, unless it is Retry or Version Negotiation.
pub(super) fn first_packet(d: &[u8]) -> Option<Protected> {
    packets(d).into_iter().next()
}

/// The packets of a datagram; connection IDs have eight bytes.
pub(super) fn packets(d: &[u8]) -> Vec<Protected> {
    let generator = RandomConnectionIdGenerator::new(8);
    let (mut rest, mut all) = (d, Vec::new());
    while let Ok(Packet::Protected(p)) = Packet::decode(rest, &generator, QuicBit::Required) {
        rest = &rest[p.len()..];
        all.push(p);
        if rest.is_empty() {
            break;
        }
    }
    all
}

/// The same datagram from another address.
pub(super) fn from_addr(d: &Datagram, src: SocketAddr) -> Datagram {
    Datagram::new(src, d.destination(), d.tos(), d.to_vec())
}

/// The code of the error for which a side closes or closed the connection.
pub(super) fn error_code(c: &Connection) -> Option<u64> {
    match c.state().error()? {
        CloseReason::Transport(e) => Some(e.code()),
        CloseReason::Application(_) => None,
    }
}

pub(super) fn events(c: &mut Connection) -> Vec<ConnectionEvent> {
    c.events().collect()
}

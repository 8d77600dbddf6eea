//! Connections in pairs, without a network: datagrams are passed by hand.

mod basics;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Random, event::Provider as _};
use neqo_crypto::{Identity, ResetKey, Verification};

use super::{Accept, Connection, Output, ServerContext, State};
use crate::{
    ConnectionEvent, ConnectionParameters, RandomConnectionIdGenerator,
    wire::header::{Packet, QuicBit},
};

pub(super) const ALPN: &str = "test";

pub(super) fn client_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000))
}

pub(super) fn server_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 443))
}

/// Both ends of a connection, and the time.
pub(super) struct Pair {
    pub client: Connection,
    pub server: Option<Connection>,
    context: ServerContext,
    pub now: Instant,
}

impl Pair {
    pub(super) fn new(params: ConnectionParameters) -> Self {
        let identity = Identity::self_signed(&["example.com"]).unwrap();
        let tls = neqo_crypto::Client::builder()
            .verification(Verification::PinSha256(vec![identity.sha256()]))
            .build()
            .unwrap();
        Self::with_tls(params, tls, identity)
    }

    pub(super) fn with_tls(
        params: ConnectionParameters,
        tls: neqo_crypto::Client,
        identity: Identity,
    ) -> Self {
        let now = crate::test_now();
        let context = ServerContext {
            tls: neqo_crypto::Server::builder(identity).build().unwrap(),
            alpn: vec![ALPN.into()],
            params: params.clone(),
            reset_key: ResetKey::new(&[9; 32]),
        };
        let client = Connection::new_client(
            "example.com",
            &[ALPN],
            Box::new(RandomConnectionIdGenerator::new(8)),
            client_addr(),
            server_addr(),
            params.seed(Some([3; 32])).client_tls(tls),
            now,
        )
        .unwrap();
        Self {
            client,
            server: None,
            context,
            now,
        }
    }

    pub(super) fn server(&mut self) -> &mut Connection {
        self.server.as_mut().unwrap()
    }

    pub(super) fn to_server(&mut self, d: Datagram) {
        if self.server.is_none() {
            let generator = RandomConnectionIdGenerator::new(8);
            let Ok(Packet::Protected(p)) = Packet::decode(&d, &generator, QuicBit::Required) else {
                panic!("the client begins with an Initial packet");
            };
            let accept = Accept {
                version: p.version().unwrap(),
                dcid: *p.dcid(),
                original_dcid: *p.dcid(),
                retry_scid: None,
                scid: *p.scid(),
                local: server_addr(),
                remote: client_addr(),
            };
            let random = Random::from_seed([4; 32]);
            self.server = Some(
                Connection::accept(
                    &self.context,
                    &accept,
                    Box::new(generator),
                    random,
                    self.now,
                )
                .unwrap(),
            );
        }
        let now = self.now;
        self.server().process_input(d, now);
    }

    /// Passes everything that either side wants to say until both are silent.
    pub(super) fn exchange(&mut self) {
        for _ in 0..10_000 {
            let mut quiet = true;
            while let Output::Datagram(d) = self.client.process_output(self.now) {
                quiet = false;
                self.to_server(d);
            }
            if let Some(server) = &mut self.server {
                while let Output::Datagram(d) = server.process_output(self.now) {
                    quiet = false;
                    self.client.process_input(d, self.now);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they never stop talking");
    }

    /// Lets time pass to the next timer of either side, then exchanges.
    pub(super) fn next_timer(&mut self) {
        let timers = [
            self.client.next_instant(self.now),
            self.server.as_ref().and_then(|s| s.next_instant(self.now)),
        ];
        if let Some(at) = timers.into_iter().flatten().min() {
            self.now = self.now.max(at);
        }
        self.exchange();
    }

    pub(super) fn wait(&mut self, d: Duration) {
        self.now += d;
        self.exchange();
    }
}

/// A pair after the handshake.
pub(super) fn connected() -> Pair {
    let mut pair = Pair::new(ConnectionParameters::default());
    pair.exchange();
    assert_eq!(*pair.client.state(), State::Confirmed);
    assert_eq!(*pair.server().state(), State::Confirmed);
    pair
}

pub(super) fn events(c: &mut Connection) -> Vec<ConnectionEvent> {
    c.events().collect()
}

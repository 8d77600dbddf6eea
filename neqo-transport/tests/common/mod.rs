//! Two connections side by side, through the public API, in memory that is lent and reused.

#![allow(dead_code, reason = "each test uses its part")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a helper of tests, which may fail and need some instant to begin with"
)]

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use neqo_common::{Datagram, Random, Tos};
use neqo_crypto::{Identity, ResetKey, Verification};
use neqo_transport::{
    Accept, Connection, ConnectionId, ConnectionParameters, RandomConnectionIdGenerator,
    ServerContext, Transmit, Version,
};

const BATCH: NonZeroUsize = NonZeroUsize::new(40).unwrap();

/// Runs what one side does with packets, and may measure it.
pub trait Meter {
    fn write<R>(&mut self, f: impl FnOnce() -> R) -> R;
    fn read<R>(&mut self, f: impl FnOnce() -> R) -> R;
}

/// Measures nothing.
struct Unmetered;

impl Meter for Unmetered {
    fn write<R>(&mut self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn read<R>(&mut self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

pub struct Pair {
    pub client: Connection,
    pub server: Connection,
    pub now: Instant,
    buf: Vec<u8>,
    /// What carries datagrams over, used again and again.
    wire: BytesMut,
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The connection IDs of a long header (RFC 8999 §5.1).
fn cids(d: &[u8]) -> (ConnectionId, ConnectionId) {
    let dcid_len = usize::from(d[5]);
    let dcid = &d[6..6 + dcid_len];
    let scid_len = usize::from(d[6 + dcid_len]);
    let scid = &d[7 + dcid_len..7 + dcid_len + scid_len];
    (
        ConnectionId::new(dcid).unwrap(),
        ConnectionId::new(scid).unwrap(),
    )
}

impl Pair {
    pub fn connected(params: &ConnectionParameters) -> Self {
        let mut now = Instant::now();
        let identity = Identity::self_signed(&["example.com"]).unwrap();
        let tls = neqo_crypto::Client::builder()
            .verification(Verification::PinSha256(vec![identity.sha256()]))
            .build()
            .unwrap();
        let context = ServerContext {
            tls: neqo_crypto::Server::builder(identity).build().unwrap(),
            alpn: vec!["test".into()],
            params: params.clone(),
            reset_key: ResetKey::new(&[9; 32]),
        };
        let mut client = Connection::new_client(
            "example.com",
            &["test"],
            Box::new(RandomConnectionIdGenerator::new(8)),
            addr(1000),
            addr(443),
            params.clone().client_tls(tls),
            now,
        )
        .unwrap();
        let first = client.process_output(now).dgram().unwrap();
        let (dcid, scid) = cids(&first);
        let accept = Accept {
            version: Version::Version1,
            dcid,
            original_dcid: dcid,
            retry_scid: None,
            scid,
            local: addr(443),
            remote: addr(1000),
        };
        let mut server = Connection::accept(
            &context,
            &accept,
            Box::new(RandomConnectionIdGenerator::new(8)),
            Random::from_seed([1; 32]),
            now,
        )
        .unwrap();
        server.process_input(first, now);
        let mut pair = Self {
            client,
            server,
            now,
            buf: vec![0; 65536],
            wire: BytesMut::with_capacity(1 << 17),
        };
        for _ in 0..100 {
            pair.exchange();
            now += Duration::from_millis(1);
            pair.now = now;
        }
        assert!(pair.client.state().connected() && pair.server.state().connected());
        pair
    }

    /// Passes one batch each way, if there is one. Whether there was.
    pub fn step(&mut self) -> bool {
        self.step_with(&mut Unmetered, &mut Unmetered)
    }

    /// Like [`Self::step`], with what the client and the server do inside of their meters.
    pub fn step_with(
        &mut self,
        client_meter: &mut impl Meter,
        server_meter: &mut impl Meter,
    ) -> bool {
        let Self {
            client,
            server,
            now,
            buf,
            wire,
        } = self;
        let mut there = (client, client_meter);
        let mut back = (server, server_meter);
        pass(&mut there, &mut back, *now, buf, wire) | pass(&mut back, &mut there, *now, buf, wire)
    }

    /// Passes batches until both are silent.
    pub fn exchange(&mut self) {
        while self.step() {}
    }
}

fn pass(
    (from, output): &mut (&mut Connection, &mut impl Meter),
    (to, input): &mut (&mut Connection, &mut impl Meter),
    now: Instant,
    buf: &mut [u8],
    wire: &mut BytesMut,
) -> bool {
    let Transmit::Batch(batch) = output.write(|| from.write_batch(now, buf, BATCH)) else {
        return false;
    };
    // Like a receive buffer: reclaimed once nobody holds a slice of it any more.
    wire.clear();
    wire.reserve(batch.data().len());
    wire.extend_from_slice(batch.data());
    let d = Datagram::from_parts(
        batch.source(),
        batch.destination(),
        Tos::default(),
        wire.split(),
    );
    input.read(|| to.process_input_owned(d, batch.datagram_size(), now));
    true
}

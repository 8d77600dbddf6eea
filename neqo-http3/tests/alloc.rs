//! HTTP/3 adds no allocation per packet to the transport, in either direction.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use neqo_common::{Datagram, event::Provider as _};
use neqo_http3::{
    Header, Http3Client, Http3ClientEvent, Http3Parameters, Http3Server, Http3ServerEvent,
    Http3State, Http3StreamHandle, Priority, StreamId, Transmit,
};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};

const BATCH: NonZeroUsize = NonZeroUsize::new(40).expect("is not zero");
const CHUNK: Bytes = Bytes::from_static(&[7; 64 * 1024]);

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What each side allocated, call by call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allocations {
    client: Side,
    server: Side,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Side {
    send_data: u64,
    write_batch: u64,
    process_input: u64,
    read_data: u64,
    next_event: u64,
}

fn counted<R>(count: &mut u64, f: impl FnOnce() -> R) -> R {
    let mut result = None;
    *count += measure(|| result = Some(f())).count_total;
    result.unwrap()
}

/// A client and a server, and the memory between them, which is used again and again.
struct Pair {
    client: Http3Client,
    server: Http3Server,
    now: Instant,
    buf: Vec<u8>,
    wire: BytesMut,
}

impl Pair {
    fn connected() -> Self {
        let now = test_fixture::now();
        let identity = neqo_crypto::Identity::self_signed(&["example.com"]).unwrap();
        let tls = neqo_crypto::Client::builder()
            .verification(neqo_crypto::Verification::PinSha256(vec![
                identity.sha256(),
            ]))
            .build()
            .unwrap();
        let cids = || Box::new(RandomConnectionIdGenerator::new(8));
        let params = ConnectionParameters::default().client_tls(tls);
        let client = Http3Client::new(
            "example.com",
            cids(),
            addr(1000),
            addr(443),
            Http3Parameters::default().connection_parameters(params),
            now,
        )
        .unwrap();
        let tls = neqo_crypto::Server::builder(identity).build().unwrap();
        let server =
            Http3Server::new(now, tls, move || cids(), Http3Parameters::default()).unwrap();
        let mut pair = Self {
            client,
            server,
            now,
            buf: vec![0; 65_535],
            wire: BytesMut::with_capacity(1 << 17),
        };
        for _ in 0..100 {
            pair.exchange();
            pair.now += Duration::from_millis(1);
        }
        assert_eq!(pair.client.state(), Http3State::Connected);
        pair
    }

    /// Passes one batch each way, if there is one. Whether there was.
    fn step(&mut self, allocations: &mut Allocations) -> bool {
        let Self {
            client,
            server,
            now,
            buf,
            wire,
        } = self;
        let Allocations {
            client: c,
            server: s,
        } = allocations;
        let out = counted(&mut c.write_batch, || client.write_batch(*now, buf, BATCH));
        let to_server = carry(out, wire).map(|(d, stride)| {
            counted(&mut s.process_input, || {
                server.process_input_owned(d, stride, *now);
            });
        });
        let out = counted(&mut s.write_batch, || server.write_batch(*now, buf, BATCH));
        let to_client = carry(out, wire).map(|(d, stride)| {
            counted(&mut c.process_input, || {
                client.process_input_owned(d, stride, *now);
            });
        });
        to_server.or(to_client).is_some()
    }

    /// Passes batches until both are silent.
    fn exchange(&mut self) {
        while self.step(&mut Allocations::default()) {}
    }
}

fn carry(out: Transmit<'_>, wire: &mut BytesMut) -> Option<(Datagram<BytesMut>, NonZeroUsize)> {
    let Transmit::Batch(batch) = out else {
        return None;
    };
    wire.reserve(1 << 16);
    wire.extend_from_slice(batch.data());
    let data = wire.split();
    let d = Datagram::from_parts(batch.source(), batch.destination(), batch.tos(), data);
    Some((d, batch.datagram_size()))
}

/// Downloads and uploads until `bytes` have arrived on each side. Returns packets and allocations.
fn transfer(
    pair: &mut Pair,
    id: StreamId,
    stream: Http3StreamHandle,
    bytes: usize,
) -> (usize, Allocations) {
    let (mut up, mut down) = (0, 0);
    let packets =
        |p: &Pair| p.client.transport_stats().packets_tx + p.client.transport_stats().packets_rx;
    let before = packets(pair);
    let mut allocations = Allocations::default();
    while up < bytes || down < bytes {
        let Allocations { client, server } = &mut allocations;
        counted(&mut client.send_data, || {
            while pair.client.send_data_bytes(id, CHUNK, pair.now).unwrap() > 0 {}
        });
        counted(&mut server.send_data, || {
            let sent = |p: &mut Pair| p.server.send_data_bytes(stream, CHUNK, p.now).unwrap();
            while sent(pair) > 0 {}
        });
        pair.step(&mut allocations);
        let Allocations { client, server } = &mut allocations;
        counted(&mut client.read_data, || {
            while let (Some(data), _) = pair.client.read_data_bytes(pair.now, id).unwrap() {
                down += data.len();
            }
        });
        counted(&mut server.read_data, || {
            while let (Some(data), _) = pair.server.read_data_bytes(pair.now, stream).unwrap() {
                up += data.len();
            }
        });
        counted(&mut client.next_event, || {
            while pair.client.next_event().is_some() {}
        });
        counted(&mut server.next_event, || {
            while pair.server.next_event().is_some() {}
        });
        pair.now += Duration::from_micros(100);
    }
    (
        usize::try_from(packets(pair) - before).unwrap(),
        allocations,
    )
}

#[test]
fn content_allocates_nothing_per_packet() {
    // Without a seed, and more than once: what grows late grows at another time each time.
    for _ in 0..3 {
        let mut pair = Pair::connected();
        let (id, stream) = request(&mut pair);
        let (_, warm_up) = transfer(&mut pair, id, stream, 30 << 20);
        assert_ne!(warm_up, Allocations::default(), "the counter counts");
        let (packets, allocations) = transfer(&mut pair, id, stream, 10 << 20);
        assert!(packets > 10_000, "{packets} packets");
        assert_eq!(allocations, Allocations::default(), "for {packets} packets");
    }
}

/// A request whose response has begun, and which goes on both ways.
fn request(pair: &mut Pair) -> (StreamId, Http3StreamHandle) {
    let target = ("https", "example.com", "/");
    let id = pair
        .client
        .fetch(pair.now, "POST", target, &[], Priority::default())
        .unwrap();
    pair.exchange();
    let stream = std::iter::from_fn(|| pair.server.next_event())
        .find_map(|e| {
            if let Http3ServerEvent::Headers { stream, .. } = e {
                Some(stream)
            } else {
                None
            }
        })
        .unwrap();
    pair.server
        .send_headers(stream, &[Header::new(":status", "200")])
        .unwrap();
    pair.exchange();
    let headers = |e| matches!(e, Http3ClientEvent::HeaderReady { .. });
    assert!(std::iter::from_fn(|| pair.client.next_event()).any(headers));
    (id, stream)
}

//! HTTP/3 adds no allocation per packet to the transport, in either direction.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use neqo_common::{Datagram, event::Provider as _};
use neqo_http3::{
    Header, Http3Client, Http3ClientEvent, Http3Parameters, Http3Server, Http3ServerEvent,
    Http3State, Http3StreamHandle, Priority, StreamId, Transmit,
};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: NonZeroUsize = NonZeroUsize::new(40).expect("is not zero");
const CHUNK: Bytes = Bytes::from_static(&[7; 64 * 1024]);

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
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
            while pair.step() {}
            pair.now += Duration::from_millis(1);
        }
        assert_eq!(pair.client.state(), Http3State::Connected);
        pair
    }

    /// Passes one batch each way, if there is one. Whether there was.
    fn step(&mut self) -> bool {
        let Self {
            client,
            server,
            now,
            buf,
            wire,
        } = self;
        let out = client.write_batch(*now, buf, BATCH);
        let to_server =
            carry(out, wire).map(|(d, stride)| server.process_input_owned(d, stride, *now));
        let out = server.write_batch(*now, buf, BATCH);
        let to_client =
            carry(out, wire).map(|(d, stride)| client.process_input_owned(d, stride, *now));
        to_server.or(to_client).is_some()
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
) -> (usize, u64) {
    let (mut up, mut down) = (0, 0);
    let packets =
        |p: &Pair| p.client.transport_stats().packets_tx + p.client.transport_stats().packets_rx;
    let before = (packets(pair), ALLOCATIONS.load(Ordering::Relaxed));
    while up < bytes || down < bytes {
        while pair.client.send_data_bytes(id, CHUNK, pair.now).unwrap() > 0 {}
        while pair
            .server
            .send_data_bytes(stream, CHUNK, pair.now)
            .unwrap()
            > 0
        {}
        pair.step();
        while let (Some(data), _) = pair.client.read_data_bytes(pair.now, id).unwrap() {
            down += data.len();
        }
        while let (Some(data), _) = pair.server.read_data_bytes(pair.now, stream).unwrap() {
            up += data.len();
        }
        while pair.client.next_event().is_some() || pair.server.next_event().is_some() {}
        pair.now += Duration::from_micros(100);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before.1;
    (
        usize::try_from(packets(pair) - before.0).unwrap(),
        allocations,
    )
}

#[test]
fn content_allocates_nothing_per_packet() {
    let mut pair = Pair::connected();
    let target = ("https", "example.com", "/");
    let id = pair
        .client
        .fetch(pair.now, "POST", target, &[], Priority::default())
        .unwrap();
    while pair.step() {}
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
    while pair.step() {}
    let headers = |e| matches!(e, Http3ClientEvent::HeaderReady { .. });
    assert!(std::iter::from_fn(|| pair.client.next_event()).any(headers));

    transfer(&mut pair, id, stream, 30 << 20);
    let (packets, allocations) = transfer(&mut pair, id, stream, 30 << 20);
    println!("{allocations} allocations for {packets} packets");
    assert!(packets > 10_000, "{packets} packets");
    // What is left is per receive buffer, of which one holds up to 40 packets, not per packet.
    assert!(
        allocations < u64::try_from(packets / 8).unwrap(),
        "{allocations} for {packets} packets"
    );
}

//! Nothing is allocated per packet in steady state (design: counted, not believed).

#![expect(
    clippy::unwrap_used,
    reason = "a helper of the test may fail as the test may"
)]

mod common;

use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use common::{Meter, Pair};
use neqo_transport::{ConnectionParameters, StreamId, StreamType};

/// What each side allocated, call by call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allocations {
    /// Putting data into the stream.
    send: u64,
    /// Reading data from the stream.
    recv: u64,
    /// Writing and reading packets.
    sender: Side,
    receiver: Side,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Side {
    write_batch: u64,
    process_input: u64,
}

impl Meter for Side {
    fn write<R>(&mut self, f: impl FnOnce() -> R) -> R {
        counted(&mut self.write_batch, f)
    }

    fn read<R>(&mut self, f: impl FnOnce() -> R) -> R {
        counted(&mut self.process_input, f)
    }
}

fn counted<R>(count: &mut u64, f: impl FnOnce() -> R) -> R {
    let mut result = None;
    *count += measure(|| result = Some(f())).count_total;
    result.unwrap()
}

/// Sends about `bytes` on one stream, reading without copies. Returns packets and allocations.
fn transfer(pair: &mut Pair, id: StreamId, chunk: &Bytes, bytes: u64) -> (u64, Allocations) {
    let packets = pair.client.stats().packets_tx;
    let mut allocations = Allocations::default();
    let mut got = 0;
    while got < bytes {
        counted(&mut allocations.send, || {
            while pair.client.stream_send_bytes(id, chunk.clone()).unwrap() == chunk.len() {}
        });
        pair.step_with(&mut allocations.sender, &mut allocations.receiver);
        counted(&mut allocations.recv, || {
            while let Ok((Some(data), _)) = pair.server.stream_recv_bytes(id) {
                got += data.len() as u64;
            }
        });
        pair.now += Duration::from_micros(100);
    }
    (pair.client.stats().packets_tx - packets, allocations)
}

#[test]
fn bulk_transfer_allocates_nothing_per_packet() {
    // Without a seed, and more than once: what grows late grows at another time each time.
    for _ in 0..3 {
        let mut pair = Pair::connected(&ConnectionParameters::default());
        let id = pair.client.stream_create(StreamType::UniDi).unwrap();
        let chunk = Bytes::from(vec![7; 64 * 1024]);
        transfer(&mut pair, id, &chunk, 30 << 20);
        let (packets, allocations) = transfer(&mut pair, id, &chunk, 20 << 20);
        assert!(packets > 10_000, "{packets} packets");
        assert_eq!(allocations, Allocations::default(), "for {packets} packets");
    }
}

#[test]
fn the_counter_counts() {
    let mut side = Side::default();
    drop(side.write(|| vec![1_u8; 3]));
    drop(side.read(|| (Box::new(1_u8), String::from("2"))));
    assert_eq!((side.write_batch, side.process_input), (1, 2));
}

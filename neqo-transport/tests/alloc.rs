//! Nothing is allocated per packet in steady state (design: counted, not believed).

#![expect(
    clippy::unwrap_used,
    reason = "a helper of the test may fail as the test may"
)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use common::Pair;
use neqo_transport::{ConnectionParameters, StreamType};

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

/// Sends about `bytes` on one stream, reading without copies. Returns packets and allocations.
fn transfer(
    pair: &mut Pair,
    id: neqo_transport::StreamId,
    chunk: &Bytes,
    bytes: u64,
) -> (u64, u64) {
    let packets = pair.client.stats().packets_tx;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut got = 0;
    while got < bytes {
        while pair.client.stream_send_bytes(id, chunk.clone()).unwrap() == chunk.len() {}
        pair.step();
        while let Ok((Some(data), _)) = pair.server.stream_recv_bytes(id) {
            got += data.len() as u64;
        }
        pair.now += Duration::from_micros(100);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    (pair.client.stats().packets_tx - packets, allocations)
}

#[test]
fn bulk_transfer_allocates_nothing_per_packet() {
    let mut pair = Pair::connected(&ConnectionParameters::default());
    let id = pair.client.stream_create(StreamType::UniDi).unwrap();
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    transfer(&mut pair, id, &chunk, 30 << 20);
    let (packets, allocations) = transfer(&mut pair, id, &chunk, 30 << 20);
    assert!(packets > 10_000, "{packets} packets");
    // What is left is per receive buffer, of which one holds up to 40 packets, not per packet.
    assert!(
        allocations < packets / 8,
        "{allocations} allocations for {packets} packets"
    );
    println!("{allocations} allocations for {packets} packets");
}

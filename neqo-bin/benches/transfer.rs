//! Our HTTP/3 client against our server over loopback sockets, in criterion's terms: for changes
//! from one commit to the next. The bench `peers` has the comparison with others, which criterion
//! cannot make: there rounds alternate between the peers, and what counts is a ratio.
//!
//! ```sh
//! cargo bench -p neqo-bin --bench transfer -- download
//! ```

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement ends at whatever goes wrong"
)]

#[path = "peers/ours.rs"]
mod ours;
#[path = "peers/peer.rs"]
mod peer;
#[path = "peers/setup.rs"]
mod setup;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use neqo_bin::clock;
use ours::Ours;
use peer::Client;
use setup::{Options, Setup};

const BYTES: u64 = 20_000_000;
const REQUESTS: u64 = 1000;

/// Measures `work` on a connection that is new each time, but not the handshake.
fn on_new_connections(
    criterion: &mut Criterion,
    client: &mut dyn Client,
    name: &str,
    throughput: Throughput,
    work: fn(&mut dyn Client),
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(throughput);
    group.bench_function("neqo", |bencher| {
        bencher.iter_custom(|iterations| {
            let rounds = (0..iterations).map(|_| {
                client.connect();
                let start = clock::now();
                work(client);
                start.elapsed()
            });
            rounds.sum::<Duration>()
        });
    });
    group.finish();
}

fn transfer(criterion: &mut Criterion) {
    let setup = Setup::new(Options::DEFAULT);
    let mut client = peer::start(&Ours, &setup);
    let client = client.as_mut();
    let bytes = Throughput::Bytes(BYTES);
    on_new_connections(criterion, client, "download", bytes.clone(), |client| {
        client.download(BYTES);
    });
    on_new_connections(criterion, client, "upload", bytes, |client| {
        client.upload(BYTES);
    });
    let requests = Throughput::Elements(REQUESTS);
    on_new_connections(criterion, client, "requests", requests, |client| {
        client.requests(REQUESTS);
    });
    let mut group = criterion.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1));
    group.bench_function("neqo", |bencher| bencher.iter(|| client.connect()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = transfer
}
criterion_main!(benches);

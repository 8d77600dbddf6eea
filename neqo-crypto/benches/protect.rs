//! What protecting a packet costs, by library: seal and open packets of 1,400 bytes, and mask headers, under the three
//! cipher suites. A table of the ratios follows.
//!
//! `cargo bench -p neqo-crypto --bench protect --features nss` runs both libraries; with one there are no ratios.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group};
use neqo_crypto::{
    Cipher, Direction, Level, OpenKeys, Primitives, SealKeys, Secret, TAG_LEN, Version,
};

const PACKET: usize = 1400;
const HEADER: usize = 20;

fn secret(cipher: Cipher) -> Secret {
    let bytes = vec![1; cipher.secret_len()];
    Secret::new(Level::OneRtt, Direction::Write, cipher, &bytes).expect("the suite's length")
}

/// What is measured, ready to run.
struct Work {
    seal: SealKeys,
    open: OpenKeys,
    plain: [u8; PACKET],
    sealed: [u8; PACKET],
}

impl Work {
    fn new(primitives: Primitives, cipher: Cipher) -> Self {
        let secret = secret(cipher);
        let mut seal = SealKeys::with(primitives, Version::Version1, &secret).expect("keys");
        let open = OpenKeys::with(primitives, Version::Version1, &secret).expect("keys");
        let mut sealed = [7; PACKET];
        seal.seal(1, &mut sealed, HEADER).expect("seals");
        Self {
            seal,
            open,
            plain: [7; PACKET],
            sealed,
        }
    }

    /// Renews the keys before they have sealed as much as they may.
    fn renew(&mut self, packets: u64) {
        if self.seal.remaining() <= packets {
            self.seal = self.seal.next().expect("keys");
        }
    }

    fn seal(&mut self) {
        self.seal
            .seal(black_box(2), black_box(&mut self.plain), HEADER)
            .expect("seals");
    }

    /// Opening destroys the ciphertext, so each time has a copy, about 20 ns of what is measured.
    fn open(&mut self) {
        let mut packet = self.sealed;
        let (header, body) = packet.split_at_mut(HEADER);
        let plain = self
            .open
            .open(black_box(1), header, black_box(body))
            .expect("opens");
        assert_eq!(plain.len(), PACKET - HEADER - TAG_LEN);
    }

    fn mask(&mut self) {
        let sample = self.sealed[HEADER..].first_chunk().expect("16 bytes");
        black_box(self.seal.mask(black_box(sample)));
    }
}

type Operation = (&'static str, fn(&mut Work));
const OPERATIONS: [Operation; 3] = [
    ("seal", Work::seal),
    ("open", Work::open),
    ("mask", Work::mask),
];

fn protect(c: &mut Criterion) {
    for (operation, run) in OPERATIONS {
        let mut group = c.benchmark_group(operation);
        if operation != "mask" {
            group.throughput(Throughput::Bytes(PACKET as u64));
        }
        for cipher in Cipher::ALL {
            for &primitives in Primitives::ALL {
                let mut work = Work::new(primitives, cipher);
                group.bench_function(format!("{cipher}/{primitives:?}"), |b| {
                    b.iter_custom(|times| {
                        let mut spent = Duration::ZERO;
                        let mut left = times;
                        while left > 0 {
                            let batch = left.min(1 << 20);
                            work.renew(batch);
                            let start = Instant::now();
                            (0..batch).for_each(|_| run(&mut work));
                            spent += start.elapsed();
                            left -= batch;
                        }
                        spent
                    });
                });
            }
        }
        group.finish();
    }
}

/// The shortest time of one run, in nanoseconds. The libraries take turns, so that what else the machine does and how
/// fast it clocks is the same for both.
fn fastest(cipher: Cipher, run: fn(&mut Work)) -> Vec<f64> {
    const BATCH: u32 = 2_000;
    let mut works: Vec<_> = Primitives::ALL
        .iter()
        .map(|p| (Work::new(*p, cipher), f64::INFINITY))
        .collect();
    for _ in 0..200 {
        for (work, best) in &mut works {
            let start = Instant::now();
            (0..BATCH).for_each(|_| run(work));
            let nanos = start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH);
            *best = best.min(nanos);
        }
    }
    works.into_iter().map(|(_, best)| best).collect()
}

#[expect(clippy::print_stdout, reason = "the table is for people")]
fn ratios() {
    let [first, rest @ ..] = Primitives::ALL else {
        return;
    };
    for other in rest {
        println!("\nfastest of 200 batches, ns: {first:?}, {other:?}, ratio");
    }
    for cipher in Cipher::ALL {
        for (operation, run) in OPERATIONS {
            let nanos = fastest(cipher, run);
            for other in &nanos[1..] {
                let ratio = other / nanos[0];
                println!(
                    "{cipher:24} {operation}: {:7.1} {other:7.1} {ratio:5.2}",
                    nanos[0]
                );
            }
        }
    }
}

criterion_group!(benches, protect);

fn main() {
    benches();
    ratios();
    Criterion::default().configure_from_args().final_summary();
}

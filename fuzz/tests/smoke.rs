//! Each harness over its seeds and over inputs that are random or random changes of seeds.
//!
//! `NEQO_FUZZ_RUNS` says how many of those (1,000), `NEQO_FUZZ_SEED` which (1). An input that fails is
//! written to `fuzz/artifacts/`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
};

use neqo_common::Random;
use neqo_fuzz::{HARNESSES, Harness};

const LONGEST: u64 = 2_000;

/// Writes the input to a file when it is dropped by a panic.
struct Witness<'a>(&'a str, &'a [u8]);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let dir = root().join("artifacts").join(self.0);
            let path = dir.join("smoke");
            let written = fs::create_dir_all(&dir).and_then(|()| fs::write(&path, self.1));
            eprintln!("{}: {written:?}: {}", self.0, path.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(name: &str, harness: Harness, data: &[u8]) {
    let witness = Witness(name, data);
    harness(data);
    drop(witness);
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = root().join("seeds").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn variable(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |v| v.parse().unwrap())
}

/// A number that is small more often than not.
fn small(random: &mut Random, below: u64) -> usize {
    let below = random.below(below) + 1;
    usize::try_from(random.below(below)).unwrap()
}

fn arbitrary(random: &mut Random) -> Vec<u8> {
    let mut data = vec![0; small(random, LONGEST)];
    random.fill(&mut data);
    if random.below(2) == 0 {
        // Types, lengths and offsets are small.
        let mask = (1 << random.below(7)) - 1;
        for byte in data.iter_mut().step_by(2) {
            *byte &= mask;
        }
    }
    data
}

fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut pick = || seeds[usize::try_from(random.below(seeds.len() as u64)).unwrap()].clone();
    let (mut data, other) = (pick(), pick());
    if random.below(3) == 0 {
        data.truncate(small(random, data.len() as u64 + 1));
        data.extend_from_slice(&other[small(random, other.len() as u64 + 1).min(other.len())..]);
    }
    for _ in 0..small(random, 8) {
        if data.is_empty() {
            break;
        }
        let at = usize::try_from(random.below(data.len() as u64)).unwrap();
        let [value, how] = random.bytes();
        match how % 4 {
            0 => data[at] = value,
            1 => data[at] ^= 1 << (value & 7),
            2 => data.insert(at, value),
            _ => _ = data.remove(at),
        }
    }
    data
}

fn smoke(name: &str) {
    let (_, harness) = HARNESSES.iter().find(|(n, _)| *n == name).unwrap();
    let seeds = seeds(name);
    for data in &seeds {
        run(name, *harness, data);
    }
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&variable("NEQO_FUZZ_SEED", 1).to_le_bytes());
    let mut random = Random::from_seed(seed);
    for n in 0..variable("NEQO_FUZZ_RUNS", 1_000) {
        let data = if n % 2 == 0 || seeds.is_empty() {
            arbitrary(&mut random)
        } else {
            changed(&seeds, &mut random)
        };
        run(name, *harness, &data);
    }
}

macro_rules! smoke_tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        /// No harness is left out.
        #[test]
        fn all_harnesses() {
            let mut names = HARNESSES.map(|(name, _)| name);
            names.sort_unstable();
            assert_eq!(names, [$(stringify!($name)),*]);
            for name in names {
                assert!(root().join("fuzz_targets").join(name).with_extension("rs").exists());
            }
        }
    };
}

smoke_tests! {
    client_datagrams
    client_frames
    client_transport_parameters
    common_codec
    connection_pair
    crypto_client_hello
    http3_client_stream
    http3_server_stream
    huffman
    qpack_decoder
    qpack_encoder_stream
    server_datagrams
    server_frames
    server_transport_parameters
}

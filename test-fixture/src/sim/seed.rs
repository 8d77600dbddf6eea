//! Where seeds come from and how a failure tells its own.

use std::{env, thread};

use neqo_common::Random;

/// The variable that names the one seed to run.
const SEED: &str = "NEQO_SIM_SEED";
/// The variable that says how many seeds [`run_many`] tries, for a longer search.
const RUNS: &str = "NEQO_SIM_RUNS";

/// The source of randomness that a seed stands for.
pub(super) fn random(seed: u64) -> Random {
    let mut bytes = [0; 32];
    for (b, s) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *b = s;
    }
    Random::from_seed(bytes)
}

/// Runs `body` with seed 1, or with the one in the environment variable `NEQO_SIM_SEED`.
///
/// Where `body` panics, the seed is printed so that it can be given in that variable.
pub fn run<T>(body: impl FnOnce(u64) -> T) -> T {
    announced(variable(SEED).unwrap_or(1), body)
}

/// Runs `body` with the seeds `1..=runs`, or with only the one in `NEQO_SIM_SEED`. `NEQO_SIM_RUNS`
/// replaces `runs`.
///
/// The first seed with which `body` panics is printed and ends the test.
pub fn run_many(runs: u64, mut body: impl FnMut(u64)) {
    if let Some(seed) = variable(SEED) {
        announced(seed, &mut body);
        return;
    }
    for seed in 1..=variable(RUNS).unwrap_or(runs) {
        announced(seed, &mut body);
    }
}

fn announced<T>(seed: u64, body: impl FnOnce(u64) -> T) -> T {
    let announcer = Announcer(seed);
    let result = body(seed);
    drop(announcer);
    result
}

fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|e| panic!("{name}={value}: {e}")),
    )
}

/// Prints the seed when it is dropped by a panic.
struct Announcer(u64);

impl Drop for Announcer {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test tells how to repeat it where its reader looks"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "simulation failed with seed {0}; rerun it with {SEED}={0}",
                self.0
            );
        }
    }
}

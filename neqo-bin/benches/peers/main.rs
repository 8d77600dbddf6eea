//! Our HTTP/3 beside that of quinn with h3, in one run, over loopback sockets.
//!
//! ```sh
//! cargo bench -p neqo-bin --bench peers -- --rounds 7 --payload 1472 download upload
//! ```
//!
//! Everything that is not the protocol's own is equal for all: one thread for the server and one
//! for the client, each with a single-threaded tokio runtime and pinned to a core of its own; the
//! size of UDP payloads, the socket buffers, the windows and the number of streams; X25519,
//! `TLS_AES_128_GCM_SHA256` and one self-signed P-256 certificate, all from aws-lc-rs. Rounds
//! alternate between the peers, so that a disturbance of the machine hits all of them, and the
//! median counts. This is what criterion does not do: it measures one thing for a while, then the
//! next, and on a machine with other work a ratio of two such times says little. Where even the
//! ratio of times wavers, that of CPU times does not. The bench `transfer` has the same work in
//! criterion's terms.
//!
//! What is not equal is to our disadvantage: ours is the server of `neqo-server`, which sends two
//! session tickets and more response fields than `:status`; the other peers' servers do not.
//!
//! `--defaults` compares what a host gets that sets nothing: only the TLS and the sockets are equal then.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints its table, and ends at whatever goes wrong"
)]

mod harness;
mod ours;
mod peer;
mod quinn_h3;
mod setup;

use clap::Parser;
use harness::{Sizes, Work};
use peer::Peer;
use setup::{Options, Setup};

/// Measures HTTP/3 peers against each other.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure (default: everything).
    #[arg(value_enum)]
    work: Vec<Work>,
    /// How often each peer does each work.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    options: Options,
    /// Bytes of a download and of an upload.
    #[arg(long, default_value_t = 100_000_000)]
    bytes: u64,
    /// One-byte requests, all given to the client at once.
    #[arg(long, default_value_t = 10_000)]
    requests: u64,
    /// Handshakes, one after another.
    #[arg(long, default_value_t = 500)]
    handshakes: u64,
    /// Only these peers, by name.
    #[arg(long)]
    peer: Vec<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let setup = Setup::new(args.options);
    let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(quinn_h3::Quinn), Box::new(ours::Ours)];
    peers.retain(|p| args.peer.is_empty() || args.peer.iter().any(|name| name == p.name()));
    let sizes = Sizes {
        bytes: args.bytes,
        requests: args.requests,
        handshakes: args.handshakes,
    };
    let work = if args.work.is_empty() {
        Work::ALL
    } else {
        &args.work
    };
    println!("{setup}");
    let table = harness::measure(&peers, &setup, work, sizes, args.rounds);
    println!("{table}");
}

//! What no input may do, as functions from bytes to nothing or a panic.
//!
//! Each harness drives the stack by its public interface with what the bytes say and asserts what
//! must hold whatever they are. The same functions are run
//! - by `tests/smoke.rs`, with a stable compiler, over the seeds and random inputs;
//! - by libFuzzer: `cargo +nightly fuzz run NAME fuzz/corpus/NAME fuzz/seeds/NAME`;
//! - by the program of that name, to see what an input that was found does:
//!   `cargo run --manifest-path fuzz/Cargo.toml --bin NAME -- FILE`.
//!
//! | harness | the bytes are | beyond that nothing panics |
//! |---|---|---|
//! | `common_codec` | what to decode, and how it is cut | encoding inverts decoding; pieces make no difference |
//! | `huffman` | a string, and a code | decoding inverts encoding; the limit holds |
//! | `qpack_decoder` | a field section | the size limit holds; encoding gives the same lines |
//! | `qpack_encoder_stream` | both instruction streams | pieces make no difference |
//! | `crypto_client_hello` | a TLS message | what is found is part of it |
//! | `server_datagrams` | datagrams to a server, also mutated first flights | amplification; the caps |
//! | `client_datagrams` | datagrams to a client, also mutated answers | nothing is taken for a handshake |
//! | `connection_pair` | what a network does to a transfer | data arrives as it was sent, or the connection ends |
//! | `server_frames`, `client_frames` | frames in authentic packets of a [`puppet`] | output ends |
//! | `*_transport_parameters` | transport parameters of a [`puppet`] | output ends |
//! | `http3_server_stream`, `http3_client_stream` | what a peer writes to its streams | events end |
//!
//! Virtual time, connection IDs and the network follow from the input. TLS is real, and its keys are
//! not: two runs of one input differ in what is encrypted.

#![forbid(unsafe_code)]

pub mod input;
pub mod puppet;
mod targets;

#[cfg(fuzzing)]
pub use libfuzzer_sys;
pub use targets::{
    codec::{common_codec, crypto_client_hello, huffman, qpack_decoder, qpack_encoder_stream},
    datagrams::{client_datagrams, server_datagrams},
    frames::{
        client_frames, client_transport_parameters, server_frames, server_transport_parameters,
    },
    http3::{http3_client_stream, http3_server_stream},
    pair::connection_pair,
};

/// A harness.
pub type Harness = fn(&[u8]);

/// All harnesses by name.
pub const HARNESSES: [(&str, Harness); 14] = [
    ("client_datagrams", client_datagrams),
    ("client_frames", client_frames),
    ("client_transport_parameters", client_transport_parameters),
    ("common_codec", common_codec),
    ("connection_pair", connection_pair),
    ("crypto_client_hello", crypto_client_hello),
    ("http3_client_stream", http3_client_stream),
    ("http3_server_stream", http3_server_stream),
    ("huffman", huffman),
    ("qpack_decoder", qpack_decoder),
    ("qpack_encoder_stream", qpack_encoder_stream),
    ("server_datagrams", server_datagrams),
    ("server_frames", server_frames),
    ("server_transport_parameters", server_transport_parameters),
];

/// The program for a harness: under libFuzzer what it wants, otherwise [`replay`].
#[macro_export]
macro_rules! target {
    ($harness:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $harness(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay($harness)
        }
    };
}

/// Runs `harness` on each of the files that the command line names.
///
/// # Errors
/// When one cannot be read.
pub fn replay(harness: Harness) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        println!("{}", std::path::Path::new(&path).display());
        harness(&std::fs::read(path)?);
    }
    Ok(())
}

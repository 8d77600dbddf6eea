//! Sans-IO QUIC (RFC 8999, 9000, 9001, 9002): connections and the server demultiplexer.
#![forbid(unsafe_code)]

mod cc;
mod cid;
pub mod config;
mod connection;
mod error;
mod events;
mod handshake;
mod path;
mod recovery;
mod rx;
pub mod server;
mod space;
pub mod stats;
pub mod stream_id;
pub mod streams;
mod tx;
pub mod version;
mod wire;

pub use cid::{
    CidChange, ResetToken,
    id::{
        ConnectionId, ConnectionIdDecoder, ConnectionIdGenerator, ConnectionIdRef,
        EmptyConnectionIdGenerator, RandomConnectionIdGenerator,
    },
};
pub use config::params::{CongestionControl, ConnectionParameters};
pub use connection::{Accept, Connection, Output, OutputBatch, ServerContext, State, Transmit};
pub use error::{AppError, CloseReason, Error, Misuse, Res, TransportError, Violation};
pub use events::ConnectionEvent;
pub use neqo_crypto::Version;
pub use stats::Stats;
pub use stream_id::{StreamId, StreamType};

/// A packet number, at most 2^62-1 (RFC 9000 §12.3).
pub(crate) type PacketNumber = u64;

/// The one reading of the clock in unit tests: a base that virtual time counts from.
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests need some instant to begin with"
)]
fn test_now() -> std::time::Instant {
    std::time::Instant::now()
}

//! Sans-IO QUIC (RFC 8999, 9000, 9001, 9002): connections and the server demultiplexer.
#![forbid(unsafe_code)]

mod cc;
mod cid;
pub mod config;
mod connection;
mod error;
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

pub use error::{AppError, CloseReason, Error, Misuse, Res, TransportError, Violation};
pub use stats::Stats;

/// A packet number, at most 2^62-1 (RFC 9000 §12.3).
pub(crate) type PacketNumber = u64;

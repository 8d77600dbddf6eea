//! Sans-IO HTTP/3 (RFC 9114): client and server.

#![forbid(unsafe_code)]

mod client;
mod config;
mod core;
mod driver;
mod error;
mod headers;
mod message;
mod server;
mod settings;
mod state;
mod wire;

pub use client::{Http3Client, Http3ClientEvent};
pub use config::Http3Parameters;
pub use error::{
    AppError, Error, H3_INTERNAL_ERROR, H3_NO_ERROR, Misuse, Res, StreamFault, Violation,
};
pub use headers::{Authority, Priority, RequestTarget, check::Malformed};
pub use neqo_common::Header;
pub use neqo_transport::server::ConnectionHandle;
pub use neqo_transport::{Output, OutputBatch, StreamId, Transmit};
pub use server::{Http3Server, Http3ServerEvent, Http3StreamHandle};
pub use settings::Settings;
pub use state::Http3State;

//! Sans-IO HTTP/3 (RFC 9114): client and server.

#![forbid(unsafe_code)]

mod config;
mod core;
mod error;
mod headers;
mod message;
mod settings;
mod wire;

pub use error::{
    AppError, Error, H3_INTERNAL_ERROR, H3_NO_ERROR, Misuse, Res, StreamFault, Violation,
};
pub use headers::{Authority, Priority, RequestTarget, check::Malformed};
pub use neqo_common::Header;
pub use settings::Settings;

//! Sans-IO HTTP/3 (RFC 9114): client and server.
//!
//! [`Http3Client`] is one connection of a client, [`Http3Server`] all connections of a server. Neither opens a socket,
//! reads a clock or starts a thread: datagrams go in and out by calls, and every call that needs the time is told it.
//!
//! # Events and calls
//!
//! What happened is told by events, which [`event::Provider`](neqo_common::event::Provider) hands out. They name requests
//! and connections by plain values ([`StreamId`], [`Http3StreamHandle`], [`ConnectionHandle`]), which go into the calls
//! that read and send. Content is pulled, never part of an event: a peer can send no more than flow control allows ahead
//! of what was read.
//!
//! Content exists in two shapes. `send_data` and `read_data` copy to and from slices. `send_data_bytes` and
//! `read_data_bytes` pass [`Bytes`](bytes::Bytes) along: on the way out the packet is the first copy, on the way in there
//! is none if the datagram was handed in with `process_input_owned`.
//!
//! # Structure
//!
//! `wire` and `headers` turn bytes into values and back. `message` has the state machines of a message in either
//! direction. `core` is HTTP/3 on a connection: every method takes the transport as an argument, of which it knows
//! nothing but a few calls about streams. `client` and `server` own transports and lend them.
//!
//! # Errors
//!
//! [`Error`] tells who is at fault and how far the damage reaches. What a peer can make this crate keep is bounded, in
//! one file (`config/limits.rs`). Server push is not offered and not accepted.

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
pub use headers::{Authority, Priority, RequestTarget};
pub use neqo_common::Header;
pub use neqo_transport::{Output, OutputBatch, StreamId, Transmit, server::ConnectionHandle};
pub use server::{Http3Server, Http3ServerEvent, Http3StreamHandle};
pub use settings::Settings;
pub use state::Http3State;

//! Sans-IO HTTP/3 (RFC 9114): client and server.
//!
//! [`Http3Client`] is one connection of a client, [`Http3Server`] all connections of a server. Neither opens a socket,
//! reads a clock or starts a thread: datagrams go in and out by calls, and every call that needs the time is told it.
//! `examples/fetch.rs` is a whole host, with a socket of std.
//!
//! # The contract of use
//!
//! It is that of [`neqo_transport`]: time never goes backwards; after input, a deadline or any call that changes something
//! output is taken until there is no more; events are taken until there is none.
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
//! A request in calls and events:
//!
//! ```
//! use std::time::Instant;
//!
//! use neqo_http3::{Http3Client, Http3ClientEvent, Http3State, Priority, Res};
//!
//! fn on_event(client: &mut Http3Client, event: Http3ClientEvent, now: Instant) -> Res<()> {
//!     match event {
//!         Http3ClientEvent::StateChange(Http3State::Connected) => {
//!             let target = ("https", "example.com", "/");
//!             let id = client.fetch(now, "GET", target, &[], Priority::default())?;
//!             client.stream_close_send(id, now)
//!         }
//!         Http3ClientEvent::HeaderReady { headers, .. } => {
//!             println!("{headers:?}");
//!             Ok(())
//!         }
//!         Http3ClientEvent::DataReadable { stream_id } => {
//!             while let (Some(chunk), fin) = client.read_data_bytes(now, stream_id)? {
//!                 println!("{} bytes", chunk.len());
//!                 if fin {
//!                     break;
//!                 }
//!             }
//!             Ok(())
//!         }
//!         _ => Ok(()),
//!     }
//! }
//! ```
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `wire` | frames, settings and stream types as bytes |
//! | `headers` | what fields mean: malformed or not, targets, priorities |
//! | `message` | the state machines of a message in either direction |
//! | `core` | HTTP/3 on a connection: control and QPACK streams, requests, GOAWAY. Every method takes the transport as an argument, of which it knows nothing but a few calls about streams |
//! | `driver` | from the transport's events to `core`, the same for both roles |
//! | `client`, `server` | [`Http3Client`], [`Http3Server`]: they own transports and lend them |
//! | `config`, `settings`, `state`, `error` | [`Http3Parameters`], [`Settings`], [`Http3State`], [`Error`] |
//!
//! # Errors
//!
//! [`Error`] tells who is at fault and how far the damage reaches. What a peer can make this crate keep is bounded, in
//! one file (`config/limits.rs`). Server push is not offered and not accepted. WebTransport, connect-udp and HTTP datagrams
//! are not there yet; extended CONNECT (RFC 9220) reaches as far as the tunnel's bytes.

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

//! Sans-IO QUIC (RFC 8999, 9000, 9001, 9002, 9368, 9369): connections and the server demultiplexer.
//!
//! A [`Connection`] is one connection of either role, a [`Server`](server::Server) all connections behind one address.
//! Neither opens a socket, reads a clock, starts a thread or asks the system for randomness beyond one seed. Datagrams and
//! the time go in by calls, and datagrams, deadlines and events come out.
//!
//! # The contract of use
//!
//! - *Time is an argument* and never goes backwards.
//! - *Input*: [`Connection::process_input`] takes a datagram and opens it in place; [`Connection::process_input_owned`]
//!   takes a reference-counted buffer of many datagrams and keeps slices of it instead of copies.
//! - *Output*: after input, after a deadline and after any call that changes something,
//!   [`Connection::write_batch`] is called until it gives no more datagrams. It fills memory that the caller lends with
//!   datagrams of one size for one destination, as one `sendmsg` takes them, or says how long to wait.
//!   [`Connection::process_output`] and [`Connection::process_multiple_output`] are the same in memory of their own.
//!   A datagram that the socket refuses because it is too large is to be dropped: that is how the search for the path MTU
//!   ends, and nothing else is told about it. Sockets must not fragment, or [`ConnectionParameters::pmtud`] is of no use.
//! - *Events*: [`Connection::next_event`](neqo_common::event::Provider::next_event) is called until there is none. That
//!   data can be read or written is told once, until it was acted upon.
//! - *Streams* are named by a [`StreamId`], a plain value. Calls about one that is gone give [`Misuse::InvalidStreamId`].
//! - *Errors* say who is at fault: the peer ([`Error::Peer`]), the caller ([`Error::Api`]) or this crate
//!   ([`Error::Internal`]). Only the second is ever returned for what the caller did; what a peer does ends in
//!   [`State::Closing`] with a [`CloseReason`].
//!
//! ```
//! use std::time::Instant;
//!
//! use neqo_crypto::{Client, Identity, Server as Tls, Verification};
//! use neqo_transport::{
//!     Connection, ConnectionIdGenerator, ConnectionParameters, Output, RandomConnectionIdGenerator,
//!     StreamType, server::Server,
//! };
//!
//! let now = Instant::now();
//! let identity = Identity::self_signed(&["example.com"])?;
//! let trust = Verification::PinSha256(vec![identity.sha256()]);
//! let params = ConnectionParameters::default();
//! let cids = || Box::new(RandomConnectionIdGenerator::new(8)) as Box<dyn ConnectionIdGenerator>;
//! let mut server = Server::new(now, Tls::builder(identity).build()?, &["chat"], cids, params.clone())?;
//! let mut client = Connection::new_client(
//!     "example.com",
//!     &["chat"],
//!     cids(),
//!     "[::1]:1000".parse()?,
//!     "[::1]:443".parse()?,
//!     params.client_tls(Client::builder().verification(trust).build()?),
//!     now,
//! )?;
//!
//! while !client.state().connected() {
//!     // Between these two there would be a network, and on `Output::Callback` some time to wait.
//!     while let Output::Datagram(d) = client.process_output(now) {
//!         server.process_input(d, now);
//!     }
//!     while let Output::Datagram(d) = server.process_output(now) {
//!         client.process_input(d, now);
//!     }
//! }
//! let stream = client.stream_create(StreamType::BiDi)?;
//! assert_eq!(client.stream_send(stream, b"hello")?, 5);
//! client.stream_close_send(stream)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Structure
//!
//! `connection` owns every component by value and is the only place that wires them together. Components never call each
//! other: one is given values and a context that is lent to it (`tx::Tx` when it writes), and returns what something
//! outside of it must do. Paths, streams and packet number spaces are named by `Copy` ids.
//!
//! | module | what it owns |
//! |---|---|
//! | `connection` | [`Connection`]: input, output, timers, states, closing |
//! | `wire` | frames, headers, packet numbers, transport parameters: codecs without state, time or logging |
//! | `rx`, `tx` | from a datagram to frames, and from components to packets in lent memory |
//! | `handshake` | the TLS session, keys by level and generation, CRYPTO streams |
//! | `space` | packet number spaces: what arrived, when to acknowledge it |
//! | `recovery` | sent packets and what was in them (rings), loss detection, probes, round-trip times |
//! | `cc` | congestion control (CUBIC, NewReno, HyStart++) and pacing |
//! | `path`, `cid` | addresses, their validation and amplification limits, ECN, path MTU; connection IDs of both sides |
//! | [`streams`] | from the application's bytes to STREAM frames and back: buffers, flow control, scheduling |
//! | [`server`] | routing by connection ID, admission, Retry, stateless resets |
//! | [`config`] | [`ConnectionParameters`], and in `config::limits` every bound on what a peer can make us keep |
//! | `error`, `events`, [`stats`], [`version`], [`stream_id`] | what the host is told, and names |
//!
//! Packets are built in three nested borrows: a batch, a datagram in it, a packet in that. Dropping a packet that is not
//! sealed leaves everything as it was. In steady state nothing is allocated per packet, in either direction; a test counts.
//!
//! # What is not here yet
//!
//! 0-RTT and resuming sessions, sending and receiving DATAGRAM frames, migration by the client, tokens in NEW_TOKEN frames, and qlog.

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

//! Sessions by rustls.
//!
//! rustls keeps traffic secrets to itself and fixes the QUIC version's labels when a connection is made, but it shows
//! every secret to the configuration's `KeyLog` while `read_hs` runs (early data: while the connection is made). A
//! `KeyLog` is not told which connection a secret belongs to. So each session gets a clone of the configuration (a
//! dozen reference counts) with a `KeyLog` of its own, [`capture::Capture`]; no thread-local state is needed, and the
//! file of `SSLKEYLOGFILE` is written there too, and from it a client learns whether the server accepted its encrypted
//! `ClientHello`. Resumption survives the cloning: for that rustls compares the verifier
//! and the source of client certificates by address, and clones share both.

mod bounded;
mod capture;
mod client;
mod ech;
mod engine;
mod handshake;
mod memory;
mod proof;
mod provider;
mod server;
mod tickets;
mod verifier;

pub(crate) use client::ClientFactory;
pub(crate) use server::ServerFactory;

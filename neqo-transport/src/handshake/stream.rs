//! The CRYPTO stream of one packet number space (RFC 9000 §19.6).

use bytes::Bytes;

use crate::{
    Res,
    recovery::token::Token,
    rx::payload::Payload,
    streams::{recv::Reassembly, send},
    tx::Tx,
    wire::frame::encode,
};

/// Handshake bytes of one level, both ways.
#[derive(Debug, Default)]
pub struct CryptoStream {
    tx: send::Buffer,
    rx: Reassembly,
}

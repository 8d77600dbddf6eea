//! What every crate of the stack shares: byte codecs, datagrams, ECN and DSCP, roles, header
//! fields, deterministic randomness, logging and qlog.
//!
//! Nothing here opens a socket, reads a clock or asks the operating system for randomness; the one
//! file that this crate writes is a qlog trace that the host asked for. Every type is `Send` and has
//! one owner.

#![forbid(unsafe_code)]

mod codec;
pub mod datagram;
pub mod event;
pub mod header;
pub mod hex;
pub mod log;
mod num;
pub mod qlog;
mod random;
mod role;
pub mod tos;

pub use codec::{
    Buffer, Decoder, Encoder, IncrementalDecoderBuffer, IncrementalDecoderIgnore,
    IncrementalDecoderUint, Length, MAX_VARINT, SliceBuf, varint,
};
pub use datagram::{Batch, BatchRef, Datagram};
pub use header::Header;
pub use num::{const_max, const_min, const_min_u64, expect_usize, to_u64};
pub use random::Random;
pub use role::{MessageType, Role};
pub use tos::{Dscp, Ecn, Tos};

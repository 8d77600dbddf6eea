//! What every crate of the stack shares: byte codecs, datagrams, ECN and DSCP, roles, header fields, deterministic
//! randomness, logging and qlog.
//!
//! Nothing here opens a socket, reads a clock or asks the operating system for randomness; the one file that this crate
//! writes is a qlog trace that the host asked for. Every type is `Send` and has one owner.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | `codec` | [`Decoder`] over bytes that a peer sent, [`Encoder`] into memory of several kinds, [`varint`]s, and decoders for what arrives in pieces |
//! | [`datagram`] | [`Datagram`] and [`Batch`]: addresses, ECN and bytes, owned or borrowed |
//! | [`event`] | [`event::Provider`]: how a host takes events from an endpoint |
//! | [`header`](mod@header) | [`Header`]: a field of an HTTP message |
//! | [`tos`] | [`Tos`], [`Ecn`], [`Dscp`]: the byte of the IP header |
//! | [`hex`] | bytes for logs, without an allocation |
//! | [`log`] | `qerror!` to `qtrace!`, and where they go |
//! | [`qlog`] | a writer of event traces |
//! | `random` | [`Random`]: a generator from a seed, so that the same seed is the same run |
//! | `role`, `num` | [`Role`], [`MessageType`]; conversions that `core` does not have |
//!
//! # Reading what a peer sent
//!
//! A [`Decoder`] returns `None` where input runs out and then stays where it was. It never panics, and what it returns
//! borrows from the input:
//!
//! ```
//! use neqo_common::{Decoder, Encoder};
//!
//! let mut e = Encoder::new();
//! e.encode_varint(1200_u64).encode_vvec(b"hello");
//! let mut d = Decoder::new(e.as_ref());
//! assert_eq!(d.decode_varint(), Some(1200));
//! assert_eq!(d.decode_vvec(), Some(&b"hello"[..]));
//! assert_eq!(d.decode_byte(), None);
//! ```

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

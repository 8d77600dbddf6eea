//! Reading and writing of the primitives that QUIC and HTTP/3 messages are made of.

mod buffer;
mod decoder;
mod encoder;
mod incremental;
pub mod varint;

#[cfg(test)]
mod tests;

pub use buffer::{Buffer, SliceBuf};
pub use decoder::Decoder;
pub use encoder::{Encoder, Length};
pub use incremental::{IncrementalDecoderBuffer, IncrementalDecoderIgnore, IncrementalDecoderUint};

/// The largest value that a variable-length integer can hold: 2^62 − 1 (RFC 9000, Section 16).
pub const MAX_VARINT: u64 = varint::MAX;

//! Frames (RFC 9000 §12.4 and §19, RFC 9221 §4).

pub(crate) mod ack;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod kind;
#[cfg(test)]
mod tests;

pub(crate) use ack::{AckFrame, EcnCounts};
pub(crate) use decode::{CloseCode, Frame};

/// The greatest offset in a stream, and the greatest variable-length integer (RFC 9000 §4.5).
pub(crate) const MAX_OFFSET: u64 = (1 << 62) - 1;
/// The most streams of one type and initiator that stream IDs can number (RFC 9000 §4.6).
pub(crate) const MAX_STREAMS: u64 = 1 << 60;

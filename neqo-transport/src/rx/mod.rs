//! Reading: from a datagram to frames.

pub(crate) mod payload;
pub(crate) mod saved;

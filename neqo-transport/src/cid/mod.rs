//! Connection IDs (RFC 9000 §5.1): those that we issue and those that the peer issued.

pub(crate) mod id;
pub(crate) mod local;
pub(crate) mod remote;

pub use local::CidChange;

/// A stateless reset token (RFC 9000 §10.3).
pub type ResetToken = [u8; 16];

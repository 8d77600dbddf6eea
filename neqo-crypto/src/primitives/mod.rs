//! The few primitives that packet protection stands on, behind names that no library shows through.
//!
//! What is compiled in decides who computes them: today aws-lc-rs, which the rustls backend needs anyway.

mod aws_lc;

pub(crate) use aws_lc::{Aead, HeaderKey, HmacKey, Prk};
pub use aws_lc::{constant_time_eq, random, sha256};

/// Length of an AEAD tag, in bytes; the same for every suite of QUIC (RFC 9001 §5.3).
pub const TAG_LEN: usize = 16;
/// Length of an AEAD nonce, in bytes.
pub(crate) const NONCE_LEN: usize = 12;

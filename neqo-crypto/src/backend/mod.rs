//! The TLS libraries that sessions stand on.

#[cfg(feature = "rustls")]
pub(crate) mod rustls;

//! The TLS libraries that sessions stand on.

#[cfg(feature = "nss")]
pub(crate) mod nss;

#[cfg(feature = "rustls")]
pub(crate) mod rustls;

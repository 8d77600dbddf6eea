//! The TLS libraries that sessions stand on.

mod first_flight;
#[cfg(feature = "nss")]
pub(crate) mod nss;

#[cfg(feature = "rustls")]
pub(crate) mod rustls;

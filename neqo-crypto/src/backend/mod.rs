//! The TLS libraries that sessions stand on.

mod first_flight;
mod messages;
#[cfg(feature = "nss")]
pub(crate) mod nss;

#[cfg(feature = "rustls")]
pub(crate) mod rustls;

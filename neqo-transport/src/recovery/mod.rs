//! Loss detection, probe timeouts and round-trip times (RFC 9002).

pub(crate) mod detect;
pub(crate) mod pto;
pub(crate) mod rtt;
pub(crate) mod sent;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod token;

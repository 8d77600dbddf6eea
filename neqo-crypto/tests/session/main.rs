//! The behaviour of sessions, through the public API only: what every backend has to do.
mod handshake;
mod hostile;
mod pair;
mod resumption;
mod verification;

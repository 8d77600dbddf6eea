//! The behaviour of sessions, through the public API only: what every backend has to do.
// Marked as tests one by one, for clippy.
#[cfg(test)]
mod client_auth;
#[cfg(test)]
#[cfg(test)]
mod ech;
#[cfg(test)]
mod ech_refused;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod key_log;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod preferences;
#[cfg(test)]
mod resumption;
#[cfg(test)]
mod second_hello;
#[cfg(test)]
mod spoiled;
#[cfg(test)]
mod verification;

//! Packet protection (RFC 9001 §5) for every version, above the TLS backends: a backend yields traffic secrets,
//! everything after that happens here and once.

mod hkdf;
mod initial;
mod open;
mod reset;
pub mod retry;
mod seal;
mod token_key;

#[cfg(test)]
mod tests;

pub use initial::{initial_keys, initial_secrets};
pub use open::OpenKeys;
pub use reset::ResetKey;
pub use seal::SealKeys;
pub use token_key::TokenKey;

use crate::primitives::NONCE_LEN;

/// The nonce of a packet.
//= rfc9001#section-5.3
//# The 62 bits of the reconstructed QUIC packet number in network byte
//# order are left-padded with zeros to the size of the IV.  The exclusive OR of the
//# padded packet number and the IV forms the AEAD nonce.
#[inline]
fn nonce(mut iv: [u8; NONCE_LEN], pn: u64) -> [u8; NONCE_LEN] {
    for (byte, pn) in iv.iter_mut().skip(4).zip(pn.to_be_bytes()) {
        *byte ^= pn;
    }
    iv
}

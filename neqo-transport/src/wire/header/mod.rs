//! Packet headers (RFC 8999, RFC 9000 §17, RFC 9369 §3.2).
//!
//! A protected packet goes through three types, `Protected` → `Unprotected` → `Opened`, and only
//! the last tells where the payload is: nothing can be read before it is authenticated. They hold
//! offsets into the packet and not the packet, which is opened in place and may have any owner.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod protected;
pub(crate) mod retry;
pub(crate) mod version_negotiation;

#[cfg(test)]
mod tests;

use neqo_crypto::Version;

pub(crate) use decode::{Packet, QuicBit};
pub(crate) use protected::Protected;
pub(crate) use retry::Retry;
pub(crate) use version_negotiation::VersionNegotiation;

/// The Header Form bit: set in long headers.
const FORM_LONG: u8 = 0x80;
/// The Fixed Bit, or QUIC Bit.
const QUIC_BIT: u8 = 0x40;
/// The type of long headers.
const TYPE_MASK: u8 = 0x30;
const TYPE_SHIFT: u8 = 4;
const KEY_PHASE: u8 = 0x04;
const PN_LEN_MASK: u8 = 0x03;
/// Reserved Bits of long and short headers.
const RESERVED_LONG: u8 = 0x0c;
const RESERVED_SHORT: u8 = 0x18;

/// The type of a packet with a long header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LongType {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

impl LongType {
    /// In the order of the type bits of version 1 (RFC 9000 Table 5). Those of version 2 are one
    /// greater, modulo 4 (RFC 9369 §3.2).
    const V1: [Self; 4] = [Self::Initial, Self::ZeroRtt, Self::Handshake, Self::Retry];
    const V2: [Self; 4] = [Self::Retry, Self::Initial, Self::ZeroRtt, Self::Handshake];

    const fn table(version: Version) -> &'static [Self; 4] {
        match version {
            Version::Version1 => &Self::V1,
            Version::Version2 => &Self::V2,
        }
    }

    /// The type in the first byte of a packet.
    const fn of(first: u8, version: Version) -> Self {
        Self::table(version)[((first & TYPE_MASK) >> TYPE_SHIFT) as usize]
    }

    /// The type as bits of the first byte of a packet.
    fn bits(self, version: Version) -> u8 {
        (0..4)
            .find(|bits| Self::of(bits << TYPE_SHIFT, version) == self)
            .unwrap_or_default()
            << TYPE_SHIFT
    }
}

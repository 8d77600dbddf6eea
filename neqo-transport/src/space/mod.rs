//! Packet number spaces: what arrived and when to acknowledge it.

pub(crate) mod ack;
pub(crate) mod received;

//! Packet number spaces: what arrived and when to acknowledge it.

pub(crate) mod ack;
pub(crate) mod number;
pub(crate) mod received;
pub(crate) mod table;

pub(crate) use table::PacketNumberSpace;

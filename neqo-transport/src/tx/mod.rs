//! Writing: batches, datagrams and packets in lent memory, and the context lent to components.

pub(crate) mod batch;
pub(crate) mod context;
pub(crate) mod packet;
pub(crate) mod schedule;

pub(crate) use context::Tx;
pub(crate) use packet::PacketBuilder;

//! Flow control (RFC 9000 §4): one type of credit, the receiver's windows, the limits on streams.

pub(crate) mod credit;
pub(crate) mod limits;
pub(crate) mod tuning;

pub(crate) use credit::{Blocked, Credit};
pub(crate) use limits::{LocalLimits, PeerLimits, StreamsWindow};
pub(crate) use tuning::Window;

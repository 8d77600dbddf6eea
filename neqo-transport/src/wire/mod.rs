//! The wire format: pure codecs without state, time or logging.

pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod pn;
pub(crate) mod put;
pub(crate) mod tparams;

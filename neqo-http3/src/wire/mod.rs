//! Bytes to values and back: no connection, no time, no logging.

pub(crate) mod control;
pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod stream_type;

//! Connection IDs (RFC 9000 §5.1).

pub(crate) mod id;

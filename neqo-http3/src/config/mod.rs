//! What a host chooses.

pub(crate) mod limits;

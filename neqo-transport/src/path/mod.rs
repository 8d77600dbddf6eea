//! Network paths, addressed by [`PathId`].

/// A path of a connection: an index into the table that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub(crate) u8);

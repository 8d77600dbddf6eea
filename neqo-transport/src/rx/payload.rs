//! Bytes of a received packet, and the reference-counted buffer that owns them, if any.

use bytes::Bytes;

/// Frame data as it stands in an opened packet.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    owner: Option<&'a Bytes>,
}

impl<'a> Payload<'a> {
    /// Data in a buffer that the caller will reuse: whoever keeps it copies it.
    #[must_use]
    pub const fn borrowed(bytes: &'a [u8]) -> Self {
        Self { bytes, owner: None }
    }

    /// Data that lies in `owner`, of which a slice may be kept.
    #[must_use]
    pub const fn owned(bytes: &'a [u8], owner: &'a Bytes) -> Self {
        Self {
            bytes,
            owner: Some(owner),
        }
    }

    /// The data.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A frame's data within these bytes.
    #[must_use]
    pub const fn part(self, bytes: &'a [u8]) -> Self {
        Self { bytes, ..self }
    }

    /// The same data without its first `n` bytes.
    #[must_use]
    pub fn skip(self, n: usize) -> Self {
        Self {
            bytes: self.bytes.get(n..).unwrap_or_default(),
            ..self
        }
    }

    /// The first `n` bytes of the data.
    #[must_use]
    pub fn first(self, n: usize) -> Self {
        Self {
            bytes: self.bytes.get(..n).unwrap_or(self.bytes),
            ..self
        }
    }

    /// A slice of the owner, where that pins little more than it carries (hardening A6).
    #[must_use]
    pub fn slice(self) -> Option<Bytes> {
        self.owner
            .filter(|owner| self.bytes.len() >= owner.len() / 2)
            .map(|owner| owner.slice_ref(self.bytes))
    }
}

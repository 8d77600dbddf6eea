//! QUIC versions, as far as cryptography tells them apart: salts, labels and Retry keys.

/// A QUIC version that this stack speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[repr(u32)]
pub enum Version {
    /// QUIC version 1 (RFC 9000).
    #[default]
    Version1 = 1,
    /// QUIC version 2 (RFC 9369).
    Version2 = 0x6b33_43cf,
}

impl Version {
    /// The version as it stands in a long header.
    #[must_use]
    pub const fn wire_version(self) -> u32 {
        self as u32
    }

    /// Every version that is implemented, the oldest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![Self::Version1, Self::Version2]
    }

    /// True if a connection that began with `other` can be upgraded to `self` without a new flight
    /// (RFC 9369 §4: versions 1 and 2 are compatible both ways).
    #[must_use]
    pub const fn is_compatible(self, other: Self) -> bool {
        matches!(
            (self, other),
            (
                Self::Version1 | Self::Version2,
                Self::Version1 | Self::Version2
            )
        )
    }
}

/// A version number that is not implemented; the number itself is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown QUIC version {0:#010x}")]
pub struct UnknownVersion(pub u32);

impl TryFrom<u32> for Version {
    type Error = UnknownVersion;

    fn try_from(wire: u32) -> Result<Self, UnknownVersion> {
        match wire {
            0x0000_0001 => Ok(Self::Version1),
            0x6b33_43cf => Ok(Self::Version2),
            other => Err(UnknownVersion(other)),
        }
    }
}

impl From<Version> for u32 {
    fn from(v: Version) -> Self {
        v.wire_version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_round_trip() {
        for v in Version::all() {
            assert_eq!(Version::try_from(v.wire_version()), Ok(v));
        }
        assert_eq!(Version::try_from(0), Err(UnknownVersion(0)));
        assert_eq!(Version::default(), Version::Version1);
    }
}

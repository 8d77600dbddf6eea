//! QUIC versions: which are offered, which are compatible, and greased ones.

use neqo_common::Random;
pub use neqo_crypto::Version;

/// A version as it stands on the wire.
pub type Wire = u32;

/// The versions that an endpoint uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    initial: Version,
    all: Vec<Version>,
}

impl Config {
    /// A client starts with `initial`; `all` are enabled, the preferred one first.
    /// `initial` is enabled in any case, as the least preferred.
    #[must_use]
    pub fn new(initial: Version, mut all: Vec<Version>) -> Self {
        if !all.contains(&initial) {
            all.push(initial);
        }
        Self { initial, all }
    }

    /// The version that a client starts with.
    #[must_use]
    pub const fn initial(&self) -> Version {
        self.initial
    }

    /// Every enabled version, the preferred one first.
    #[must_use]
    pub fn all(&self) -> &[Version] {
        &self.all
    }

    /// Whether `version` is enabled.
    #[must_use]
    pub fn is_enabled(&self, version: Version) -> bool {
        self.all.contains(&version)
    }

    /// The enabled versions to which a first flight of the initial version can be converted
    /// (RFC 9368 §2.2), the preferred one first.
    pub fn compatible(&self) -> impl Iterator<Item = Version> {
        let initial = self.initial;
        self.all
            .iter()
            .copied()
            .filter(move |v| v.is_compatible(initial))
    }
}

impl Default for Config {
    /// Starts with version 1, which every server and middlebox knows, and prefers the newest.
    fn default() -> Self {
        let mut all = Version::all();
        all.reverse();
        Self::new(Version::default(), all)
    }
}

/// A version of the form 0x?a?a?a?a, which nobody will ever define (RFC 9000 §15).
pub(crate) fn grease(rng: &mut Random) -> Wire {
    (Wire::from_be_bytes(rng.bytes()) & 0xf0f0_f0f0) | 0x0a0a_0a0a
}

#[cfg(test)]
mod tests {
    use neqo_common::Random;

    use super::{Config, Version, grease};

    #[test]
    fn newest_preferred_oldest_first_tried() {
        let c = Config::default();
        assert_eq!(c.initial(), Version::Version1);
        assert_eq!(c.all(), [Version::Version2, Version::Version1]);
        assert!(c.compatible().eq(c.all().iter().copied()));
    }

    #[test]
    fn initial_is_enabled() {
        let c = Config::new(Version::Version2, vec![Version::Version1]);
        assert_eq!(c.all(), [Version::Version1, Version::Version2]);
        let only = Config::new(Version::Version1, vec![]);
        assert!(only.is_enabled(Version::Version1));
        assert!(!only.is_enabled(Version::Version2));
    }

    #[test]
    fn greased_versions_are_reserved() {
        let mut rng = Random::from_seed([1; 32]);
        for _ in 0..20 {
            assert_eq!(grease(&mut rng) & 0x0f0f_0f0f, 0x0a0a_0a0a);
        }
    }
}

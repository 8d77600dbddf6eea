//! What the NSS that was loaded can do, by asking and by trying.

use std::sync::OnceLock;

use super::{
    Anchors,
    agent::{Agent, Common},
    compress, ech, exp,
    hooks::Output,
};
use neqo_common::qdebug;

use crate::{
    constants::{Cipher, Group},
    error::{Error, Res},
    identity::Identity,
};

/// What the NSS of this process can do. It is loaded at run time, so it may be newer than the one that was compiled
/// against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers to independent questions, not states"
)]
pub struct Capabilities {
    version: String,
    groups: Vec<Group>,
    certificate_compression: bool,
    ech: bool,
    chain_der: bool,
    roots: bool,
}

impl Capabilities {
    /// NSS's version, such as `3.87.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The key exchange groups that it has.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// True if certificates can be compressed (RFC 8879).
    #[must_use]
    pub const fn certificate_compression(&self) -> bool {
        self.certificate_compression
    }

    /// True if it gives the peer's certificates as they came, rather than as it wrote them down.
    #[must_use]
    pub const fn chain_der(&self) -> bool {
        self.chain_der
    }

    /// True if `ClientHello` can be encrypted.
    #[must_use]
    pub const fn ech(&self) -> bool {
        self.ech
    }

    /// True if clients can verify by roots of their own ([`Verification::Roots`](crate::Verification::Roots)). That takes
    /// libpkix, which Firefox's NSS lacks; there, making a client that verifies so fails with `Config`.
    #[must_use]
    pub const fn roots(&self) -> bool {
        self.roots
    }
}

/// What this process's NSS can do; it is started if need be.
///
/// # Errors
/// Like [`init`](crate::init).
pub fn capabilities() -> Res<&'static Capabilities> {
    static FOUND: OnceLock<Capabilities> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    super::init()?;
    let anybody = Identity::self_signed(&["localhost"])?;
    let roots = match Anchors::only(anybody.chain()) {
        Ok(_) => true,
        Err(Error::Config(_)) => false,
        Err(e) => return Err(e),
    };
    let found = Capabilities {
        version: super::version(),
        groups: Group::ALL.into_iter().filter(|&g| offers(g)).collect(),
        certificate_compression: exp::has(compress::AVAILABLE),
        chain_der: exp::has(c"SSL_PeerCertificateChainDER"),
        ech: ech::available(),
        roots,
    };
    Ok(FOUND.get_or_init(|| found))
}

/// A client with nothing but `group`, to see what NSS makes of it.
fn probe(group: Group) -> Res<Agent> {
    let common = Common {
        ciphers: &[Cipher::Aes128GcmSha256.id()],
        groups: &[group.id()],
        alpn: &[b"h3".to_vec()],
        params: Vec::new(),
        early_data: false,
        now: 0,
    };
    Agent::client(&common, "localhost", 0)
}

/// Whether a client that may use nothing but `group` has a share of it to send.
fn offers(group: Group) -> bool {
    let mut client = match probe(group) {
        Ok(c) => c,
        Err(e) => {
            qdebug!("no connection of NSS: {e}");
            return false;
        }
    };
    client.drive().is_ok()
        && client
            .take_output()
            .iter()
            .any(|o| matches!(o, Output::Data(0, _)))
}

/// Those of `wanted` that this NSS has, in their order.
pub(crate) fn supported_groups(wanted: &[Group]) -> Res<Vec<Group>> {
    let have = capabilities()?.groups();
    Ok(wanted
        .iter()
        .filter(|g| have.contains(g))
        .copied()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Provider, Verification};

    #[test]
    fn the_least() {
        let found = capabilities().unwrap();
        assert!(found.version().starts_with("3."), "{}", found.version());
        for group in [Group::X25519, Group::Secp256r1, Group::Secp384r1] {
            assert!(found.groups().contains(&group), "{group}");
        }
        assert!(found.ech());
        // `nss/newer.sh` says that it is one that has everything.
        if std::env::var_os("NEQO_NSS_IS_NEW").is_some() {
            assert_eq!(found.groups(), Group::ALL);
            assert!(found.certificate_compression(), "no compression");
            assert!(found.chain_der(), "no chain as DER");
        } else {
            assert!(found.roots(), "the system's NSS has libpkix");
        }
    }

    #[test]
    fn own_roots() {
        let roots = Identity::self_signed(&["example.com"]).unwrap();
        let roots = Verification::Roots(roots.chain().to_vec());
        let client = Client::builder().provider(Provider::Nss);
        match client.verification(roots).build() {
            Ok(_) => assert!(capabilities().unwrap().roots()),
            Err(Error::Config(e)) => {
                assert!(e.contains("libpkix"), "{e}");
                assert!(!capabilities().unwrap().roots());
            }
            Err(e) => panic!("{e}"),
        }
    }
}

//! Verdicts without the host.

use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::{
    error::{Error, Res, alert},
    nss::{Anchors, error_name},
    primitives::sha256,
    session::PeerChain,
    verify::Verification,
};

/// How a client's configuration verifies.
#[derive(Debug)]
pub(super) enum Verifier {
    Path(Anchors),
    Pins(Vec<[u8; 32]>),
    Host,
    Nobody,
}

impl Verifier {
    pub(super) fn new(verification: &Verification) -> Res<Self> {
        Ok(match verification {
            Verification::Platform => Self::Path(Anchors::platform()?),
            Verification::Roots(roots) => Self::Path(Anchors::only(roots)?),
            Verification::PinSha256(pins) => Self::Pins(pins.clone()),
            Verification::Host => Self::Host,
            Verification::Insecure => Self::Nobody,
        })
    }

    /// The verdict on `chain` for `name`.
    ///
    /// # Errors
    /// `Certificate` if it is refused.
    pub(super) fn verify(&self, chain: &PeerChain, name: &str) -> Res<()> {
        match self {
            Self::Path(anchors) => {
                anchors.verify(chain.certs()).map_err(refusal)?;
                belongs_to(chain, name)
            }
            Self::Pins(pins) if pins.contains(&chain.leaf_sha256()) => Ok(()),
            Self::Pins(_) => Err(Error::Certificate {
                alert: alert::CERTIFICATE_UNKNOWN,
                reason: "the certificate is not one of those pinned".into(),
            }),
            Self::Nobody => Ok(()),
            Self::Host => Err(Error::Internal("the host's verdict")),
        }
    }

    /// What tickets of sessions that were verified like this carry: with the server `name`, by a client that can prove
    /// to be `leaf`.
    pub(super) fn binding(
        verification: &Verification,
        leaf: Option<&[u8]>,
        name: &str,
    ) -> [u8; 32] {
        let mut text = sha256(leaf.unwrap_or_default()).to_vec();
        let (tag, items): (u8, Vec<&[u8]>) = match verification {
            Verification::Platform => (0, Vec::new()),
            Verification::Roots(roots) => (1, roots.iter().map(Vec::as_slice).collect()),
            Verification::PinSha256(pins) => (2, pins.iter().map(<[u8; 32]>::as_slice).collect()),
            Verification::Host => (3, Vec::new()),
            Verification::Insecure => (4, Vec::new()),
        };
        text.push(tag);
        text.extend(items.len().to_be_bytes());
        for item in items {
            text.extend(sha256(item));
        }
        text.extend_from_slice(name.as_bytes());
        sha256(&text)
    }
}

/// Checks that a certificate says that it is `name`'s.
fn belongs_to(chain: &PeerChain, name: &str) -> Res<()> {
    let bad = |reason: String| Error::Certificate {
        alert: alert::BAD_CERTIFICATE,
        reason,
    };
    let name = ServerName::try_from(name).map_err(|e| bad(e.to_string()))?;
    EndEntityCert::try_from(&CertificateDer::from_slice(chain.leaf()))
        .and_then(|leaf| leaf.verify_is_valid_for_subject_name(&name))
        .map_err(|e| bad(e.to_string()))
}

/// The error for NSS's verdict.
fn refusal(code: i32) -> Error {
    let alert = match code {
        // SEC_ERROR_EXPIRED_CERTIFICATE, SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE
        -8181 | -8162 => alert::CERTIFICATE_EXPIRED,
        // SEC_ERROR_REVOKED_CERTIFICATE, SEC_ERROR_REVOKED_CERTIFICATE_OCSP
        -8180 | -8061 => alert::CERTIFICATE_REVOKED,
        // SEC_ERROR_UNKNOWN_ISSUER, SEC_ERROR_UNTRUSTED_ISSUER, SEC_ERROR_UNTRUSTED_CERT, SEC_ERROR_CA_CERT_INVALID
        -8179 | -8172 | -8171 | -8156 => alert::UNKNOWN_CA,
        // SEC_ERROR_INADEQUATE_KEY_USAGE, SEC_ERROR_INADEQUATE_CERT_TYPE,
        // SEC_ERROR_CERT_SIGNATURE_ALGORITHM_DISABLED
        -8102 | -8101 | -8016 => alert::UNSUPPORTED_CERTIFICATE,
        _ => alert::BAD_CERTIFICATE,
    };
    Error::Certificate {
        alert,
        reason: error_name(code),
    }
}

//! The verdict on a certificate.

use crate::error::alert;

/// What a host says about the peer's certificate chain, in answer to
/// [`Event::AuthenticationNeeded`](crate::Event::AuthenticationNeeded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthenticationStatus {
    /// The chain is good: go on.
    Ok,
    /// A certificate authority's certificate is not valid as one.
    CaInvalid,
    /// A certificate authority's certificate is not of version 3.
    CaNotV3,
    /// A signature or key algorithm is disabled.
    CertAlgorithmDisabled,
    /// The leaf has expired.
    CertExpired,
    /// The leaf's name is not the one that was connected to.
    CertHostnameMismatch,
    /// The leaf is malformed or contradicts itself.
    CertInvalid,
    /// The leaf's validity period makes no sense.
    CertInvalidTime,
    /// A certificate authority's certificate was used as the leaf.
    CertIsCa,
    /// The key may not be used for this.
    CertKeyUsage,
    /// The chain is known to belong to a man in the middle.
    CertMitm,
    /// The leaf is not valid yet.
    CertNotYetValid,
    /// The leaf was revoked.
    CertRevoked,
    /// The leaf is its own issuer and nobody trusts it.
    CertSelfSigned,
    /// The leaf's subject is malformed.
    CertSubjectInvalid,
    /// The leaf is explicitly distrusted.
    CertUntrusted,
    /// The leaf's key is too weak.
    CertWeakKey,
    /// A signature in the chain is too weak.
    CertWeakSignature,
    /// An issuer has no name.
    IssuerEmptyName,
    /// An issuer has expired.
    IssuerExpired,
    /// An issuer is not valid yet.
    IssuerNotYetValid,
    /// An issuer is explicitly distrusted.
    IssuerUntrusted,
    /// The chain is valid, but the host's policy forbids it.
    PolicyRejection,
    /// No path leads to a trusted root.
    UnknownIssuer,
    /// Refused for another reason.
    Unknown,
}

impl AuthenticationStatus {
    /// The TLS alert to refuse with (RFC 8446 §6.2), or `None` if this is not a refusal.
    #[must_use]
    pub const fn alert(self) -> Option<u8> {
        Some(match self {
            Self::Ok => return None,
            Self::CaInvalid
            | Self::CaNotV3
            | Self::CertHostnameMismatch
            | Self::CertInvalid
            | Self::CertIsCa
            | Self::CertMitm
            | Self::CertSubjectInvalid
            | Self::CertWeakKey
            | Self::CertWeakSignature
            | Self::IssuerEmptyName => alert::BAD_CERTIFICATE,
            Self::CertAlgorithmDisabled | Self::CertKeyUsage => alert::UNSUPPORTED_CERTIFICATE,
            Self::CertRevoked => alert::CERTIFICATE_REVOKED,
            Self::CertExpired
            | Self::CertInvalidTime
            | Self::CertNotYetValid
            | Self::IssuerExpired
            | Self::IssuerNotYetValid => alert::CERTIFICATE_EXPIRED,
            Self::CertSelfSigned
            | Self::CertUntrusted
            | Self::IssuerUntrusted
            | Self::UnknownIssuer => alert::UNKNOWN_CA,
            Self::PolicyRejection => alert::ACCESS_DENIED,
            Self::Unknown => alert::CERTIFICATE_UNKNOWN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts() {
        assert_eq!(AuthenticationStatus::Ok.alert(), None);
        assert_eq!(AuthenticationStatus::CertInvalid.alert(), Some(42));
        assert_eq!(AuthenticationStatus::CertRevoked.alert(), Some(44));
        assert_eq!(AuthenticationStatus::CertExpired.alert(), Some(45));
        assert_eq!(AuthenticationStatus::Unknown.alert(), Some(46));
        assert_eq!(AuthenticationStatus::UnknownIssuer.alert(), Some(48));
    }
}

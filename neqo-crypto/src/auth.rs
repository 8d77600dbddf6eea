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

/// Where NSS's errors of security (`SEC_ERROR_…`) and of TLS (`SSL_ERROR_…`) begin, and those of mozilla::pkix.
const SEC: i32 = -0x2000;
const SSL: i32 = -0x3000;
const PKIX: i32 = -0x4000;

/// From a `PRErrorCode`, in which hosts on NSS and mozilla::pkix say what they think of a chain; 0 is no error. Those that
/// mean nothing to certificates become [`AuthenticationStatus::Unknown`].
impl From<i32> for AuthenticationStatus {
    fn from(error: i32) -> Self {
        const BAD_CERT_DOMAIN: i32 = SSL + 12;
        match error {
            0 => Self::Ok,
            SEC..0 => Self::of_security(error - SEC),
            BAD_CERT_DOMAIN => Self::CertHostnameMismatch,
            PKIX..SSL => Self::of_pkix(error - PKIX),
            _ => Self::Unknown,
        }
    }
}

impl AuthenticationStatus {
    const fn of_security(error: i32) -> Self {
        match error {
            // INVALID_TIME
            8 => Self::CertInvalidTime,
            // BAD_DER, BAD_SIGNATURE, CERT_NOT_VALID, EXTENSION_VALUE_INVALID, PATH_LEN_CONSTRAINT_INVALID,
            // UNKNOWN_CRITICAL_EXTENSION, CERT_NOT_IN_NAME_SPACE
            9 | 10 | 28 | 34 | 37 | 41 | 112 => Self::CertInvalid,
            // EXPIRED_CERTIFICATE
            11 => Self::CertExpired,
            // REVOKED_CERTIFICATE, REVOKED_KEY, REVOKED_CERTIFICATE_CRL, REVOKED_CERTIFICATE_OCSP
            12 | 61 | 145 | 146 => Self::CertRevoked,
            // UNKNOWN_ISSUER
            13 => Self::UnknownIssuer,
            // UNTRUSTED_ISSUER
            20 => Self::IssuerUntrusted,
            // UNTRUSTED_CERT
            21 => Self::CertUntrusted,
            // EXPIRED_ISSUER_CERTIFICATE
            30 => Self::IssuerExpired,
            // CA_CERT_INVALID
            36 => Self::CaInvalid,
            // CERT_USAGES_INVALID, INADEQUATE_KEY_USAGE, INADEQUATE_CERT_TYPE
            38 | 90 | 91 => Self::CertKeyUsage,
            // UNSUPPORTED_KEYALG, UNSUPPORTED_ELLIPTIC_CURVE, CERT_SIGNATURE_ALGORITHM_DISABLED
            48 | 141 | 176 => Self::CertAlgorithmDisabled,
            // POLICY_VALIDATION_FAILED
            160 => Self::PolicyRejection,
            _ => Self::Unknown,
        }
    }

    const fn of_pkix(error: i32) -> Self {
        match error {
            // KEY_PINNING_FAILURE, OCSP_RESPONSE_FOR_CERT_MISSING, REQUIRED_TLS_FEATURE_MISSING,
            // ADDITIONAL_POLICY_CONSTRAINT_FAILED, INSUFFICIENT_CERTIFICATE_TRANSPARENCY
            0 | 8 | 10 | 13 | 16 => Self::PolicyRejection,
            // CA_CERT_USED_AS_END_ENTITY
            1 => Self::CertIsCa,
            // INADEQUATE_KEY_SIZE
            2 => Self::CertWeakKey,
            // V1_CERT_USED_AS_CA
            3 => Self::CaNotV3,
            // NO_RFC822NAME_MATCH
            4 => Self::CertSubjectInvalid,
            // NOT_YET_VALID_CERTIFICATE
            5 => Self::CertNotYetValid,
            // NOT_YET_VALID_ISSUER_CERTIFICATE
            6 => Self::IssuerNotYetValid,
            // SIGNATURE_ALGORITHM_MISMATCH, INVALID_INTEGER_ENCODING
            7 | 11 => Self::CertInvalid,
            // VALIDITY_TOO_LONG
            9 => Self::CertInvalidTime,
            // EMPTY_ISSUER_NAME
            12 => Self::IssuerEmptyName,
            // SELF_SIGNED_CERT
            14 => Self::CertSelfSigned,
            // MITM_DETECTED
            15 => Self::CertMitm,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_nss() {
        use AuthenticationStatus as S;
        // As `certutil` and Firefox show them.
        for (error, status) in [
            (0, S::Ok),
            (-8183, S::CertInvalid),
            (-8181, S::CertExpired),
            (-8180, S::CertRevoked),
            (-8179, S::UnknownIssuer),
            (-8172, S::IssuerUntrusted),
            (-8171, S::CertUntrusted),
            (-8162, S::IssuerExpired),
            (-8156, S::CaInvalid),
            (-8102, S::CertKeyUsage),
            (-8016, S::CertAlgorithmDisabled),
            (-12276, S::CertHostnameMismatch),
            (-16384, S::PolicyRejection),
            (-16379, S::CertNotYetValid),
            (-16370, S::CertSelfSigned),
            (-16369, S::CertMitm),
            (-16368, S::PolicyRejection),
            (-16367, S::Unknown),
            (-12275, S::Unknown),
            (-5961, S::Unknown),
            (1, S::Unknown),
            (i32::MAX, S::Unknown),
            (i32::MIN, S::Unknown),
        ] {
            assert_eq!(S::from(error), status, "{error}");
        }
        // Nothing but no error is a success.
        for error in (-0x5000..0).chain(1..100) {
            assert!(S::from(error).alert().is_some(), "{error}");
        }
    }

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

//! The crate's one error type, and the TLS alerts it turns into.

/// The result of everything in this crate that can fail.
pub type Res<T> = Result<T, Error>;

/// TLS alert descriptions (RFC 8446 §6) that this crate raises itself.
pub mod alert {
    /// A message came that is not allowed now.
    pub const UNEXPECTED_MESSAGE: u8 = 10;
    /// No agreement, for a reason that is nobody's business.
    pub const HANDSHAKE_FAILURE: u8 = 40;
    /// A certificate was corrupt, or is for another name.
    pub const BAD_CERTIFICATE: u8 = 42;
    /// A certificate uses an algorithm or a purpose that does not fit.
    pub const UNSUPPORTED_CERTIFICATE: u8 = 43;
    /// A certificate was revoked by its signer.
    pub const CERTIFICATE_REVOKED: u8 = 44;
    /// A certificate has expired or is not valid yet.
    pub const CERTIFICATE_EXPIRED: u8 = 45;
    /// A certificate is unacceptable for another reason.
    pub const CERTIFICATE_UNKNOWN: u8 = 46;
    /// A field is out of range or contradicts another.
    pub const ILLEGAL_PARAMETER: u8 = 47;
    /// No path to a trusted root.
    pub const UNKNOWN_CA: u8 = 48;
    /// The certificate is valid but policy forbids it.
    pub const ACCESS_DENIED: u8 = 49;
    /// A message cannot be parsed.
    pub const DECODE_ERROR: u8 = 50;
    /// The fault is ours.
    pub const INTERNAL_ERROR: u8 = 80;
    /// A mandatory extension is absent; QUIC's is `quic_transport_parameters`.
    pub const MISSING_EXTENSION: u8 = 109;
    /// The server did not accept encrypted `ClientHello`.
    pub const ECH_REQUIRED: u8 = 121;
    /// No application protocol in common.
    pub const NO_APPLICATION_PROTOCOL: u8 = 120;
}

/// What can go wrong in this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// TLS failed; the alert says how.
    #[error("TLS alert {0}")]
    Alert(u8),
    /// The peer's certificate was refused by a synchronous verifier.
    #[error("certificate refused: {reason}")]
    Certificate {
        /// The alert to send.
        alert: u8,
        /// What the verifier said, for people.
        reason: String,
    },
    /// The server proved to be the public name of the encrypted `ClientHello`'s configuration, and did not accept it:
    /// connect anew with these configurations (ECHConfigList), or without any if there are none.
    #[error("encrypted ClientHello was not accepted")]
    EchRetry(Vec<u8>),
    /// The peer breaks a rule of QUIC about how it uses TLS: to be closed with `PROTOCOL_VIOLATION`, not with an alert.
    #[error("protocol violation: {0}")]
    ProtocolViolation(&'static str),
    /// The configuration cannot be used: an unreadable file, a bad key, no cipher left.
    #[error("configuration: {0}")]
    Config(String),
    /// A packet, token or tag does not authenticate, or is too short to.
    #[error("authentication of a ciphertext failed")]
    Aead,
    /// A key has sealed as many packets as it may (RFC 9001 §6.6).
    #[error("the key's confidentiality limit is reached")]
    KeyExhausted,
    /// The value is not there yet, or the name is not one that we implement.
    #[error("not available")]
    NotAvailable,
    /// The call does not fit the session's state.
    #[error("the call does not fit the state")]
    State,
    /// A library refuses: NSS that cannot be started, or a function of its.
    #[error("{what}: {name}")]
    Library {
        /// What was asked of it.
        what: &'static str,
        /// Its own name for the reason.
        name: String,
    },
    /// A bug here or in a library; the text says where.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl Error {
    /// The TLS alert to send for this error, as `CRYPTO_ERROR` (0x0100 + alert, RFC 9001 §4.8):
    /// `internal_error` where no other fits.
    #[must_use]
    pub const fn alert(&self) -> u8 {
        match self {
            Self::Alert(alert) | Self::Certificate { alert, .. } => *alert,
            Self::ProtocolViolation(_) => alert::UNEXPECTED_MESSAGE,
            Self::EchRetry(_) => alert::ECH_REQUIRED,
            Self::Config(_)
            | Self::Aead
            | Self::KeyExhausted
            | Self::NotAvailable
            | Self::State
            | Self::Library { .. }
            | Self::Internal(_) => alert::INTERNAL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts() {
        assert_eq!(Error::Alert(120).alert(), 120);
        let refused = Error::Certificate {
            alert: alert::UNKNOWN_CA,
            reason: String::new(),
        };
        assert_eq!(refused.alert(), 48);
        assert_eq!(Error::State.alert(), 80);
        assert_eq!(Error::ProtocolViolation("x").alert(), 10);
    }
}

//! The subset of rustls's algorithms that a configuration allows, and the mapping of names and errors.

use std::sync::Arc;

use neqo_common::qdebug;
use rustls::{
    PeerIncompatible, PeerMisbehaved,
    crypto::{CryptoProvider, aws_lc_rs},
};

use crate::{
    constants::{Cipher, Group},
    error::{Error, Res, alert},
};

/// The aws-lc-rs provider with these suites and groups, in this order.
pub(super) fn provider(ciphers: &[Cipher], groups: &[Group]) -> Res<Arc<CryptoProvider>> {
    let mut provider = aws_lc_rs::default_provider();
    let suites = provider.cipher_suites;
    provider.cipher_suites = ciphers
        .iter()
        .filter_map(|c| suites.iter().find(|s| u16::from(s.suite()) == c.id()))
        .copied()
        .collect();
    provider.kx_groups = groups
        .iter()
        .filter_map(|g| {
            aws_lc_rs::ALL_KX_GROUPS
                .iter()
                .find(|k| u16::from(k.name()) == g.id())
        })
        .copied()
        .collect();
    if provider.cipher_suites.is_empty() || provider.kx_groups.is_empty() {
        return Err(Error::Config("no cipher suite or no group".into()));
    }
    Ok(Arc::new(provider))
}

/// An error in making a configuration.
pub(super) fn config_error(e: impl std::fmt::Display) -> Error {
    Error::Config(e.to_string())
}

/// The error of a failed handshake; `sent` is the alert that rustls wants to send. The configurations of `EchRetry` are
/// for the caller to put in.
pub(super) fn handshake_error(e: &rustls::Error, sent: Option<u8>) -> Error {
    use rustls::Error as E;
    qdebug!("TLS failed: {e}");
    match e {
        //= rfc9001#section-4.1.3
        //# When TLS provides keys for a higher encryption level,
        //# if there is data from a previous encryption level that TLS has not consumed,
        //# this MUST be treated as a connection error of type PROTOCOL_VIOLATION.
        E::PeerMisbehaved(PeerMisbehaved::KeyEpochWithPendingFragment) => {
            return Error::ProtocolViolation("CRYPTO data beyond the end of its level");
        }
        //= rfc9001#section-4.6.1
        //# A client MUST treat receipt of a
        //# NewSessionTicket that contains an early_data extension with any other value as
        //# a connection error of type PROTOCOL_VIOLATION.
        E::PeerMisbehaved(PeerMisbehaved::InvalidMaxEarlyDataSize) => {
            return Error::ProtocolViolation("a ticket's max_early_data_size");
        }
        E::PeerIncompatible(PeerIncompatible::ServerRejectedEncryptedClientHello(_)) => {
            return Error::EchRetry(Vec::new());
        }
        _ => {}
    }
    let alert = sent.unwrap_or(match e {
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            alert::UNEXPECTED_MESSAGE
        }
        E::InvalidMessage(_) => alert::DECODE_ERROR,
        E::PeerMisbehaved(_) | E::PeerIncompatible(_) => alert::ILLEGAL_PARAMETER,
        E::InvalidCertificate(_) => alert::BAD_CERTIFICATE,
        E::NoApplicationProtocol => alert::NO_APPLICATION_PROTOCOL,
        _ => alert::INTERNAL_ERROR,
    });
    match e {
        E::InvalidCertificate(reason) => Error::Certificate {
            alert,
            reason: reason.to_string(),
        },
        _ => Error::Alert(alert),
    }
}

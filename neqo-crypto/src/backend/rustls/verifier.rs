//! The verifiers behind [`Verification`] and [`ClientCertificate`].

use std::{error::Error as StdError, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoClientAuth, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::provider::config_error;
use crate::{error::Res, primitives::sha256, server::ClientCertificate, verify::Verification};

/// The one verifier of a configuration. It keeps no state: a verifier for each connection would lose every resumption.
pub(super) fn verifier(
    verification: &Verification,
    provider: &Arc<CryptoProvider>,
) -> Res<Arc<dyn ServerCertVerifier>> {
    let algorithms = provider.signature_verification_algorithms;
    Ok(match verification {
        Verification::Platform => Arc::new(
            rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(config_error)?,
        ),
        Verification::Roots(given) => {
            let mut store = RootCertStore::empty();
            for root in given {
                store
                    .add(CertificateDer::from_slice(root).into_owned())
                    .map_err(config_error)?;
            }
            let (roots, provider) = (Arc::new(store), Arc::clone(provider));
            let chains = WebPkiServerVerifier::builder_with_provider(roots, provider);
            Arc::new(GivenRoots {
                chains: chains.build().map_err(config_error)?,
                roots: given.clone(),
            })
        }
        Verification::PinSha256(pins) => Arc::new(KeyHolder {
            algorithms,
            pins: Some(pins.clone()),
        }),
        Verification::Host | Verification::Insecure => Arc::new(KeyHolder {
            algorithms,
            pins: None,
        }),
    })
}

/// Verifies by roots that the user gave.
///
/// One of them may be the server's own certificate: that of a certificate authority which signed itself, as tools make
/// them by default. Libraries that build chains refuse it in that place (RFC 5280, Section 4.2.1.9), but who gives it
/// means just this server; it is held to its name and its dates.
#[derive(Debug)]
struct GivenRoots {
    chains: Arc<WebPkiServerVerifier>,
    roots: Vec<Vec<u8>>,
}

impl GivenRoots {
    /// Whether nothing but its being an authority's stood against a certificate. That is what webpki looks at after the
    /// dates.
    fn is_authority(error: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
            return false;
        };
        matches!(
            error.downcast_ref::<webpki::Error>(),
            Some(webpki::Error::CaUsedAsEndEntity)
        )
    }
}

impl ServerCertVerifier for GivenRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.chains
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|e| {
                if !Self::is_authority(&e) || !self.roots.iter().any(|r| r == end_entity.as_ref()) {
                    return Err(e);
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Why a pinned certificate is refused.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is not one of those pinned")]
struct NotPinned;

/// Why a client's certificates are refused.
#[derive(Debug, thiserror::Error)]
#[error("too many certificates, or too long")]
struct TooLong;

fn refused(reason: impl StdError + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

/// Checks that the peer holds the key of its certificate, and of the certificate only its hash, if anything.
#[derive(Debug)]
struct KeyHolder {
    algorithms: WebPkiSupportedAlgorithms,
    pins: Option<Vec<[u8; 32]>>,
}

impl ServerCertVerifier for KeyHolder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(pins) = &self.pins
            && !pins.contains(&sha256(end_entity))
        {
            return Err(refused(NotPinned));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has no TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What asks clients who they are.
pub(super) fn client_verifier(
    request: ClientCertificate,
    provider: &CryptoProvider,
) -> Arc<dyn ClientCertVerifier> {
    let mandatory = match request {
        ClientCertificate::NotRequested => return Arc::new(NoClientAuth),
        ClientCertificate::Requested => false,
        ClientCertificate::Required => true,
    };
    let algorithms = provider.signature_verification_algorithms;
    Arc::new(ClientKeyHolder {
        holder: KeyHolder {
            algorithms,
            pins: None,
        },
        mandatory,
    })
}

/// Certificates that a client may show: anyone can, and they are kept as long as it can resume.
const MAX_CLIENT_CERTIFICATES: usize = 10;
/// How long they may be together, in bytes.
const MAX_CLIENT_CHAIN: usize = 16 << 10;

/// Checks that a client holds the key of its certificate; the rest is for the host to say.
#[derive(Debug)]
struct ClientKeyHolder {
    holder: KeyHolder,
    mandatory: bool,
}

impl ClientCertVerifier for ClientKeyHolder {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let len = intermediates
            .iter()
            .fold(end_entity.len(), |n, c| n + c.len());
        if intermediates.len() >= MAX_CLIENT_CERTIFICATES || len > MAX_CLIENT_CHAIN {
            return Err(refused(TooLong));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.holder.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.holder.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.holder.supported_verify_schemes()
    }
}

//! How a client decides whom it talks to.

use std::{fs, path::Path};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::error::{Error, Res};

/// How a client verifies the server. In every case the server has to prove that it holds the key of the certificate.
#[derive(Clone, Debug, Default)]
pub enum Verification {
    //= rfc9001#section-4.4
    //# A client MUST authenticate the identity of the server.
    /// By the operating system's verifier and roots. The default: without a word from the host nobody is trusted who
    /// the system does not trust (hardening A31). With NSS, that is by the roots in its module `libnssckbi` and in the
    /// database that is open, and without Mozilla's dates of partial distrust.
    #[default]
    Platform,
    /// By a path to one of these certificates (DER), and none else.
    Roots(Vec<Vec<u8>>),
    /// By the SHA-256 of the leaf certificate (DER), as WebTransport's `serverCertificateHashes` does.
    /// Name, path and validity are not looked at.
    PinSha256(Vec<[u8; 32]>),
    /// By the host, which is asked by [`Event::AuthenticationNeeded`](crate::Event::AuthenticationNeeded) and may take
    /// its time. Name, path and validity are its business. Nothing that shows acceptance is sent before it answers.
    Host,
    /// Not at all: anybody is taken for the server. For tests only.
    Insecure,
}

impl Verification {
    /// [`Verification::Roots`] with the certificates of a PEM file.
    ///
    /// # Errors
    /// `Config` if the file cannot be read or has no certificate.
    pub fn roots_from_pem_file(path: &Path) -> Res<Self> {
        let pem = fs::read(path)
            .map_err(|e| Error::Config(format!("cannot read {}: {e}", path.display())))?;
        Self::roots_from_pem(&pem)
    }

    /// [`Verification::Roots`] with the certificates of PEM text.
    ///
    /// # Errors
    /// `Config` if it is malformed or has no certificate.
    pub fn roots_from_pem(pem: &[u8]) -> Res<Self> {
        let roots = certificates(pem)?;
        Ok(Self::Roots(roots))
    }
}

/// The certificates of PEM text, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Res<Vec<Vec<u8>>> {
    let certs = CertificateDer::pem_slice_iter(pem)
        .map(|c| c.map(|c| c.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Error::Config(format!("PEM: {e:?}")))?;
    if certs.is_empty() {
        return Err(Error::Config("PEM without a certificate".into()));
    }
    Ok(certs)
}

#[cfg(test)]
mod tests {
    use super::*;

    // hardening A31
    #[test]
    fn default_is_to_verify() {
        assert!(matches!(Verification::default(), Verification::Platform));
    }

    #[test]
    fn pem_without_certificates() {
        assert!(matches!(
            Verification::roots_from_pem(b"nothing"),
            Err(Error::Config(_))
        ));
        assert!(Verification::roots_from_pem_file(Path::new("/no/such/file")).is_err());
    }
}

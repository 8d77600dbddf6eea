//! What a server proves to be.

use std::{
    fmt::{self, Debug, Formatter},
    fs,
    path::Path,
    time::SystemTime,
};

use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Res},
    primitives::{random, sha256},
    verify,
};

/// A certificate chain and the private key of its first certificate.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<Vec<u8>>,
    key: Key,
    ocsp: Option<Vec<u8>>,
    timestamps: Option<Vec<u8>>,
}

/// Where the private key is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// Here, as DER.
    Der(Zeroizing<Vec<u8>>),
    /// In the database that NSS was started with, under this name.
    #[cfg_attr(
        not(feature = "nss"),
        expect(dead_code, reason = "there is no such database")
    )]
    Nickname(String),
}

impl Key {
    /// The key, if it is here.
    #[cfg(any(feature = "rustls", test))]
    pub(crate) fn der(&self) -> Res<&[u8]> {
        match self {
            Self::Der(key) => Ok(key),
            Self::Nickname(_) => Err(Error::Config("the key is in NSS's database".into())),
        }
    }
}

impl Identity {
    /// Reads a chain (leaf first) and a key from PEM files.
    ///
    /// # Errors
    /// `Config` if a file cannot be read or does not hold what it should.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Res<Self> {
        let read = |path: &Path| {
            fs::read(path)
                .map_err(|e| Error::Config(format!("cannot read {}: {e}", path.display())))
        };
        Self::from_pem(&read(chain)?, &Zeroizing::new(read(key)?))
    }

    /// Takes a chain (leaf first) and a key as PEM text.
    ///
    /// # Errors
    /// `Config` if the text does not hold what it should.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Res<Self> {
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|e| Error::Config(format!("private key: {e:?}")))?;
        Self::from_der(verify::certificates(chain)?, key.secret_der().to_vec())
    }

    /// Takes a chain (leaf first) and a key (PKCS#8, PKCS#1 or SEC1) as DER.
    ///
    /// # Errors
    /// `Config` if there is no certificate.
    pub fn from_der(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Res<Self> {
        let key = Zeroizing::new(key);
        if chain.is_empty() {
            return Err(Error::Config("no certificate".into()));
        }
        Ok(Self {
            chain,
            key: Key::Der(key),
            ocsp: None,
            timestamps: None,
        })
    }

    /// Takes the identity `nickname` of the database that NSS was started with, by [`init_db`](crate::init_db). Its key
    /// stays there, so only NSS's servers can be it.
    ///
    /// # Errors
    /// `Config` if there is no such certificate or key.
    #[cfg(feature = "nss")]
    pub fn nss_nickname(nickname: &str) -> Res<Self> {
        let found = crate::nss::Credential::find(nickname)?;
        Ok(Self {
            chain: found.chain().to_vec(),
            key: Key::Nickname(nickname.to_owned()),
            ocsp: None,
            timestamps: None,
        })
    }

    /// Staples an OCSP response (DER, RFC 6960) to the certificate.
    #[must_use]
    pub fn with_ocsp_response(mut self, response: &[u8]) -> Self {
        self.ocsp = Some(response.to_vec());
        self
    }

    /// Sends certificate timestamps (a SignedCertificateTimestampList, RFC 6962 §3.3) with the certificate. rustls's
    /// servers cannot.
    #[must_use]
    pub fn with_certificate_timestamps(mut self, list: &[u8]) -> Self {
        self.timestamps = Some(list.to_vec());
        self
    }

    /// Makes a P-256 key and a certificate for `names` that it signs itself.
    ///
    /// # Errors
    /// `Config` if a name cannot stand in a certificate.
    pub fn self_signed(names: &[&str]) -> Res<Self> {
        Self::made(names, None)
    }

    /// Like [`Identity::self_signed`], valid only from the first of `validity` to the second. Browsers accept a
    /// certificate by its hash only if that is at most 14 days.
    ///
    /// # Errors
    /// Like [`Identity::self_signed`].
    pub fn self_signed_within(names: &[&str], validity: (SystemTime, SystemTime)) -> Res<Self> {
        Self::made(names, Some(validity))
    }

    fn made(names: &[&str], validity: Option<(SystemTime, SystemTime)>) -> Res<Self> {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).map_err(unusable)?;
        if let Some((from, until)) = validity {
            (params.not_before, params.not_after) = (from.into(), until.into());
        }
        let mut serial = [0; 16];
        random(&mut serial);
        // A positive number (RFC 5280 §4.1.2.2).
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&serial));
        sign_itself(&params)
    }

    /// The chain as DER, the leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The private key.
    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// The OCSP response to staple.
    pub(crate) fn ocsp_response(&self) -> Option<&[u8]> {
        self.ocsp.as_deref()
    }

    /// The certificate timestamps to send.
    pub(crate) fn certificate_timestamps(&self) -> Option<&[u8]> {
        self.timestamps.as_deref()
    }

    /// SHA-256 of the leaf, for [`Verification::PinSha256`](crate::Verification::PinSha256).
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.chain.first().map_or(&[], Vec::as_slice))
    }

    /// The chain as PEM text.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        let blocks: Vec<_> = self
            .chain
            .iter()
            .map(|c| pem::Pem::new("CERTIFICATE", c.as_slice()))
            .collect();
        pem::encode_many(&blocks)
    }
}

fn unusable(e: impl fmt::Display) -> Error {
    Error::Config(format!("self-signed certificate: {e}"))
}

/// A certificate and its key by aws-lc-rs.
#[cfg(feature = "rustls")]
fn sign_itself(params: &rcgen::CertificateParams) -> Res<Identity> {
    let key = rcgen::KeyPair::generate().map_err(unusable)?;
    let cert = params.self_signed(&key).map_err(unusable)?;
    Identity::from_der(vec![cert.der().to_vec()], key.serialize_der())
}

/// A certificate and its key by NSS.
#[cfg(all(feature = "nss", any(test, not(feature = "rustls"))))]
fn sign_itself_by_nss(params: &rcgen::CertificateParams) -> Res<Identity> {
    let key = crate::nss::SigningKey::generate()?;
    let cert = params.self_signed(&key).map_err(unusable)?;
    let key = crate::backend::nss::of_full_length(&key.pkcs8()?)?;
    Identity::from_der(vec![cert.der().to_vec()], key.to_vec())
}

#[cfg(not(feature = "rustls"))]
use sign_itself_by_nss as sign_itself;

impl Debug for Identity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_round_trip() {
        let made = Identity::self_signed(&["example.com"]).unwrap();
        let der = made.key().der().unwrap();
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", der));
        let dir = tempfile::tempdir().unwrap();
        let (chain_file, key_file) = (dir.path().join("chain"), dir.path().join("key"));
        fs::write(&chain_file, made.certificate_pem()).unwrap();
        fs::write(&key_file, key).unwrap();
        let read = Identity::from_pem_files(&chain_file, &key_file).unwrap();
        assert_eq!(read.chain(), made.chain());
        assert!(read.key() == made.key());
        assert_eq!(read.sha256(), sha256(&made.chain()[0]));
    }

    #[cfg(feature = "nss")]
    #[test]
    fn signed_by_nss() {
        let mut params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        params.serial_number = Some(7u64.into());
        let made = sign_itself_by_nss(&params).unwrap();
        // An NSS without libpkix has no roots but its own.
        if let Ok(roots) = crate::nss::Anchors::only(made.chain()) {
            roots.verify(made.chain()).unwrap();
        }
        for provider in crate::Provider::ALL {
            let server = crate::Server::builder(made.clone()).provider(*provider);
            server.build().unwrap();
        }
    }

    #[cfg(feature = "nss")]
    #[test]
    fn no_such_nickname() {
        assert!(matches!(
            Identity::nss_nickname("nobody"),
            Err(Error::Config(_))
        ));
    }

    #[test]
    fn bad_input() {
        assert!(Identity::from_der(Vec::new(), vec![1]).is_err());
        assert!(Identity::from_pem(b"", b"").is_err());
        let made = Identity::self_signed(&["example.com"]).unwrap();
        assert!(Identity::from_pem(made.certificate_pem().as_bytes(), b"no key").is_err());
        assert!(Identity::from_pem_files(Path::new("/no/such"), Path::new("/no/such")).is_err());
    }
}

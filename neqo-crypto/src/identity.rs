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
    primitives::sha256,
    verify,
};

/// A certificate chain and the private key of its first certificate.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
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
        Ok(Self { chain, key })
    }

    /// Makes a P-256 key and a certificate for `names` that it signs itself.
    ///
    /// # Errors
    /// `Config` if a name cannot stand in a certificate.
    #[cfg(feature = "rustls")]
    pub fn self_signed(names: &[&str]) -> Res<Self> {
        Self::made(names, None)
    }

    /// Like [`Identity::self_signed`], valid only from the first of `validity` to the second. Browsers accept a
    /// certificate by its hash only if that is at most 14 days.
    ///
    /// # Errors
    /// Like [`Identity::self_signed`].
    #[cfg(feature = "rustls")]
    pub fn self_signed_within(names: &[&str], validity: (SystemTime, SystemTime)) -> Res<Self> {
        Self::made(names, Some(validity))
    }

    #[cfg(feature = "rustls")]
    fn made(names: &[&str], validity: Option<(SystemTime, SystemTime)>) -> Res<Self> {
        let bad = |e| Error::Config(format!("self-signed certificate: {e}"));
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).map_err(bad)?;
        if let Some((from, until)) = validity {
            (params.not_before, params.not_after) = (from.into(), until.into());
        }
        let key = rcgen::KeyPair::generate().map_err(bad)?;
        let cert = params.self_signed(&key).map_err(bad)?;
        Self::from_der(vec![cert.der().to_vec()], key.serialize_der())
    }

    /// The chain as DER, the leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The private key as DER.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
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
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", made.key()));
        let dir = tempfile::tempdir().unwrap();
        let (chain_file, key_file) = (dir.path().join("chain"), dir.path().join("key"));
        fs::write(&chain_file, made.certificate_pem()).unwrap();
        fs::write(&key_file, key).unwrap();
        let read = Identity::from_pem_files(&chain_file, &key_file).unwrap();
        assert_eq!(read.chain(), made.chain());
        assert_eq!(read.key(), made.key());
        assert_eq!(read.sha256(), sha256(&made.chain()[0]));
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

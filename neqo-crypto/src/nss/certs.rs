//! Certificates and private keys of NSS.

use std::{
    ffi::{CString, c_uint},
    fmt::{self, Debug, Formatter},
    ptr::{null, null_mut},
};

#[cfg(any(test, not(feature = "rustls")))]
use nss_gk_api::ScopedSECItem;
use nss_gk_api::p11::{
    self, CERT_GetCertificateDer, Certificate, PK11_FindCertFromNickname, PK11_FindKeyByAnyCert,
    PK11_ImportDERPrivateKeyInfoAndReturnKey, Slot,
};

use super::{
    agent::count,
    check,
    ffi::{
        self, CERTCertList, CERTCertificate, CERTCertificateList, PRFileDesc, SECItem,
        SECItemArray, SECItemType, SECKEYPrivateKey, SECStatus, SSLExtraServerCertData,
    },
    hooks::bytes,
    init, last_error,
};
use crate::error::{Error, Res};

const KU_DIGITAL_SIGNATURE: c_uint = 0x80;

/// A `SECItem` that lends `data`. NSS must only read it.
pub(super) fn item(data: &[u8]) -> Res<SECItem> {
    Ok(SECItem {
        type_: SECItemType::siBuffer,
        data: data.as_ptr().cast_mut(),
        len: count(data)?,
    })
}

/// Reads a certificate.
pub(super) fn certificate(der: &[u8]) -> Res<Certificate> {
    let der = item(der)?;
    // SAFETY: NSS is up; it copies the DER; the result is ours.
    unsafe {
        let db = ffi::CERT_GetDefaultCertDB();
        Certificate::from_ptr(ffi::CERT_NewTempCertificate(
            db,
            &raw const der,
            null(),
            0,
            1,
        ))
        .map_err(|_| last_error("a certificate"))
    }
}

/// The DER of a certificate.
///
/// # Safety
/// `cert` is one of NSS's.
pub(super) unsafe fn der(cert: *const CERTCertificate) -> Option<Vec<u8>> {
    let mut out = SECItem {
        type_: SECItemType::siBuffer,
        data: null_mut(),
        len: 0,
    };
    // SAFETY: the caller's promise; what the item then points to belongs to the certificate.
    unsafe {
        (CERT_GetCertificateDer(cert, &raw mut out) == ffi::SEC_SUCCESS)
            .then(|| bytes(out.data, out.len).to_vec())
    }
}

/// The DER of each certificate of a list, which is freed.
///
/// # Safety
/// `list` is null or a list of NSS's that is the caller's.
pub(super) unsafe fn ders(list: *mut CERTCertList) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    // SAFETY: the list is ours; its nodes are linked in a ring that ends at its head.
    unsafe {
        let Ok(list) = p11::CertList::from_ptr(list) else {
            return out;
        };
        let head = &raw mut (**list).list;
        let mut link = (*head).next;
        while link != head && !link.is_null() {
            let node = link.cast::<p11::CERTCertListNode>();
            out.extend(der((*node).cert));
            link = (*link).next;
        }
    }
    out
}

/// What is in an array, which is freed.
///
/// # Safety
/// `array` is null or one of NSS's that is the caller's.
pub(super) unsafe fn array(array: *mut SECItemArray) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    // SAFETY: the array has as many items as it says, and is ours to free.
    unsafe {
        if let Some(items) = array.as_ref() {
            let count = usize::try_from(items.len).unwrap_or(0);
            if !items.items.is_null() {
                for item in std::slice::from_raw_parts(items.items, count) {
                    out.push(bytes(item.data, item.len).to_vec());
                }
            }
            ffi::SECITEM_FreeArray(array, 1);
        }
    }
    out
}

/// The SubjectPublicKeyInfo of a public key, as DER.
#[cfg(any(test, not(feature = "rustls")))]
pub(super) fn spki(key: &p11::PublicKey) -> Res<Vec<u8>> {
    // SAFETY: the key is valid; the result is ours.
    unsafe {
        ScopedSECItem::from_ptr(ffi::SECKEY_EncodeDERSubjectPublicKeyInfo(**key))
            .map(|i| i.into_vec())
            .map_err(|_| last_error("a public key"))
    }
}

/// True if `key` is that of `cert`, shown by a signature: NSS's forms of public keys cannot be compared, as it does not
/// always know an elliptic curve's point from the DER of one.
fn fit(cert: &Certificate, key: &p11::PrivateKey) -> Res<bool> {
    // SAFETY: certificate and key are valid; the result is ours.
    let public = unsafe { p11::PublicKey::from_ptr(ffi::CERT_ExtractPublicKey(**cert)) }
        .map_err(|_| Error::Config("identity: its public key is unusable".into()))?;
    // SAFETY: the key is valid.
    let len = unsafe { ffi::PK11_SignatureLen(**key) };
    let len = usize::try_from(len).map_err(|_| last_error("a private key"))?;
    let digest = item(&[0x5a; 32])?;
    let mut signature = vec![0; len];
    let mut signed = SECItem {
        type_: SECItemType::siBuffer,
        data: signature.as_mut_ptr(),
        len: count(&signature)?,
    };
    // SAFETY: keys are valid; the items name memory that lives on, and NSS writes no more than there is room for.
    unsafe {
        if ffi::PK11_Sign(**key, &raw mut signed, &raw const digest) != ffi::SEC_SUCCESS {
            return Err(last_error("a private key"));
        }
        let verified = ffi::PK11_Verify(*public, &raw const signed, &raw const digest, null_mut());
        Ok(verified == ffi::SEC_SUCCESS)
    }
}

/// A certificate chain and its key: what a server proves to be.
pub(crate) struct Credential {
    cert: Certificate,
    key: p11::PrivateKey,
    chain: Vec<Vec<u8>>,
    /// Where NSS finds the rest of the chain when it is a client that shows it.
    issuers: Vec<Certificate>,
    ocsp: Option<Vec<u8>>,
    sct: Option<Vec<u8>>,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "pointers of NSS, see below"
)]
// SAFETY: NSS counts references to certificates and keys atomically and has locks for what it changes in them.
unsafe impl Send for Credential {}
// SAFETY: as above; through a shared reference they are only handed to NSS, which copies or references them.
unsafe impl Sync for Credential {}

impl Credential {
    /// Imports a chain (leaf first) and a key as PKCS#8.
    ///
    /// # Errors
    /// `Config` if NSS does not take them, or the key is another certificate's.
    pub(crate) fn import(chain: &[Vec<u8>], pkcs8: &[u8]) -> Res<Self> {
        init()?;
        let unusable = |e: Error| Error::Config(format!("identity: {e}"));
        let leaf = chain
            .first()
            .ok_or_else(|| Error::Config("no certificate".into()))?;
        let cert = certificate(leaf).map_err(unusable)?;
        let key = import_key(pkcs8).map_err(unusable)?;
        Self::new(cert, key, chain.to_vec())
    }

    /// Finds a certificate and its key in the database that NSS was started with.
    ///
    /// # Errors
    /// `Config` if there is none of this name, or the database has not its key.
    pub(crate) fn find(nickname: &str) -> Res<Self> {
        init()?;
        let missing = || Error::Config(format!("no identity {nickname:?} in NSS's database"));
        let name = CString::new(nickname).map_err(|_| missing())?;
        // SAFETY: NSS is up; the name ends with NUL; the results are ours.
        unsafe {
            let cert = Certificate::from_ptr(PK11_FindCertFromNickname(name.as_ptr(), null_mut()))
                .map_err(|_| missing())?;
            let key = p11::PrivateKey::from_ptr(PK11_FindKeyByAnyCert(*cert, null_mut()))
                .map_err(|_| missing())?;
            let list = ffi::CERT_GetCertChainFromCert(*cert, ffi::PR_Now(), 1);
            let mut chain = ders(list);
            if chain.is_empty() {
                chain.extend(der(*cert));
            }
            Self::new(cert, key, chain)
        }
    }

    fn new(cert: Certificate, key: p11::PrivateKey, chain: Vec<Vec<u8>>) -> Res<Self> {
        if !fit(&cert, &key)? {
            return Err(Error::Config("the key is another certificate's".into()));
        }
        let issuers = chain
            .iter()
            .skip(1)
            .map(|c| certificate(c))
            .collect::<Res<_>>();
        Ok(Self {
            cert,
            key,
            chain,
            issuers: issuers?,
            ocsp: None,
            sct: None,
        })
    }

    /// Staples an OCSP response and a list of certificate timestamps.
    pub(crate) fn staple(&mut self, ocsp: Option<&[u8]>, sct: Option<&[u8]>) {
        self.ocsp = ocsp.map(<[u8]>::to_vec);
        self.sct = sct.map(<[u8]>::to_vec);
    }

    /// The chain as DER, the leaf first.
    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Puts references to certificate and key where a client's connection wants them.
    ///
    /// # Safety
    /// Both may be written to.
    pub(super) unsafe fn give(
        &self,
        cert: *mut *mut CERTCertificate,
        key: *mut *mut SECKEYPrivateKey,
    ) -> SECStatus {
        // SAFETY: ours are valid; the caller's may be written to and are NSS's from then on.
        unsafe {
            *key = p11::SECKEY_CopyPrivateKey(*self.key);
            if (*key).is_null() {
                return ffi::SEC_FAILURE;
            }
            *cert = ffi::CERT_DupCertificate(*self.cert);
        }
        ffi::SEC_SUCCESS
    }

    /// Gives it to a server's connection.
    pub(super) fn configure(&self, fd: *mut PRFileDesc) -> Res<()> {
        let certs = self
            .chain
            .iter()
            .map(|c| item(c))
            .collect::<Res<Vec<_>>>()?;
        let list = CERTCertificateList {
            certs: certs.as_ptr(),
            len: i32::try_from(certs.len()).map_err(|_| Error::Internal("a long chain"))?,
            arena: null_mut(),
        };
        let ocsp = self.ocsp.as_deref().map(item).transpose()?;
        let responses = ocsp.as_ref().map(|items| SECItemArray { items, len: 1 });
        let sct = self.sct.as_deref().map(item).transpose()?;
        let extra = SSLExtraServerCertData {
            auth_type: 0,
            cert_chain: &raw const list,
            stapled_ocsp_responses: responses.as_ref().map_or(null(), |r| &raw const *r),
            signed_cert_timestamps: sct.as_ref().map_or(null(), |s| &raw const *s),
            deleg_cred: null(),
            deleg_cred_priv_key: null(),
        };
        // SAFETY: the file is open; NSS copies everything before it returns.
        let status = unsafe {
            ffi::SSL_ConfigServerCert(
                fd,
                *self.cert,
                *self.key,
                &raw const extra,
                c_uint::try_from(size_of_val(&extra)).unwrap_or(0),
            )
        };
        check(status, "an identity")
    }
}

impl Debug for Credential {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(1 + {} certificates)", self.issuers.len())
    }
}

fn import_key(pkcs8: &[u8]) -> Res<p11::PrivateKey> {
    let mut der = item(pkcs8)?;
    let mut key = null_mut();
    // SAFETY: NSS is up and only reads the DER; the key is ours.
    unsafe {
        let slot = Slot::internal().map_err(|_| last_error("NSS's own token"))?;
        check(
            PK11_ImportDERPrivateKeyInfoAndReturnKey(
                *slot,
                &raw mut der,
                null_mut(),
                null_mut(),
                0,
                0,
                KU_DIGITAL_SIGNATURE,
                &raw mut key,
                null_mut(),
            ),
            "a private key",
        )?;
        p11::PrivateKey::from_ptr(key).map_err(|_| last_error("a private key"))
    }
}

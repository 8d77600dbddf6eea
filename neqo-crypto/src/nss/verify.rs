//! NSS's own verdict on certificates.

use std::{
    ffi::{CStr, c_int},
    fmt::{self, Debug, Formatter},
    ptr::null_mut,
};

use nss_gk_api::p11::{CertList, Certificate};

use super::{
    Once,
    certs::certificate,
    ffi::{self, CERTValInParam, CERTValOutParam, SEC_SUCCESS},
    init, last_code, last_error,
};
use crate::error::{Error, Res};

/// The module with the certificate authorities that Mozilla trusts, by the name under which systems have it.
const ROOTS: &CStr = c"library=libnssckbi.so name=\"Root Certificates\"";
/// `certificateUsageSSLServer`
const USAGE_SERVER: i64 = 2;
const CERT_PI_DATE: c_int = 8;
const CERT_PI_REVOCATION_FLAGS: c_int = 9;
const CERT_PI_TRUST_ANCHORS: c_int = 11;
const CERT_PI_USE_ONLY_TRUST_ANCHORS: c_int = 14;

const SEC_ERROR_EXPIRED_CERTIFICATE: i32 = -8181;
const SEC_ERROR_BAD_DER: i32 = -8183;
/// What an NSS without libpkix answers: Firefox's, which verifies by itself.
const PR_NOT_IMPLEMENTED_ERROR: i32 = -5992;

/// Whom to trust.
pub(crate) enum Anchors {
    /// Whom NSS trusts: the built-in authorities, and those of the database if there is one.
    Platform,
    /// These certificates and none else.
    Only(CertList, Vec<Vec<u8>>),
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "pointers of NSS, see below"
)]
// SAFETY: the list is not changed after it was made, and NSS's certificates may be used by any thread.
unsafe impl Send for Anchors {}
// SAFETY: as above.
unsafe impl Sync for Anchors {}

impl Anchors {
    /// Trusts the authorities that come with NSS.
    ///
    /// # Errors
    /// `Config` if there are none.
    pub(crate) fn platform() -> Res<Self> {
        static LOADED: Once = Once::new();
        init()?;
        LOADED.run(|| {
            // SAFETY: NSS is up; it copies the string. The module stays for good.
            let here = unsafe {
                let module = ffi::SECMOD_LoadUserModule(ROOTS.as_ptr(), null_mut(), 0);
                module.as_ref().is_some_and(|m| m.loaded != 0)
            };
            here.then_some(()).ok_or_else(|| {
                Error::Config("no certificate authorities: NSS's libnssckbi.so is not there".into())
            })
        })?;
        Ok(Self::Platform)
    }

    /// Trusts these certificates.
    ///
    /// # Errors
    /// `Config` if there is none, or one is malformed.
    pub(crate) fn only(roots: &[Vec<u8>]) -> Res<Self> {
        init()?;
        if roots.is_empty() {
            return Err(Error::Config("no root certificate".into()));
        }
        // SAFETY: NSS is up; the list is ours, and takes the reference to each certificate over.
        unsafe {
            let list = CertList::from_ptr(ffi::CERT_NewCertList())
                .map_err(|_| last_error("a list of certificates"))?;
            for root in roots {
                let cert = certificate(root)
                    .map_err(|e| Error::Config(format!("root certificate: {e}")))?;
                let copy = ffi::CERT_DupCertificate(*cert);
                if ffi::CERT_AddCertToListTail(*list, copy) != SEC_SUCCESS {
                    return Err(last_error("a list of certificates"));
                }
            }
            // Without libpkix, NSS could only trust them for everybody, for good.
            let first = roots.first().map_or(&[][..], Vec::as_slice);
            if path(&certificate(first)?, super::wall_clock(), Some(&list))
                == Err(PR_NOT_IMPLEMENTED_ERROR)
            {
                return Err(Error::Config(
                    "this NSS has no libpkix and knows no roots but its own: verify by the host"
                        .into(),
                ));
            }
            Ok(Self::Only(list, roots.to_vec()))
        }
    }

    /// Verifies that `chain` (leaf first) leads to an anchor today, else gives NSS's error code. Whose it is, is not
    /// looked at: where a certificate names no host, NSS takes the common name for one, which RFC 9525 §2 forbids.
    pub(crate) fn verify(&self, chain: &[Vec<u8>]) -> Result<(), i32> {
        let read = |der: &Vec<u8>| certificate(der).map_err(|_| last_code());
        // NSS finds issuers among the certificates that exist.
        let certs = chain.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let leaf = certs.first().ok_or(SEC_ERROR_BAD_DER)?;
        let now = super::wall_clock();
        // SAFETY: the certificate is valid.
        if unsafe { ffi::CERT_CheckCertValidTimes(**leaf, now, 0) } != 0 {
            return Err(SEC_ERROR_EXPIRED_CERTIFICATE);
        }
        match self {
            Self::Platform => path(leaf, now, None),
            // A certificate that is trusted itself needs no path.
            Self::Only(_, ders) if chain.first().is_some_and(|leaf| ders.contains(leaf)) => Ok(()),
            Self::Only(list, _) => path(leaf, now, Some(list)),
        }
    }
}

impl Debug for Anchors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("Platform"),
            Self::Only(_, ders) => write!(f, "Only({})", ders.len()),
        }
    }
}

/// Looks for a path to whom NSS trusts, without libpkix.
fn classic_path(leaf: &Certificate, now: i64) -> Result<(), i32> {
    // SAFETY: the certificate is valid; what is null is not asked for.
    let status = unsafe {
        ffi::CERT_VerifyCertificate(
            ffi::CERT_GetDefaultCertDB(),
            **leaf,
            1,
            USAGE_SERVER,
            now,
            null_mut(),
            null_mut(),
            null_mut(),
        )
    };
    if status == SEC_SUCCESS {
        Ok(())
    } else {
        Err(last_code())
    }
}

/// Looks for a path from `leaf` to `anchors`, or to whom NSS trusts. Nothing is fetched.
fn path(leaf: &Certificate, now: i64, anchors: Option<&CertList>) -> Result<(), i32> {
    let mut params = Vec::with_capacity(5);
    params.push(CERTValInParam::time(CERT_PI_DATE, now));
    // SAFETY: gives the address of a constant.
    let policy = unsafe { ffi::CERT_GetClassicOCSPDisabledPolicy() };
    params.push(CERTValInParam::pointer(CERT_PI_REVOCATION_FLAGS, policy));
    if let Some(list) = anchors {
        params.push(CERTValInParam::pointer(
            CERT_PI_TRUST_ANCHORS,
            (**list).cast_const().cast(),
        ));
        params.push(CERTValInParam::flag(CERT_PI_USE_ONLY_TRUST_ANCHORS));
    }
    params.push(CERTValInParam::end());
    let mut out = [CERTValOutParam::end()];
    // SAFETY: both lists end with their end marks and outlive the call; the certificate is valid.
    let status = unsafe {
        ffi::CERT_PKIXVerifyCert(
            **leaf,
            USAGE_SERVER,
            params.as_mut_ptr(),
            out.as_mut_ptr(),
            null_mut(),
        )
    };
    if status == SEC_SUCCESS {
        return Ok(());
    }
    match last_code() {
        PR_NOT_IMPLEMENTED_ERROR if anchors.is_none() => classic_path(leaf, now),
        code => Err(code),
    }
}

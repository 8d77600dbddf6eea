//! NSS's own verdict on certificates.

use std::{
    ffi::{CStr, c_int, c_void},
    fmt::{self, Debug, Formatter},
    ptr::null_mut,
};

use nss_gk_api::p11::{CERTCertList, CERTCertListNode, CertList, Certificate};

use super::{
    Once,
    certs::{certificate, der},
    ffi::{
        self, CERTChainVerifyCallback, CERTValInParam, CERTValOutParam, PRBool, SEC_SUCCESS,
        SECStatus,
    },
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
const CERT_PI_CHAIN_VERIFY_CALLBACK: c_int = 13;
const CERT_PI_USE_ONLY_TRUST_ANCHORS: c_int = 14;
const CERT_PO_TRUST_ANCHOR: c_int = 2;

const SEC_ERROR_EXPIRED_CERTIFICATE: i32 = -8181;
const SEC_ERROR_BAD_DER: i32 = -8183;
const SEC_ERROR_UNKNOWN_ISSUER: i32 = -8179;
const SEC_ERROR_APPLICATION_CALLBACK_ERROR: i32 = -8014;
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
            load(ROOTS).then_some(()).ok_or_else(|| {
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
        // SAFETY: NSS is up; the list is ours, and takes the reference to each certificate over unless it fails.
        unsafe {
            let list = CertList::from_ptr(ffi::CERT_NewCertList())
                .map_err(|_| last_error("a list of certificates"))?;
            for root in roots {
                let cert = certificate(root)
                    .map_err(|e| Error::Config(format!("root certificate: {e}")))?;
                let copy = ffi::CERT_DupCertificate(*cert);
                if ffi::CERT_AddCertToListTail(*list, copy) != SEC_SUCCESS {
                    let e = last_error("a list of certificates");
                    drop(Certificate::from_ptr(copy));
                    return Err(e);
                }
            }
            // Without libpkix, NSS could only trust them for everybody, for good.
            let first = roots.first().map_or(&[][..], Vec::as_slice);
            let found = path(
                &certificate(first)?,
                super::wall_clock(),
                Some((&list, roots)),
            );
            if found == Err(PR_NOT_IMPLEMENTED_ERROR) {
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
        self.verify_at(chain, super::wall_clock())
    }

    /// [`Anchors::verify`] as if it were `now`, in microseconds since 1970.
    fn verify_at(&self, chain: &[Vec<u8>], now: i64) -> Result<(), i32> {
        let read = |der: &Vec<u8>| certificate(der).map_err(|_| last_code());
        // NSS finds issuers among the certificates that exist.
        let certs = chain.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let leaf = certs.first().ok_or(SEC_ERROR_BAD_DER)?;
        // SAFETY: the certificate is valid.
        if unsafe { ffi::CERT_CheckCertValidTimes(**leaf, now, 0) } != 0 {
            return Err(SEC_ERROR_EXPIRED_CERTIFICATE);
        }
        match self {
            Self::Platform => path(leaf, now, None).map(drop),
            // A certificate that is trusted itself needs no path.
            Self::Only(_, ders) if chain.first().is_some_and(|leaf| ders.contains(leaf)) => Ok(()),
            Self::Only(list, ders) => match path(leaf, now, Some((list, ders))) {
                Ok(Some(anchor)) if ders.contains(&anchor) => Ok(()),
                Ok(_) | Err(SEC_ERROR_APPLICATION_CALLBACK_ERROR) => Err(SEC_ERROR_UNKNOWN_ISSUER),
                Err(e) => Err(e),
            },
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

/// Loads a module into NSS, where it stays for good. False if that fails.
fn load(module: &CStr) -> bool {
    // SAFETY: NSS is up and copies the string. The reference is ours; a module that it loaded NSS keeps by another one.
    unsafe {
        let module = ffi::SECMOD_LoadUserModule(module.as_ptr(), null_mut(), 0);
        let loaded = module.as_ref().is_some_and(|m| m.loaded != 0);
        if !module.is_null() {
            ffi::SECMOD_DestroyModule(module);
        }
        loaded
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

/// Whether a path ends at one of the certificates that `wanted` points to: libpkix remembers of a root that NSS trusts it,
/// and then lets a path end there for those, too, who do not.
unsafe extern "C" fn ends_well(
    wanted: *mut c_void,
    path: *const CERTCertList,
    good: *mut PRBool,
) -> SECStatus {
    // SAFETY: `wanted` is what `path` passed; NSS gives a list that is not empty, and room for the answer.
    unsafe {
        let wanted = &*wanted.cast::<&[Vec<u8>]>();
        let tail = (*path).list.prev.cast::<CERTCertListNode>();
        let anchor = der((*tail).cert);
        *good = PRBool::from(anchor.is_some_and(|a| wanted.contains(&a)));
    }
    SEC_SUCCESS
}

/// Looks for a path from `leaf` to `anchors` (which are given twice, as a list and as DER), or to whom NSS trusts. Nothing
/// is fetched. Gives the certificate at its end (DER), if libpkix found it.
fn path(
    leaf: &Certificate,
    now: i64,
    anchors: Option<(&CertList, &[Vec<u8>])>,
) -> Result<Option<Vec<u8>>, i32> {
    let mut params = Vec::with_capacity(6);
    params.push(CERTValInParam::time(CERT_PI_DATE, now));
    // SAFETY: gives the address of a constant.
    let policy = unsafe { ffi::CERT_GetClassicOCSPDisabledPolicy() };
    params.push(CERTValInParam::pointer(CERT_PI_REVOCATION_FLAGS, policy));
    let mut wanted = anchors.map_or(&[][..], |(_, ders)| ders);
    let callback = CERTChainVerifyCallback {
        is_good: ends_well,
        arg: (&raw mut wanted).cast(),
    };
    if let Some((list, _)) = anchors {
        params.push(CERTValInParam::pointer(
            CERT_PI_TRUST_ANCHORS,
            (**list).cast_const().cast(),
        ));
        params.push(CERTValInParam::flag(CERT_PI_USE_ONLY_TRUST_ANCHORS));
        params.push(CERTValInParam::pointer(
            CERT_PI_CHAIN_VERIFY_CALLBACK,
            (&raw const callback).cast(),
        ));
    }
    params.push(CERTValInParam::end());
    let mut out = [
        CERTValOutParam::wanted(CERT_PO_TRUST_ANCHOR),
        CERTValOutParam::end(),
    ];
    // SAFETY: both lists end with their end marks; they and what they point to outlive the call; the certificate is valid.
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
        let [anchor, _] = out;
        // SAFETY: null or a certificate, which is ours.
        let anchor = unsafe { Certificate::from_ptr(anchor.pointer().cast()) };
        // SAFETY: it is one of NSS's.
        return Ok(anchor.ok().and_then(|a| unsafe { der(*a) }));
    }
    match last_code() {
        PR_NOT_IMPLEMENTED_ERROR if anchors.is_none() => classic_path(leaf, now).map(|()| None),
        code => Err(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, capabilities, nss::error_name};

    /// What `aws.amazon.com` showed everybody who connected in 2026, by way of the tests of rustls-platform-verifier
    /// 0.7.1: valid from 6 November 2025 to 17 October 2026.
    const LEAF: &[u8] = include_bytes!("../../tests/data/aws_amazon_com.der");
    /// `Amazon RSA 2048 M04`, which `Amazon Root CA 1` issued, from the same place.
    const INTERMEDIATE: &[u8] = include_bytes!("../../tests/data/amazon_rsa_2048_m04.der");
    const OCTOBER_2025: i64 = 1_760_000_000_000_000;
    const AUGUST_2026: i64 = 1_786_530_173_000_000;
    const NOVEMBER_2026: i64 = 1_794_000_000_000_000;

    #[test]
    fn authorities_of_the_platform() {
        let anchors = Anchors::platform().unwrap();
        let verify = |chain: &[&[u8]], now| {
            let chain: Vec<_> = chain.iter().map(|c| c.to_vec()).collect();
            anchors.verify_at(&chain, now).map_err(error_name)
        };
        // Before NSS has come to know the intermediate, for it remembers paths that it found.
        let unknown = Err("SEC_ERROR_UNKNOWN_ISSUER".to_owned());
        assert_eq!(verify(&[LEAF], AUGUST_2026), unknown);
        assert_eq!(verify(&[LEAF, INTERMEDIATE], AUGUST_2026), Ok(()));
        let expired = Err("SEC_ERROR_EXPIRED_CERTIFICATE".to_owned());
        for now in [OCTOBER_2025, NOVEMBER_2026] {
            assert_eq!(verify(&[LEAF, INTERMEDIATE], now), expired, "{now}");
        }

        let stranger = Identity::self_signed(&["aws.amazon.com"]).unwrap();
        assert!(anchors.verify(stranger.chain()).is_err());

        // Who trusts others, though NSS remembers the path.
        if !capabilities().unwrap().roots() {
            return;
        }
        let only = Anchors::only(stranger.chain()).unwrap();
        let chain = [LEAF.to_vec(), INTERMEDIATE.to_vec()];
        for _ in 0..2 {
            let refused = only.verify_at(&chain, AUGUST_2026).map_err(error_name);
            let refused = refused.unwrap_err();
            let errors = ["SEC_ERROR_UNKNOWN_ISSUER", "SEC_ERROR_UNTRUSTED_ISSUER"];
            assert!(errors.contains(&refused.as_str()), "{refused}");
            assert_eq!(verify(&[LEAF, INTERMEDIATE], AUGUST_2026), Ok(()));
        }
        // Who trusts another of the same path.
        let only = Anchors::only(&chain[1..]).unwrap();
        for _ in 0..2 {
            assert_eq!(only.verify_at(&chain[..1], AUGUST_2026), Ok(()));
            assert_eq!(verify(&[LEAF, INTERMEDIATE], AUGUST_2026), Ok(()));
        }
    }

    #[test]
    fn no_such_module() {
        init().unwrap();
        for _ in 0..3 {
            assert!(!load(c"library=no-such-library.so name=\"Nothing\""));
        }
    }

    #[test]
    fn unusable_roots() {
        for roots in [vec![], vec![b"nothing".to_vec()]] {
            assert!(matches!(Anchors::only(&roots), Err(Error::Config(_))));
        }
    }
}

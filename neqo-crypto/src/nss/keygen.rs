//! Keys that sign themselves into certificates, for builds in which NSS is the only library.

use std::{
    ffi::{c_int, c_ulong, c_void},
    ptr::null_mut,
};

use nss_gk_api::{
    SECItemMut,
    p11::{
        self, PK11_ATTR_INSENSITIVE, PK11_ATTR_PUBLIC, PK11_ATTR_SESSION,
        PK11_ExportDERPrivateKeyInfo, PK11_GenerateKeyPairWithOpFlags, SECOidTag, Slot,
    },
};
use zeroize::Zeroizing;

use super::{
    certs::{item, spki},
    check, ffi,
    hooks::bytes,
    init, last_error,
};
use crate::error::{Error, Res};

const CKM_EC_KEY_PAIR_GEN: c_ulong = 0x1040;
const CKF_SIGN: c_ulong = 0x800;
/// The object identifier of P-256.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// Length of an uncompressed point on P-256, in bytes.
const POINT_LEN: usize = 65;

/// A P-256 key pair.
pub(crate) struct SigningKey {
    private: p11::PrivateKey,
    point: Vec<u8>,
}

impl SigningKey {
    pub(crate) fn generate() -> Res<Self> {
        init()?;
        let failed = || last_error("a key pair");
        let mut params = item(P256)?;
        // SAFETY: NSS is up and only reads the parameters; the keys are ours.
        let (private, public) = unsafe {
            let slot = Slot::internal().map_err(|_| failed())?;
            let mut public = null_mut();
            let private = PK11_GenerateKeyPairWithOpFlags(
                *slot,
                CKM_EC_KEY_PAIR_GEN,
                (&raw mut params).cast::<c_void>(),
                &raw mut public,
                PK11_ATTR_SESSION | PK11_ATTR_INSENSITIVE | PK11_ATTR_PUBLIC,
                CKF_SIGN,
                CKF_SIGN,
                null_mut(),
            );
            (
                p11::PrivateKey::from_ptr(private).map_err(|_| failed())?,
                p11::PublicKey::from_ptr(public).map_err(|_| failed())?,
            )
        };
        let spki = spki(&public)?;
        let point = spki
            .len()
            .checked_sub(POINT_LEN)
            .and_then(|at| spki.get(at..))
            .ok_or(Error::Internal("a short public key"))?;
        Ok(Self {
            private,
            point: point.to_vec(),
        })
    }

    /// The private key as PKCS#8.
    pub(crate) fn pkcs8(&self) -> Res<Zeroizing<Vec<u8>>> {
        // SAFETY: the key is valid; the result is ours, and wiped when it was copied.
        unsafe {
            let exported = PK11_ExportDERPrivateKeyInfo(*self.private, null_mut());
            let item = exported
                .as_ref()
                .ok_or_else(|| last_error("a private key"))?;
            let key = Zeroizing::new(bytes(item.data, item.len).to_vec());
            ffi::SECITEM_ZfreeItem(exported, 1);
            Ok(key)
        }
    }

    fn signature(&self, message: &[u8]) -> Res<Vec<u8>> {
        let mut out = SECItemMut::make_empty();
        let len = c_int::try_from(message.len()).map_err(|_| Error::Internal("a long message"))?;
        // SAFETY: the key is valid; NSS reads `len` bytes and gives a signature that is ours.
        let status = unsafe {
            ffi::SEC_SignData(
                out.as_mut(),
                message.as_ptr(),
                len,
                *self.private,
                SECOidTag::SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE,
            )
        };
        check(status, "a signature")?;
        Ok(out.as_slice().to_vec())
    }
}

impl rcgen::PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signature(message)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

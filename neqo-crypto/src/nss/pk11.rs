//! Symmetric cryptography of NSS's software token, through PKCS#11: AEAD and cipher contexts, HMAC, SHA-256 and
//! randomness.
//!
//! A context keeps its key expanded and its PKCS#11 session open, so that an operation is one call that allocates nothing,
//! neither here nor inside NSS. The one-shot functions (`PK11_Encrypt`) open a session each time: about a microsecond and
//! five allocations. They stay off the path of packets.

use std::{
    ffi::{c_int, c_uchar, c_uint, c_void},
    ptr,
};

use nss_gk_api::{
    IntoResult as _, SECItem, SECItemType, SECStatus,
    p11::{self, PK11Context, PK11SymKey},
};

use super::init;
use crate::error::{Error, Res};

type Mechanism = p11::CK_MECHANISM_TYPE;
type Operation = p11::CK_ATTRIBUTE_TYPE;

// pkcs11t.h and pkcs11n.h, as far as nss-gk-api does not bind them.
const CKM_SHA256_HMAC: Mechanism = 0x251;
const CKM_SHA384_HMAC: Mechanism = 0x261;
const CKM_AES_ECB: Mechanism = 0x1081;
const CKM_AES_GCM: Mechanism = 0x1087;
const CKM_CHACHA20_POLY1305: Mechanism = 0x4021;
const CKA_ENCRYPT: Operation = 0x104;
const CKA_DECRYPT: Operation = 0x105;
const CKA_SIGN: Operation = 0x108;
/// A context for messages, each with its own nonce.
const CKA_NSS_MESSAGE: Operation = 0x8200_0000;
/// The caller makes the nonces.
const CKG_NO_GENERATE: p11::CK_ULONG = 0;

const SEC_SUCCESS: SECStatus = nss_gk_api::nss_prelude::SECSuccess;

unsafe extern "C" {
    fn PK11_AEADOp(
        context: *mut PK11Context,
        iv_generator: p11::CK_ULONG,
        fixed_bits: c_int,
        iv: *mut c_uchar,
        iv_len: c_int,
        aad: *const c_uchar,
        aad_len: c_int,
        out: *mut c_uchar,
        out_len: *mut c_int,
        max_out: c_int,
        tag: *mut c_uchar,
        tag_len: c_int,
        input: *const c_uchar,
        input_len: c_int,
    ) -> SECStatus;
    fn PK11_SignWithSymKey(
        key: *mut PK11SymKey,
        mechanism: Mechanism,
        param: *mut SECItem,
        signature: *mut SECItem,
        data: *const SECItem,
    ) -> SECStatus;
    fn NSS_SecureMemcmp(a: *const c_void, b: *const c_void, len: usize) -> c_int;
}

/// A view of bytes that NSS is to read.
fn item(bytes: &[u8]) -> Res<SECItem> {
    Ok(SECItem {
        type_: SECItemType::siBuffer,
        data: bytes.as_ptr().cast_mut(),
        len: c_uint::try_from(bytes.len()).map_err(|_| Error::Internal("length for NSS"))?,
    })
}

fn len(bytes: &[u8]) -> Res<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| Error::Internal("length for NSS"))
}

/// Copies a key into the software token.
fn import(mechanism: Mechanism, operation: Operation, bytes: &[u8]) -> Res<p11::SymKey> {
    init()?;
    let slot = p11::Slot::internal().map_err(|_| Error::Internal("NSS's internal slot"))?;
    let mut bytes = item(bytes)?;
    // SAFETY: `slot` is alive; `bytes` is a view of a slice that outlives the call, and NSS only reads it. A key that
    // comes back is ours to free.
    unsafe {
        p11::PK11_ImportSymKey(
            *slot,
            mechanism,
            p11::PK11Origin::PK11_OriginUnwrap,
            operation,
            &raw mut bytes,
            ptr::null_mut(),
        )
        .into_result()
    }
    .map_err(|_| Error::Internal("key for NSS"))
}

fn context(mechanism: Mechanism, operation: Operation, key: &p11::SymKey) -> Res<p11::Context> {
    let no_param = item(&[])?;
    // SAFETY: `key` and `no_param` outlive the call; the context takes its own reference to the key, and is ours to
    // destroy.
    unsafe {
        p11::PK11_CreateContextBySymKey(mechanism, operation, **key, &raw const no_param)
            .into_result()
    }
    .map_err(|_| Error::Internal("cipher context of NSS"))
}

/// The AEADs of QUIC.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AeadAlgorithm {
    /// AES-GCM with the key length of the key.
    AesGcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

/// What an AEAD context is for: NSS's contexts go one way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AeadOperation {
    /// Encrypts and makes tags.
    Seal,
    /// Verifies tags and decrypts.
    Open,
}

/// An AEAD key, expanded; nonces are the caller's.
pub(crate) struct AeadContext(p11::Context);

// SAFETY: NSS binds a context to no thread, and all that uses one has it by `&mut` or by value.
#[expect(clippy::non_send_fields_in_send_ty, reason = "see above")]
unsafe impl Send for AeadContext {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl Sync for AeadContext {}

impl AeadContext {
    pub(crate) fn new(algorithm: AeadAlgorithm, operation: AeadOperation, key: &[u8]) -> Res<Self> {
        let mechanism = match algorithm {
            AeadAlgorithm::AesGcm => CKM_AES_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => CKM_CHACHA20_POLY1305,
        };
        let operation = match operation {
            AeadOperation::Seal => CKA_ENCRYPT,
            AeadOperation::Open => CKA_DECRYPT,
        };
        let key = import(mechanism, operation, key)?;
        context(mechanism, CKA_NSS_MESSAGE | operation, &key).map(Self)
    }

    /// Seals or opens `data` in place. Sealing writes `tag`, opening compares it.
    ///
    /// # Errors
    /// `Aead` if NSS refuses: the tag is wrong. `Internal` for lengths that NSS cannot take.
    #[inline]
    pub(crate) fn apply(
        &mut self,
        mut nonce: [u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8; 16],
    ) -> Res<()> {
        let (aad_len, data_len) = (len(aad)?, len(data)?);
        let mut done: c_int = 0;
        let out = data.as_mut_ptr();
        // SAFETY: the context is alive and ours alone. Every pointer is valid for the length beside it. Input and output
        // are the same memory, which NSS's AEADs allow, through one pointer.
        let status = unsafe {
            PK11_AEADOp(
                *self.0,
                CKG_NO_GENERATE,
                0,
                nonce.as_mut_ptr(),
                12,
                aad.as_ptr(),
                aad_len,
                out,
                &raw mut done,
                data_len,
                tag.as_mut_ptr(),
                16,
                out,
                data_len,
            )
        };
        if status == SEC_SUCCESS && done == data_len {
            Ok(())
        } else {
            Err(Error::Aead)
        }
    }
}

/// AES on single blocks, encryption only.
pub(crate) struct BlockCipher(p11::Context);

// SAFETY: NSS binds a context to no thread.
#[expect(clippy::non_send_fields_in_send_ty, reason = "see above")]
unsafe impl Send for BlockCipher {}
// SAFETY: what a shared reference can do is `PK11_CipherOp`, which holds the context's lock (`PK11_EnterContextMonitor`,
// there for contexts that threads share) from its first to its last access. A whole block leaves no state behind in ECB.
unsafe impl Sync for BlockCipher {}

impl BlockCipher {
    /// AES with a key of 16 or 32 bytes.
    pub(crate) fn aes(key: &[u8]) -> Res<Self> {
        let key = import(CKM_AES_ECB, CKA_ENCRYPT, key)?;
        context(CKM_AES_ECB, CKA_ENCRYPT, &key).map(Self)
    }

    /// Encrypts one block.
    #[inline]
    pub(crate) fn encrypt(&self, block: &[u8; 16]) -> Res<[u8; 16]> {
        let mut out = [0; 16];
        let mut done: c_int = 0;
        // SAFETY: the context is alive; both blocks have 16 bytes.
        let status = unsafe {
            p11::PK11_CipherOp(
                *self.0,
                out.as_mut_ptr(),
                &raw mut done,
                16,
                block.as_ptr(),
                16,
            )
        };
        if status == SEC_SUCCESS && done == 16 {
            Ok(out)
        } else {
            Err(Error::Internal("AES of NSS"))
        }
    }
}

/// The hash functions of QUIC's cipher suites.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Hash {
    /// The longest output, in bytes.
    pub(crate) const MAX_LEN: usize = 48;

    /// Length of the output, in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => Self::MAX_LEN,
        }
    }
}

/// An HMAC key.
#[derive(Clone)]
pub(crate) struct Hmac {
    hash: Hash,
    key: p11::SymKey,
}

// SAFETY: NSS binds a key to no thread.
#[expect(clippy::non_send_fields_in_send_ty, reason = "see above")]
unsafe impl Send for Hmac {}
// SAFETY: keys count their references atomically. Signing reads the key and works in a session of its own; what NSS
// changes in a key without a lock (`PK11_ExtractKeyValue`) is not called.
unsafe impl Sync for Hmac {}

impl Hmac {
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Res<Self> {
        let key = import(Self::mechanism(hash), CKA_SIGN, key)?;
        Ok(Self { hash, key })
    }

    const fn mechanism(hash: Hash) -> Mechanism {
        match hash {
            Hash::Sha256 => CKM_SHA256_HMAC,
            Hash::Sha384 => CKM_SHA384_HMAC,
        }
    }

    /// The hash function.
    pub(crate) const fn hash(&self) -> Hash {
        self.hash
    }

    /// The MAC of `data`, in the first bytes of `out`, as many as the hash has.
    pub(crate) fn sign(&self, data: &[u8], out: &mut [u8; Hash::MAX_LEN]) -> Res<()> {
        let data = item(data)?;
        let mut mac = SECItem {
            type_: SECItemType::siBuffer,
            data: out.as_mut_ptr(),
            len: c_uint::try_from(self.hash.len())
                .map_err(|_| Error::Internal("length for NSS"))?,
        };
        // SAFETY: the key is alive; `data` is read and `mac` written within lengths that their memory has.
        let status = unsafe {
            PK11_SignWithSymKey(
                *self.key,
                Self::mechanism(self.hash),
                ptr::null_mut(),
                &raw mut mac,
                &raw const data,
            )
        };
        if status == SEC_SUCCESS {
            Ok(())
        } else {
            Err(Error::Internal("HMAC of NSS"))
        }
    }
}

/// SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> Res<[u8; 32]> {
    init()?;
    let mut out = [0; 32];
    let data_len = len(data)?;
    // SAFETY: `data` is read for its length; SHA-256 writes 32 bytes.
    let status = unsafe {
        p11::PK11_HashBuf(
            p11::SECOidTag::SEC_OID_SHA256,
            out.as_mut_ptr(),
            data.as_ptr(),
            data_len,
        )
    };
    if status == SEC_SUCCESS {
        Ok(out)
    } else {
        Err(Error::Internal("SHA-256 of NSS"))
    }
}

/// Fills `buf` from NSS's random generator.
pub(crate) fn random(buf: &mut [u8]) -> Res<()> {
    init()?;
    let buf_len = len(buf)?;
    // SAFETY: `buf` is written for its length.
    let status = unsafe { p11::PK11_GenerateRandom(buf.as_mut_ptr(), buf_len) };
    if status == SEC_SUCCESS {
        Ok(())
    } else {
        Err(Error::Internal("random generator of NSS"))
    }
}

/// Compares in a time that depends on the lengths only.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // SAFETY: both are read for the length that they have in common.
    a.len() == b.len()
        && unsafe { NSS_SecureMemcmp(a.as_ptr().cast(), b.as_ptr().cast(), a.len()) } == 0
}

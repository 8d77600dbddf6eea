//! Declarations of NSS and NSPR that nss-gk-api has not, or keeps to itself, after the headers of NSS 3.87.
//!
//! nss-gk-api makes cargo link the libraries. Structures that newer versions make longer carry their length, so that
//! NSS fills what this version knows.

use std::{
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    ptr::null,
};

pub(super) use nss_gk_api::{
    SECItem, SECItemType,
    p11::{
        CERTCertList, CERTCertificate, PK11SlotInfo, PK11SymKey, SECKEYPrivateKey, SECKEYPublicKey,
    },
};

pub(super) type PRBool = c_int;
pub(super) type PRTime = i64;
pub(super) type SECStatus = c_int;
pub(super) const SEC_SUCCESS: SECStatus = 0;
pub(super) const SEC_FAILURE: SECStatus = -1;
pub(super) const SEC_WOULD_BLOCK: SECStatus = -2;
pub(super) const NSS_INIT_READONLY: c_uint = 1;
/// `NSS_INIT_READONLY`, `_NOCERTDB`, `_NOMODDB`, `_FORCEOPEN` and `_NOROOTINIT`.
pub(super) const NO_DATABASE: c_uint = 0x1f;

pub(super) const PR_WOULD_BLOCK_ERROR: c_int = -5998;

/// `SSL_OptionSet`'s options.
pub(super) mod option {
    use std::ffi::c_int;

    pub(in crate::nss) const SECURITY: c_int = 1;
    pub(in crate::nss) const REQUEST_CERTIFICATE: c_int = 3;
    pub(in crate::nss) const NO_CACHE: c_int = 9;
    pub(in crate::nss) const REQUIRE_CERTIFICATE: c_int = 10;
    pub(in crate::nss) const ENABLE_FDX: c_int = 11;
    pub(in crate::nss) const NO_LOCKS: c_int = 17;
    pub(in crate::nss) const SESSION_TICKETS: c_int = 18;
    pub(in crate::nss) const OCSP_STAPLING: c_int = 24;
    pub(in crate::nss) const ALPN: c_int = 26;
    pub(in crate::nss) const REUSE_SERVER_ECDHE_KEY: c_int = 27;
    pub(in crate::nss) const SIGNED_CERT_TIMESTAMPS: c_int = 31;
    pub(in crate::nss) const EARLY_DATA: c_int = 33;
    pub(in crate::nss) const TLS13_COMPAT_MODE: c_int = 35;
    pub(in crate::nss) const POST_HANDSHAKE_AUTH: c_int = 39;
    pub(in crate::nss) const DELEGATED_CREDENTIALS: c_int = 40;
    pub(in crate::nss) const SUPPRESS_END_OF_EARLY_DATA: c_int = 41;
}

pub(super) const SSL_LIBRARY_VERSION_TLS_1_3: u16 = 0x0304;
pub(super) const SSL_CT_HANDSHAKE: c_uint = 22;
pub(super) const SSL_HS_CLIENT_HELLO: c_uint = 1;
pub(super) const SSL_HS_ENCRYPTED_EXTENSIONS: c_uint = 8;
/// `SSLSecretDirection`
pub(super) const SSL_SECRET_WRITE: c_uint = 2;
/// `SSLNextProtoState`
pub(super) const SSL_NEXT_PROTO_NEGOTIATED: c_uint = 1;
pub(super) const SSL_NEXT_PROTO_SELECTED: c_uint = 3;
pub(super) const SSL_SNI_CURRENT_CONFIG_IS_USED: i32 = -1;
/// `SSLHelloRetryRequestAction`
pub(super) const SSL_HELLO_RETRY_FAIL: c_uint = 0;
pub(super) const SSL_HELLO_RETRY_ACCEPT: c_uint = 1;

/// A file of NSPR: one layer of a stack of them.
#[repr(C)]
pub(super) struct PRFileDesc {
    pub(super) methods: *const PRIOMethods,
    pub(super) secret: *mut c_void,
    pub(super) lower: *mut Self,
    pub(super) higher: *mut Self,
    pub(super) dtor: Option<unsafe extern "C" fn(*mut Self)>,
    pub(super) identity: c_int,
}

/// A method that is never called.
pub(super) type Unused = Option<unsafe extern "C" fn()>;
/// `read` and `write`
pub(super) type Transfer = Option<unsafe extern "C" fn(*mut PRFileDesc, *mut c_void, i32) -> i32>;
/// `recv` and `send`
pub(super) type SocketTransfer =
    Option<unsafe extern "C" fn(*mut PRFileDesc, *mut c_void, i32, c_int, u32) -> i32>;
/// `getsockname` and `getpeername`
pub(super) type AddressFn =
    Option<unsafe extern "C" fn(*mut PRFileDesc, *mut NetAddrInet) -> c_int>;

/// What a layer does when called.
#[repr(C)]
pub(super) struct PRIOMethods {
    pub(super) file_type: c_uint,
    pub(super) close: Option<unsafe extern "C" fn(*mut PRFileDesc) -> c_int>,
    pub(super) read: Transfer,
    pub(super) write: Transfer,
    /// `available` to `listen`
    pub(super) unused_1: [Unused; 12],
    pub(super) shutdown: Option<unsafe extern "C" fn(*mut PRFileDesc, c_int) -> c_int>,
    pub(super) recv: SocketTransfer,
    pub(super) send: SocketTransfer,
    /// `recvfrom` to `transmitfile`
    pub(super) unused_2: [Unused; 5],
    pub(super) getsockname: AddressFn,
    pub(super) getpeername: AddressFn,
    pub(super) unused_3: [Unused; 2],
    pub(super) getsocketoption: Option<unsafe extern "C" fn(*mut PRFileDesc, *mut c_void) -> c_int>,
    pub(super) setsocketoption:
        Option<unsafe extern "C" fn(*mut PRFileDesc, *const c_void) -> c_int>,
    /// `sendfile` and the rest
    pub(super) unused_4: [Unused; 6],
}

/// The member `inet` of the union `PRNetAddr`.
#[repr(C)]
pub(super) struct NetAddrInet {
    pub(super) family: u16,
    pub(super) port: u16,
    pub(super) ip: u32,
    pub(super) pad: [u8; 8],
}

#[repr(C)]
pub(super) struct SSLVersionRange {
    pub(super) min: u16,
    pub(super) max: u16,
}

#[repr(C)]
pub(super) struct SSLAlert {
    pub(super) level: u8,
    pub(super) description: u8,
}

#[repr(C)]
pub(super) struct SSLPreliminaryChannelInfo {
    pub(super) length: u32,
    pub(super) values_set: u32,
    pub(super) protocol_version: u16,
    pub(super) cipher_suite: u16,
    pub(super) can_send_early_data: PRBool,
    pub(super) max_early_data_size: u32,
    pub(super) zero_rtt_cipher_suite: u16,
    pub(super) peer_deleg_cred: PRBool,
    pub(super) auth_key_bits: u32,
    pub(super) signature_scheme: c_uint,
    pub(super) ech_accepted: PRBool,
    pub(super) ech_public_name: *const c_char,
}

impl Default for SSLPreliminaryChannelInfo {
    fn default() -> Self {
        // SAFETY: zeros are a valid value of every member.
        unsafe { std::mem::zeroed() }
    }
}

#[repr(C)]
pub(super) struct CERTCertificateList {
    pub(super) certs: *const SECItem,
    pub(super) len: c_int,
    pub(super) arena: *mut c_void,
}

#[repr(C)]
pub(super) struct SECItemArray {
    pub(super) items: *const SECItem,
    pub(super) len: c_uint,
}

#[repr(C)]
pub(super) struct SSLExtraServerCertData {
    pub(super) auth_type: c_uint,
    pub(super) cert_chain: *const CERTCertificateList,
    pub(super) stapled_ocsp_responses: *const SECItemArray,
    pub(super) signed_cert_timestamps: *const SECItem,
    pub(super) deleg_cred: *const SECItem,
    pub(super) deleg_cred_priv_key: *const SECKEYPrivateKey,
}

/// The union of `CERTValInParam` for what is no pointer.
#[repr(C)]
union Scalar {
    flag: PRBool,
    time: i64,
}

/// `CERTValInParam`
#[repr(C)]
pub(super) struct CERTValInParam {
    kind: c_int,
    scalar: Scalar,
    pointer: *const c_void,
    array: *const c_void,
    array_size: c_int,
}

impl CERTValInParam {
    const fn new(kind: c_int, scalar: Scalar) -> Self {
        Self {
            kind,
            scalar,
            pointer: null(),
            array: null(),
            array_size: 0,
        }
    }

    pub(super) const fn end() -> Self {
        Self::new(0, Scalar { time: 0 })
    }

    pub(super) const fn time(kind: c_int, time: i64) -> Self {
        Self::new(kind, Scalar { time })
    }

    pub(super) const fn flag(kind: c_int) -> Self {
        Self::new(kind, Scalar { flag: 1 })
    }

    pub(super) const fn pointer(kind: c_int, pointer: *const c_void) -> Self {
        Self {
            pointer,
            ..Self::time(kind, 0)
        }
    }
}

/// `CERTValOutParam`: the same, filled by NSS.
#[repr(C)]
pub(super) struct CERTValOutParam(CERTValInParam);

impl CERTValOutParam {
    pub(super) const fn end() -> Self {
        Self(CERTValInParam::end())
    }

    /// Has a pointer put here.
    pub(super) const fn wanted(kind: c_int) -> Self {
        Self(CERTValInParam::pointer(kind, null()))
    }

    /// The pointer that was put here; it is the caller's now.
    pub(super) const fn pointer(self) -> *mut c_void {
        self.0.pointer.cast_mut()
    }
}

/// Says of a path, leaf first and anchor last, whether it is good; else libpkix looks for another one.
pub(super) type PathFn =
    unsafe extern "C" fn(*mut c_void, *const CERTCertList, *mut PRBool) -> SECStatus;

#[repr(C)]
pub(super) struct CERTChainVerifyCallback {
    pub(super) is_good: PathFn,
    pub(super) arg: *mut c_void,
}

/// The beginning of `SECMODModule`.
#[repr(C)]
pub(super) struct SECMODModule {
    arena: *mut c_void,
    internal: PRBool,
    pub(super) loaded: PRBool,
}

pub(super) type AuthCertificateFn =
    unsafe extern "C" fn(*mut c_void, *mut PRFileDesc, PRBool, PRBool) -> SECStatus;
pub(super) type ClientAuthFn = unsafe extern "C" fn(
    *mut c_void,
    *mut PRFileDesc,
    *mut c_void,
    *mut *mut CERTCertificate,
    *mut *mut SECKEYPrivateKey,
) -> SECStatus;
pub(super) type NameFn =
    unsafe extern "C" fn(*mut PRFileDesc, *const SECItem, u32, *mut c_void) -> i32;
pub(super) type AlertFn = unsafe extern "C" fn(*const PRFileDesc, *mut c_void, *const SSLAlert);
pub(super) type RecordWriteFn =
    unsafe extern "C" fn(*mut PRFileDesc, u16, c_uint, *const u8, c_uint, *mut c_void) -> SECStatus;
pub(super) type SecretFn =
    unsafe extern "C" fn(*mut PRFileDesc, u16, c_uint, *mut PK11SymKey, *mut c_void);
pub(super) type ExtensionWriterFn = unsafe extern "C" fn(
    *mut PRFileDesc,
    c_uint,
    *mut u8,
    *mut c_uint,
    c_uint,
    *mut c_void,
) -> PRBool;
pub(super) type ExtensionHandlerFn = unsafe extern "C" fn(
    *mut PRFileDesc,
    c_uint,
    *const u8,
    c_uint,
    *mut u8,
    *mut c_void,
) -> SECStatus;
pub(super) type TimeFn = unsafe extern "C" fn(*mut c_void) -> PRTime;
pub(super) type TokenFn =
    unsafe extern "C" fn(*mut PRFileDesc, *const u8, c_uint, *mut c_void) -> SECStatus;
pub(super) type HelloRetryFn = unsafe extern "C" fn(
    PRBool,
    *const u8,
    c_uint,
    *mut u8,
    *mut c_uint,
    c_uint,
    *mut c_void,
) -> c_uint;

/// Opaque: the filters that find replayed early data.
#[repr(C)]
pub(super) struct SSLAntiReplayContext {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    pub(super) fn NSS_GetVersion() -> *const c_char;
    pub(super) fn NSS_IsInitialized() -> PRBool;
    pub(super) fn NSS_Initialize(
        dir: *const c_char,
        cert_prefix: *const c_char,
        key_prefix: *const c_char,
        module_db: *const c_char,
        flags: c_uint,
    ) -> SECStatus;
    pub(super) fn NSS_SetDomesticPolicy() -> SECStatus;
    #[cfg(test)]
    pub(super) fn NSS_Shutdown() -> SECStatus;
    #[cfg(test)]
    pub(super) fn SSL_ShutdownServerSessionIDCache() -> SECStatus;

    pub(super) fn PR_GetError() -> c_int;
    pub(super) fn PR_SetError(code: c_int, os: c_int);
    pub(super) fn PR_ErrorToName(code: c_int) -> *const c_char;
    pub(super) fn PR_Now() -> PRTime;
    pub(super) fn PR_GetUniqueIdentity(name: *const c_char) -> c_int;
    pub(super) fn PR_CreateIOLayerStub(
        identity: c_int,
        methods: *const PRIOMethods,
    ) -> *mut PRFileDesc;
    pub(super) fn PR_Close(fd: *mut PRFileDesc) -> c_int;

    pub(super) fn SSL_ImportFD(model: *mut PRFileDesc, fd: *mut PRFileDesc) -> *mut PRFileDesc;
    #[cfg(test)]
    pub(super) fn SSL_OptionSetDefault(option: c_int, value: c_int) -> SECStatus;
    pub(super) fn SSL_OptionSet(fd: *mut PRFileDesc, option: i32, value: c_int) -> SECStatus;
    pub(super) fn SSL_VersionRangeSet(
        fd: *mut PRFileDesc,
        range: *const SSLVersionRange,
    ) -> SECStatus;
    pub(super) fn SSL_CipherPrefSet(fd: *mut PRFileDesc, cipher: i32, on: PRBool) -> SECStatus;
    pub(super) fn SSL_NamedGroupConfig(
        fd: *mut PRFileDesc,
        groups: *const c_uint,
        count: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_SendAdditionalKeyShares(fd: *mut PRFileDesc, count: c_uint) -> SECStatus;
    pub(super) fn SSL_SetNextProtoNego(
        fd: *mut PRFileDesc,
        data: *const u8,
        len: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_GetNextProto(
        fd: *mut PRFileDesc,
        state: *mut c_uint,
        buf: *mut u8,
        len: *mut c_uint,
        max: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_SetURL(fd: *mut PRFileDesc, url: *const c_char) -> SECStatus;
    pub(super) fn SSL_ResetHandshake(fd: *mut PRFileDesc, server: PRBool) -> SECStatus;
    pub(super) fn SSL_ForceHandshake(fd: *mut PRFileDesc) -> SECStatus;
    pub(super) fn SSL_AuthCertificateHook(
        fd: *mut PRFileDesc,
        f: Option<AuthCertificateFn>,
        arg: *mut c_void,
    ) -> SECStatus;
    pub(super) fn SSL_SNISocketConfigHook(
        fd: *mut PRFileDesc,
        f: Option<NameFn>,
        arg: *mut c_void,
    ) -> SECStatus;
    pub(super) fn SSL_GetClientAuthDataHook(
        fd: *mut PRFileDesc,
        f: Option<ClientAuthFn>,
        arg: *mut c_void,
    ) -> SECStatus;
    pub(super) fn SSL_AuthCertificateComplete(fd: *mut PRFileDesc, error: c_int) -> SECStatus;
    pub(super) fn SSL_AlertSentCallback(
        fd: *mut PRFileDesc,
        f: Option<AlertFn>,
        arg: *mut c_void,
    ) -> SECStatus;
    pub(super) fn SSL_GetPreliminaryChannelInfo(
        fd: *mut PRFileDesc,
        info: *mut SSLPreliminaryChannelInfo,
        len: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_PeerCertificateChain(fd: *mut PRFileDesc) -> *mut CERTCertList;
    pub(super) fn SSL_PeerStapledOCSPResponses(fd: *mut PRFileDesc) -> *const SECItemArray;
    pub(super) fn SSL_PeerSignedCertTimestamps(fd: *mut PRFileDesc) -> *const SECItem;
    pub(super) fn SSL_ConfigServerCert(
        fd: *mut PRFileDesc,
        cert: *mut CERTCertificate,
        key: *mut SECKEYPrivateKey,
        data: *const SSLExtraServerCertData,
        len: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_ConfigServerSessionIDCache(
        entries: c_int,
        timeout: u32,
        ssl3_timeout: u32,
        dir: *const c_char,
    ) -> SECStatus;
    pub(super) fn SSL_ExportKeyingMaterial(
        fd: *mut PRFileDesc,
        label: *const c_char,
        label_len: c_uint,
        has_context: PRBool,
        context: *const u8,
        context_len: c_uint,
        out: *mut u8,
        out_len: c_uint,
    ) -> SECStatus;
    pub(super) fn SSL_GetExperimentalAPI(name: *const c_char) -> *mut c_void;

    pub(super) fn CERT_GetDefaultCertDB() -> *mut c_void;
    pub(super) fn CERT_NewTempCertificate(
        db: *mut c_void,
        der: *const SECItem,
        nickname: *const c_char,
        permanent: PRBool,
        copy: PRBool,
    ) -> *mut CERTCertificate;
    pub(super) fn CERT_NewCertList() -> *mut CERTCertList;
    pub(super) fn CERT_AddCertToListTail(
        list: *mut CERTCertList,
        cert: *mut CERTCertificate,
    ) -> SECStatus;
    pub(super) fn CERT_DupCertificate(cert: *mut CERTCertificate) -> *mut CERTCertificate;
    pub(super) fn CERT_CheckCertValidTimes(
        cert: *const CERTCertificate,
        time: PRTime,
        allow_override: PRBool,
    ) -> c_int;
    pub(super) fn CERT_GetClassicOCSPDisabledPolicy() -> *const c_void;
    pub(super) fn CERT_PKIXVerifyCert(
        cert: *mut CERTCertificate,
        usages: i64,
        params: *mut CERTValInParam,
        out: *mut CERTValOutParam,
        arg: *mut c_void,
    ) -> SECStatus;
    pub(super) fn CERT_VerifyCertificate(
        db: *mut c_void,
        cert: *mut CERTCertificate,
        check_signature: PRBool,
        usages: i64,
        time: PRTime,
        arg: *mut c_void,
        log: *mut c_void,
        returned_usages: *mut i64,
    ) -> SECStatus;
    pub(super) fn SECMOD_LoadUserModule(
        spec: *const c_char,
        parent: *mut SECMODModule,
        recurse: PRBool,
    ) -> *mut SECMODModule;
    pub(super) fn SECMOD_DestroyModule(module: *mut SECMODModule);
    pub(super) fn PK11_SignatureLen(key: *mut SECKEYPrivateKey) -> c_int;
    pub(super) fn PK11_Sign(
        key: *mut SECKEYPrivateKey,
        signature: *mut SECItem,
        digest: *const SECItem,
    ) -> SECStatus;
    pub(super) fn PK11_Verify(
        key: *mut SECKEYPublicKey,
        signature: *const SECItem,
        digest: *const SECItem,
        wincx: *mut c_void,
    ) -> SECStatus;
    pub(super) fn CERT_ExtractPublicKey(cert: *mut CERTCertificate) -> *mut SECKEYPublicKey;
    pub(super) fn CERT_GetCertChainFromCert(
        cert: *mut CERTCertificate,
        time: PRTime,
        usage: c_uint,
    ) -> *mut CERTCertList;
    #[cfg(any(test, not(feature = "rustls")))]
    pub(super) fn SECKEY_EncodeDERSubjectPublicKeyInfo(key: *const SECKEYPublicKey)
    -> *mut SECItem;

    #[cfg(any(test, not(feature = "rustls")))]
    pub(super) fn SEC_SignData(
        out: *mut SECItem,
        data: *const u8,
        len: c_int,
        key: *mut SECKEYPrivateKey,
        algorithm: c_uint,
    ) -> SECStatus;
    pub(super) fn SECITEM_AllocItem(
        arena: *mut c_void,
        item: *mut SECItem,
        len: c_uint,
    ) -> *mut SECItem;
    #[cfg(any(test, not(feature = "rustls")))]
    pub(super) fn SECITEM_ZfreeItem(item: *mut SECItem, itself: PRBool);
    pub(super) fn SECITEM_FreeArray(array: *mut SECItemArray, itself: PRBool);
    pub(super) fn SECMOD_LookupSlot(module: c_ulong, slot: c_ulong) -> *mut PK11SlotInfo;
    pub(super) fn PK11_GetCurrentWrapIndex(slot: *mut PK11SlotInfo) -> c_int;
    pub(super) fn PK11_GetSlotSeries(slot: *mut PK11SlotInfo) -> c_int;
    pub(super) fn PK11_GetModuleID(slot: *mut PK11SlotInfo) -> c_ulong;
    pub(super) fn PK11_GetSlotID(slot: *mut PK11SlotInfo) -> c_ulong;
    pub(super) fn PK11_GetBestWrapMechanism(slot: *mut PK11SlotInfo) -> c_ulong;
    pub(super) fn PK11_GetBestKeyLength(slot: *mut PK11SlotInfo, mechanism: c_ulong) -> c_int;
    pub(super) fn PK11_GetWrapKey(
        slot: *mut PK11SlotInfo,
        index: c_int,
        mechanism: c_ulong,
        series: c_int,
        arg: *mut c_void,
    ) -> *mut PK11SymKey;
    pub(super) fn PK11_SetWrapKey(slot: *mut PK11SlotInfo, index: c_int, key: *mut PK11SymKey);
    pub(super) fn PK11_KeyGen(
        slot: *mut PK11SlotInfo,
        mechanism: c_ulong,
        param: *mut SECItem,
        len: c_int,
        arg: *mut c_void,
    ) -> *mut PK11SymKey;
    pub(super) fn PK11_WrapSymKey(
        mechanism: c_ulong,
        param: *mut SECItem,
        wrapping: *mut PK11SymKey,
        key: *mut PK11SymKey,
        out: *mut SECItem,
    ) -> SECStatus;
    pub(super) fn PK11_UnwrapSymKeyWithFlags(
        wrapping: *mut PK11SymKey,
        mechanism: c_ulong,
        param: *mut SECItem,
        wrapped: *mut SECItem,
        target: c_ulong,
        operation: c_ulong,
        len: c_int,
        flags: c_ulong,
    ) -> *mut PK11SymKey;
}

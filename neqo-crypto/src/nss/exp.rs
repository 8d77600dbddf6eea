//! NSS's experimental functions: looked up by name, once, so that an older NSS lacks a feature and not a symbol.

use std::{
    ffi::{CStr, c_char, c_uint, c_void},
    sync::OnceLock,
};

use super::{
    check,
    compress::Algorithm,
    ffi::{
        self, ExtensionHandlerFn, ExtensionWriterFn, HelloRetryFn, PRBool, PRFileDesc, PRTime,
        RecordWriteFn, SECItemArray, SECKEYPrivateKey, SECKEYPublicKey, SECStatus,
        SSLAntiReplayContext, SecretFn, TimeFn, TokenFn,
    },
};
use crate::error::{Error, Res};

/// The address of the function `name`, if this NSS has it.
fn find(name: &CStr) -> Option<usize> {
    // SAFETY: the name ends with NUL; NSS only compares it.
    let f = unsafe { ffi::SSL_GetExperimentalAPI(name.as_ptr()) };
    (!f.is_null()).then_some(f.expose_provenance())
}

/// True if this NSS has the experimental function `name`.
pub(super) fn has(name: &CStr) -> bool {
    find(name).is_some()
}

macro_rules! experimental {
    ($($(#[$attribute:meta])* $rust:ident = $name:literal ($($arg:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$attribute])*
        ///
        /// # Safety
        /// As NSS's `sslexp.h` says.
        pub(super) unsafe fn $rust($($arg: $type),*) -> Res<()> {
            static FOUND: OnceLock<Option<usize>> = OnceLock::new();
            let Some(address) = *FOUND.get_or_init(|| find($name)) else {
                return Err(Error::Library {
                    what: stringify!($rust),
                    name: "this NSS does not have it".into(),
                });
            };
            let f = std::ptr::with_exposed_provenance::<c_void>(address);
            // SAFETY: NSS gave this address for the function of this name, whose type `sslexp.h` gives.
            let f = unsafe {
                std::mem::transmute::<*const c_void, unsafe extern "C" fn($($type),*) -> SECStatus>(f)
            };
            // SAFETY: the caller keeps to `sslexp.h`.
            check(unsafe { f($($arg),*) }, stringify!($rust))
        }
    )*};
}

/// `HpkeSymmetricSuite`
#[repr(C)]
pub(super) struct HpkeSymmetricSuite {
    pub(super) kdf: c_uint,
    pub(super) aead: c_uint,
}

experimental! {
    /// Takes the place of the record layer for writing.
    record_layer_write_callback = c"SSL_RecordLayerWriteCallback"(
        fd: *mut PRFileDesc, f: Option<RecordWriteFn>, arg: *mut c_void);
    /// Takes the place of the record layer for reading.
    record_layer_data = c"SSL_RecordLayerData"(
        fd: *mut PRFileDesc, epoch: u16, content_type: c_uint, data: *const u8, len: c_uint);
    /// Has traffic secrets shown.
    secret_callback = c"SSL_SecretCallback"(
        fd: *mut PRFileDesc, f: Option<SecretFn>, arg: *mut c_void);
    /// Writes and reads an extension.
    install_extension_hooks = c"SSL_InstallExtensionHooks"(
        fd: *mut PRFileDesc, extension: u16, writer: Option<ExtensionWriterFn>, writer_arg: *mut c_void,
        handler: Option<ExtensionHandlerFn>, handler_arg: *mut c_void);
    /// Orders cipher suites.
    cipher_suite_order_set = c"SSL_CipherSuiteOrderSet"(
        fd: *mut PRFileDesc, suites: *const u16, count: c_uint);
    /// Tells the time.
    set_time_func = c"SSL_SetTimeFunc"(
        fd: *mut PRFileDesc, f: Option<TimeFn>, arg: *mut c_void);
    /// Hands tickets out.
    set_resumption_token_callback = c"SSL_SetResumptionTokenCallback"(
        fd: *mut PRFileDesc, f: Option<TokenFn>, arg: *mut c_void);
    /// Resumes.
    set_resumption_token = c"SSL_SetResumptionToken"(
        fd: *mut PRFileDesc, token: *const u8, len: c_uint);
    /// Sends a ticket.
    send_session_ticket = c"SSL_SendSessionTicket"(
        fd: *mut PRFileDesc, token: *const u8, len: c_uint);
    /// Limits early data, in bytes.
    set_max_early_data_size = c"SSL_SetMaxEarlyDataSize"(fd: *mut PRFileDesc, size: u32);
    /// Has a server asked what to do with a `ClientHello`.
    hello_retry_request_callback = c"SSL_HelloRetryRequestCallback"(
        fd: *mut PRFileDesc, f: Option<HelloRetryFn>, arg: *mut c_void);
    /// Makes the filters that find replayed early data.
    create_anti_replay_context = c"SSL_CreateAntiReplayContext"(
        now: PRTime, window: PRTime, k: c_uint, bits: c_uint, out: *mut *mut SSLAntiReplayContext);
    /// Has a connection look into them.
    set_anti_replay_context = c"SSL_SetAntiReplayContext"(
        fd: *mut PRFileDesc, context: *mut SSLAntiReplayContext);
    /// Gives up a reference to them.
    release_anti_replay_context = c"SSL_ReleaseAntiReplayContext"(
        context: *mut SSLAntiReplayContext);
    /// Gives the peer's chain as it came.
    peer_certificate_chain_der = c"SSL_PeerCertificateChainDER"(
        fd: *mut PRFileDesc, out: *mut *mut SECItemArray);
    /// Compresses certificates.
    set_certificate_compression = c"SSL_SetCertificateCompressionAlgorithm"(
        fd: *mut PRFileDesc, algorithm: Algorithm);
    /// Has a client offer an extension that looks like encrypted `ClientHello`.
    enable_grease_ech = c"SSL_EnableTls13GreaseEch"(fd: *mut PRFileDesc, on: PRBool);
    /// Has a client encrypt its `ClientHello`.
    set_client_ech_configs = c"SSL_SetClientEchConfigs"(
        fd: *mut PRFileDesc, configs: *const u8, len: c_uint);
    /// Forgets the configurations.
    remove_ech_configs = c"SSL_RemoveEchConfigs"(fd: *mut PRFileDesc);
    /// Has a server decrypt `ClientHello`s.
    set_server_ech_configs = c"SSL_SetServerEchConfigs"(
        fd: *mut PRFileDesc, public: *const SECKEYPublicKey, private: *const SECKEYPrivateKey,
        configs: *const u8, len: c_uint);
    /// Encodes a list of one configuration of encrypted `ClientHello`.
    #[expect(clippy::too_many_arguments, reason = "NSS has them")]
    encode_ech_config = c"SSL_EncodeEchConfigId"(
        id: u8, public_name: *const c_char, max_name_len: c_uint, kem: c_uint,
        key: *const SECKEYPublicKey, suites: *const HpkeSymmetricSuite, suite_count: c_uint,
        out: *mut u8, out_len: *mut c_uint, max_len: c_uint);
}

#[cfg(test)]
mod tests {
    use super::*;

    experimental! {
        /// What no NSS has.
        made_up = c"SSL_NeitherHereNorThere"(fd: *mut PRFileDesc);
    }

    #[test]
    fn absent() {
        assert!(!has(c"SSL_NeitherHereNorThere"));
        assert!(has(c"SSL_SecretCallback"));
        // SAFETY: there is nothing to call.
        let e = unsafe { made_up(std::ptr::null_mut()) }.unwrap_err();
        let text = "made_up: this NSS does not have it";
        assert!(
            matches!(e, Error::Library { .. }) && e.to_string() == text,
            "{e}"
        );
    }
}

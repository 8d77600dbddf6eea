//! Declarations of NSS and NSPR that nss-gk-api has not, or keeps to itself.
//!
//! nss-gk-api makes cargo link the libraries.

use std::ffi::{c_char, c_int, c_uint};

use nss_gk_api as _;

pub(crate) type PRBool = c_int;
pub(crate) type SECStatus = c_int;
pub(crate) const SEC_SUCCESS: SECStatus = 0;
pub(crate) const NSS_INIT_READONLY: c_uint = 1;

unsafe extern "C" {
    pub(crate) fn NSS_VersionCheck(version: *const c_char) -> PRBool;
    pub(crate) fn NSS_IsInitialized() -> PRBool;
    pub(crate) fn NSS_NoDB_Init(dir: *const c_char) -> SECStatus;
    pub(crate) fn NSS_Initialize(
        dir: *const c_char,
        cert_prefix: *const c_char,
        key_prefix: *const c_char,
        module_db: *const c_char,
        flags: c_uint,
    ) -> SECStatus;
    pub(crate) fn NSS_SetDomesticPolicy() -> SECStatus;

    pub(crate) fn PR_GetError() -> c_int;
    pub(crate) fn PR_ErrorToName(code: c_int) -> *const c_char;
}

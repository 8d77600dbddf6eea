//! What NSS asks and tells by callbacks during a connection.
//!
//! What it tells is noted in [`State`], in order; what it asks is answered from there.

use std::{
    ffi::{c_uint, c_void},
    slice,
};

use nss_gk_api::p11::{PK11_ExtractKeyValue, PK11_GetKeyData};
use zeroize::Zeroizing;

use super::{
    certs::Credential,
    check, exp,
    ffi::{
        self, CERTCertificate, PK11SymKey, PRBool, PRFileDesc, PRTime, SECItem, SECKEYPrivateKey,
        SECStatus, SSLAlert,
    },
};
use crate::error::Res;

/// `quic_transport_parameters` (RFC 9001 §8.2)
pub(super) const TRANSPORT_PARAMETERS: u16 = 0x39;

/// NSS's number of an encryption level: 0 Initial, 1 early data, 2 Handshake, 3 application data.
pub(crate) type Epoch = u16;

/// What NSS produced.
#[derive(Debug)]
pub(crate) enum Output {
    /// Handshake messages.
    Data(Epoch, Vec<u8>),
    /// A traffic secret, true if it is for writing. Empty if NSS does not give it out.
    Secret(Epoch, bool, Zeroizing<Vec<u8>>),
}

/// What tells the tickets of one server from those of others.
pub(crate) type Mark = [u8; 16];

/// What callbacks note, and what they answer with.
#[derive(Default)]
pub(super) struct State {
    pub(super) output: Vec<Output>,
    pub(super) local_params: Vec<u8>,
    /// The peer's transport parameters as last seen.
    pub(super) peer_params: Option<Vec<u8>>,
    /// The first alert that NSS sent.
    pub(super) alert: Option<u8>,
    /// Sessions that can be resumed, as NSS writes them out.
    pub(super) tokens: Vec<Zeroizing<Vec<u8>>>,
    pub(super) now: PRTime,
    /// How far ahead of the time NSS is to be until it has looked at the tickets of the next `ClientHello`.
    pub(super) ahead: PRTime,
    /// True while a certificate waits for its verdict.
    pub(super) asked: bool,
    /// The name that the client asked for.
    pub(super) name: Vec<u8>,
    /// What this server puts into its tickets: no other's is good here.
    pub(super) mark: Mark,
    /// When the client of the session proved who it is whose ticket, with this mark, came with the first `ClientHello`.
    pub(super) ticket: Option<PRTime>,
    /// Whether a ticket with another mark came with the first `ClientHello`.
    pub(super) foreign: bool,
}

/// Owns the [`State`] that callbacks have the address of.
///
/// It is reached through this pointer alone. A reference to it lives between two calls of NSS, or within a callback, and
/// never across a call, so there are never two.
pub(super) struct Shared(*mut State);

impl Shared {
    pub(super) fn new(local_params: Vec<u8>, now: PRTime) -> Self {
        Self(Box::into_raw(Box::new(State {
            local_params,
            now,
            ..State::default()
        })))
    }

    pub(super) const fn get(&mut self) -> &mut State {
        // SAFETY: the pointer is valid as long as `self` is, and no other reference lives (see the type's doc).
        unsafe { &mut *self.0 }
    }

    /// Has NSS call back for what clients and servers have in common.
    ///
    /// # Safety
    /// `fd` is open, and is closed before `self` goes. So for the other two.
    pub(super) unsafe fn attach(&self, fd: *mut PRFileDesc) -> Res<()> {
        let arg = self.0.cast();
        // SAFETY: the caller's promise.
        unsafe {
            exp::record_layer_write_callback(fd, Some(on_record), arg)?;
            exp::secret_callback(fd, Some(on_secret), arg)?;
            exp::set_time_func(fd, Some(time), arg)?;
            exp::install_extension_hooks(
                fd,
                TRANSPORT_PARAMETERS,
                Some(write_params),
                arg,
                Some(read_params),
                arg,
            )?;
            check(
                ffi::SSL_AlertSentCallback(fd, Some(on_alert), arg),
                "alerts",
            )
        }
    }

    /// Has NSS call back for what is a client's.
    ///
    /// # Safety
    /// See [`Shared::attach`].
    pub(super) unsafe fn attach_client(&self, fd: *mut PRFileDesc) -> Res<()> {
        let arg = self.0.cast();
        // SAFETY: the caller's promise.
        unsafe {
            check(
                ffi::SSL_AuthCertificateHook(fd, Some(on_certificate), arg),
                "the verdict",
            )?;
            exp::set_resumption_token_callback(fd, Some(on_token), arg)
        }
    }

    /// Has NSS call back for what is a server's.
    ///
    /// # Safety
    /// See [`Shared::attach`].
    pub(super) unsafe fn attach_server(&self, fd: *mut PRFileDesc) -> Res<()> {
        let arg = self.0.cast();
        // SAFETY: the caller's promise.
        unsafe {
            check(
                ffi::SSL_AuthCertificateHook(fd, Some(on_client_certificate), arg),
                "client certificates",
            )?;
            check(
                ffi::SSL_SNISocketConfigHook(fd, Some(on_name), arg),
                "the client's name for us",
            )?;
            exp::hello_retry_request_callback(fd, Some(on_hello), arg)
        }
    }
}

/// Has a client asked who it is show `credential`.
///
/// # Safety
/// `fd` is open, and is closed before `credential` goes.
pub(super) unsafe fn attach_identity(fd: *mut PRFileDesc, credential: &Credential) -> Res<()> {
    let arg = (&raw const *credential).cast_mut().cast();
    // SAFETY: the caller's promise.
    let status = unsafe { ffi::SSL_GetClientAuthDataHook(fd, Some(on_certificate_request), arg) };
    check(status, "a client's identity")
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: it came from a box; the file is closed before, and with it the callbacks end.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The state behind a callback's argument.
///
/// # Safety
/// `arg` is the argument that [`Shared`] registered.
const unsafe fn state<'a>(arg: *mut c_void) -> Option<&'a mut State> {
    // SAFETY: it is null or the address of a `State` to which nobody holds a reference now (see `Shared`).
    unsafe { arg.cast::<State>().as_mut() }
}

/// The bytes at `data`.
///
/// # Safety
/// If `data` is not null, there are `len` bytes that stay for `'a`.
pub(super) unsafe fn bytes<'a>(data: *const u8, len: c_uint) -> &'a [u8] {
    match usize::try_from(len) {
        // SAFETY: the caller's promise.
        Ok(len) if len > 0 && !data.is_null() => unsafe { slice::from_raw_parts(data, len) },
        _ => &[],
    }
}

unsafe extern "C" fn on_record(
    _: *mut PRFileDesc,
    epoch: u16,
    content_type: c_uint,
    data: *const u8,
    len: c_uint,
    arg: *mut c_void,
) -> SECStatus {
    // SAFETY: our argument; NSS lends `len` bytes.
    unsafe {
        if let Some(s) = state(arg)
            && content_type == ffi::SSL_CT_HANDSHAKE
        {
            s.output
                .push(Output::Data(epoch, bytes(data, len).to_vec()));
        }
    }
    ffi::SEC_SUCCESS
}

unsafe extern "C" fn on_secret(
    _: *mut PRFileDesc,
    epoch: u16,
    direction: c_uint,
    key: *mut PK11SymKey,
    arg: *mut c_void,
) {
    // SAFETY: our argument; NSS lends the key, and its data belong to the key.
    unsafe {
        let extracted = PK11_ExtractKeyValue(key) == ffi::SEC_SUCCESS;
        let item = extracted.then(|| PK11_GetKeyData(key).as_ref()).flatten();
        if let Some(s) = state(arg) {
            let secret = item.map_or(&[][..], |i| bytes(i.data, i.len));
            let write = direction == ffi::SSL_SECRET_WRITE;
            s.output.push(Output::Secret(
                epoch,
                write,
                Zeroizing::new(secret.to_vec()),
            ));
        }
    }
}

const unsafe extern "C" fn on_alert(
    _: *const PRFileDesc,
    arg: *mut c_void,
    alert: *const SSLAlert,
) {
    // SAFETY: our argument; NSS lends the alert.
    unsafe {
        if let (Some(s), Some(alert)) = (state(arg), alert.as_ref())
            && s.alert.is_none()
        {
            s.alert = Some(alert.description);
        }
    }
}

const unsafe extern "C" fn on_certificate(
    arg: *mut c_void,
    _: *mut PRFileDesc,
    _: PRBool,
    _: PRBool,
) -> SECStatus {
    // SAFETY: our argument.
    if let Some(s) = unsafe { state(arg) } {
        s.asked = true;
    }
    // Whoever verifies does so after this, and nothing passes before it has.
    ffi::SEC_WOULD_BLOCK
}

/// A server takes any client certificate that NSS finds the owner of: it is the host that judges it.
const unsafe extern "C" fn on_client_certificate(
    _: *mut c_void,
    _: *mut PRFileDesc,
    _: PRBool,
    _: PRBool,
) -> SECStatus {
    ffi::SEC_SUCCESS
}

/// The server asks a client that has an identity who it is.
unsafe extern "C" fn on_certificate_request(
    arg: *mut c_void,
    _: *mut PRFileDesc,
    _authorities: *mut c_void,
    cert: *mut *mut CERTCertificate,
    key: *mut *mut SECKEYPrivateKey,
) -> SECStatus {
    // SAFETY: the argument is the credential that the agent owns; NSS takes over what is put at `cert` and `key`.
    unsafe {
        match arg.cast::<Credential>().as_ref() {
            Some(credential) if !cert.is_null() && !key.is_null() => credential.give(cert, key),
            _ => ffi::SEC_FAILURE,
        }
    }
}

unsafe extern "C" fn write_params(
    _: *mut PRFileDesc,
    message: c_uint,
    out: *mut u8,
    len: *mut c_uint,
    max: c_uint,
    arg: *mut c_void,
) -> PRBool {
    if message != ffi::SSL_HS_CLIENT_HELLO && message != ffi::SSL_HS_ENCRYPTED_EXTENSIONS {
        return 0;
    }
    // SAFETY: our argument; NSS gives room for `max` bytes and wants the length at `len`.
    unsafe {
        let Some(s) = state(arg) else { return 0 };
        match c_uint::try_from(s.local_params.len()) {
            Ok(n) if n <= max && !out.is_null() && !len.is_null() => {
                out.copy_from_nonoverlapping(s.local_params.as_ptr(), s.local_params.len());
                *len = n;
                1
            }
            _ => 0,
        }
    }
}

unsafe extern "C" fn read_params(
    _: *mut PRFileDesc,
    message: c_uint,
    data: *const u8,
    len: c_uint,
    _alert: *mut u8,
    arg: *mut c_void,
) -> SECStatus {
    if message == ffi::SSL_HS_CLIENT_HELLO || message == ffi::SSL_HS_ENCRYPTED_EXTENSIONS {
        // SAFETY: our argument; NSS lends `len` bytes.
        unsafe {
            if let Some(s) = state(arg) {
                s.peer_params = Some(bytes(data, len).to_vec());
            }
        }
    }
    ffi::SEC_SUCCESS
}

unsafe extern "C" fn time(arg: *mut c_void) -> PRTime {
    // SAFETY: our argument.
    unsafe { state(arg) }.map_or(0, |s| s.now.saturating_add(s.ahead))
}

unsafe extern "C" fn on_token(
    _: *mut PRFileDesc,
    data: *const u8,
    len: c_uint,
    arg: *mut c_void,
) -> SECStatus {
    // SAFETY: our argument; NSS lends `len` bytes.
    unsafe {
        if let Some(s) = state(arg) {
            s.tokens.push(Zeroizing::new(bytes(data, len).to_vec()));
        }
    }
    ffi::SEC_SUCCESS
}

/// What a ticket says of itself: whose it is, and when the client of its session proved who it is.
pub(super) fn ticket(mark: &Mark, proved: PRTime) -> Vec<u8> {
    [&mark[..], &proved.to_be_bytes()].concat()
}

/// The time in [`ticket`], if it has this mark.
fn read_ticket(mark: &Mark, ticket: &[u8]) -> Option<PRTime> {
    let time = ticket.strip_prefix(mark)?;
    time.try_into().ok().map(PRTime::from_be_bytes)
}

/// Asked about each `ClientHello`. A ticket of another server of this process, which NSS can read, ends it: that one may
/// have asked for less, or seen this early data before.
unsafe extern "C" fn on_hello(
    first: PRBool,
    token: *const u8,
    token_len: c_uint,
    _retry_token: *mut u8,
    _retry_token_len: *mut c_uint,
    _retry_token_max: c_uint,
    arg: *mut c_void,
) -> c_uint {
    // SAFETY: our argument; NSS lends `token_len` bytes.
    unsafe {
        let Some(s) = state(arg) else {
            return ffi::SSL_HELLO_RETRY_FAIL;
        };
        s.ahead = 0;
        // With a second `ClientHello` comes what is in the cookie.
        if first != 0 {
            let token = bytes(token, token_len);
            s.ticket = read_ticket(&s.mark, token);
            s.foreign = !token.is_empty() && s.ticket.is_none();
            if s.foreign {
                return ffi::SSL_HELLO_RETRY_FAIL;
            }
        }
    }
    ffi::SSL_HELLO_RETRY_ACCEPT
}

/// Shows the name that a client asks for, behind encryption if there is any. The server stays who it is; were the name
/// taken over, NSS would fail handshakes that resume under another one.
unsafe extern "C" fn on_name(
    _: *mut PRFileDesc,
    names: *const SECItem,
    count: u32,
    arg: *mut c_void,
) -> i32 {
    // SAFETY: our argument; NSS lends `count` names.
    unsafe {
        if let (Some(s), Some(name)) = (state(arg), names.as_ref())
            && count > 0
        {
            s.name = bytes(name.data, name.len).to_vec();
        }
    }
    ffi::SSL_SNI_CURRENT_CONFIG_IS_USED
}

//! The bottom of an NSS connection: a file that never does I/O, for CRYPTO bytes go around it.

use std::{
    ffi::{c_int, c_void},
    ptr::{null_mut, write},
    sync::OnceLock,
};

use super::{
    ffi::{self, NetAddrInet, PRFileDesc, PRIOMethods},
    last_error,
};
use crate::error::Res;

const PR_FAILURE: c_int = -1;
const PR_SUCCESS: c_int = 0;
const PR_DESC_SOCKET_TCP: u32 = 2;
const PR_AF_INET: u16 = 2;

/// Frees the layer.
unsafe extern "C" fn close(fd: *mut PRFileDesc) -> c_int {
    // SAFETY: NSPR passes the layer that `PR_CreateIOLayerStub` made, whose destructor frees it.
    unsafe {
        if let Some(destroy) = fd.as_ref().and_then(|f| f.dtor) {
            destroy(fd);
        }
    }
    PR_SUCCESS
}

fn would_block() -> c_int {
    // SAFETY: sets a variable of this thread.
    unsafe { ffi::PR_SetError(ffi::PR_WOULD_BLOCK_ERROR, 0) };
    PR_FAILURE
}

unsafe extern "C" fn transfer(_: *mut PRFileDesc, _: *mut c_void, _: i32) -> i32 {
    would_block()
}

unsafe extern "C" fn socket_transfer(
    _: *mut PRFileDesc,
    _: *mut c_void,
    _: i32,
    _: c_int,
    _: u32,
) -> i32 {
    would_block()
}

const unsafe extern "C" fn shutdown(_: *mut PRFileDesc, _: c_int) -> c_int {
    PR_SUCCESS
}

/// NSS wants to know whether there is a peer. It is the same for all: nothing is looked up by its address.
const unsafe extern "C" fn name(_: *mut PRFileDesc, addr: *mut NetAddrInet) -> c_int {
    if addr.is_null() {
        return PR_FAILURE;
    }
    // SAFETY: the caller passes room for a `PRNetAddr`, of which this is the smallest member.
    unsafe {
        write(
            addr,
            NetAddrInet {
                family: PR_AF_INET,
                port: 443,
                ip: 1,
                pad: [0; 8],
            },
        );
    }
    PR_SUCCESS
}

const unsafe extern "C" fn get_option(_: *mut PRFileDesc, _: *mut c_void) -> c_int {
    PR_FAILURE
}

const unsafe extern "C" fn set_option(_: *mut PRFileDesc, _: *const c_void) -> c_int {
    PR_SUCCESS
}

/// The unused ones are reached only through calls of NSPR that nobody but the owner of the file could make.
static METHODS: PRIOMethods = PRIOMethods {
    file_type: PR_DESC_SOCKET_TCP,
    close: Some(close),
    read: Some(transfer),
    write: Some(transfer),
    unused_1: [None; 12],
    shutdown: Some(shutdown),
    recv: Some(socket_transfer),
    send: Some(socket_transfer),
    unused_2: [None; 5],
    getsockname: Some(name),
    getpeername: Some(name),
    unused_3: [None; 2],
    getsocketoption: Some(get_option),
    setsocketoption: Some(set_option),
    unused_4: [None; 6],
};

/// A TLS connection of NSS on such a file. Closed when dropped.
#[derive(Debug)]
pub(super) struct File(*mut PRFileDesc);

impl File {
    pub(super) fn new() -> Res<Self> {
        static IDENTITY: OnceLock<c_int> = OnceLock::new();
        // SAFETY: takes a static string, copies it.
        let identity =
            *IDENTITY.get_or_init(|| unsafe { ffi::PR_GetUniqueIdentity(c"quic".as_ptr()) });
        // SAFETY: the methods are static.
        let base = unsafe { ffi::PR_CreateIOLayerStub(identity, &raw const METHODS) };
        if base.is_null() {
            return Err(last_error("a file of NSPR"));
        }
        // SAFETY: `base` is a file. If it succeeds, the new layer owns `base`; if not, we still do.
        let file = unsafe { ffi::SSL_ImportFD(null_mut(), base) };
        if file.is_null() {
            let e = last_error("a connection of NSS");
            // SAFETY: `base` is ours and nobody else knows it.
            unsafe { ffi::PR_Close(base) };
            return Err(e);
        }
        Ok(Self(file))
    }

    pub(super) const fn get(&self) -> *mut PRFileDesc {
        self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the file is ours; it is closed once.
        unsafe { ffi::PR_Close(self.0) };
    }
}

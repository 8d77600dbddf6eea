//! Compressed certificates (RFC 8879), by zlib, where NSS is new enough.

use std::{
    ffi::{CStr, c_char, c_uint},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::null_mut,
    slice,
};

use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_slice_iter_to_slice};

use super::{
    exp,
    ffi::{self, PRFileDesc, SECItem, SECStatus},
    hooks::bytes,
};
use crate::error::Res;

/// The function that has to be there.
pub(super) const AVAILABLE: &CStr = c"SSL_SetCertificateCompressionAlgorithm";
/// zlib (RFC 8879, Section 7.3)
const ZLIB: u16 = 1;
/// Certificates are short and each is compressed once for a connection: as small as it goes.
const LEVEL: u8 = 9;

/// `SSLCertificateCompressionAlgorithm`
#[repr(C)]
pub(super) struct Algorithm {
    id: u16,
    name: *const c_char,
    encode: unsafe extern "C" fn(*const SECItem, *mut SECItem) -> SECStatus,
    decode: unsafe extern "C" fn(*const SECItem, *mut u8, usize, *mut usize) -> SECStatus,
}

/// Offers compression of certificates, if this NSS has it.
pub(super) fn offer(fd: *mut PRFileDesc) -> Res<()> {
    if !exp::has(AVAILABLE) {
        return Ok(());
    }
    let algorithm = Algorithm {
        id: ZLIB,
        name: c"zlib".as_ptr(),
        encode,
        decode,
    };
    // SAFETY: the file is open; the name is static.
    unsafe { exp::set_certificate_compression(fd, algorithm) }
}

unsafe extern "C" fn encode(input: *const SECItem, output: *mut SECItem) -> SECStatus {
    // SAFETY: NSS lends the input; it has the output allocated by its own means, as long as said, and frees it.
    unsafe {
        let Some(input) = input.as_ref() else {
            return ffi::SEC_FAILURE;
        };
        let input = bytes(input.data, input.len);
        // The library that compresses is not known never to panic, and nothing may unwind into NSS.
        let Ok(out) = catch_unwind(|| compress_to_vec_zlib(input, LEVEL)) else {
            return ffi::SEC_FAILURE;
        };
        let Ok(len) = c_uint::try_from(out.len()) else {
            return ffi::SEC_FAILURE;
        };
        let room = ffi::SECITEM_AllocItem(null_mut(), output, len);
        match room.as_ref() {
            Some(room) if !room.data.is_null() => {
                room.data.copy_from_nonoverlapping(out.as_ptr(), out.len());
                ffi::SEC_SUCCESS
            }
            _ => ffi::SEC_FAILURE,
        }
    }
}

/// What does not fit where the peer said that it would is an error.
unsafe extern "C" fn decode(
    input: *const SECItem,
    output: *mut u8,
    room: usize,
    used: *mut usize,
) -> SECStatus {
    if output.is_null() || used.is_null() {
        return ffi::SEC_FAILURE;
    }
    // SAFETY: NSS lends the input, and an output as long as said.
    unsafe {
        let Some(input) = input.as_ref() else {
            return ffi::SEC_FAILURE;
        };
        let input = bytes(input.data, input.len);
        output.write_bytes(0, room);
        let output = slice::from_raw_parts_mut(output, room);
        let inflate = AssertUnwindSafe(|| {
            decompress_slice_iter_to_slice(output, std::iter::once(input), true, false)
        });
        match catch_unwind(inflate) {
            Ok(Ok(len)) => {
                *used = len;
                ffi::SEC_SUCCESS
            }
            _ => ffi::SEC_FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use nss_gk_api::SECItemMut;

    use super::*;
    use crate::nss::certs::item;

    #[test]
    fn round_trip_and_garbage() {
        crate::nss::init().unwrap();
        let text = [7; 3000];
        let mut packed = SECItemMut::make_empty();
        let input = item(&text).unwrap();
        // SAFETY: the items are valid.
        let status = unsafe { encode(&raw const input, packed.as_mut()) };
        assert_eq!(status, ffi::SEC_SUCCESS);
        assert!(packed.as_slice().len() < 100);
        let mut out = [0; 3000];
        let mut used = 0;
        for (cut, room, ok) in [(0, 3000, true), (0, 2999, false), (1, 3000, false)] {
            let data = packed.as_slice();
            let input = item(&data[..data.len() - cut]).unwrap();
            // SAFETY: there is as much room as said.
            let status = unsafe { decode(&raw const input, out.as_mut_ptr(), room, &raw mut used) };
            assert_eq!(status == ffi::SEC_SUCCESS, ok);
        }
        assert_eq!((used, out), (3000, text));
    }
}

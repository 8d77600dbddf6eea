//! What outlives a connection: tickets, and the memory of early data.
//!
//! NSS writes a client's session out with its secret wrapped under a key that dies with the process. So the secret is
//! taken out and kept beside it; who resumes wraps it anew, under whatever key the process then has.

use std::{
    ffi::{c_int, c_uint, c_ulong},
    fmt::{self, Debug, Formatter},
    ops::Range,
    ptr::{null, null_mut},
};

use neqo_common::Decoder;
use nss_gk_api::p11::{
    PK11_ExtractKeyValue, PK11_GetKeyData, PK11_GetMechanism, PK11_ImportSymKey, PK11Origin, Slot,
    SymKey,
};
use zeroize::Zeroizing;

use super::{
    Once,
    certs::item,
    check, exp,
    ffi::{self, PRFileDesc, PRTime, SECItem, SECItemType, SSLAntiReplayContext},
    hooks::bytes,
    last_error,
};
use crate::error::{Error, Res};

const CKM_INVALID_MECHANISM: c_ulong = 0xffff_ffff;
const CKM_SSL3_MASTER_KEY_DERIVE: c_ulong = 0x371;
const CKA_DERIVE: c_ulong = 0x10c;
const CKF_SIGN: c_ulong = 0x800;
const CKF_VERIFY: c_ulong = 0x2000;

/// The version of NSS's format that is understood here.
const FORMAT: u8 = 2;

/// Where things stand in what NSS writes out.
struct Layout {
    wrapped: Range<usize>,
    wrapped_len: usize,
    mechanism: usize,
    cipher: u16,
}

/// Length of what says which key wraps, in bytes: mechanism, module, slot, index, series, validity.
const WRAPPING_LEN: usize = 8 + 8 + 8 + 4 + 2 + 1;

impl Layout {
    fn parse(token: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(token);
        if d.decode_byte()? != FORMAT {
            return None;
        }
        d.decode(3 * 8 + 4 * 4)?; // times; lifetime, flags, age_add, max_early_data_size
        for n in [3, 2, 1, 1, 3] {
            d.decode_vec(n)?; // peer's certificate, OCSP; peer's id, URL; our certificate
        }
        d.decode(2 * 8 + 2)?; // address, port
        d.decode(2 + 8 + 2 + 4 + 2 + 4 + 3 + 3)?; // version to signature scheme
        d.decode_byte()?; // length of the session id
        d.decode_vec(1)?; // session id
        let cipher = d.decode_uint()?;
        d.decode_byte()?; // policy
        let wrapped = d.decode_vec(1)?.len();
        let wrapped = d.offset() - wrapped..d.offset();
        let wrapped_len = d.offset();
        d.decode(2)?; // length in use, extended master secret
        let mechanism = d.offset();
        d.decode(WRAPPING_LEN)?;
        Some(Self {
            wrapped,
            wrapped_len,
            mechanism,
            cipher,
        })
    }

    const fn secret_len(&self) -> c_int {
        if self.cipher == 0x1302 { 48 } else { 32 }
    }
}

/// Which key wraps.
struct Wrapping {
    mechanism: c_ulong,
    module: c_ulong,
    slot: c_ulong,
    index: c_int,
    series: c_int,
}

impl Wrapping {
    fn read(mut d: Decoder<'_>) -> Option<Self> {
        Some(Self {
            mechanism: d.decode_n(8)?,
            module: d.decode_n(8)?,
            slot: d.decode_n(8)?,
            index: c_int::try_from(d.decode_n(4)?).ok()?,
            series: c_int::try_from(d.decode_n(2)?).ok()?,
        })
    }

    fn encode(&self) -> Option<[u8; WRAPPING_LEN]> {
        let mut e = neqo_common::Encoder::default();
        e.encode_uint(8, self.mechanism)
            .encode_uint(8, self.module)
            .encode_uint(8, self.slot)
            .encode_uint(4, u32::try_from(self.index).ok()?)
            .encode_uint(2, u16::try_from(self.series).ok()?)
            .encode_byte(1);
        e.as_ref().try_into().ok()
    }
}

/// Takes the secret out of `token`, which NSS gave.
///
/// # Errors
/// `Library` if NSS writes a format that is not known here, or does not give the secret out.
pub(crate) fn secret(token: &[u8]) -> Res<Zeroizing<Vec<u8>>> {
    let unknown = || Error::Library {
        what: "a ticket",
        name: "of an unknown format".into(),
    };
    let layout = Layout::parse(token).ok_or_else(unknown)?;
    let wrapping = token.get(layout.mechanism..).ok_or_else(unknown)?;
    let wrapping = Wrapping::read(Decoder::new(wrapping)).ok_or_else(unknown)?;
    let len = usize::from(*token.get(layout.wrapped_len).ok_or_else(unknown)?);
    let wrapped = token
        .get(layout.wrapped.clone())
        .and_then(|w| w.get(..len))
        .ok_or_else(unknown)?;
    let mut wrapped = item(wrapped)?;
    // SAFETY: NSS is up and only reads what is wrapped; slot and keys are ours.
    unsafe {
        let slot = Slot::from_ptr(ffi::SECMOD_LookupSlot(wrapping.module, wrapping.slot))
            .map_err(|_| last_error("a ticket's token"))?;
        let key = SymKey::from_ptr(ffi::PK11_GetWrapKey(
            *slot,
            wrapping.index,
            wrapping.mechanism,
            wrapping.series,
            null_mut(),
        ))
        .map_err(|_| last_error("a ticket's key"))?;
        let secret = SymKey::from_ptr(ffi::PK11_UnwrapSymKeyWithFlags(
            *key,
            wrapping.mechanism,
            null_mut(),
            &raw mut wrapped,
            CKM_SSL3_MASTER_KEY_DERIVE,
            CKA_DERIVE,
            layout.secret_len(),
            CKF_SIGN | CKF_VERIFY,
        ))
        .map_err(|_| last_error("a ticket's secret"))?;
        check(PK11_ExtractKeyValue(*secret), "a ticket's secret")?;
        let data = PK11_GetKeyData(*secret)
            .as_ref()
            .ok_or(Error::Internal("a key without a value"))?;
        Ok(Zeroizing::new(bytes(data.data, data.len).to_vec()))
    }
}

/// Puts `secret` into `token`, so that NSS in this process can use it.
///
/// # Errors
/// `Library` as in [`secret`], or if NSS does not wrap.
pub(crate) fn renew(token: &mut [u8], secret: &[u8]) -> Res<()> {
    let unknown = || Error::Library {
        what: "a ticket",
        name: "of an unknown format".into(),
    };
    super::init()?;
    let layout = Layout::parse(token).ok_or_else(unknown)?;
    let room = layout.wrapped.len();
    let (wrapping, wrapped) = wrap(secret, room)?;
    let own = token.get_mut(layout.wrapped.clone()).ok_or_else(unknown)?;
    own.get_mut(..wrapped.len())
        .ok_or_else(unknown)?
        .copy_from_slice(&wrapped);
    let len = token.get_mut(layout.wrapped_len).ok_or_else(unknown)?;
    *len = u8::try_from(wrapped.len()).map_err(|_| unknown())?;
    let wrapping = wrapping.encode().ok_or_else(unknown)?;
    token
        .get_mut(layout.mechanism..)
        .and_then(<[u8]>::first_chunk_mut)
        .map(|to: &mut [u8; WRAPPING_LEN]| *to = wrapping)
        .ok_or_else(unknown)
}

/// The key that wraps the secrets of this process's sessions, made as libssl makes it.
fn wrapping_key(slot: &Slot) -> Res<(SymKey, c_int, c_int)> {
    // SAFETY: the slot is valid; the keys are ours.
    unsafe {
        let index = ffi::PK11_GetCurrentWrapIndex(**slot);
        let series = ffi::PK11_GetSlotSeries(**slot);
        let get = || {
            SymKey::from_ptr(ffi::PK11_GetWrapKey(
                **slot,
                index,
                CKM_INVALID_MECHANISM,
                series,
                null_mut(),
            ))
        };
        if let Ok(key) = get() {
            return Ok((key, index, series));
        }
        let mechanism = ffi::PK11_GetBestWrapMechanism(**slot);
        let len = ffi::PK11_GetBestKeyLength(**slot, mechanism);
        let key = SymKey::from_ptr(ffi::PK11_KeyGen(
            **slot,
            mechanism,
            null_mut(),
            len,
            null_mut(),
        ))
        .map_err(|_| last_error("a wrapping key"))?;
        ffi::PK11_SetWrapKey(**slot, index, *key);
        drop(key);
        let key = get().map_err(|_| last_error("a wrapping key"))?;
        Ok((key, index, series))
    }
}

fn wrap(secret: &[u8], room: usize) -> Res<(Wrapping, Vec<u8>)> {
    let mut out = vec![0; room];
    let mut raw = item(secret)?;
    // SAFETY: NSS only reads the secret; it writes at most the length that the item says; slot and keys are ours.
    unsafe {
        let slot = Slot::internal().map_err(|_| last_error("NSS's own token"))?;
        let (key, index, series) = wrapping_key(&slot)?;
        let secret = SymKey::from_ptr(PK11_ImportSymKey(
            *slot,
            CKM_SSL3_MASTER_KEY_DERIVE,
            PK11Origin::PK11_OriginUnwrap,
            CKA_DERIVE,
            &raw mut raw,
            null_mut(),
        ))
        .map_err(|_| last_error("a ticket's secret"))?;
        let mechanism = PK11_GetMechanism(*key);
        let mut wrapped = SECItem {
            type_: SECItemType::siBuffer,
            data: out.as_mut_ptr(),
            len: c_uint::try_from(room).unwrap_or(0),
        };
        check(
            ffi::PK11_WrapSymKey(mechanism, null_mut(), *key, *secret, &raw mut wrapped),
            "wrapping a ticket's secret",
        )?;
        out.truncate(usize::try_from(wrapped.len).unwrap_or(0));
        let wrapping = Wrapping {
            mechanism,
            module: ffi::PK11_GetModuleID(*slot),
            slot: ffi::PK11_GetSlotID(*slot),
            index,
            series,
        };
        Ok((wrapping, out))
    }
}

/// Filters that find early data that came before.
pub(crate) struct AntiReplay(*mut SSLAntiReplayContext);

// SAFETY: NSS guards the filters by a monitor and counts references atomically.
unsafe impl Send for AntiReplay {}
// SAFETY: as above.
unsafe impl Sync for AntiReplay {}

impl AntiReplay {
    /// How long a filter serves, in microseconds: clocks may differ by half of it.
    const WINDOW: PRTime = 10_000_000;
    const HASHES: c_uint = 7;
    const BITS: c_uint = 14;

    /// Makes filters that are in use from `now` on. Nothing can have come before: the key of a process's tickets is
    /// made by it.
    ///
    /// # Errors
    /// `Library` if NSS does not.
    pub(crate) fn new(now: PRTime) -> Res<Self> {
        super::init()?;
        let mut context = null_mut();
        // NSS takes no early data for one window, because the process might have been started anew with the same keys.
        let start = now.saturating_sub(Self::WINDOW);
        // SAFETY: NSS writes the address of what is then ours.
        unsafe {
            exp::create_anti_replay_context(
                start,
                Self::WINDOW,
                Self::HASHES,
                Self::BITS,
                &raw mut context,
            )?;
        }
        Ok(Self(context))
    }

    /// Has a server's connection use them.
    pub(super) fn configure(&self, fd: *mut PRFileDesc) -> Res<()> {
        // SAFETY: the file is open; it takes a reference of its own.
        unsafe { exp::set_anti_replay_context(fd, self.0) }
    }
}

impl Drop for AntiReplay {
    fn drop(&mut self) {
        // SAFETY: this reference is ours and given up once.
        drop(unsafe { exp::release_anti_replay_context(self.0) });
    }
}

impl Debug for AntiReplay {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("AntiReplay(..)")
    }
}

/// The memory of sessions that NSS wants a server to have. In TLS 1.3 it holds the key that wraps tickets' secrets, and
/// no session.
///
/// # Errors
/// `Library` if NSS cannot make it.
pub(crate) fn start_server_memory() -> Res<()> {
    static STARTED: Once = Once::new();
    super::init()?;
    STARTED.run(|| {
        // SAFETY: NSS is up.
        let status = unsafe { ffi::SSL_ConfigServerSessionIDCache(1, 0, 0, null()) };
        check(status, "the memory of sessions")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_ticket() {
        for bad in [&[][..], &[2], &[1; 300], &[2; 300]] {
            assert!(matches!(secret(bad), Err(Error::Library { .. })));
            assert!(renew(&mut bad.to_vec(), &[0; 32]).is_err());
        }
    }

    #[test]
    fn wrapping_round_trip() {
        let w = Wrapping {
            mechanism: 0x1081,
            module: 1,
            slot: 2,
            index: 0,
            series: 3,
        };
        let bytes = w.encode().unwrap();
        let r = Wrapping::read(Decoder::new(&bytes)).unwrap();
        assert_eq!(
            (r.mechanism, r.module, r.slot, r.index, r.series),
            (0x1081, 1, 2, 0, 3)
        );
    }
}

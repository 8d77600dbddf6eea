//! NSS behind safe types: the one module with `unsafe`.
//!
//! What is unsafe about NSS is wrapped here, each object in a type that owns it, and nothing of NSS's own types leaves.
//! The module knows no QUIC: what sessions do with it is in `backend::nss`.
//!
//! | file | what it wraps |
//! |---|---|
//! | `ffi` | declarations that nss-gk-api keeps to itself |
//! | `exp` | the experimental functions, looked up by name |
//! | `capabilities` | what this NSS can do |
//! | `io` | the file that does no I/O |
//! | `agent` | a TLS connection |
//! | `certs` | certificates and keys |
//! | `compress` | compressed certificates |
//! | `hooks` | what NSS calls during a connection |
//! | `ech` | encrypted `ClientHello` |
//! | `keygen` | keys that sign themselves into certificates |
//! | `tickets` | resumption tokens, and what finds replayed early data |
//! | `verify` | paths to trusted authorities |
//! | `pk11` | AEAD, AES, HMAC, SHA-256 and randomness of the software token |
//!
//! No callback can unwind into NSS: none indexes, unwraps or formats, and what could panic is caught.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod agent;
#[cfg(test)]
mod by_host;
mod capabilities;
mod certs;
mod compress;
mod ech;
mod exp;
mod ffi;
mod hooks;
mod io;
#[cfg(any(test, not(feature = "rustls")))]
mod keygen;
pub(crate) mod pk11;
mod tickets;
mod verify;

pub(crate) use agent::{Agent, Common, Failure};
pub(crate) use capabilities::supported_groups;
pub use capabilities::{Capabilities, capabilities};
pub(crate) use certs::Credential;
pub(crate) use ech::EchKeyPair;
pub(crate) use hooks::{Epoch, Mark, Output};
#[cfg(any(test, not(feature = "rustls")))]
pub(crate) use keygen::SigningKey;
pub(crate) use tickets::{AntiReplay, renew, secret, start_server_memory};
pub(crate) use verify::Anchors;

use std::{
    ffi::{CStr, CString, c_char},
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::error::{Error, Res};

/// The oldest NSS that has all that sessions stand on.
const MINIMUM_VERSION: [u32; 2] = [3, 87];

/// `SSL_ERROR_ECH_RETRY_WITH_ECH`
pub(crate) const ECH_RETRY_WITH_ECH: i32 = -12288 + 188;
/// `SSL_ERROR_ECH_RETRY_WITHOUT_ECH`
pub(crate) const ECH_RETRY_WITHOUT_ECH: i32 = -12288 + 189;

/// Something that has to be done once in a process.
struct Once {
    running: Mutex<()>,
    done: AtomicBool,
}

impl Once {
    const fn new() -> Self {
        Self {
            running: Mutex::new(()),
            done: AtomicBool::new(false),
        }
    }

    /// Does it, unless it was done with success before.
    fn run(&self, f: impl FnOnce() -> Res<()>) -> Res<()> {
        if self.done.load(Ordering::Acquire) {
            return Ok(());
        }
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.done.load(Ordering::Acquire) {
            f()?;
            self.done.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Starting NSS. It is never taken down: connections of other threads may be using it.
static START: Once = Once::new();
/// How it was started.
static STARTED: OnceLock<Started> = OnceLock::new();

/// Who started NSS, and with what.
#[derive(Debug, PartialEq, Eq)]
enum Started {
    ByHost,
    WithoutDatabase,
    With(PathBuf),
}

/// Starts NSS without a database, unless it was started before, be it by the host itself.
///
/// Every session calls it. NSS has to stay up as long as there is anything of this crate: it is never shut down here, and
/// a host that does so drops everything before, and has NSS forget sessions (`SSL_ShutdownServerSessionIDCache`) if there
/// was a [`Server`](crate::Server).
///
/// # Errors
/// `Library` if NSS cannot start, or is older than 3.87; it says what to do.
pub fn init() -> Res<()> {
    START.run(|| start(None))
}

/// Starts NSS with the certificate database in the directory `dir`, read-only. A host that starts NSS itself has a
/// database there already, and calls [`init`] instead.
///
/// # Errors
/// `Library` if there is no usable database, or NSS is too old; `Config` if `dir` cannot be a name of one, or if NSS was
/// started by the host, or by this crate with another one or without: any session, and with NSS as the only library
/// anything random, starts it. So call this first.
pub fn init_db(dir: &Path) -> Res<()> {
    let name = dir
        .to_str()
        .and_then(|d| CString::new(d).ok())
        .filter(|_| dir.is_dir())
        .ok_or_else(|| Error::Config(format!("not a directory: {}", dir.display())))?;
    START.run(|| start(Some((dir, &name))))?;
    match STARTED.get() {
        Some(Started::With(other)) if other != dir => Err(Error::Config(
            "NSS was started with another database".into(),
        )),
        Some(Started::WithoutDatabase) => Err(Error::Config(
            "NSS was started without a database: start it with one first".into(),
        )),
        Some(Started::ByHost) => Err(Error::Config(
            "NSS was started by the host, with the database that it has".into(),
        )),
        _ => Ok(()),
    }
}

/// The version of the NSS that was loaded, such as `3.87.1`.
fn version() -> String {
    // SAFETY: may be called at any time and gives the address of a constant.
    let version = unsafe { CStr::from_ptr(ffi::NSS_GetVersion()) };
    version.to_string_lossy().into_owned()
}

/// Refuses an NSS of a `version` that is older than what sessions stand on.
fn new_enough(version: &str) -> Res<()> {
    let numbers = version.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u32> = numbers.map_while(|n| n.parse().ok()).collect();
    let [major, minor] = MINIMUM_VERSION;
    // Another major version has other types.
    if numbers.first() == Some(&major) && numbers.as_slice() >= MINIMUM_VERSION.as_slice() {
        return Ok(());
    }
    Err(Error::Library {
        what: "NSS cannot be used",
        name: format!(
            "the one loaded is {version}, and {major}.{minor} or a newer {major}.x is needed; update it (libnss3 on Debian and \
             Ubuntu, nss on Fedora), or have LD_LIBRARY_PATH name the directory of a newer one"
        ),
    })
}

fn start(database: Option<(&Path, &CStr)>) -> Res<()> {
    new_enough(&version())?;
    // SAFETY: the functions may be called at any time; the strings end with NUL and outlive the calls.
    unsafe {
        let started = if ffi::NSS_IsInitialized() == 0 {
            let empty: *const c_char = c"".as_ptr();
            let status = match database {
                // Not `NSS_NoDB_Init`, which also optimizes for space: its 32 buckets for sessions of the token, of
                // which each packet key has one, make a call take 7 µs when there are 10,000 keys. These are 1,024.
                None => ffi::NSS_Initialize(empty, empty, empty, empty, ffi::NO_DATABASE),
                Some((_, name)) => ffi::NSS_Initialize(
                    name.as_ptr(),
                    empty,
                    empty,
                    c"secmod.db".as_ptr(),
                    ffi::NSS_INIT_READONLY,
                ),
            };
            check(status, "starting NSS")?;
            check(ffi::NSS_SetDomesticPolicy(), "NSS's policy")?;
            database.map_or(Started::WithoutDatabase, |(dir, _)| {
                Started::With(dir.to_owned())
            })
        } else {
            Started::ByHost
        };
        STARTED.get_or_init(|| started);
    }
    Ok(())
}

/// The outcome of a call: NSS's last error on this thread if it is a failure.
pub(crate) fn check(status: ffi::SECStatus, what: &'static str) -> Res<()> {
    if status == ffi::SEC_SUCCESS {
        Ok(())
    } else {
        Err(last_error(what))
    }
}

/// The time, in microseconds since 1970, by the system's clock.
pub(crate) fn wall_clock() -> i64 {
    // SAFETY: reads a clock.
    unsafe { ffi::PR_Now() }
}

/// The code of NSS's last error on this thread.
pub(crate) fn last_code() -> i32 {
    // SAFETY: reads a variable of this thread.
    unsafe { ffi::PR_GetError() }
}

/// NSS's last error on this thread; `what` says what failed.
pub(crate) fn last_error(what: &'static str) -> Error {
    Error::Library {
        what,
        name: error_name(last_code()),
    }
}

/// NSS's own name for an error code.
pub(crate) fn error_name(code: i32) -> String {
    // SAFETY: takes any code; the result, if there is one, is a static string.
    unsafe {
        let name = ffi::PR_ErrorToName(code);
        if name.is_null() {
            format!("error {code}")
        } else {
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_as_often_as_asked() {
        init().unwrap();
        init().unwrap();
        let late = init_db(&std::env::temp_dir());
        assert!(matches!(late, Err(Error::Config(_))), "{late:?}");
    }

    #[test]
    fn versions() {
        for good in ["3.87", "3.87.1", "3.88 Beta", "3.100", "3.123.1 Extended"] {
            new_enough(good).unwrap();
        }
        for old in [
            "3.86",
            "3.86.9",
            "3.9",
            "3.61 Basic ECC",
            "3",
            "2.99",
            "4.0",
            "",
            "unknown",
        ] {
            assert!(new_enough(old).is_err(), "{old}");
        }
        let e = new_enough("3.61 Basic ECC").unwrap_err();
        assert_eq!(
            e.to_string(),
            "NSS cannot be used: the one loaded is 3.61 Basic ECC, and 3.87 or a newer 3.x is needed; update it (libnss3 on Debian \
             and Ubuntu, nss on Fedora), or have LD_LIBRARY_PATH name the directory of a newer one"
        );
        new_enough(&version()).unwrap();
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(error_name(-8179), "SEC_ERROR_UNKNOWN_ISSUER");
        assert!(matches!(
            init_db(Path::new("/no/such/directory")),
            Err(Error::Config(_))
        ));
    }
}

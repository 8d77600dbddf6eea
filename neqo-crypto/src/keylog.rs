//! The NSS key log: secrets in a file that Wireshark reads.

use std::{
    env,
    ffi::OsStr,
    fmt::{self, Debug, Formatter, Write as _},
    fs::OpenOptions,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use neqo_common::qwarn;

use crate::error::{Error, Res};

/// Where secrets are written for debugging. Whoever reads it reads the connections.
///
/// Cheap to clone; all clones write to one place, a line at a time.
#[derive(Clone)]
pub struct KeyLog(Arc<Mutex<Box<dyn Write + Send>>>);

impl KeyLog {
    /// The file named by the environment variable `SSLKEYLOGFILE`, or `None` if it is not set.
    ///
    /// # Errors
    /// `Config` if that file cannot be opened.
    pub fn from_env() -> Res<Option<Self>> {
        Self::from_name(env::var_os("SSLKEYLOGFILE").as_deref())
    }

    fn from_name(name: Option<&OsStr>) -> Res<Option<Self>> {
        name.filter(|n| !n.is_empty())
            .map(|n| Self::to_file(Path::new(n)))
            .transpose()
    }

    /// Appends to the file at `path`, which is created if need be.
    ///
    /// # Errors
    /// `Config` if it cannot be opened.
    pub fn to_file(path: &Path) -> Res<Self> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(Self::to_writer)
            .map_err(|e| Error::Config(format!("key log {}: {e}", path.display())))
    }

    /// Writes to `writer`.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    /// Writes a line. A log that cannot be written is reported and otherwise ignored.
    pub(crate) fn write(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = zeroize::Zeroizing::new(String::with_capacity(200));
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for b in bytes {
                // Writing to a `String` does not fail.
                _ = write!(line, "{b:02x}");
            }
        }
        line.push('\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(e) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            qwarn!("key log: {e}");
        }
    }
}

impl Debug for KeyLog {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLog(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn appends_nss_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let log = KeyLog::to_file(&path).unwrap();
        log.write("A_LABEL", &[0x01, 0xab], &[0xff]);
        KeyLog::to_file(&path).unwrap().write("B", &[2], &[0]);
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "A_LABEL 01ab ff\nB 02 00\n"
        );
    }

    #[test]
    fn environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        assert!(KeyLog::from_name(None).unwrap().is_none());
        assert!(KeyLog::from_name(Some(OsStr::new(""))).unwrap().is_none());
        assert!(KeyLog::from_name(Some(path.as_os_str())).unwrap().is_some());
        assert!(path.exists());
        let missing = dir.path().join("no/such/dir");
        assert!(matches!(
            KeyLog::from_name(Some(missing.as_os_str())),
            Err(Error::Config(_))
        ));
    }
}

//! The `KeyLog` of one session: where rustls shows its secrets.

use std::{
    fmt::{self, Debug, Formatter},
    sync::{Mutex, PoisonError},
};

use zeroize::Zeroizing;

use crate::keylog::KeyLog;

/// Which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ClientEarly,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

impl Kind {
    const COUNT: usize = 5;

    fn from_label(label: &str) -> Option<Self> {
        Some(match label {
            "CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            "CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            "SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            _ => return None,
        })
    }
}

type Bytes = Zeroizing<Vec<u8>>;

/// Keeps the secrets of a session until they are taken, and copies them to the key log if there is one.
pub(super) struct Capture {
    log: Option<KeyLog>,
    secrets: Mutex<[Option<Bytes>; Kind::COUNT]>,
}

impl Capture {
    pub(super) fn new(log: Option<KeyLog>) -> Self {
        Self {
            log,
            secrets: Mutex::default(),
        }
    }

    /// Takes a secret out.
    pub(super) fn take(&self, kind: Kind) -> Option<Bytes> {
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(kind as usize)?
            .take()
    }
}

impl rustls::KeyLog for Capture {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Some(log) = &self.log {
            log.write(label, client_random, secret);
        }
        let Some(kind) = Kind::from_label(label) else {
            return;
        };
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = secrets.get_mut(kind as usize) {
            *slot = Some(Zeroizing::new(secret.to_vec()));
        }
    }
}

impl Debug for Capture {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Capture(..)")
    }
}

//! The `KeyLog` of one session: where rustls shows its secrets.

use std::{
    fmt::{self, Debug, Formatter},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
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
type Random = [u8; 32];

/// Keeps the secrets of a session until they are taken, and copies them to the key log if there is one.
pub(super) struct Capture {
    log: Option<KeyLog>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    secrets: [Option<Bytes>; Kind::COUNT],
    hello: Hello,
}

/// Which `ClientHello` the handshake goes by. A line of the key log is found by the random of the one that all can see;
/// rustls gives that of the one that counts.
#[derive(Default)]
enum Hello {
    /// There is but one.
    #[default]
    Only,
    /// Two, and the outer one is not made yet; what the log gets then.
    Awaited(Vec<(String, Bytes)>),
    Outer(Random),
    /// The inner one; the random is the outer's.
    Inner(Random),
}

impl Capture {
    pub(super) fn new(log: Option<KeyLog>) -> Self {
        Self {
            log,
            seen: Mutex::default(),
        }
    }

    /// For a client that hides a `ClientHello` in another.
    pub(super) fn of_two(log: Option<KeyLog>) -> Self {
        let this = Self::new(log);
        this.seen().hello = Hello::Awaited(Vec::new());
        this
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a secret out.
    pub(super) fn take(&self, kind: Kind) -> Option<Bytes> {
        self.seen().secrets.get_mut(kind as usize)?.take()
    }

    /// Notes the random of the outer `ClientHello`.
    pub(super) fn note_outer(&self, random: Random) {
        let before = mem::replace(&mut self.seen().hello, Hello::Outer(random));
        if let (Hello::Awaited(lines), Some(log)) = (before, &self.log) {
            for (label, secret) in lines {
                log.write(&label, &random, &secret);
            }
        }
    }

    /// True if the handshake goes by an inner `ClientHello`.
    pub(super) fn is_inner(&self) -> bool {
        matches!(self.seen().hello, Hello::Inner(_))
    }
}

impl rustls::KeyLog for Capture {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut seen = self.seen();
        if let Some(kind) = Kind::from_label(label)
            && let Some(slot) = seen.secrets.get_mut(kind as usize)
        {
            *slot = Some(Zeroizing::new(secret.to_vec()));
        }
        if let Hello::Outer(random) = seen.hello
            && random != client_random
        {
            seen.hello = Hello::Inner(random);
        }
        let Some(log) = &self.log else {
            return;
        };
        match &mut seen.hello {
            Hello::Only => log.write(label, client_random, secret),
            Hello::Outer(random) | Hello::Inner(random) => log.write(label, random, secret),
            Hello::Awaited(lines) => {
                lines.push((label.to_owned(), Zeroizing::new(secret.to_vec())));
            }
        }
    }
}

impl Debug for Capture {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Capture(..)")
    }
}

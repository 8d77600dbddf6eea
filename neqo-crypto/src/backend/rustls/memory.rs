//! What servers remember of their sessions, for resumption.
//!
//! They remember the session rather than to put it into the ticket, because that lets a ticket be used once only: early
//! data cannot be replayed (hardening A30).

use std::{
    fmt::{self, Debug, Formatter},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::server::StoresServerSessions;
use zeroize::Zeroizing;

use super::bounded::Bounded;
use crate::session::ResumptionToken;

/// Sessions that a server remembers; the oldest goes when one more comes.
const MAX_REMEMBERED: usize = 4096;
/// The largest that it remembers, in bytes: what makes them large is a client's certificates.
const MAX_SESSION: usize = 8192;
/// The lifetime that rustls gives tickets of sessions that are remembered, and does not look at again.
const TICKET_LIFETIME: Duration = Duration::from_hours(24);

struct Remembered {
    session: Zeroizing<Vec<u8>>,
    /// When the peers proved who they are.
    proved: Instant,
    /// When the ticket was made.
    made: Instant,
}

/// The sessions of a server configuration.
pub(super) struct Memory(Mutex<Bounded<Vec<u8>, Remembered>>);

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(MAX_REMEMBERED)))
    }
}

impl Memory {
    fn with<T>(&self, f: impl FnOnce(&mut Bounded<Vec<u8>, Remembered>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The memory as a connection of `now` sees it.
    pub(super) fn at(self: &Arc<Self>, now: Instant) -> Recall {
        Recall {
            memory: Arc::clone(self),
            now,
            proved: Mutex::new(now),
        }
    }
}

impl Debug for Memory {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Memory(..)")
    }
}

/// One connection's part in it.
///
/// What it adds is as old as what it resumed: after a week the peers have to prove again who they are (RFC 8446,
/// Section 4.6.1).
#[derive(Debug)]
pub(super) struct Recall {
    memory: Arc<Memory>,
    now: Instant,
    /// When the peers proved who they are.
    proved: Mutex<Instant>,
}

impl Recall {
    fn set_proved(&self, at: Instant) {
        *self.proved.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// What was taken was not resumed: the peers prove now who they are.
    pub(super) fn full_handshake(&self) {
        self.set_proved(self.now);
    }
}

impl StoresServerSessions for Recall {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let session = Zeroizing::new(session);
        let proved = *self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        let age = self.now.saturating_duration_since(proved);
        let remember =
            session.len() <= MAX_SESSION && age + TICKET_LIFETIME <= ResumptionToken::MAX_LIFETIME;
        if remember {
            let made = self.now;
            let remembered = Remembered {
                session,
                proved,
                made,
            };
            self.memory.with(|m| m.insert(id, remembered));
        }
        remember
    }

    /// Nothing: TLS 1.3 takes.
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let found = self.memory.with(|m| m.take(&id.to_vec()))?;
        if self.now.saturating_duration_since(found.made) > TICKET_LIFETIME {
            return None;
        }
        self.set_proved(found.proved);
        Some(found.session.to_vec())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a base for the times that tests pass in"
)]
mod tests {
    use super::*;

    fn id(n: usize) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    #[test]
    fn taken_once() {
        let memory = Arc::new(Memory::default());
        let recall = memory.at(Instant::now());
        assert!(recall.put(id(1), b"session".to_vec()));
        assert_eq!(recall.take(&id(2)), None);
        assert_eq!(recall.take(&id(1)), Some(b"session".to_vec()));
        assert_eq!(recall.take(&id(1)), None);
    }

    #[test]
    fn a_ticket_expires_whatever_the_client_says() {
        let memory = Arc::new(Memory::default());
        let now = Instant::now();
        for (n, late) in [Duration::ZERO, Duration::from_secs(1)]
            .into_iter()
            .enumerate()
        {
            assert!(memory.at(now).put(id(n), Vec::new()));
            let taken = memory.at(now + TICKET_LIFETIME + late).take(&id(n));
            assert_eq!(taken.is_some(), late.is_zero());
        }
    }

    #[test]
    fn no_large_sessions() {
        let memory = Arc::new(Memory::default());
        let recall = memory.at(Instant::now());
        assert!(recall.put(id(0), vec![0; MAX_SESSION]));
        assert!(!recall.put(id(1), vec![0; MAX_SESSION + 1]));
        assert_eq!(recall.take(&id(1)), None);
    }

    #[test]
    fn a_chain_of_resumptions_ends() {
        let memory = Arc::new(Memory::default());
        let mut now = Instant::now();
        assert!(memory.at(now).put(id(0), Vec::new()));
        for day in 1..=6 {
            now += TICKET_LIFETIME;
            let recall = memory.at(now);
            assert!(recall.take(&id(day - 1)).is_some());
            assert!(recall.put(id(day), Vec::new()), "{day}");
        }
        now += Duration::from_secs(1);
        let recall = memory.at(now);
        assert!(recall.take(&id(6)).is_some());
        assert!(!recall.put(id(7), Vec::new()));
        recall.full_handshake();
        assert!(recall.put(id(8), Vec::new()));
    }
}

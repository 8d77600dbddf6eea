//! What servers remember of their sessions, for resumption.
//!
//! They remember the session rather than to put it into the ticket, because that lets a ticket be used once only: early
//! data cannot be replayed (hardening A30).

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug, Formatter},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustls::server::StoresServerSessions;
use zeroize::Zeroizing;

use crate::session::ResumptionToken;

/// Sessions that a server remembers; the oldest goes when one more comes.
const MAX_REMEMBERED: usize = 4096;
/// The lifetime that rustls gives tickets of sessions that are remembered.
const TICKET_LIFETIME: Duration = Duration::from_hours(24);

struct Remembered {
    session: Zeroizing<Vec<u8>>,
    /// When the peers proved who they are.
    proved: Instant,
}

/// The sessions of a server configuration.
#[derive(Default)]
pub(super) struct Memory(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    by_id: HashMap<Vec<u8>, Remembered>,
    // Taken ones, too, until their turn comes.
    order: VecDeque<Vec<u8>>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
/// What it adds is as old as what it took: after a week the peers have to prove again who they are (RFC 8446,
/// Section 4.6.1).
#[derive(Debug)]
pub(super) struct Recall {
    memory: Arc<Memory>,
    now: Instant,
    /// When the peers proved who they are.
    proved: Mutex<Instant>,
}

impl Recall {
    fn proved(&self) -> MutexGuard<'_, Instant> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoresServerSessions for Recall {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let session = Zeroizing::new(session);
        let proved = *self.proved();
        let age = self.now.saturating_duration_since(proved);
        if age + TICKET_LIFETIME > ResumptionToken::MAX_LIFETIME {
            return false;
        }
        let mut sessions = self.memory.lock();
        if sessions.order.len() >= MAX_REMEMBERED
            && let Some(oldest) = sessions.order.pop_front()
        {
            sessions.by_id.remove(&oldest);
        }
        sessions.order.push_back(id.clone());
        sessions.by_id.insert(id, Remembered { session, proved });
        true
    }

    /// Nothing: TLS 1.3 takes.
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let found = self.memory.lock().by_id.remove(id)?;
        *self.proved() = found.proved;
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
    fn bounded() {
        let memory = Arc::new(Memory::default());
        let recall = memory.at(Instant::now());
        for n in 0..=MAX_REMEMBERED {
            assert!(recall.put(id(n), Vec::new()));
        }
        assert_eq!(recall.take(&id(0)), None);
        assert!(recall.take(&id(1)).is_some());
        assert!(recall.take(&id(MAX_REMEMBERED)).is_some());
        assert_eq!(memory.lock().order.len(), MAX_REMEMBERED);
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
        // A full handshake begins another.
        assert!(memory.at(now).put(id(8), Vec::new()));
    }
}

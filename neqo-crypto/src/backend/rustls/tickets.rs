//! Session tickets of clients.
//!
//! rustls does not let the secrets of a ticket be written out, so they stay in a bounded memory of the configuration,
//! and the token that a host gets is a name for one of them.

use std::{
    collections::VecDeque,
    fmt::{self, Debug, Formatter},
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

use super::bounded::Bounded;
use crate::{
    error::{Error, Res},
    primitives::random,
    session::ResumptionToken,
};

/// Tickets that a configuration remembers; the oldest goes when one more comes.
const MAX_REMEMBERED: usize = 1024;
/// Tickets that one connection may add: servers send one to four (hardening A4: post-handshake flood).
const MAX_PER_CONNECTION: usize = 8;

type Id = [u8; 16];

struct Remembered {
    server_name: ServerName<'static>,
    ticket: Tls13ClientSessionValue,
    group: Option<NamedGroup>,
    /// When the server proved who it is.
    proved: Instant,
}

/// The tickets of all connections of a client configuration.
pub(super) struct TicketCache(Mutex<Bounded<Id, Remembered>>);

impl Default for TicketCache {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(MAX_REMEMBERED)))
    }
}

impl TicketCache {
    fn with<T>(&self, f: impl FnOnce(&mut Bounded<Id, Remembered>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn insert(&self, remembered: Remembered) -> Id {
        let mut id = Id::default();
        random(&mut id);
        self.with(|t| t.insert(id, remembered));
        id
    }

    /// What a session with `server_name` may resume. A ticket is used once (RFC 8446 §C.4), even if in vain.
    pub(super) fn take(&self, token: &[u8], server_name: &ServerName<'_>) -> SessionTickets {
        let found = Id::try_from(token)
            .ok()
            .and_then(|id| self.with(|t| t.take(&id)))
            .filter(|r| r.server_name == *server_name);
        SessionTickets(Mutex::new(match found {
            Some(r) => Slot {
                offer: Some(r.ticket),
                group: r.group,
                proved: Some(r.proved),
                ..Slot::default()
            },
            None => Slot::default(),
        }))
    }
}

impl Debug for TicketCache {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("TicketCache(..)")
    }
}

/// The tickets of one session: the one to offer, and those received and not yet given out.
#[derive(Debug, Default)]
pub(super) struct SessionTickets(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    offer: Option<Tls13ClientSessionValue>,
    group: Option<NamedGroup>,
    /// When the server proved who it is, in the session that is offered.
    proved: Option<Instant>,
    received: Vec<(ServerName<'static>, Tls13ClientSessionValue)>,
    count: usize,
}

impl SessionTickets {
    fn with<T>(&self, f: impl FnOnce(&mut Slot) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When the server proved who it is, in the session that is offered.
    pub(super) fn proved(&self) -> Option<Instant> {
        self.with(|s| s.proved)
    }

    /// Moves what came in to `cache` and makes tokens of it; the server `proved` who it is then.
    pub(super) fn collect(
        &self,
        cache: &TicketCache,
        messages: &mut PostHandshake,
        now: Instant,
        proved: Instant,
    ) -> Vec<ResumptionToken> {
        let (received, group) = self.with(|s| (mem::take(&mut s.received), s.group));
        let age = now.saturating_duration_since(proved);
        received
            .into_iter()
            .filter_map(|(server_name, ticket)| {
                let early_data = ticket.max_early_data_size() > 0;
                let lifetime = ResumptionToken::lifetime(messages.next_lifetime(), age)?;
                let expiry = now.checked_add(lifetime)?;
                let id = cache.insert(Remembered {
                    server_name,
                    ticket,
                    group,
                    proved,
                });
                Some(ResumptionToken::new(id.to_vec(), expiry, early_data))
            })
            .collect()
    }
}

impl ClientSessionStore for SessionTickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.with(|s| s.group = Some(group));
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.with(|s| s.group)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        ticket: Tls13ClientSessionValue,
    ) {
        self.with(|s| {
            if s.count < MAX_PER_CONNECTION {
                s.count += 1;
                s.received.push((server_name, ticket));
            }
        });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|s| s.offer.take())
    }
}

/// Follows the messages after the handshake: the lifetimes of tickets, which rustls keeps to itself, and what QUIC
/// forbids.
#[derive(Debug, Default)]
pub(super) struct PostHandshake {
    /// A message's header (type and length) and its first four bytes, in a ticket the lifetime in seconds.
    head: [u8; Self::HEAD],
    filled: usize,
    skip: usize,
    lifetimes: VecDeque<u32>,
}

impl PostHandshake {
    const HEAD: usize = 8;
    const CERTIFICATE_REQUEST: u8 = 13;

    /// Looks through the next bytes of the 1-RTT CRYPTO stream, before rustls does.
    pub(super) fn read(&mut self, mut data: &[u8]) -> Res<()> {
        while let Some((&first, rest)) = data.split_first() {
            if self.skip > 0 {
                let n = self.skip.min(data.len());
                self.skip -= n;
                data = data.get(n..).unwrap_or_default();
                continue;
            }
            //= rfc9001#section-4.4
            //# clients MUST treat receipt of such messages as a connection error of type
            //# PROTOCOL_VIOLATION.
            if self.filled == 0 && first == Self::CERTIFICATE_REQUEST {
                return Err(Error::ProtocolViolation(
                    "CertificateRequest after the handshake",
                ));
            }
            if let Some(slot) = self.head.get_mut(self.filled) {
                *slot = first;
                self.filled += 1;
            }
            data = rest;
            if self.filled == Self::HEAD {
                self.whole_head();
            }
        }
        Ok(())
    }

    fn whole_head(&mut self) {
        self.filled = 0;
        let [_, a, b, c, lifetime @ ..] = self.head;
        let len = u32::from_be_bytes([0, a, b, c]);
        self.skip = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_sub(lifetime.len());
        if self.lifetimes.len() < MAX_PER_CONNECTION {
            self.lifetimes.push_back(u32::from_be_bytes(lifetime));
        }
    }

    /// How long the next ticket lives.
    fn next_lifetime(&mut self) -> Duration {
        Duration::from_secs(self.lifetimes.pop_front().map_or(0, u64::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_at_any_split() {
        let mut stream = Vec::new();
        for (lifetime, extra) in [(7u32, 0usize), (9, 5), (1 << 20, 300)] {
            let len = u32::try_from(extra + 4).unwrap().to_be_bytes();
            stream.extend_from_slice(&[4, len[1], len[2], len[3]]);
            stream.extend_from_slice(&lifetime.to_be_bytes());
            stream.extend(std::iter::repeat_n(4, extra));
        }
        for at in 0..=stream.len() {
            let mut l = PostHandshake::default();
            l.read(&stream[..at]).unwrap();
            l.read(&stream[at..]).unwrap();
            assert_eq!(l.lifetimes, [7, 9, 1 << 20], "{at}");
            assert_eq!(l.next_lifetime(), Duration::from_secs(7));
        }
    }
}

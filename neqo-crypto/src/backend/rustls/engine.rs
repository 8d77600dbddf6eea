//! What client and server sessions have in common: a rustls connection, the levels it is at, and its secrets.

use std::sync::Arc;

use neqo_common::Role;
use rustls::quic::{Connection, KeyChange};

use super::{
    capture::{Capture, Kind},
    provider::handshake_error,
};
use crate::{
    constants::{Cipher, Direction, Group, Level},
    error::{Error, Res},
    secret::Secret,
    session::{Event, Events, Info, PeerChain, check_export},
};

/// A rustls connection whose outcomes are events.
#[derive(Debug)]
pub(super) struct Engine {
    conn: Connection,
    role: Role,
    secrets: Arc<Capture>,
    read_level: Level,
    write_level: Level,
}

impl Engine {
    pub(super) const fn new(conn: Connection, role: Role, secrets: Arc<Capture>) -> Self {
        Self {
            conn,
            role,
            secrets,
            read_level: Level::Initial,
            write_level: Level::Initial,
        }
    }

    pub(super) const fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn secrets(&self) -> &Capture {
        &self.secrets
    }

    /// The level whose CRYPTO bytes TLS reads now.
    pub(super) const fn read_level(&self) -> Level {
        self.read_level
    }

    /// True once `Complete` was emitted.
    pub(super) fn is_complete(&self) -> bool {
        self.read_level == Level::OneRtt
    }

    /// Feeds CRYPTO bytes to TLS.
    //= rfc9001#section-4.1.3
    //# - If the packet is from a previously installed encryption level, it MUST NOT
    //# contain data that extends past the end of previously received data in that
    //# flow.
    pub(super) fn read(&mut self, level: Level, data: &[u8]) -> Res<()> {
        if data.is_empty() {
            return Ok(());
        }
        if level != self.read_level {
            return Err(Error::ProtocolViolation("CRYPTO data at the wrong level"));
        }
        self.conn.read_hs(data).map_err(|e| {
            let sent = self.conn.alert().map(u8::from);
            handshake_error(&e, sent)
        })
    }

    /// The early data secret, if early data is offered (client) or accepted (server). Emitted by the caller's choice of
    /// time, once.
    pub(super) fn early_secret(&self, out: &mut Events) -> Res<()> {
        if self.conn.zero_rtt_keys().is_some() {
            let direction = match self.role {
                Role::Client => Direction::Write,
                Role::Server => Direction::Read,
            };
            self.secret(Level::ZeroRtt, direction, out)?;
        }
        Ok(())
    }

    /// Emits all that TLS has to say.
    pub(super) fn drive(&mut self, out: &mut Events) -> Res<()> {
        loop {
            let mut data = Vec::new();
            let change = self.conn.write_hs(&mut data);
            if data.is_empty() && change.is_none() {
                break;
            }
            if !data.is_empty() {
                let level = self.write_level;
                out.push(Event::Crypto { level, data });
            }
            match change {
                Some(KeyChange::Handshake { .. }) => {
                    (self.read_level, self.write_level) = (Level::Handshake, Level::Handshake);
                    self.secret(Level::Handshake, Direction::Write, out)?;
                    self.secret(Level::Handshake, Direction::Read, out)?;
                }
                Some(KeyChange::OneRtt { .. }) => {
                    self.write_level = Level::OneRtt;
                    self.secret(Level::OneRtt, Direction::Write, out)?;
                }
                None => {}
            }
        }
        self.complete(out)
    }

    /// Emits what the end of the handshake brings.
    //= rfc9001#section-5.7
    //# A server MUST NOT process incoming 1-RTT protected
    //# packets before the TLS handshake is complete.
    fn complete(&mut self, out: &mut Events) -> Res<()> {
        if self.is_complete() || self.conn.is_handshaking() || self.write_level != Level::OneRtt {
            return Ok(());
        }
        self.read_level = Level::OneRtt;
        self.secret(Level::OneRtt, Direction::Read, out)?;
        out.push(Event::Complete);
        Ok(())
    }

    fn cipher(&self) -> Res<Cipher> {
        self.conn
            .negotiated_cipher_suite()
            .ok_or(Error::Internal("a secret without a cipher suite"))
            .and_then(|s| Cipher::try_from(u16::from(s.suite())))
    }

    fn secret(&self, level: Level, direction: Direction, out: &mut Events) -> Res<()> {
        let client = (direction == Direction::Write) == (self.role == Role::Client);
        let kind = match (level, client) {
            (Level::ZeroRtt, _) => Kind::ClientEarly,
            (Level::Handshake, true) => Kind::ClientHandshake,
            (Level::Handshake, false) => Kind::ServerHandshake,
            (Level::OneRtt, true) => Kind::ClientTraffic,
            (Level::OneRtt, false) => Kind::ServerTraffic,
            (Level::Initial, _) => return Err(Error::Internal("TLS has no Initial secret")),
        };
        let bytes = self
            .secrets
            .take(kind)
            .ok_or(Error::Internal("rustls did not show a secret"))?;
        let secret = Secret::new(level, direction, self.cipher()?, &bytes)?;
        out.push(Event::Secret(secret));
        Ok(())
    }

    /// What is negotiated so far.
    pub(super) fn info(&self, early_data_accepted: bool, server_name: Option<String>) -> Res<Info> {
        Ok(Info {
            alpn: self.conn.alpn_protocol().map(<[u8]>::to_vec),
            cipher: self.cipher()?,
            group: self
                .conn
                .negotiated_key_exchange_group()
                .and_then(|g| Group::try_from(u16::from(g.name())).ok()),
            signature_scheme: None,
            resumed: self.resumed(),
            early_data_accepted,
            ech_accepted: self.secrets.is_inner(),
            server_name,
        })
    }

    pub(super) fn resumed(&self) -> bool {
        self.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// The chain of certificates that the peer showed, if it did.
    pub(super) fn peer_chain(&self) -> Option<PeerChain> {
        let certs = self.conn.peer_certificates()?;
        Some(PeerChain::new(certs.iter().map(|c| c.to_vec()).collect()))
    }

    pub(super) fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        if !self.is_complete() {
            return Err(Error::NotAvailable);
        }
        check_export(self.cipher()?, label, context, out)?;
        self.conn
            .export_keying_material(out, label.as_bytes(), Some(context))
            .map(|_| ())
            .map_err(|_| Error::Internal("exporter"))
    }
}

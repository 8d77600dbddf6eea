//! What client and server sessions have in common: NSS's connection, the levels it is at, and its messages and secrets.

use neqo_common::{Role, qdebug};
use zeroize::Zeroizing;

use super::messages::{self, ServerHello};
use crate::{
    constants::{Cipher, Direction, Level},
    ech_configs,
    error::{Error, Res, alert},
    keylog::KeyLog,
    nss::{self, Agent, Epoch, Failure, Output},
    secret::Secret,
    session::{Event, Events, check_export},
};

const EARLY_DATA: Epoch = 1;
const HANDSHAKE: Epoch = 2;
const APPLICATION: Epoch = 3;

/// A handshake message with its header.
#[derive(Debug)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn kind(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An NSS connection whose outcomes are events.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) agent: Agent,
    role: Role,
    key_log: Option<KeyLog>,
    /// The level whose CRYPTO bytes TLS reads now.
    level: Level,
    /// True while TLS reads nothing: the server's flight has ended, the verdict is due.
    pub(super) closed: bool,
    inbox: Vec<u8>,
    client_random: Option<[u8; 32]>,
    hello: Option<ServerHello>,
    /// The cookie extension of a server's `HelloRetryRequest`.
    cookie: Option<Vec<u8>>,
    /// How a client's server wants to be asked by encrypted `ClientHello` (ECHConfigList); to be believed when NSS says
    /// that it did not accept.
    retry_configs: Vec<u8>,
    early: bool,
    complete: bool,
    /// A server's secret to read with, until the handshake is complete.
    held: Option<Secret>,
}

impl Engine {
    pub(super) const fn new(agent: Agent, role: Role, key_log: Option<KeyLog>) -> Self {
        Self {
            agent,
            role,
            key_log,
            level: Level::Initial,
            closed: false,
            inbox: Vec::new(),
            client_random: None,
            hello: None,
            cookie: None,
            retry_configs: Vec::new(),
            early: false,
            complete: false,
            held: None,
        }
    }

    pub(super) const fn level(&self) -> Level {
        self.level
    }

    /// True once `Complete` was emitted.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// What the `ServerHello` said, once there is one.
    pub(super) const fn hello(&self) -> Option<ServerHello> {
        self.hello
    }

    /// The cookie extension of the `HelloRetryRequest`, once a server sent one.
    pub(super) fn cookie(&self) -> Option<&[u8]> {
        self.cookie.as_deref()
    }

    /// True if this server accepted early data.
    pub(super) const fn early(&self) -> bool {
        self.early
    }

    /// Notes how the server wants to be asked. NSS itself keeps that only if it can use it, and would not tell a server
    /// that it cannot ask from one that does not want to be.
    pub(super) fn note_retry_configs(&mut self, list: &[u8]) {
        self.retry_configs = list.to_vec();
    }

    pub(super) const fn note_client_random(&mut self, random: Option<[u8; 32]>) {
        if self.client_random.is_none() {
            self.client_random = random;
        }
    }

    /// Takes CRYPTO bytes.
    //= rfc9001#section-4.1.3
    //# - If the packet is from a previously installed encryption level, it MUST NOT
    //# contain data that extends past the end of previously received data in that
    //# flow.
    pub(super) fn gather(&mut self, level: Level, data: &[u8]) -> Res<()> {
        if data.is_empty() {
            return Ok(());
        }
        if level != self.level || self.closed {
            return Err(Error::ProtocolViolation("CRYPTO data at the wrong level"));
        }
        self.inbox.extend_from_slice(data);
        if self.level == Level::OneRtt {
            self.allowed_after_handshake()?;
        }
        Ok(())
    }

    /// Judges the type of the next message after the handshake, as soon as it is there.
    fn allowed_after_handshake(&self) -> Res<()> {
        let client = self.role == Role::Client;
        match self.inbox.first() {
            None => Ok(()),
            Some(&messages::NEW_SESSION_TICKET) if client => Ok(()),
            //= rfc9001#section-4.4
            //# clients MUST treat receipt of such messages as a connection error of type
            //# PROTOCOL_VIOLATION.
            Some(&messages::CERTIFICATE_REQUEST) if client => Err(Error::ProtocolViolation(
                "CertificateRequest after the handshake",
            )),
            //= rfc9001#section-6
            //# Endpoints MUST treat the receipt of a TLS KeyUpdate
            //# message as a connection error of type 0x010a, equivalent to a
            //# fatal TLS alert of unexpected_message
            Some(_) => Err(Error::Alert(alert::UNEXPECTED_MESSAGE)),
        }
    }

    /// The next message, if it is whole.
    pub(super) fn next(&mut self) -> Res<Option<Message>> {
        if self.level == Level::OneRtt {
            self.allowed_after_handshake()?;
        }
        match messages::message_len(&self.inbox)? {
            Some(len) if len <= self.inbox.len() => {
                let rest = self.inbox.split_off(len);
                Ok(Some(Message(std::mem::replace(&mut self.inbox, rest))))
            }
            _ => Ok(None),
        }
    }

    /// Has NSS process a message.
    //= rfc9001#section-4.1.3
    //# When TLS provides keys for a higher encryption level,
    //# if there is data from a previous encryption level that TLS has not consumed,
    //# this MUST be treated as a connection error of type PROTOCOL_VIOLATION.
    pub(super) fn feed(&mut self, message: &Message, out: &mut Events) -> Res<()> {
        let before = self.level;
        let epoch = match before {
            Level::Initial => 0,
            Level::ZeroRtt | Level::Handshake => HANDSHAKE,
            Level::OneRtt => APPLICATION,
        };
        if self.role == Role::Client
            && let Some(hello) = ServerHello::parse(message.bytes())
        {
            self.hello = Some(hello);
        }
        self.agent
            .feed(epoch, message.bytes())
            .map_err(|f| match f.code {
                nss::ECH_RETRY_WITH_ECH | nss::ECH_RETRY_WITHOUT_ECH => self.failed(f),
                _ => failed(f, message.kind()),
            })?;
        self.drain(out)?;
        if message.kind() == messages::FINISHED && !self.complete {
            self.closed = true;
        }
        self.advance(out)?;
        if (self.level != before || self.closed) && !self.inbox.is_empty() {
            return Err(Error::ProtocolViolation(
                "CRYPTO data beyond the end of its level",
            ));
        }
        Ok(())
    }

    /// Begins, or goes on after a verdict.
    pub(super) fn advance(&mut self, out: &mut Events) -> Res<()> {
        if self.complete {
            return Ok(());
        }
        let complete = self.agent.drive().map_err(|f| self.failed(f))?;
        self.drain(out)?;
        if complete {
            self.complete = true;
            self.closed = false;
            self.level = Level::OneRtt;
            //= rfc9001#section-5.7
            //# A server MUST NOT process incoming 1-RTT protected
            //# packets before the TLS handshake is complete.
            if let Some(secret) = self.held.take() {
                out.push(Event::Secret(secret));
            }
            out.push(Event::Complete);
        }
        Ok(())
    }

    /// Says that the certificate is good.
    pub(super) fn accept(&mut self, out: &mut Events) -> Res<()> {
        self.agent.accept().map_err(|f| self.failed(f))?;
        self.drain(out)?;
        self.advance(out)
    }

    /// The error for what NSS refuses without a message.
    fn failed(&self, failure: Failure) -> Error {
        match failure.code {
            nss::ECH_RETRY_WITH_ECH | nss::ECH_RETRY_WITHOUT_ECH => {
                ech_configs::retry(self.retry_configs.clone())
            }
            _ => failed(failure, 0),
        }
    }

    /// Sends a ticket of a session whose client `proved` who it is then, in microseconds since 1970.
    pub(super) fn send_ticket(&mut self, proved: i64, out: &mut Events) -> Res<()> {
        self.agent.send_ticket(proved).map_err(|f| failed(f, 0))?;
        self.drain(out)
    }

    /// Emits what NSS produced.
    fn drain(&mut self, out: &mut Events) -> Res<()> {
        let output = self.agent.take_output();
        for data in output.iter().filter_map(|o| match o {
            Output::Data(0, data) => Some(data),
            _ => None,
        }) {
            match self.role {
                Role::Client => self.note_client_random(messages::client_random(data)),
                Role::Server => {
                    self.hello = self.hello.or_else(|| ServerHello::parse(data));
                    let cookie = messages::retry_cookie(data).map(<[u8]>::to_vec);
                    self.cookie = cookie.or_else(|| self.cookie.take());
                }
            }
        }
        for o in output {
            match o {
                Output::Data(epoch, data) => out.push(Event::Crypto {
                    level: level_of(epoch)?,
                    data,
                }),
                Output::Secret(epoch, write, bytes) => self.secret(epoch, write, &bytes, out)?,
            }
        }
        Ok(())
    }

    fn cipher(&self, epoch: Epoch) -> Res<Cipher> {
        match self.hello {
            Some(hello) => Ok(hello.cipher),
            None if epoch == EARLY_DATA => Cipher::try_from(self.agent.early_data_cipher()?),
            None => Err(Error::Internal("a secret without a cipher suite")),
        }
    }

    fn secret(
        &mut self,
        epoch: Epoch,
        write: bool,
        bytes: &Zeroizing<Vec<u8>>,
        out: &mut Events,
    ) -> Res<()> {
        let (level, cipher) = (level_of(epoch)?, self.cipher(epoch)?);
        let direction = if write {
            Direction::Write
        } else {
            Direction::Read
        };
        if let (Some(log), Some(random)) = (&self.key_log, &self.client_random) {
            let client = write == (self.role == Role::Client);
            log.write(log_label(level, client), random, bytes);
        }
        let secret = Secret::new(level, direction, cipher, bytes)?;
        if level == Level::OneRtt && !write && self.role == Role::Server {
            self.held = Some(secret);
            return Ok(());
        }
        self.early |= level == Level::ZeroRtt && !write;
        if level == Level::Handshake {
            self.level = Level::Handshake;
        }
        out.push(Event::Secret(secret));
        Ok(())
    }

    pub(super) fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        let hello = self.hello.filter(|_| self.complete);
        let cipher = hello.ok_or(Error::NotAvailable)?.cipher;
        check_export(cipher, label, context, out)?;
        self.agent.export(label, context, out)
    }
}

const fn level_of(epoch: Epoch) -> Res<Level> {
    Ok(match epoch {
        0 => Level::Initial,
        EARLY_DATA => Level::ZeroRtt,
        HANDSHAKE => Level::Handshake,
        APPLICATION => Level::OneRtt,
        _ => return Err(Error::Internal("an epoch that QUIC has not")),
    })
}

const fn log_label(level: Level, client: bool) -> &'static str {
    match (level, client) {
        (Level::ZeroRtt | Level::Initial, _) => "CLIENT_EARLY_TRAFFIC_SECRET",
        (Level::Handshake, true) => "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        (Level::Handshake, false) => "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        (Level::OneRtt, true) => "CLIENT_TRAFFIC_SECRET_0",
        (Level::OneRtt, false) => "SERVER_TRAFFIC_SECRET_0",
    }
}

/// The error for what NSS refuses while it processes a message of type `kind`; 0 if none.
fn failed(failure: Failure, kind: u8) -> Error {
    let name = nss::error_name(failure.code);
    qdebug!("TLS failed: {name}, alert {:?}", failure.alert);
    // Some of what is malformed, NSS refuses without an alert.
    let malformed = name.starts_with("SSL_ERROR_RX_MALFORMED_");
    let alert = failure.alert.unwrap_or(if malformed {
        alert::DECODE_ERROR
    } else {
        alert::INTERNAL_ERROR
    });
    match kind {
        // NSS's word for a key that it cannot read.
        messages::CERTIFICATE | messages::COMPRESSED_CERTIFICATE
            if alert == alert::INTERNAL_ERROR =>
        {
            Error::Certificate {
                alert: alert::BAD_CERTIFICATE,
                reason: name,
            }
        }
        messages::CERTIFICATE | messages::COMPRESSED_CERTIFICATE | messages::CERTIFICATE_VERIFY => {
            Error::Certificate {
                alert,
                reason: name,
            }
        }
        _ => Error::Alert(alert),
    }
}

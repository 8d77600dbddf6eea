//! A client's handshake and what follows it: what rustls says, in the order and at the time that a host can use it.

use std::{mem, sync::Arc, time::Instant};

use rustls::quic::Connection;

use super::{
    super::messages,
    client::Shared,
    ech,
    engine::Engine,
    proof::Proof,
    tickets::{PostHandshake, SessionTickets},
};
use crate::{
    auth::AuthenticationStatus,
    constants::Level,
    ech_configs,
    error::{Error, Res, alert},
    session::{Event, Events, Info, PeerChain},
};

/// Whether what shows that we accept the server may go out.
#[derive(Debug)]
enum Gate {
    Open,
    /// The host verifies, and the chain is not here yet.
    Closed(Events),
    /// The host was asked.
    Asked(Events),
    /// The host was asked about a server that did not accept encrypted `ClientHello`: nothing will go out. The
    /// configurations to retry with.
    Refused(Vec<u8>),
}

/// A client's handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    shared: Arc<Shared>,
    tickets: Arc<SessionTickets>,
    engine: Engine,
    proof: Proof,
    later: PostHandshake,
    server_name: Option<String>,
    /// Who the server has to be if it does not accept encrypted `ClientHello`.
    public_name: Option<String>,
    dead: bool,
    gate: Gate,
    /// When the server proved who it is, or a bit before.
    proved: Option<Instant>,
    info: Option<Info>,
    chain: Option<PeerChain>,
}

impl Handshake {
    pub(super) fn new(
        shared: Arc<Shared>,
        tickets: Arc<SessionTickets>,
        engine: Engine,
        server_name: Option<String>,
        public_name: Option<String>,
    ) -> Self {
        let gate = if shared.host_verifies {
            Gate::Closed(Events::default())
        } else {
            Gate::Open
        };
        Self {
            shared,
            tickets,
            engine,
            proof: Proof::default(),
            later: PostHandshake::default(),
            server_name,
            public_name,
            dead: false,
            gate,
            proved: None,
            info: None,
            chain: None,
        }
    }

    /// Emits the `ClientHello`, and the secret of early data.
    pub(super) fn start(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        self.proved = Some(now);
        let mut first = Events::default();
        self.emit(now, &mut first)?;
        if self.public_name.is_some() {
            let outer = first.iter().find_map(|e| match e {
                Event::Crypto { data, .. } => messages::client_random(data),
                _ => None,
            });
            let outer = outer.ok_or(Error::Internal("no ClientHello"))?;
            self.engine.secrets().note_outer(outer);
        }
        out.append(&mut first);
        self.engine.early_secret(out)
    }

    /// Makes any error the last thing that happens.
    fn run(&mut self, f: impl FnOnce(&mut Self) -> Res<()>) -> Res<()> {
        if self.dead {
            return Err(Error::State);
        }
        f(self).inspect_err(|_| self.die())
    }

    /// Ends the session; what was withheld goes nowhere.
    fn die(&mut self) {
        self.dead = true;
        self.gate = Gate::Open;
    }

    pub(super) fn read(
        &mut self,
        level: Level,
        data: &[u8],
        now: Instant,
        out: &mut Events,
    ) -> Res<()> {
        self.run(|s| {
            if level == Level::OneRtt {
                // Nobody can have keys for this yet if we have not shown that we accept the server.
                if !matches!(s.gate, Gate::Open) {
                    return Err(Error::ProtocolViolation("1-RTT data before the verdict"));
                }
                s.later.read(data)?;
            }
            let taken = s.engine.read(level, data);
            if level == Level::Handshake && matches!(taken, Ok(()) | Err(Error::EchRetry(_))) {
                s.proof.read(data);
            }
            // Its ticket stood in the inner `ClientHello` only (RFC 9849 §6.1.2).
            if s.exposed() && s.engine.resumed() {
                return Err(Error::Alert(alert::ILLEGAL_PARAMETER));
            }
            match taken {
                Ok(()) if level == Level::Initial => s.emit_second_hello(now, out),
                Ok(()) => s.emit(now, out),
                Err(Error::EchRetry(_)) => s.refuse(out),
                Err(e) => Err(e),
            }
        })
    }

    /// True if the server does not accept encrypted `ClientHello`, or has not yet.
    fn exposed(&self) -> bool {
        self.public_name.is_some() && !self.engine.secrets().is_inner()
    }

    /// Emits what the bytes of the Initial level brought, unless it tells who is asked for.
    fn emit_second_hello(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        let mut fresh = Events::default();
        self.emit(now, &mut fresh)?;
        let told = fresh.iter().any(|e| match e {
            Event::Crypto { data, .. } => self.public_name.is_some() && ech::shows_ticket(data),
            _ => false,
        });
        if told {
            return Err(Error::Alert(alert::HANDSHAKE_FAILURE));
        }
        out.append(&mut fresh);
        Ok(())
    }

    /// The server's flight is whole, and it did not accept encrypted `ClientHello`.
    fn refuse(&mut self, out: &mut Events) -> Res<()> {
        let retry = self.proof.take_retry_configs();
        if matches!(self.gate, Gate::Open) {
            return Err(ech_configs::retry(retry));
        }
        self.emit_params(out)?;
        self.ask(out);
        match self.gate {
            Gate::Asked(_) => {
                self.gate = Gate::Refused(retry);
                Ok(())
            }
            Gate::Refused(_) => Err(Error::ProtocolViolation("CRYPTO data after Finished")),
            Gate::Open | Gate::Closed(_) => Err(Error::Internal("a flight without a chain")),
        }
    }

    /// Emits what the last bytes brought, in an order in which each event finds what it needs.
    fn emit(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        if self.engine.read_level() == Level::Handshake {
            self.emit_params(out)?;
            self.ask(out);
        }
        let mut fresh = Events::default();
        self.engine.drive(&mut fresh)?;
        self.pass(&mut fresh, out);
        let resumed = self.tickets.proved().filter(|_| self.engine.resumed());
        let proved = resumed.or(self.proved).unwrap_or(now);
        let (cache, messages) = (&self.shared.tickets, &mut self.later);
        for token in self.tickets.collect(cache, messages, now, proved) {
            out.push(Event::Ticket(token));
        }
        Ok(())
    }

    /// Once `EncryptedExtensions` are in: they are what selects a protocol. (Before, a resumed rustls connection shows
    /// the parameters that it remembers.)
    fn emit_params(&mut self, out: &mut Events) -> Res<()> {
        let Connection::Client(conn) = self.engine.conn() else {
            return Err(Error::Internal("a client without a client"));
        };
        if self.info.is_some() || conn.alpn_protocol().is_none() {
            return Ok(());
        }
        let params = conn
            .quic_transport_parameters()
            .ok_or(Error::Internal("no transport parameters"))?;
        out.push(Event::PeerParams(params.to_vec()));
        let early = conn.is_early_data_accepted();
        self.info = Some(self.engine.info(early, self.server_name.clone())?);
        Ok(())
    }

    /// Asks for a verdict once the chain is in; rustls shows it when `CertificateVerify` is checked.
    fn ask(&mut self, out: &mut Events) {
        if self.chain.is_some() {
            return;
        }
        let Some(chain) = self.engine.peer_chain() else {
            return;
        };
        let chain = chain.with_stapled(self.proof.take_ocsp(), None);
        if let Some(info) = &mut self.info {
            info.signature_scheme = self.proof.scheme();
        }
        self.chain = Some(chain.clone());
        if let Some(name) = self.public_name.as_ref().filter(|_| self.exposed()) {
            out.push(Event::EchFallback(name.clone()));
        }
        let Gate::Closed(held) = &mut self.gate else {
            return;
        };
        if self.engine.resumed() {
            // Its first session was accepted by the same host under the same name.
            out.append(held);
            self.gate = Gate::Open;
        } else {
            self.gate = Gate::Asked(mem::take(held));
            out.push(Event::AuthenticationNeeded(chain));
        }
    }

    /// Lets events through, or withholds those that show acceptance.
    fn pass(&mut self, fresh: &mut Events, out: &mut Events) {
        match &mut self.gate {
            Gate::Open => out.append(fresh),
            Gate::Refused(_) => {}
            Gate::Closed(held) | Gate::Asked(held) => {
                while let Some(event) = fresh.pop() {
                    match &event {
                        Event::Crypto { level, .. } if *level == Level::Initial => out.push(event),
                        Event::Secret(s) if s.level != Level::OneRtt => out.push(event),
                        _ => held.push(event),
                    }
                }
            }
        }
    }

    /// Takes the host's verdict.
    pub(super) fn authenticated(
        &mut self,
        verdict: AuthenticationStatus,
        out: &mut Events,
    ) -> Res<()> {
        let retry = match &mut self.gate {
            Gate::Asked(held) => {
                if verdict.alert().is_none() {
                    out.append(held);
                }
                None
            }
            Gate::Refused(retry) => Some(mem::take(retry)),
            Gate::Open | Gate::Closed(_) => return Err(Error::State),
        };
        self.gate = Gate::Open;
        match (verdict.alert(), retry) {
            (None, None) => Ok(()),
            (None, Some(configs)) => {
                self.die();
                Err(ech_configs::retry(configs))
            }
            (Some(alert), _) => {
                self.die();
                out.push(Event::Alert(alert));
                Ok(())
            }
        }
    }

    pub(super) const fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    pub(super) const fn chain(&self) -> Option<&PeerChain> {
        self.chain.as_ref()
    }

    pub(super) fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        if self.dead || !matches!(self.gate, Gate::Open) {
            return Err(Error::NotAvailable);
        }
        self.engine.export(label, context, out)
    }
}

//! Client sessions.

use std::{mem, sync::Arc, time::Instant};

use neqo_common::Role;
use rustls::{
    ClientConfig,
    client::Resumption,
    pki_types::ServerName,
    quic::{ClientConnection, Connection, Version},
};

use super::{
    capture::Capture,
    engine::Engine,
    proof::Proof,
    provider::{config_error, provider},
    server::credential,
    tickets::{PostHandshake, SessionTickets, TicketCache},
    verifier::verifier,
};
use crate::{
    auth::AuthenticationStatus,
    client::ClientBuilder,
    constants::Level,
    ech::unsupported,
    error::{Error, Res},
    keylog::KeyLog,
    session::{Event, Events, Info, PeerChain, ResumptionToken, Session},
    verify::Verification,
};

/// Makes client sessions.
#[derive(Clone, Debug)]
pub(crate) struct ClientFactory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    tickets: TicketCache,
    key_log: Option<KeyLog>,
    host_verifies: bool,
}

impl ClientFactory {
    pub(crate) fn new(builder: ClientBuilder) -> Res<Self> {
        if builder.settings.additional_key_shares > 0 {
            return Err(Error::Config(
                "rustls chooses the number of key shares itself".into(),
            ));
        }
        let provider = provider(&builder.settings.ciphers, &builder.settings.groups)?;
        let verifier = verifier(&builder.verification, &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            //= rfc9001#section-4.2
            //# Clients MUST NOT offer TLS versions older than 1.3.
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(config_error)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &builder.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = credential(identity)?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(config_error)?
            }
        };
        config.enable_early_data = builder.settings.early_data;
        Ok(Self(Arc::new(Shared {
            config,
            tickets: TicketCache::default(),
            key_log: builder.settings.key_log,
            host_verifies: matches!(builder.verification, Verification::Host),
        })))
    }

    pub(crate) fn session(
        &self,
        name: &ServerName<'static>,
        alpn: &[Vec<u8>],
        params: &[u8],
        token: Option<&ResumptionToken>,
    ) -> Res<Box<dyn Session>> {
        let shared = &self.0;
        let tickets = match token {
            Some(t) => shared.tickets.take(t.as_ref(), name),
            None => SessionTickets::default(),
        };
        let tickets = Arc::new(tickets);
        let secrets = Arc::new(Capture::new(shared.key_log.clone()));
        let mut config = shared.config.clone();
        config.alpn_protocols = alpn.to_vec();
        config.key_log = Arc::<Capture>::clone(&secrets);
        config.resumption = Resumption::store(Arc::<SessionTickets>::clone(&tickets));
        let sni = match name {
            ServerName::DnsName(n) => Some(n.as_ref().to_owned()),
            _ => None,
        };
        let conn =
            ClientConnection::new(Arc::new(config), Version::V1, name.clone(), params.to_vec())
                .map_err(config_error)?;
        Ok(Box::new(ClientSession {
            engine: Engine::new(Connection::Client(conn), Role::Client, secrets),
            shared: Arc::clone(shared),
            tickets,
            proof: Proof::default(),
            post_handshake: PostHandshake::default(),
            server_name: sni,
            state: State::Idle,
            gate: Gate::Open,
            proved: None,
            info: None,
            chain: None,
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    Dead,
}

/// Whether what shows that we accept the server may go out.
#[derive(Debug)]
enum Gate {
    Open,
    /// The host verifies, and the chain is not here yet.
    Closed(Events),
    /// The host was asked.
    Asked(Events),
}

/// A client's session.
#[derive(Debug)]
struct ClientSession {
    engine: Engine,
    shared: Arc<Shared>,
    tickets: Arc<SessionTickets>,
    proof: Proof,
    post_handshake: PostHandshake,
    server_name: Option<String>,
    state: State,
    gate: Gate,
    /// When the server proved who it is, or a bit before.
    proved: Option<Instant>,
    info: Option<Info>,
    chain: Option<PeerChain>,
}

impl ClientSession {
    /// Makes any error the last thing that happens.
    fn run(&mut self, expected: State, f: impl FnOnce(&mut Self) -> Res<()>) -> Res<()> {
        if self.state != expected {
            return Err(Error::State);
        }
        self.state = State::Running;
        f(self).inspect_err(|_| self.die())
    }

    /// Ends the session; what was withheld goes nowhere.
    fn die(&mut self) {
        self.state = State::Dead;
        self.gate = Gate::Open;
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
        let (cache, messages) = (&self.shared.tickets, &mut self.post_handshake);
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
}

impl Session for ClientSession {
    fn enable_ech(&mut self, _: &[u8]) -> Res<()> {
        Err(unsupported())
    }

    fn start(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        self.run(State::Idle, |s| {
            s.proved = Some(now);
            if s.shared.host_verifies {
                s.gate = Gate::Closed(Events::default());
            }
            s.emit(now, out)?;
            s.engine.early_secret(out)
        })
    }

    fn read(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        self.run(State::Running, |s| {
            if level == Level::OneRtt {
                // Nobody can have keys for this yet if we have not shown that we accept the server.
                if !matches!(s.gate, Gate::Open) {
                    return Err(Error::ProtocolViolation("1-RTT data before the verdict"));
                }
                s.post_handshake.read(data)?;
            }
            s.engine.read(level, data)?;
            if level == Level::Handshake {
                s.proof.read(data);
            }
            s.emit(now, out)
        })
    }

    fn set_local_params(&mut self, _: &[u8], _: Instant, _: &mut Events) -> Res<()> {
        Err(Error::State)
    }

    fn authenticated(
        &mut self,
        verdict: AuthenticationStatus,
        _now: Instant,
        out: &mut Events,
    ) -> Res<()> {
        let Gate::Asked(held) = &mut self.gate else {
            return Err(Error::State);
        };
        if let Some(alert) = verdict.alert() {
            out.push(Event::Alert(alert));
            self.die();
        } else {
            out.append(held);
            self.gate = Gate::Open;
        }
        Ok(())
    }

    fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    fn peer_certificate(&self) -> Option<&PeerChain> {
        self.chain.as_ref()
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        if self.state != State::Running || !matches!(self.gate, Gate::Open) {
            return Err(Error::NotAvailable);
        }
        self.engine.export(label, context, out)
    }
}

//! Client sessions.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use neqo_common::{Role, qdebug};
use rustls_pki_types::ServerName;

use super::{
    clock,
    engine::{Engine, Message},
    messages::{self, Ticket},
    server::credential,
    token::{self, Token},
    verifier::Verifier,
};
use crate::{
    auth::AuthenticationStatus,
    client::ClientBuilder,
    constants::Level,
    ech::nothing_to_hide,
    ech_configs,
    error::{Error, Res, alert},
    nss::{self, Agent, Common, Credential},
    session::{Event, Events, Info, PeerChain, ResumptionToken, Session},
    settings::Settings,
    verify::Verification,
};

/// Tickets that one connection may add: servers send one to four (hardening A4: post-handshake flood).
const MAX_TICKETS: usize = 8;
/// Used tickets that a configuration remembers, so as not to use them again.
const MAX_USED: usize = 1024;

/// Makes client sessions.
#[derive(Clone, Debug)]
pub(crate) struct ClientFactory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    verification: Verification,
    verifier: Verifier,
    identity: Option<Arc<Credential>>,
    used: Mutex<VecDeque<[u8; 32]>>,
}

impl Shared {
    /// The session that a token is for, if it is of use. It is used up by that (RFC 8446 §C.4).
    fn take(&self, token: &ResumptionToken, binding: &[u8; 32]) -> Option<Token> {
        let id = Token::id(token.as_ref());
        let found = Token::decode(token.as_ref()).filter(|t| t.binding == *binding)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&id) {
            return None;
        }
        if used.len() >= MAX_USED {
            used.pop_front();
        }
        used.push_back(id);
        Some(found)
    }
}

impl ClientFactory {
    pub(crate) fn new(builder: ClientBuilder) -> Res<Self> {
        let mut settings = builder.settings;
        settings.groups = nss::supported_groups(&settings.groups)?;
        if settings.ciphers.is_empty() || settings.groups.is_empty() {
            return Err(Error::Config("no cipher suite or no group".into()));
        }
        let identity = builder.identity.as_ref().map(credential).transpose()?;
        Ok(Self(Arc::new(Shared {
            identity: identity.map(Arc::new),
            verifier: Verifier::new(&builder.verification)?,
            verification: builder.verification,
            settings,
            used: Mutex::default(),
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
        let sni = matches!(name, ServerName::DnsName(_));
        let name = name.to_str().into_owned();
        let identity = shared.identity.as_ref();
        let leaf = identity.and_then(|i| i.chain().first().map(Vec::as_slice));
        let binding = Verifier::binding(&shared.verification, leaf, &name);
        let resumed = token.and_then(|t| shared.take(t, &binding));
        let mut groups = shared.settings.groups.clone();
        // The group that the server once wanted saves a `HelloRetryRequest`.
        if let Some(g) = resumed.as_ref().and_then(|t| t.group)
            && let Some(at) = groups.iter().position(|&own| own == g)
        {
            groups[..=at].rotate_right(1);
        }
        let mut agent = Agent::client(
            &Common {
                ciphers: &shared.settings.cipher_ids(),
                groups: &groups.iter().map(|g| g.id()).collect::<Vec<_>>(),
                alpn,
                params: params.to_vec(),
                early_data: shared.settings.early_data,
                now: 0,
            },
            &name,
            shared.settings.additional_key_shares,
        )?;
        if let Some(identity) = &shared.identity {
            agent.set_identity(Arc::clone(identity))?;
        }
        Ok(Box::new(ClientSession {
            engine: Engine::new(agent, Role::Client, shared.settings.key_log.clone()),
            shared: Arc::clone(shared),
            binding,
            name,
            sni,
            ech: None,
            resumed,
            state: State::Idle,
            verdict: Verdict::NotDue,
            proved: 0,
            info: None,
            chain: None,
            tickets: 0,
        }))
    }
}

/// What NSS may choose from: by itself it takes names, too, that other libraries read as addresses.
fn valid_list(configs: &[u8]) -> Res<Vec<u8>> {
    if configs.is_empty() {
        return Ok(Vec::new());
    }
    let valid = ech_configs::valid(configs)?;
    if valid.is_empty() {
        return Err(ech_configs::none());
    }
    Ok(ech_configs::list(&valid))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    NotDue,
    Due,
}

/// A client's session.
struct ClientSession {
    engine: Engine,
    shared: Arc<Shared>,
    binding: [u8; 32],
    name: String,
    /// Whether the name is one that the server is told.
    sni: bool,
    /// By which configurations the `ClientHello` is to be encrypted.
    ech: Option<Vec<u8>>,
    /// What to resume.
    resumed: Option<Token>,
    state: State,
    verdict: Verdict,
    /// When the server proved who it is, or a bit before, in microseconds since 1970.
    proved: i64,
    info: Option<Info>,
    chain: Option<PeerChain>,
    tickets: usize,
}

impl std::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSession")
            .field("name", &self.name)
            .field("state", &self.state)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl ClientSession {
    /// Makes any error the last thing that happens; nothing comes out with it.
    fn run(
        &mut self,
        expected: State,
        now: Instant,
        out: &mut Events,
        f: impl FnOnce(&mut Self, &mut Events) -> Res<()>,
    ) -> Res<()> {
        if self.state != expected {
            return Err(Error::State);
        }
        self.state = State::Running;
        self.engine.agent.set_now(clock::micros(now));
        let mut fresh = Events::default();
        f(self, &mut fresh).inspect_err(|_| self.die())?;
        out.append(&mut fresh);
        Ok(())
    }

    const fn die(&mut self) {
        self.state = State::Dead;
        self.verdict = Verdict::NotDue;
    }

    /// Offers to resume. Whatever is wrong with that leads to a full handshake.
    fn offer(&self) {
        let Some(token) = &self.resumed else {
            return;
        };
        let offered = token.session().and_then(|s| self.engine.agent.resume(&s));
        if let Err(e) = offered {
            qdebug!("cannot resume: {e}");
        }
    }

    fn message(&mut self, message: &Message, now: Instant, out: &mut Events) -> Res<()> {
        let kind = message.kind();
        let level = self.engine.level();
        let ticket = if level == Level::OneRtt {
            Some(Ticket::parse(message.bytes())?)
        } else {
            None
        };
        if ticket.is_some() && self.tickets >= MAX_TICKETS {
            return Ok(());
        }
        self.engine.feed(message, out)?;
        match (level, kind) {
            (Level::Handshake, messages::ENCRYPTED_EXTENSIONS) => {
                self.encrypted_extensions(message, out)
            }
            (Level::Handshake, messages::CERTIFICATE_VERIFY) => {
                if let Some(info) = &mut self.info {
                    info.signature_scheme = messages::signature_scheme(message.bytes());
                }
                self.certificate(out)
            }
            _ => match ticket {
                Some(ticket) => {
                    self.ticket(ticket, now, out);
                    Ok(())
                }
                None => Ok(()),
            },
        }
    }

    fn encrypted_extensions(&mut self, message: &Message, out: &mut Events) -> Res<()> {
        //= rfc9001#section-8.2
        //# EncryptedExtensions messages without the quic_transport_parameters extension
        //# MUST close the connection with an error of type 0x016d
        let params = self
            .engine
            .agent
            .peer_params()
            .ok_or(Error::Alert(alert::MISSING_EXTENSION))?;
        out.push(Event::PeerParams(params.to_vec()));
        let kind = messages::EXT_ENCRYPTED_CLIENT_HELLO;
        if let Some(list) = messages::encrypted_extension(message.bytes(), kind) {
            self.engine.note_retry_configs(list);
        }
        let hello = self
            .engine
            .hello()
            .ok_or(Error::Internal("no ServerHello"))?;
        //= rfc9001#section-8.1
        //# When using ALPN, endpoints MUST immediately close a connection (see
        let alpn = self
            .engine
            .agent
            .alpn_selected()
            .ok_or(Error::Alert(alert::NO_APPLICATION_PROTOCOL))?;
        if let Some(token) = self.resumed.as_ref().filter(|_| hello.resumed) {
            self.chain = Some(token.chain.clone());
            self.proved = token.proved;
        }
        self.info = Some(Info {
            alpn: Some(alpn),
            cipher: hello.cipher,
            group: hello.group,
            signature_scheme: None,
            resumed: hello.resumed,
            early_data_accepted: messages::accepts_early_data(message.bytes()),
            ech_accepted: self.engine.agent.ech_accepted()?,
            server_name: self.sni.then(|| self.name.clone()),
        });
        Ok(())
    }

    /// The server has proved that it holds the key of its certificate.
    fn certificate(&mut self, out: &mut Events) -> Res<()> {
        if !self.engine.agent.asked() {
            return Err(Error::Internal("a proof without a certificate"));
        }
        let (ocsp, timestamps) = self.engine.agent.stapled();
        let chain = PeerChain::new(self.engine.agent.chain()).with_stapled(ocsp, timestamps);
        self.chain = Some(chain.clone());
        let fallback = self.engine.agent.ech_public_name()?;
        if let Some(name) = &fallback {
            out.push(Event::EchFallback(name.clone()));
        }
        if matches!(self.shared.verifier, Verifier::Host) {
            self.verdict = Verdict::Due;
            out.push(Event::AuthenticationNeeded(chain));
            return Ok(());
        }
        let name = fallback.as_ref().unwrap_or(&self.name);
        self.shared.verifier.verify(&chain, name)?;
        self.engine.accept(out)
    }

    fn ticket(&mut self, ticket: Ticket, now: Instant, out: &mut Events) {
        let said = Duration::from_secs(u64::from(ticket.lifetime));
        let age = token::age(self.proved, clock::micros(now));
        let lifetime = ResumptionToken::lifetime(said, age);
        for session in self.engine.agent.take_tokens() {
            if self.tickets >= MAX_TICKETS {
                break;
            }
            self.tickets += 1;
            let group = self.info.as_ref().and_then(Info::group);
            let chain = self
                .chain
                .clone()
                .unwrap_or_else(|| PeerChain::new(Vec::new()));
            let Some(expiry) = lifetime.and_then(|l| now.checked_add(l)) else {
                continue;
            };
            let session = session.to_vec();
            let token = match Token::new(self.binding, self.proved, group, chain, session) {
                Ok(token) => token,
                // The connection is as good without.
                Err(e) => {
                    qdebug!("no use for a ticket: {e}");
                    continue;
                }
            };
            let token = ResumptionToken::new(token.encode(), expiry, ticket.early_data);
            out.push(Event::Ticket(token));
        }
    }
}

impl Session for ClientSession {
    fn enable_ech(&mut self, configs: &[u8]) -> Res<()> {
        if self.state != State::Idle {
            return Err(Error::State);
        }
        if !self.sni && !configs.is_empty() {
            return Err(nothing_to_hide());
        }
        let list = valid_list(configs)?;
        if let Err(e) = self.engine.agent.enable_ech(&list) {
            if let Some(before) = &self.ech {
                self.engine.agent.enable_ech(before)?;
            }
            return Err(e);
        }
        self.ech = Some(list);
        Ok(())
    }

    fn start(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        self.run(State::Idle, now, out, |s, out| {
            s.proved = clock::micros(now);
            s.offer();
            s.engine.advance(out)
        })
    }

    fn read(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        self.run(State::Running, now, out, |s, out| {
            s.engine.gather(level, data)?;
            while let Some(message) = s.engine.next()? {
                s.message(&message, now, out)?;
            }
            Ok(())
        })
    }

    fn set_local_params(&mut self, _: &[u8], _: Instant, _: &mut Events) -> Res<()> {
        Err(Error::State)
    }

    fn authenticated(
        &mut self,
        verdict: AuthenticationStatus,
        now: Instant,
        out: &mut Events,
    ) -> Res<()> {
        if self.verdict != Verdict::Due {
            return Err(Error::State);
        }
        self.verdict = Verdict::NotDue;
        if let Some(alert) = verdict.alert() {
            out.push(Event::Alert(alert));
            self.die();
            return Ok(());
        }
        self.run(State::Running, now, out, |s, out| s.engine.accept(out))
    }

    fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    fn peer_certificate(&self) -> Option<&PeerChain> {
        self.chain.as_ref()
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        if self.state != State::Running {
            return Err(Error::NotAvailable);
        }
        self.engine.export(label, context, out)
    }
}

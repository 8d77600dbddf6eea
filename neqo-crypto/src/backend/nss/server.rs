//! Server sessions.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use neqo_common::{Role, qdebug};

use super::{
    super::first_flight::{FirstFlight, Hello},
    clock,
    engine::Engine,
    messages, token,
};
use crate::{
    auth::AuthenticationStatus,
    client::check_params,
    client_hello::ClientHello,
    constants::Level,
    ech::EchKeys,
    error::{Error, Res, alert},
    identity::{Identity, Key},
    nss::{self, Agent, AntiReplay, Common, Credential, Mark},
    primitives::random,
    server::{ClientCertificate, ServerBuilder},
    session::{Events, Info, PeerChain, ResumptionToken, Session},
    settings::Settings,
};

/// Tickets sent on each connection.
const TICKETS: usize = 2;
/// How long NSS lets them live.
const TICKET_LIFETIME: Duration = Duration::from_hours(48);
/// Longer than that, in microseconds.
const LONGER_THAN_TICKETS: i64 = 50 * 3600 * 1_000_000;

/// Makes server sessions.
#[derive(Clone, Debug)]
pub(crate) struct ServerFactory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    credential: Credential,
    ech: Option<EchKeys>,
    client_certificate: ClientCertificate,
    /// Tells our tickets from those of other servers of this process, whose keys NSS has in common.
    mark: Mark,
    /// Made when the time is first known.
    replay: Mutex<Option<Arc<AntiReplay>>>,
}

impl Shared {
    fn replay(&self, now: i64) -> Res<Option<Arc<AntiReplay>>> {
        if !self.settings.early_data {
            return Ok(None);
        }
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        if replay.is_none() {
            *replay = Some(Arc::new(AntiReplay::new(now)?));
        }
        Ok(replay.clone())
    }
}

impl ServerFactory {
    pub(crate) fn new(builder: ServerBuilder) -> Res<Self> {
        let mut settings = builder.settings;
        nss::start_server_memory()?;
        settings.groups = nss::supported_groups(&settings.groups)?;
        if settings.ciphers.is_empty() || settings.groups.is_empty() {
            return Err(Error::Config("no cipher suite or no group".into()));
        }
        let mut mark = Mark::default();
        random(&mut mark);
        let credential = credential(&builder.identity)?;
        let shared = Shared {
            settings,
            credential,
            ech: builder.ech,
            client_certificate: builder.client_certificate,
            mark,
            replay: Mutex::default(),
        };
        // A key that NSS cannot use is to be known now.
        shared
            .agent(&shared.settings.cipher_ids(), &[], &[], None)
            .map_err(|e| Error::Config(e.to_string()))?;
        Ok(Self(Arc::new(shared)))
    }

    pub(crate) fn session(&self, alpn: &[Vec<u8>]) -> Box<dyn Session> {
        Box::new(ServerSession {
            shared: Arc::clone(&self.0),
            alpn: alpn.to_vec(),
            params: Vec::new(),
            state: State::Idle,
            hello: Hello::default(),
            greeted: false,
            info: None,
            chain: None,
        })
    }
}

/// What NSS proves to be.
pub(super) fn credential(identity: &Identity) -> Res<Credential> {
    let mut credential = match identity.key() {
        Key::Der(key) => Credential::import(identity.chain(), &super::pkcs8::wrap(key)?)?,
        Key::Nickname(name) => Credential::find(name)?,
    };
    credential.staple(identity.ocsp_response(), identity.certificate_timestamps());
    Ok(credential)
}

impl Shared {
    /// A connection at `now`; `None` is for one that nothing will go through.
    fn agent(
        &self,
        ciphers: &[u16],
        alpn: &[Vec<u8>],
        params: &[u8],
        now: Option<i64>,
    ) -> Res<Agent> {
        let groups: Vec<_> = self.settings.groups.iter().map(|g| g.id()).collect();
        let common = Common {
            ciphers,
            groups: &groups,
            alpn,
            params: params.to_vec(),
            early_data: self.settings.early_data,
            now: now.unwrap_or_default(),
        };
        let replay = now.map(|now| self.replay(now)).transpose()?.flatten();
        let agent = Agent::server(&common, &self.credential, self.mark, replay.as_deref())?;
        if let Some(keys) = &self.ech {
            agent.decrypt_hello(&keys.pair)?;
        }
        match self.client_certificate {
            ClientCertificate::NotRequested => {}
            ClientCertificate::Requested => agent.request_certificate(false)?,
            ClientCertificate::Required => agent.request_certificate(true)?,
        }
        Ok(agent)
    }

    /// Our cipher suites in the client's order: it knows what its hardware is good at.
    fn ciphers(&self, hello: &[u8]) -> Vec<u16> {
        let own = self.settings.cipher_ids();
        let mut order = messages::client_ciphers(hello).unwrap_or_default();
        order.retain(|c| own.contains(c));
        order.extend(own.iter().copied());
        order
    }
}

/// Whether a ticket came with the first `ClientHello` that another server of this process made, ours or the host's own: it
/// may ask for less, or be somebody else (hardening A30).
fn knows_foreign_ticket(engine: &mut Engine) -> bool {
    let resumed = engine.hello().is_some_and(|h| h.resumed);
    engine.agent.foreign_ticket() || (resumed && engine.agent.ticket().is_none())
}

#[derive(Debug)]
enum State {
    Idle,
    First(FirstFlight),
    Running(Box<Engine>),
    Dead,
}

/// A server's session. NSS's connection is made when the transport has said what its parameters are.
#[derive(Debug)]
struct ServerSession {
    shared: Arc<Shared>,
    alpn: Vec<Vec<u8>>,
    /// Our transport parameters, once the transport has said them.
    params: Vec<u8>,
    state: State,
    hello: Hello,
    /// Whether NSS has seen a `ClientHello`.
    greeted: bool,
    info: Option<Info>,
    chain: Option<PeerChain>,
}

impl ServerSession {
    /// Begins with the bytes of a first flight; `full` is for a full handshake whatever the client offers. `None` if it
    /// comes with a ticket that NSS can read and that is not ours.
    fn begin(&mut self, flight: &[u8], now: Instant, full: bool) -> Res<Option<(Engine, Events)>> {
        let shared = &self.shared;
        let ciphers = shared.ciphers(flight);
        let now = Some(clock::micros(now));
        let mut agent = shared.agent(&ciphers, &self.alpn, &self.params, now)?;
        if full {
            agent.refuse_tickets(LONGER_THAN_TICKETS);
        }
        let mut engine = Engine::new(agent, Role::Server, shared.settings.key_log.clone());
        engine.note_client_random(messages::client_random(flight));
        let mut out = Events::default();
        self.greeted = false;
        engine.advance(&mut out)?;
        match self.feed(&mut engine, Level::Initial, flight, &mut out) {
            Ok(()) => Ok(Some((engine, out))),
            Err(_) if knows_foreign_ticket(&mut engine) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn feed(
        &mut self,
        engine: &mut Engine,
        level: Level,
        data: &[u8],
        out: &mut Events,
    ) -> Res<()> {
        engine.gather(level, data)?;
        while let Some(message) = engine.next()? {
            let again = engine.level() == Level::Initial && mem::replace(&mut self.greeted, true);
            if again {
                self.begin_again(engine, message.bytes(), out)?;
            }
            engine.feed(&message, out)?;
            if again {
                self.check_retry(engine, message.bytes())?;
            }
            // A second ClientHello, after HelloRetryRequest, may not bring other parameters than those given out.
            let same = engine
                .agent
                .peer_params()
                .is_none_or(|p| p == self.hello.params);
            if !same {
                return Err(Error::Alert(alert::ILLEGAL_PARAMETER));
            }
            self.note(engine)?;
            if engine.is_complete() {
                let chain = engine.agent.chain();
                self.chain = (!chain.is_empty()).then(|| PeerChain::new(chain));
                self.send_tickets(engine, out);
            }
        }
        Ok(())
    }

    /// Prepares for the second `ClientHello`, `hello`.
    ///
    /// NSS (3.87, and still 3.125) puts its `HelloRetryRequest` together again now, for the transcript. If it has keys for
    /// encrypted `ClientHello`s and could not decrypt the first, it doubles the signal in its extension then, so that no
    /// client could finish the handshake, not even one that only pretended. A fresh connection does not: all that it has
    /// to know stands in the cookie. (By now NSS has forgotten whether it could, so that all get one.)
    fn begin_again(&self, engine: &mut Engine, hello: &[u8], out: &mut Events) -> Res<()> {
        ClientHello::parse(hello)?;
        //= rfc8446#section-4.2.2
        //# Clients MUST copy the contents of the extension received in the
        //# HelloRetryRequest into a "cookie" extension in the new ClientHello.
        match messages::client_extension(hello, messages::EXT_COOKIE) {
            None => return Err(Error::Alert(alert::MISSING_EXTENSION)),
            // NSS takes any cookie that it gave, to whomever. (That of an inner `ClientHello` only NSS sees.)
            cookie if cookie != engine.cookie() => {
                return Err(Error::Alert(alert::ILLEGAL_PARAMETER));
            }
            Some(_) => {}
        }
        if self.shared.ech.is_some() {
            let now = Some(engine.agent.now());
            let ciphers = self.shared.ciphers(hello);
            engine.agent = self.shared.agent(&ciphers, &self.alpn, &self.params, now)?;
            engine.advance(out)?;
        }
        // There may be another ticket in it than that which was looked at (RFC 8446 §4.1.2 forbids it, and NSS does not
        // care).
        engine.agent.refuse_tickets(LONGER_THAN_TICKETS);
        Ok(())
    }

    /// Fails if the second `ClientHello`, `hello`, was encrypted in vain.
    ///
    /// NSS does not say then which keys to retry with, as it has to (RFC 9849 §7.1). The client would take that for the
    /// word of our public name that there are none, and come back with a `ClientHello` that all can read. One that
    /// pretends asks for its server openly, by another name; if not, it cannot be told apart.
    fn check_retry(&self, engine: &Engine, hello: &[u8]) -> Res<()> {
        let Some(keys) = &self.shared.ech else {
            return Ok(());
        };
        let kind = messages::EXT_ENCRYPTED_CLIENT_HELLO;
        if messages::client_extension(hello, kind).is_none() || engine.agent.ech_accepted()? {
            return Ok(());
        }
        match ClientHello::parse(hello)?.server_name() {
            Some(name) if name.eq_ignore_ascii_case(keys.public_name()) => {
                Err(Error::Alert(alert::HANDSHAKE_FAILURE))
            }
            _ => Ok(()),
        }
    }

    /// Sends tickets, as long as the client need not prove again who it is before they are used.
    fn send_tickets(&self, engine: &mut Engine, out: &mut Events) {
        let now = engine.agent.now();
        let resumed = self.info.as_ref().is_some_and(Info::resumed);
        let proved = engine.agent.ticket().filter(|_| resumed).unwrap_or(now);
        if token::age(proved, now) + TICKET_LIFETIME > ResumptionToken::MAX_LIFETIME {
            return;
        }
        for _ in 0..TICKETS {
            // The connection is as good without.
            if let Err(e) = engine.send_ticket(proved, out) {
                qdebug!("no ticket: {e}");
                break;
            }
        }
    }

    /// Notes what was negotiated, once the flight is out.
    fn note(&mut self, engine: &mut Engine) -> Res<()> {
        let (None, Some(hello)) = (&self.info, engine.hello()) else {
            return Ok(());
        };
        if knows_foreign_ticket(engine) {
            return Err(Error::Alert(alert::HANDSHAKE_FAILURE));
        }
        //= rfc9001#section-8.1
        //# The server MUST treat the inability to select a
        //# compatible application protocol as a connection error of type 0x0178
        //# (no_application_protocol).
        let alpn = engine
            .agent
            .alpn_selected()
            .ok_or(Error::Alert(alert::NO_APPLICATION_PROTOCOL))?;
        let ech_accepted = engine.agent.ech_accepted()?;
        if ech_accepted {
            self.hello.server_name = engine.agent.asked_name();
        }
        self.info = Some(Info {
            alpn: Some(alpn),
            cipher: hello.cipher,
            group: hello.group,
            signature_scheme: None,
            resumed: hello.resumed,
            early_data_accepted: engine.early(),
            ech_accepted,
            server_name: self.hello.server_name.clone(),
        });
        Ok(())
    }

    fn step(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<State> {
        match mem::replace(&mut self.state, State::Dead) {
            State::First(mut first) => {
                first.read(level, data, out)?;
                Ok(State::First(first))
            }
            State::Running(mut engine) => {
                engine.agent.set_now(clock::micros(now));
                self.feed(&mut engine, level, data, out)?;
                Ok(State::Running(engine))
            }
            State::Idle | State::Dead => Err(Error::State),
        }
    }
}

impl Session for ServerSession {
    fn enable_ech(&mut self, _: &[u8]) -> Res<()> {
        Err(Error::State)
    }

    fn start(&mut self, _now: Instant, _out: &mut Events) -> Res<()> {
        if !matches!(self.state, State::Idle) {
            return Err(Error::State);
        }
        self.state = State::First(FirstFlight::default());
        Ok(())
    }

    fn read(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        let mut fresh = Events::default();
        self.state = self.step(level, data, now, &mut fresh)?;
        out.append(&mut fresh);
        Ok(())
    }

    fn set_local_params(&mut self, params: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        check_params(params)?;
        let State::First(first) = &mut self.state else {
            return Err(Error::State);
        };
        let (flight, hello) = first.take().ok_or(Error::State)?;
        self.hello = hello;
        self.params = params.to_vec();
        self.state = State::Dead;
        let begun = match self.begin(&flight, now, false)? {
            None => self.begin(&flight, now, true)?,
            begun => begun,
        };
        let (engine, mut fresh) = begun.ok_or(Error::Alert(alert::HANDSHAKE_FAILURE))?;
        self.state = State::Running(Box::new(engine));
        out.append(&mut fresh);
        Ok(())
    }

    fn authenticated(
        &mut self,
        _verdict: AuthenticationStatus,
        _now: Instant,
        _out: &mut Events,
    ) -> Res<()> {
        Err(Error::State)
    }

    fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    fn peer_certificate(&self) -> Option<&PeerChain> {
        self.chain.as_ref()
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        match &self.state {
            State::Running(engine) => engine.export(label, context, out),
            _ => Err(Error::NotAvailable),
        }
    }
}

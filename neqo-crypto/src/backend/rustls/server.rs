//! Server sessions.

use std::{mem, sync::Arc, time::Instant};

use neqo_common::Role;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    quic::{Connection, ServerConnection, Version},
    server::ServerSessionMemoryCache,
};

use super::{
    super::first_flight::{FirstFlight, Hello},
    capture::Capture,
    engine::Engine,
    provider::{config_error, provider},
};
use crate::{
    auth::AuthenticationStatus,
    client::check_params,
    constants::Level,
    ech::unsupported,
    error::{Error, Res, alert},
    identity::Identity,
    keylog::KeyLog,
    server::{ClientCertificate, ServerBuilder},
    session::{Events, Info, PeerChain, Session},
};

/// Sessions that a server remembers for resumption. It remembers the session rather than to put it into the ticket,
/// because that lets a ticket be used once only: early data cannot be replayed (hardening A30).
const MAX_REMEMBERED: usize = 4096;

/// Makes server sessions.
#[derive(Clone, Debug)]
pub(crate) struct ServerFactory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: ServerConfig,
    key_log: Option<KeyLog>,
}

impl ServerFactory {
    pub(crate) fn new(builder: ServerBuilder) -> Res<Self> {
        if builder.ech.is_some() {
            return Err(unsupported());
        }
        if builder.client_certificate != ClientCertificate::NotRequested {
            return Err(Error::Config(
                "rustls's servers ask for no client certificate: use NSS".into(),
            ));
        }
        let provider = provider(&builder.settings.ciphers, &builder.settings.groups)?;
        let (chain, key) = credential(&builder.identity)?;
        if builder.identity.certificate_timestamps().is_some() {
            return Err(Error::Config(
                "rustls sends no certificate timestamps: use NSS".into(),
            ));
        }
        let ocsp = builder.identity.ocsp_response().unwrap_or_default();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(config_error)?
            .with_no_client_auth()
            .with_single_cert_with_ocsp(chain, key, ocsp.to_vec())
            .map_err(config_error)?;
        config.session_storage = ServerSessionMemoryCache::new(MAX_REMEMBERED);
        //= rfc9001#section-4.6.1
        //# Servers MUST NOT send the early_data extension with a
        //# max_early_data_size field set to any value other than 0xffffffff.
        config.max_early_data_size = if builder.settings.early_data {
            u32::MAX
        } else {
            0
        };
        Ok(Self(Arc::new(Shared {
            config,
            key_log: builder.settings.key_log,
        })))
    }

    pub(crate) fn session(&self, alpn: &[Vec<u8>]) -> Box<dyn Session> {
        Box::new(ServerSession {
            shared: Arc::clone(&self.0),
            alpn: alpn.to_vec(),
            state: State::Idle,
            hello: Hello::default(),
            info: None,
        })
    }
}

/// What rustls proves to be.
pub(super) fn credential(
    identity: &Identity,
) -> Res<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = identity
        .chain()
        .iter()
        .map(|c| CertificateDer::from_slice(c).into_owned())
        .collect();
    let key = PrivateKeyDer::try_from(identity.key().der()?).map_err(config_error)?;
    Ok((chain, key.clone_key()))
}

#[derive(Debug)]
enum State {
    Idle,
    First(FirstFlight),
    Running(Box<Engine>),
    Dead,
}

/// A server's session. The rustls connection is made when the transport has said what its parameters are.
#[derive(Debug)]
struct ServerSession {
    shared: Arc<Shared>,
    alpn: Vec<Vec<u8>>,
    state: State,
    hello: Hello,
    info: Option<Info>,
}

impl ServerSession {
    fn begin(&self, params: &[u8]) -> Res<Engine> {
        let secrets = Arc::new(Capture::new(self.shared.key_log.clone()));
        let mut config = self.shared.config.clone();
        config.alpn_protocols.clone_from(&self.alpn);
        config.key_log = Arc::<Capture>::clone(&secrets);
        let conn = ServerConnection::new(Arc::new(config), Version::V1, params.to_vec())
            .map_err(config_error)?;
        Ok(Engine::new(Connection::Server(conn), Role::Server, secrets))
    }

    fn feed(
        &mut self,
        engine: &mut Engine,
        level: Level,
        data: &[u8],
        out: &mut Events,
    ) -> Res<()> {
        engine.read(level, data)?;
        // A second ClientHello, after HelloRetryRequest, may not bring other parameters than those given out.
        let same = engine
            .conn()
            .quic_transport_parameters()
            .is_none_or(|p| p == self.hello.params);
        if !same {
            return Err(Error::Alert(alert::ILLEGAL_PARAMETER));
        }
        if self.info.is_none() && engine.conn().alpn_protocol().is_some() {
            let early = engine.conn().zero_rtt_keys().is_some();
            engine.early_secret(out)?;
            self.info = Some(engine.info(early, self.hello.server_name.clone())?);
        }
        engine.drive(out)
    }

    fn step(&mut self, level: Level, data: &[u8], out: &mut Events) -> Res<State> {
        match mem::replace(&mut self.state, State::Dead) {
            State::First(mut first) => {
                first.read(level, data, out)?;
                Ok(State::First(first))
            }
            State::Running(mut engine) => {
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

    fn read(&mut self, level: Level, data: &[u8], _now: Instant, out: &mut Events) -> Res<()> {
        self.state = self.step(level, data, out)?;
        Ok(())
    }

    fn set_local_params(&mut self, params: &[u8], _now: Instant, out: &mut Events) -> Res<()> {
        check_params(params)?;
        let State::First(first) = &mut self.state else {
            return Err(Error::State);
        };
        let (buf, hello) = first.take().ok_or(Error::State)?;
        self.hello = hello;
        self.state = State::Dead;
        let mut engine = self.begin(params)?;
        self.feed(&mut engine, Level::Initial, &buf, out)?;
        self.state = State::Running(Box::new(engine));
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
        None
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        match &self.state {
            State::Running(engine) => engine.export(label, context, out),
            _ => Err(Error::NotAvailable),
        }
    }
}

//! Client configurations, and their sessions before the handshake and during it.

use std::{mem, sync::Arc, time::Instant};

use neqo_common::Role;
use rustls::{
    ClientConfig,
    client::{EchMode, Resumption, danger::ServerCertVerifier},
    pki_types::ServerName,
    quic::{ClientConnection, Connection, Version},
};

use super::{
    capture::Capture,
    ech::Offer,
    engine::Engine,
    handshake::Handshake,
    provider::{config_error, provider},
    server::credential,
    tickets::{SessionTickets, TicketCache},
    verifier::verifier,
};
use crate::{
    auth::AuthenticationStatus,
    client::ClientBuilder,
    constants::Level,
    ech::nothing_to_hide,
    error::{Error, Res},
    keylog::KeyLog,
    session::{Events, Info, PeerChain, ResumptionToken, Session},
    verify::Verification,
};

/// Makes client sessions.
#[derive(Clone, Debug)]
pub(crate) struct ClientFactory(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    config: ClientConfig,
    verifier: Arc<dyn ServerCertVerifier>,
    pub(super) tickets: TicketCache,
    key_log: Option<KeyLog>,
    pub(super) host_verifies: bool,
}

impl Shared {
    /// The configuration of a connection. One with encrypted `ClientHello` has to be made from the start, but shares what
    /// resumption compares.
    fn config(&self, ech: Option<EchMode>) -> Res<ClientConfig> {
        let Some(ech) = ech else {
            return Ok(self.config.clone());
        };
        let provider = Arc::clone(self.config.crypto_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_ech(ech)
            .map_err(config_error)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier))
            .with_client_cert_resolver(Arc::clone(&self.config.client_auth_cert_resolver));
        config.enable_early_data = self.config.enable_early_data;
        Ok(config)
    }
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
            .with_custom_certificate_verifier(Arc::clone(&verifier));
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
            verifier,
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
    ) -> Box<dyn Session> {
        let shared = &self.0;
        let tickets = match token {
            Some(t) => shared.tickets.take(t.as_ref(), name),
            None => SessionTickets::default(),
        };
        Box::new(ClientSession::Planned(Box::new(Plan {
            shared: Arc::clone(shared),
            name: name.clone(),
            alpn: alpn.to_vec(),
            params: params.to_vec(),
            tickets: Arc::new(tickets),
            ech: None,
        })))
    }
}

/// What a `ClientHello` is to say.
#[derive(Debug)]
struct Plan {
    shared: Arc<Shared>,
    name: ServerName<'static>,
    alpn: Vec<Vec<u8>>,
    params: Vec<u8>,
    tickets: Arc<SessionTickets>,
    ech: Option<Offer>,
}

impl Plan {
    fn enable_ech(&mut self, configs: &[u8]) -> Res<()> {
        let offer = match &self.name {
            _ if configs.is_empty() => Offer::pretence(),
            ServerName::DnsName(_) => Offer::by(configs),
            _ => Err(nothing_to_hide()),
        };
        self.ech = Some(offer?);
        Ok(())
    }

    /// Begins the handshake.
    fn begin(self, now: Instant, out: &mut Events) -> Res<Handshake> {
        let (ech, public_name) = self.ech.map(|o| (o.mode, o.public_name)).unzip();
        let public_name = public_name.flatten();
        let log = self.shared.key_log.clone();
        let secrets = Arc::new(match public_name {
            None => Capture::new(log),
            Some(_) => Capture::of_two(log),
        });
        let mut config = self.shared.config(ech)?;
        config.alpn_protocols = self.alpn;
        config.key_log = Arc::<Capture>::clone(&secrets);
        config.resumption = Resumption::store(Arc::<SessionTickets>::clone(&self.tickets));
        let server_name = match &self.name {
            ServerName::DnsName(n) => Some(n.as_ref().to_owned()),
            _ => None,
        };
        let conn = ClientConnection::new(Arc::new(config), Version::V1, self.name, self.params)
            .map_err(config_error)?;
        let engine = Engine::new(Connection::Client(conn), Role::Client, secrets);
        let mut handshake =
            Handshake::new(self.shared, self.tickets, engine, server_name, public_name);
        handshake.start(now, out)?;
        Ok(handshake)
    }
}

/// A client's session.
#[derive(Debug)]
enum ClientSession {
    Planned(Box<Plan>),
    Begun(Box<Handshake>),
    Dead,
}

impl ClientSession {
    fn handshake(&self) -> Option<&Handshake> {
        match self {
            Self::Begun(handshake) => Some(handshake),
            Self::Planned(_) | Self::Dead => None,
        }
    }

    fn handshake_mut(&mut self) -> Res<&mut Handshake> {
        match self {
            Self::Begun(handshake) => Ok(handshake),
            Self::Planned(_) | Self::Dead => Err(Error::State),
        }
    }
}

impl Session for ClientSession {
    fn enable_ech(&mut self, configs: &[u8]) -> Res<()> {
        match self {
            Self::Planned(plan) => plan.enable_ech(configs),
            Self::Begun(_) | Self::Dead => Err(Error::State),
        }
    }

    fn start(&mut self, now: Instant, out: &mut Events) -> Res<()> {
        match mem::replace(self, Self::Dead) {
            Self::Planned(plan) => *self = Self::Begun(Box::new(plan.begin(now, out)?)),
            begun => {
                *self = begun;
                return Err(Error::State);
            }
        }
        Ok(())
    }

    fn read(&mut self, level: Level, data: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        self.handshake_mut()?.read(level, data, now, out)
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
        self.handshake_mut()?.authenticated(verdict, out)
    }

    fn info(&self) -> Option<&Info> {
        self.handshake().and_then(Handshake::info)
    }

    fn peer_certificate(&self) -> Option<&PeerChain> {
        self.handshake().and_then(Handshake::chain)
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        let handshake = self.handshake().ok_or(Error::NotAvailable)?;
        handshake.export(label, context, out)
    }
}

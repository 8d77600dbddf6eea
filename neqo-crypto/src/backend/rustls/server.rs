//! Server sessions.

use std::{mem, sync::Arc, time::Instant};

use neqo_common::Role;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    quic::{Connection, ServerConnection, Version},
};

use super::{
    super::first_flight::{FirstFlight, Hello},
    capture::Capture,
    engine::Engine,
    memory::{Memory, Recall},
    provider::{config_error, provider},
    verifier::client_verifier,
};
use crate::{
    auth::AuthenticationStatus,
    client::check_params,
    constants::Level,
    ech::unsupported,
    error::{Error, Res, alert},
    identity::Identity,
    keylog::KeyLog,
    server::ServerBuilder,
    session::{Events, Info, PeerChain, Session},
};

/// Makes server sessions.
#[derive(Clone, Debug)]
pub(crate) struct ServerFactory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: ServerConfig,
    memory: Arc<Memory>,
    key_log: Option<KeyLog>,
}

impl ServerFactory {
    pub(crate) fn new(builder: ServerBuilder) -> Res<Self> {
        if builder.ech.is_some() {
            return Err(unsupported());
        }
        let provider = provider(&builder.settings.ciphers, &builder.settings.groups)?;
        let (chain, key) = credential(&builder.identity)?;
        if builder.identity.certificate_timestamps().is_some() {
            return Err(Error::Config(
                "rustls sends no certificate timestamps: use NSS".into(),
            ));
        }
        let clients = client_verifier(builder.client_certificate, &provider);
        let ocsp = builder.identity.ocsp_response().unwrap_or_default();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(config_error)?
            .with_client_cert_verifier(clients)
            .with_single_cert_with_ocsp(chain, key, ocsp.to_vec())
            .map_err(config_error)?;
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
            memory: Arc::default(),
            key_log: builder.settings.key_log,
        })))
    }

    pub(crate) fn session(&self, alpn: &[Vec<u8>]) -> Box<dyn Session> {
        Box::new(ServerSession {
            shared: Arc::clone(&self.0),
            alpn: alpn.to_vec(),
            state: State::Idle,
            hello: Hello::default(),
            recall: None,
            info: None,
            chain: None,
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
    recall: Option<Arc<Recall>>,
    info: Option<Info>,
    chain: Option<PeerChain>,
}

impl ServerSession {
    fn begin(&mut self, params: &[u8], now: Instant) -> Res<Engine> {
        let secrets = Arc::new(Capture::new(self.shared.key_log.clone()));
        let mut config = self.shared.config.clone();
        config.alpn_protocols.clone_from(&self.alpn);
        config.key_log = Arc::<Capture>::clone(&secrets);
        let recall = Arc::new(self.shared.memory.at(now));
        config.session_storage = Arc::<Recall>::clone(&recall);
        self.recall = Some(recall);
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
            if let Some(recall) = self.recall.take()
                && !engine.resumed()
            {
                recall.full_handshake();
            }
            self.info = Some(engine.info(early, self.hello.server_name.clone())?);
        }
        engine.drive(out)?;
        if engine.is_complete() && self.chain.is_none() {
            self.chain = engine.peer_chain();
        }
        Ok(())
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

    fn set_local_params(&mut self, params: &[u8], now: Instant, out: &mut Events) -> Res<()> {
        check_params(params)?;
        let State::First(first) = &mut self.state else {
            return Err(Error::State);
        };
        let (buf, hello) = first.take().ok_or(Error::State)?;
        self.hello = hello;
        self.state = State::Dead;
        let mut engine = self.begin(params, now)?;
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
        self.chain.as_ref()
    }

    fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        match &self.state {
            State::Running(engine) => engine.export(label, context, out),
            _ => Err(Error::NotAvailable),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a base for the times that tests pass in"
)]
mod tests {
    use std::slice;

    use rustls::{
        ClientConfig,
        client::ResolvesClientCert,
        quic::{ClientConnection, KeyChange},
        sign::{CertifiedKey, SigningKey},
    };

    use super::*;
    use crate::{
        Provider, Server, server::ClientCertificate, session::Event, verify::Verification,
    };

    /// Shows any certificates and signs by any key.
    #[derive(Debug)]
    struct Impostor(Arc<CertifiedKey>);

    impl Impostor {
        fn new(shown: &[&Identity], key: &Identity) -> Self {
            let chain = shown.iter().flat_map(|i| credential(i).unwrap().0);
            let (_, key) = credential(key).unwrap();
            let key: Arc<dyn SigningKey> =
                rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
            Self(Arc::new(CertifiedKey::new(chain.collect(), key)))
        }
    }

    impl ResolvesClientCert for Impostor {
        fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    /// The error of a server that asks for a certificate, if a client shows `shown` and has `key`.
    fn refusal(shown: &[&Identity], key: &Identity) -> Option<Error> {
        let identity = Identity::self_signed(&["example.com"]).unwrap();
        let server = Server::builder(identity).provider(Provider::Rustls);
        let server = server.client_certificate(ClientCertificate::Required);
        let mut server = server.build().unwrap().session(&[b"h3".to_vec()]).unwrap();

        let provider = provider(&crate::Cipher::ALL, &[crate::Group::X25519]).unwrap();
        let verifier =
            super::super::verifier::verifier(&Verification::Insecure, &provider).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(slice::from_ref(&&rustls::version::TLS13))
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(Impostor::new(shown, key)));
        config.alpn_protocols = vec![b"h3".to_vec()];
        let name = "example.com".try_into().unwrap();
        let mut client =
            ClientConnection::new(Arc::new(config), Version::V1, name, Vec::new()).unwrap();

        let (now, mut out) = (Instant::now(), Events::default());
        server.start(now, &mut out).unwrap();
        let (mut level, mut hello) = (Level::Initial, Vec::new());
        client.write_hs(&mut hello);
        server.read(level, &hello, now, &mut out).unwrap();
        server.set_local_params(b"server", now, &mut out).unwrap();
        let mut answers = Vec::new();
        while let Some(event) = out.pop() {
            let Event::Crypto { data, .. } = event else {
                continue;
            };
            client.read_hs(&data).unwrap();
            // rustls does not say where its levels part if both are there at once.
            let mut data = Vec::new();
            let change = client.write_hs(&mut data);
            answers.push((level, data));
            if let Some(KeyChange::Handshake { .. }) = change {
                level = Level::Handshake;
            }
        }
        for (level, data) in answers {
            if let Err(e) = server.read(level, &data, now, &mut out) {
                return Some(e);
            }
        }
        assert!(server.peer_certificate().is_some());
        None
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let identity = || Identity::self_signed(&["client.example"]).unwrap();
        let (one, other) = (identity(), identity());
        assert_eq!(refusal(&[&one], &one), None);
        let error = refusal(&[&one], &other).unwrap();
        assert_eq!(error.alert(), 51, "decrypt_error");
    }

    #[test]
    fn long_chains_are_refused() {
        let short = Identity::self_signed(&["client.example"]).unwrap();
        let names: Vec<_> = (0..300)
            .map(|i| format!("a-client-of-many-names-{i}.client.example"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let long = Identity::self_signed(&names).unwrap();
        assert!((8 << 10..16 << 10).contains(&long.chain()[0].len()));
        for (chain, bad) in [
            (vec![&short; 10], false),
            (vec![&short; 11], true),
            (vec![&short, &long], false),
            (vec![&short, &long, &long], true),
        ] {
            assert_eq!(refusal(&chain, &short).is_some(), bad, "{}", chain.len());
        }
    }
}

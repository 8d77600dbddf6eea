//! How connections begin.

use std::{net::SocketAddr, time::Instant};

use neqo_common::{Random, Role};
use neqo_crypto::{Events as TlsEvents, ResetKey, Session, Version};

use super::{Connection, State, idle::Idle};
use crate::{
    Error, Misuse, Res, Stats,
    cid::{
        id::{ConnectionId, ConnectionIdGenerator},
        local::LocalCids,
        remote::RemoteCids,
    },
    config::{limits, params::ConnectionParameters},
    events::Events,
    handshake::{Handshake, HandshakeIds, keys::Keys},
    path::{Path, set::PathSet},
    recovery::pto::Pto,
    rx::saved::Saved,
    space::{PacketNumberSpace, table::Spaces},
    stream_id::StreamType,
    streams::{LocalLimits, Streams},
    wire::tparams::{TransportParameters, VersionInformation},
};

/// How a client begins, and begins again after Version Negotiation.
#[derive(Debug)]
pub struct ClientStart {
    tls: neqo_crypto::Client,
    server_name: String,
    alpn: Vec<Vec<u8>>,
    /// The ECHConfigList to encrypt the `ClientHello` with.
    ech_configs: Option<Vec<u8>>,
    /// Versions to offer, the preferred one first.
    pub versions: Vec<Version>,
    /// Whether a Version Negotiation packet was acted upon.
    pub negotiated: bool,
}

impl ClientStart {
    /// A fresh TLS session that announces `params`.
    pub fn session(&self, params: &[u8]) -> Res<Box<dyn Session>> {
        let mut session = self.tls.session(&self.server_name, &self.alpn, params)?;
        if let Some(configs) = &self.ech_configs {
            session.enable_ech(configs)?;
        }
        Ok(session)
    }
}

/// What all connections of a server share.
#[derive(Debug)]
pub struct ServerContext {
    /// Identity and TLS configuration.
    pub tls: neqo_crypto::Server,
    /// Application protocols, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
    /// Transport configuration.
    pub params: ConnectionParameters,
    /// Where stateless reset tokens come from.
    pub reset_key: ResetKey,
}

/// A client's first Initial packet, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub struct Accept {
    /// The version that it speaks.
    pub version: Version,
    /// Its Destination Connection ID: Initial keys come from it.
    pub dcid: ConnectionId,
    /// The Destination Connection ID before a Retry.
    pub original_dcid: ConnectionId,
    /// The Source Connection ID of the Retry, if there was one: the address is validated then.
    pub retry_scid: Option<ConnectionId>,
    /// Its Source Connection ID.
    pub scid: ConnectionId,
    /// Our address.
    pub local: SocketAddr,
    /// The client's address.
    pub remote: SocketAddr,
}

/// What both kinds of beginning have in common.
struct Parts {
    role: Role,
    version: Version,
    ids: HandshakeIds,
    session: Box<dyn Session>,
    local_cids: LocalCids,
    remote_cids: RemoteCids,
    path: Path,
    random: Random,
}

/// The seed of a connection's randomness: the configured one in simulations, else the system's.
fn seed(params: &ConnectionParameters) -> [u8; 32] {
    params.get_seed().unwrap_or_else(|| {
        let mut seed = [0; 32];
        neqo_crypto::random(&mut seed);
        seed
    })
}

impl Connection {
    /// A client's connection to `server_name` at `remote_addr`, speaking one of `protocols`.
    /// The TLS configuration comes from [`ConnectionParameters::client_tls`].
    ///
    /// # Errors
    /// When TLS refuses the server name or the configuration.
    pub fn new_client<I: Into<String>, A: AsRef<str>>(
        server_name: I,
        protocols: &[A],
        cid_generator: Box<dyn ConnectionIdGenerator>,
        local_addr: SocketAddr,
        remote_addr: SocketAddr,
        conn_params: ConnectionParameters,
        now: Instant,
    ) -> Res<Self> {
        let mut random = Random::from_seed(seed(&conn_params));
        let start = ClientStart {
            tls: conn_params.get_client_tls()?,
            server_name: server_name.into(),
            alpn: protocols.iter().map(|p| p.as_ref().into()).collect(),
            ech_configs: None,
            versions: conn_params.get_versions().all().to_vec(),
            negotiated: false,
        };
        let version = conn_params.get_versions().initial();
        let dcid = ConnectionId::generate_initial(&mut random);
        let local_cids = LocalCids::new(cid_generator, None, &mut random)?;
        let local = local_params(&conn_params, version, &local_cids);
        let session = start.session(&local.encode(
            Role::Client,
            conn_params.is_greasing().then_some(&mut random),
        ))?;
        let parts = Parts {
            role: Role::Client,
            version,
            ids: HandshakeIds::new(dcid),
            session,
            local_cids,
            remote_cids: RemoteCids::new(dcid, conn_params.get_active_connection_id_limit()),
            path: Path::new(local_addr, remote_addr, true, &conn_params, now),
            random,
        };
        let mut this = Self::assemble(parts, conn_params, now);
        this.client = Some(start);
        this.install_initial_keys()?;
        this.start_tls(now)?;
        Ok(this)
    }

    /// A server's connection for a client's first Initial packet, which is then to be given to
    /// [`Connection::process_input`].
    ///
    /// # Errors
    /// When TLS refuses the configuration.
    pub fn accept(
        context: &ServerContext,
        accept: &Accept,
        cid_generator: Box<dyn ConnectionIdGenerator>,
        mut random: Random,
        now: Instant,
    ) -> Res<Self> {
        let params = context.params.clone();
        let validated = accept.retry_scid.is_some();
        let reset_key = Some(context.reset_key.clone());
        let local_cids = LocalCids::new(cid_generator, reset_key, &mut random)?;
        let parts = Parts {
            role: Role::Server,
            version: accept.version,
            ids: HandshakeIds {
                original_dcid: accept.original_dcid,
                initial_dcid: accept.dcid,
                retry_scid: accept.retry_scid,
                peer_scid: None,
            },
            session: context.tls.session(&context.alpn)?,
            local_cids,
            remote_cids: RemoteCids::new(accept.scid, params.get_active_connection_id_limit()),
            path: Path::new(accept.local, accept.remote, validated, &params, now),
            random,
        };
        let mut this = Self::assemble(parts, params, now);
        this.install_initial_keys()?;
        this.start_tls(now)?;
        this.set_state(State::WaitInitial);
        Ok(this)
    }

    fn assemble(parts: Parts, params: ConnectionParameters, now: Instant) -> Self {
        let Parts {
            role,
            version,
            ids,
            session,
            local_cids,
            remote_cids,
            path,
            mut random,
        } = parts;
        Self {
            role,
            state: State::Init,
            version,
            handshake: Handshake {
                session,
                events: TlsEvents::default(),
                ids,
                token: Vec::new(),
                ech_public_name: None,
            },
            spaces: new_spaces(&params, &mut random),
            paths: PathSet::new(path),
            local_cids,
            remote_cids,
            streams: Streams::new(role, stream_limits(&params)),
            peer: TransportParameters::default(),
            pto: Pto::default(),
            idle: Idle::new(params.get_idle_timeout(), now),
            saved: Saved::default(),
            unlocked: Vec::new(),
            closer: None,
            speed_ups: 0,
            handshake_done_due: false,
            client: None,
            events: Events::default(),
            stats: Stats {
                version,
                ..Stats::default()
            },
            params,
            random,
        }
    }

    pub(super) fn install_initial_keys(&mut self) -> Res<()> {
        let dcid = self.handshake.ids.initial_dcid;
        let (seal, open) = neqo_crypto::initial_keys(self.version, &dcid, self.role)?;
        let space = self
            .spaces
            .get_mut(PacketNumberSpace::Initial)
            .ok_or(Error::Internal("Initial keys after the Initial space"))?;
        space.keys = Keys::initial(seal, open);
        Ok(())
    }

    /// A client begins the handshake anew in `version` (RFC 9000 §6.2).
    pub(super) fn restart(&mut self, version: Version, now: Instant) -> Res<()> {
        if let Some(start) = &mut self.client {
            start.negotiated = true;
        }
        self.begin_anew(version, now)
    }

    /// Encrypts the `ClientHello` (RFC 9849) by the first usable of these configurations (ECHConfigList), or pretends to,
    /// as everybody should, if there are none. It cannot be taken back, but other configurations can take the place of
    /// these until something is sent.
    ///
    /// [`Info::ech_accepted`](neqo_crypto::Info::ech_accepted) tells whether the server went along. If it did not, the
    /// certificate is to be judged for the public name of the configuration: a host that verifies itself is asked by
    /// [`EchFallbackAuthenticationNeeded`](crate::ConnectionEvent::EchFallbackAuthenticationNeeded). If the certificate
    /// is good, the connection ends with `ech_required`, and its [`CloseReason`](crate::CloseReason) is
    /// `Transport(Error::Crypto(e))`, where `e` is [`neqo_crypto::Error::EchRetry`] with the configurations for another
    /// attempt: empty if that is to be made without any. They are not to be had if the certificate is refused.
    ///
    /// # Errors
    /// `WrongRole` at a server; `ConnectionState` once something was sent or the connection was closed; `Crypto` if the
    /// TLS library cannot do it or finds no usable configuration. Nothing has changed then.
    pub fn client_enable_ech<A: AsRef<[u8]>>(
        &mut self,
        ech_config_list: A,
        now: Instant,
    ) -> Res<()> {
        let Some(start) = &mut self.client else {
            return Err(Misuse::WrongRole.into());
        };
        if self.state != State::Init {
            return Err(Misuse::ConnectionState.into());
        }
        let before = start.ech_configs.replace(ech_config_list.as_ref().to_vec());
        let result = self.begin_anew(self.version, now);
        if result.is_err()
            && let Some(start) = &mut self.client
        {
            start.ech_configs = before;
        }
        result
    }

    /// Begins with another TLS session. If that cannot be had, nothing has changed.
    fn begin_anew(&mut self, version: Version, now: Instant) -> Res<()> {
        let Some(start) = &self.client else {
            return Err(Error::Internal("only clients begin anew"));
        };
        let local = local_params(&self.params, version, &self.local_cids);
        let mut session = start.session(&local.encode(
            Role::Client,
            self.params.is_greasing().then_some(&mut self.random),
        ))?;
        let mut events = TlsEvents::default();
        session.start(now, &mut events)?;
        for id in PacketNumberSpace::ALL {
            self.discard_space(id);
        }
        self.version = version;
        self.stats.version = version;
        self.handshake.session = session;
        self.handshake.events = events;
        self.spaces = new_spaces(&self.params, &mut self.random);
        self.install_initial_keys()?;
        self.drain_tls(now)
    }

    /// A server's transport parameters, once the client's are known.
    pub(super) fn local_params(&mut self) -> Vec<u8> {
        let mut p = local_params(&self.params, self.version, &self.local_cids);
        p.original_destination_connection_id = Some(self.handshake.ids.original_dcid);
        p.retry_source_connection_id = self.handshake.ids.retry_scid;
        p.stateless_reset_token = self.local_cids.first_token();
        p.encode(
            Role::Server,
            self.params.is_greasing().then_some(&mut self.random),
        )
    }
}

fn new_spaces(params: &ConnectionParameters, random: &mut Random) -> Spaces {
    Spaces::new(
        params.get_ack_ratio(),
        params.randomize_first_pn_enabled(),
        random,
    )
}

const fn stream_limits(params: &ConnectionParameters) -> LocalLimits {
    LocalLimits {
        max_data: params.get_max_data(),
        max_stream_data_bidi_local: params.get_max_stream_data(StreamType::BiDi, false),
        max_stream_data_bidi_remote: params.get_max_stream_data(StreamType::BiDi, true),
        max_stream_data_uni: params.get_max_stream_data(StreamType::UniDi, true),
        max_streams_bidi: params.get_max_streams(StreamType::BiDi),
        max_streams_uni: params.get_max_streams(StreamType::UniDi),
    }
}

fn local_params(
    params: &ConnectionParameters,
    version: Version,
    cids: &LocalCids,
) -> TransportParameters {
    TransportParameters {
        max_idle_timeout: params.get_idle_timeout(),
        initial_max_data: params.get_max_data(),
        initial_max_stream_data_bidi_local: params.get_max_stream_data(StreamType::BiDi, false),
        initial_max_stream_data_bidi_remote: params.get_max_stream_data(StreamType::BiDi, true),
        initial_max_stream_data_uni: params.get_max_stream_data(StreamType::UniDi, true),
        initial_max_streams_bidi: params.get_max_streams(StreamType::BiDi),
        initial_max_streams_uni: params.get_max_streams(StreamType::UniDi),
        disable_active_migration: params.migration_disabled(),
        active_connection_id_limit: params.get_active_connection_id_limit(),
        ack_delay_exponent: limits::ACK_DELAY_EXPONENT,
        initial_source_connection_id: Some(cids.first()),
        version_information: Some(VersionInformation::new(
            version,
            params.get_versions().all(),
        )),
        ..TransportParameters::default()
    }
}

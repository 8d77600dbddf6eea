//! What TLS wants done, and what the transport tells it.

use std::time::Instant;

use neqo_common::{Role, qdebug, qwarn};
use neqo_crypto::{AuthenticationStatus, Event, Level};

use super::{Connection, State, timers::PROBES};
use crate::{
    Error, Misuse, Res, Violation, config::limits, events::ConnectionEvent, rx::payload::Payload,
    space::PacketNumberSpace, streams::PeerLimits, wire::tparams::TransportParameters,
};

impl Connection {
    /// The host's verdict on the peer's certificate, in answer to
    /// [`ConnectionEvent::AuthenticationNeeded`]; it may come at any later time. When nobody asked, or twice, it changes
    /// nothing.
    pub fn authenticated(&mut self, verdict: AuthenticationStatus, now: Instant) {
        let hs = &mut self.handshake;
        let result = hs.session.authenticated(verdict, now, &mut hs.events);
        if result == Err(neqo_crypto::Error::State) {
            qwarn!("[{self}] a verdict that nobody asked for");
            return;
        }
        let result = result
            .map_err(Error::from)
            .and_then(|()| self.drain_tls(now));
        if let Err(e) = result {
            self.fail(e, now);
        }
        self.after_input(now);
    }

    pub(super) fn start_tls(&mut self, now: Instant) -> Res<()> {
        let hs = &mut self.handshake;
        hs.session.start(now, &mut hs.events)?;
        self.drain_tls(now)
    }

    /// CRYPTO data arrived in a packet of `id`.
    pub(super) fn on_crypto(
        &mut self,
        id: PacketNumberSpace,
        offset: u64,
        data: Payload<'_>,
        now: Instant,
    ) -> Res<()> {
        let Some(space) = self.spaces.get_mut(id) else {
            return Ok(());
        };
        let repeated = space.crypto.on_data(offset, data)?;
        //= rfc9002#section-6.2.3
        //# When a server receives an Initial packet containing duplicate CRYPTO data,
        //# it can assume the client did not receive all of the server's CRYPTO data sent
        //# in Initial packets, or the client's estimated RTT is too small.
        if repeated && id == PacketNumberSpace::Initial && self.role == Role::Server {
            self.speed_up(id);
        }
        while let Some(chunk) = self
            .spaces
            .get_mut(id)
            .and_then(|space| space.crypto.read())
        {
            let hs = &mut self.handshake;
            hs.session.read(id.level(), &chunk, now, &mut hs.events)?;
            self.drain_tls(now)?;
        }
        Ok(())
    }

    /// Sends unacknowledged CRYPTO data before the probe timeout, a few times per connection
    /// (RFC 9002 §6.2.3).
    pub(super) fn speed_up(&mut self, id: PacketNumberSpace) {
        if self.speed_ups < limits::SPEED_UPS {
            self.speed_ups += 1;
            self.with_fate(id, |loss, fate| loss.probe(PROBES.into(), fate));
            if let Some(space) = self.spaces.get_mut(id) {
                space.owe_probes(1);
            }
        }
    }

    pub(super) fn drain_tls(&mut self, now: Instant) -> Res<()> {
        while let Some(event) = self.handshake.events.pop() {
            match event {
                Event::Crypto { level, data } => {
                    if let Some(space) = self.spaces.get_mut(level.into()) {
                        space.crypto.send(&data);
                    }
                }
                Event::Secret(secret) => {
                    let id = PacketNumberSpace::from(secret.level);
                    // 0-RTT is neither offered nor accepted.
                    if secret.level != Level::ZeroRtt
                        && let Some(space) = self.spaces.get_mut(id)
                    {
                        space.keys.install(self.version, &secret)?;
                        self.unlocked.push(id);
                    }
                }
                Event::PeerParams(params) => self.on_peer_params(&params, now)?,
                Event::ClientHello(_) => {}
                Event::EchFallback(name) => self.handshake.ech_public_name = Some(name),
                Event::AuthenticationNeeded(_) => {
                    let fallback = self.handshake.ech_public_name.clone();
                    self.events.push(fallback.map_or(
                        ConnectionEvent::AuthenticationNeeded,
                        |public_name| ConnectionEvent::EchFallbackAuthenticationNeeded {
                            public_name,
                        },
                    ));
                }
                Event::Ticket(token) => {
                    self.events.push(ConnectionEvent::ResumptionToken(token));
                }
                Event::Complete => self.on_tls_complete(),
                Event::Alert(alert) => return Err(Violation::CryptoAlert(alert).into()),
            }
        }
        Ok(())
    }

    fn on_peer_params(&mut self, raw: &[u8], now: Instant) -> Res<()> {
        let peer = TransportParameters::decode(raw, self.role.remote())?;
        qdebug!("{self} peer parameters {peer:?}");
        let ids = &self.handshake.ids;
        peer.check_cids(
            self.role.remote(),
            &ids.peer_scid.ok_or(Violation::TransportParameter)?,
            &ids.original_dcid,
            ids.retry_scid.as_ref(),
        )?;
        self.check_version_information(&peer)?;
        if let Some(token) = peer.stateless_reset_token {
            self.remote_cids.set_first_token(token);
        }
        self.idle.set_peer_timeout(peer.max_idle_timeout);
        self.streams.set_peer_limits(PeerLimits {
            max_data: peer.initial_max_data,
            max_stream_data_bidi_local: peer.initial_max_stream_data_bidi_local,
            max_stream_data_bidi_remote: peer.initial_max_stream_data_bidi_remote,
            max_stream_data_uni: peer.initial_max_stream_data_uni,
            max_streams_bidi: peer.initial_max_streams_bidi,
            max_streams_uni: peer.initial_max_streams_uni,
        });
        let largest = usize::try_from(peer.max_udp_payload_size).unwrap_or(usize::MAX);
        for path in self.paths.iter_mut() {
            path.limit_mtu(largest);
        }
        self.peer = peer;
        if self.role == Role::Server {
            let local = self.local_params();
            let hs = &mut self.handshake;
            hs.session.set_local_params(&local, now, &mut hs.events)?;
        }
        Ok(())
    }

    /// RFC 9368 §4: the version in use must be one that both chose knowingly.
    fn check_version_information(&self, peer: &TransportParameters) -> Res<()> {
        let Some(info) = &peer.version_information else {
            // A client that reacted to Version Negotiation needs the server's word for it.
            let negotiated = self.client.as_ref().is_some_and(|c| c.negotiated);
            return (!negotiated)
                .then_some(())
                .ok_or_else(|| Violation::VersionNegotiation.into());
        };
        //= rfc9368#section-4
        //# clients MUST validate that the server's Chosen Version is equal to the negotiated version
        if info.chosen != self.version.wire_version() {
            return Err(Violation::VersionNegotiation.into());
        }
        // Had the server's list been authentic in Version Negotiation, would the choice be the same?
        if let Some(start) = self.client.as_ref().filter(|c| c.negotiated) {
            let again = start
                .versions
                .iter()
                .find(|v| info.available.contains(&v.wire_version()));
            if again != Some(&self.version) {
                return Err(Violation::VersionNegotiation.into());
            }
        }
        Ok(())
    }

    fn on_tls_complete(&mut self) {
        self.stats.resumed = self
            .handshake
            .session
            .info()
            .is_some_and(neqo_crypto::Info::resumed);
        self.set_state(State::Connected);
        self.local_cids
            .set_peer_limit(self.peer.active_connection_id_limit, &mut self.random);
        if self.role == Role::Server {
            self.handshake_done_due = true;
            self.on_confirmed();
        }
    }

    /// The handshake is confirmed (RFC 9001 §4.1.2).
    pub(super) fn on_confirmed(&mut self) {
        //= rfc9001#section-4.9.2
        //# An endpoint MUST discard its Handshake keys when the TLS handshake is confirmed
        self.set_state(State::Confirmed);
        self.discard_space(PacketNumberSpace::Initial);
        self.discard_space(PacketNumberSpace::Handshake);
    }

    /// Replaces the keys with those of the next phase (RFC 9001 §6).
    ///
    /// # Errors
    /// [`Misuse::KeyUpdateBlocked`] until the handshake and the update before are confirmed.
    pub fn initiate_key_update(&mut self) -> Res<()> {
        if self.state != State::Confirmed {
            return Err(Misuse::KeyUpdateBlocked.into());
        }
        self.spaces
            .get_mut(PacketNumberSpace::ApplicationData)
            .ok_or(Misuse::KeyUpdateBlocked)?
            .keys
            .initiate_update()
    }
}

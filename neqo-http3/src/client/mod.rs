//! A client: one connection, many requests.

mod events;
mod fetch;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use bytes::BytesMut;
pub use events::Http3ClientEvent;
use neqo_common::{Datagram, Role, event::Provider};
use neqo_crypto::{AuthenticationStatus, Info, PeerChain};
use neqo_transport::{
    AppError, Connection, ConnectionId, ConnectionIdGenerator, Output, OutputBatch, Stats, Transmit,
};

use crate::{
    Http3Parameters, Http3State,
    config::{ALPN, limits::MAX_WAITING_TOKENS},
    core::{Config, Core},
    driver::{Driver, Notice},
    error::Res,
    settings::Settings,
};

/// Drops the oldest token to resume with, if there are as many as a host that never asks may cost.
fn make_room_for_token(events: &mut VecDeque<Http3ClientEvent>) {
    let is_token = |e: &Http3ClientEvent| matches!(e, Http3ClientEvent::ResumptionToken(_));
    if events.iter().filter(|e| is_token(e)).count() >= MAX_WAITING_TOKENS
        && let Some(oldest) = events.iter().position(is_token)
    {
        events.remove(oldest);
    }
}

/// An HTTP/3 client's connection.
///
/// It opens no socket and reads no clock: datagrams go in by [`Http3Client::process_input`], come out by [`Http3Client::write_batch`] (or the owned shapes
/// [`Http3Client::process_output`] and [`Http3Client::process_multiple_output`]), and each call is told the time.
///
/// After any call, take the output until it is a callback, and call again when that time has come. Events tell what
/// happened; [`Provider`] has the methods to take them.
#[derive(Debug)]
pub struct Http3Client {
    quic: Connection,
    driver: Driver,
    events: VecDeque<Http3ClientEvent>,
}

impl Http3Client {
    /// A connection to `server_name` at `remote_addr`.
    ///
    /// # Errors
    /// When TLS refuses the server name or the configuration.
    pub fn new<I: Into<String>>(
        server_name: I,
        cid_generator: Box<dyn ConnectionIdGenerator>,
        local_addr: SocketAddr,
        remote_addr: SocketAddr,
        http3_parameters: Http3Parameters,
        now: Instant,
    ) -> Res<Self> {
        let config = http3_parameters.core_config();
        let conn_params = http3_parameters.into_connection_parameters();
        let quic = Connection::new_client(
            server_name,
            &[ALPN],
            cid_generator,
            local_addr,
            remote_addr,
            conn_params,
            now,
        )?;
        Ok(Self::assemble(quic, config))
    }

    /// HTTP/3 on a client's connection that nothing has been done with, and whose protocol is `h3`.
    #[must_use]
    pub fn new_with_conn(quic: Connection, http3_parameters: &Http3Parameters) -> Self {
        Self::assemble(quic, http3_parameters.core_config())
    }

    fn assemble(quic: Connection, config: Config) -> Self {
        debug_assert_eq!(quic.role(), Role::Client);
        Self {
            quic,
            driver: Driver::new(Core::new(Role::Client, config)),
            events: VecDeque::new(),
        }
    }

    /// Where the connection is in its life.
    #[must_use]
    pub fn state(&self) -> Http3State {
        self.driver.state()
    }

    /// What TLS negotiated, once that is known.
    #[must_use]
    pub fn tls_info(&self) -> Option<&Info> {
        self.quic.tls_info()
    }

    /// The server's certificate chain.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&PeerChain> {
        self.quic.peer_certificate()
    }

    /// The connection ID that this client chose first, which names the connection in logs on both sides.
    #[must_use]
    pub const fn connection_id(&self) -> &ConnectionId {
        self.quic.odcid()
    }

    /// The server's settings, once they have arrived.
    #[must_use]
    pub const fn peer_settings(&self) -> Option<&Settings> {
        self.driver.core.peer_settings()
    }

    /// The transport's counters and measurements.
    #[must_use]
    pub fn transport_stats(&self) -> Stats {
        self.quic.stats()
    }

    /// How the compression of request fields does.
    #[must_use]
    pub const fn qpack_encoder_stats(&self) -> neqo_qpack::Stats {
        self.driver.core.qpack_stats().0
    }

    /// How the decompression of response fields does.
    #[must_use]
    pub const fn qpack_decoder_stats(&self) -> neqo_qpack::Stats {
        self.driver.core.qpack_stats().1
    }

    /// Encrypts the `ClientHello` by one of these configurations, or pretends to if there are none: see
    /// [`Connection::client_enable_ech`].
    ///
    /// If the server does not accept, the host is asked by [`Http3ClientEvent::EchFallbackAuthenticationNeeded`], and
    /// the [`Http3State::Closing`] that follows has the reason
    /// `CloseReason::Transport(neqo_transport::Error::Crypto(e))`, where `e` is [`neqo_crypto::Error::EchRetry`] with the
    /// configurations for another attempt.
    ///
    /// # Errors
    /// `Transport` with what [`Connection::client_enable_ech`] says; nothing has changed then.
    pub fn enable_ech<A: AsRef<[u8]>>(&mut self, ech_config_list: A, now: Instant) -> Res<()> {
        Ok(self.quic.client_enable_ech(ech_config_list, now)?)
    }

    /// The host's verdict on the server's certificate.
    pub fn authenticated(&mut self, status: AuthenticationStatus, now: Instant) {
        self.quic.authenticated(status, now);
        self.process_http3(now);
    }

    /// Closes the connection with an application error code, at most 2^62-1; `H3_NO_ERROR` when nothing is wrong.
    pub fn close<S: AsRef<str>>(&mut self, now: Instant, error: AppError, msg: S) {
        self.quic.close(now, error, msg);
        self.process_http3(now);
    }

    fn is_over(&self) -> bool {
        let state = self.driver.state();
        matches!(state, Http3State::Closing(_) | Http3State::Closed(_))
    }

    /// Acts on everything that happened on the connection.
    fn process_http3(&mut self, now: Instant) {
        let Self {
            quic,
            driver,
            events,
        } = self;
        driver.process(quic, now, |notice| {
            let event = match notice {
                Notice::AuthenticationNeeded => Http3ClientEvent::AuthenticationNeeded,
                Notice::EchFallbackAuthenticationNeeded(public_name) => {
                    Http3ClientEvent::EchFallbackAuthenticationNeeded { public_name }
                }
                Notice::ResumptionToken(token) => {
                    make_room_for_token(events);
                    Http3ClientEvent::ResumptionToken(token)
                }
                Notice::StateChange(state) => Http3ClientEvent::StateChange(state),
            };
            events.push_back(event);
        });
    }

    /// Takes a datagram. It is decrypted in place; content that is not read at once is copied.
    pub fn process_input<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        dgram: Datagram<A>,
        now: Instant,
    ) {
        self.quic.process_input(dgram, now);
        self.process_http3(now);
    }

    /// Takes several datagrams.
    pub fn process_multiple_input<A, I>(&mut self, dgrams: I, now: Instant)
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        self.quic.process_multiple_input(dgrams, now);
        self.process_http3(now);
    }

    /// Takes datagrams of `stride` bytes each (the last may be shorter), one behind the other in one buffer, as generic
    /// receive offload delivers them. Content is kept as slices of the buffer where that wastes little memory.
    pub fn process_input_owned(
        &mut self,
        dgram: Datagram<BytesMut>,
        stride: NonZeroUsize,
        now: Instant,
    ) {
        self.quic.process_input_owned(dgram, stride, now);
        self.process_http3(now);
    }

    /// The next datagram to send, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_output(&mut self, now: Instant) -> Output {
        let output = self.quic.process_output(now);
        self.process_http3(now);
        output
    }

    /// The next datagrams to send, at most `max_datagrams`, or how long to wait.
    #[must_use = "the output must be sent"]
    pub fn process_multiple_output(
        &mut self,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch {
        let output = self.quic.process_multiple_output(now, max_datagrams);
        self.process_http3(now);
        output
    }

    /// Takes a datagram, if there is one, and tells what to do next.
    #[must_use = "the output must be sent"]
    pub fn process<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        dgram: Option<Datagram<A>>,
        now: Instant,
    ) -> Output {
        if let Some(d) = dgram {
            self.process_input(d, now);
        }
        self.process_output(now)
    }

    /// Fills `buf` with up to `max` datagrams of one size for one destination, or tells how long to wait. See
    /// [`Connection::write_batch`].
    pub fn write_batch<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut [u8],
        max: NonZeroUsize,
    ) -> Transmit<'b> {
        let transmit = self.quic.write_batch(now, buf, max);
        self.process_http3(now);
        transmit
    }

    /// How long until something is to be done without input.
    #[must_use]
    pub fn next_timeout(&self, now: Instant) -> Option<Duration> {
        self.quic.next_timeout(now)
    }
}

impl Provider for Http3Client {
    type Event = Http3ClientEvent;

    fn has_events(&self) -> bool {
        !self.events.is_empty() || self.driver.core.has_events()
    }

    fn next_event(&mut self) -> Option<Self::Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        while let Some(event) = self.driver.core.next_event() {
            match Http3ClientEvent::from_core(event) {
                // The server may say what it allows, and then be refused.
                Some(Http3ClientEvent::RequestsCreatable) if self.is_over() => {}
                None => {}
                event => return event,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{Http3ClientEvent, MAX_WAITING_TOKENS, make_room_for_token};

    #[test]
    fn a_client_keeps_the_newest_tokens() {
        let now = test_fixture::now();
        let token = |n: u8| {
            let token = neqo_crypto::ResumptionToken::new(vec![n], now, false);
            Http3ClientEvent::ResumptionToken(token)
        };
        let mut events = VecDeque::from([Http3ClientEvent::RequestsCreatable]);
        for n in 0..100 {
            make_room_for_token(&mut events);
            events.push_back(token(n));
        }
        let newest = (100 - u8::try_from(MAX_WAITING_TOKENS).unwrap()..100).map(token);
        let expected: Vec<_> = std::iter::once(Http3ClientEvent::RequestsCreatable)
            .chain(newest)
            .collect();
        assert_eq!(Vec::from(events), expected);
    }
}

//! A server: many connections, each with many requests.

mod connections;
mod events;
mod respond;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, num::NonZeroUsize, time::Instant};

use bytes::BytesMut;
use connections::{Connections, News};
pub use events::{Http3ServerEvent, Http3StreamHandle};
use neqo_common::{Datagram, Role, event::Provider};
use neqo_crypto::Info;
use neqo_transport::{
    AppError, Connection, ConnectionIdGenerator, Output, OutputBatch, Transmit,
    server::{ConnectionHandle, Limits, Server, ServerStats, ValidateAddress},
};

use crate::{
    Http3Parameters, Http3State, Misuse, Res,
    config::ALPN,
    core::Core,
    driver::{Driver, Notice},
};

/// Whether a connection has negotiated another protocol than HTTP/3. Before the protocol is known it is taken for that.
fn is_other(quic: &Connection) -> bool {
    quic.tls_info()
        .and_then(Info::alpn)
        .is_some_and(|protocol| protocol != ALPN)
}

/// An HTTP/3 server.
///
/// It opens no socket and reads no clock: datagrams go in by [`Http3Server::process_input`] or
/// [`Http3Server::process_input_owned`], come out by [`Http3Server::write_batch`] (or the owned shapes), and each call is
/// told the time.
///
/// Requests are named by [`Http3StreamHandle`]s and connections by [`ConnectionHandle`]s, which are plain values. Events
/// tell what happened; [`Provider`] has the methods to take them.
#[derive(Debug)]
pub struct Http3Server {
    quic: Server,
    params: Http3Parameters,
    connections: Connections,
    /// Connections with another protocol on which something happened.
    others: BTreeSet<ConnectionHandle>,
}

impl Http3Server {
    /// A server that does TLS as `tls` says. `cid_generator` is called for each connection; see [`Server::new`].
    ///
    /// # Errors
    /// When connection IDs would be empty, or TLS refuses the configuration.
    pub fn new<F>(
        now: Instant,
        tls: neqo_crypto::Server,
        cid_generator: F,
        http3_parameters: Http3Parameters,
    ) -> Res<Self>
    where
        F: Fn() -> Box<dyn ConnectionIdGenerator> + Send + 'static,
    {
        let conn_params = http3_parameters.get_connection_parameters().clone();
        let quic = Server::new(now, tls, &[ALPN], cid_generator, conn_params)?;
        Ok(Self::with_transport(quic, http3_parameters))
    }

    /// HTTP/3 on a server that may accept other protocols beside `h3`. Connections that negotiated another one are left
    /// to the host: [`Http3Server::next_other`] names them. The connection parameters of `http3_parameters` are those of
    /// `quic` already.
    #[must_use]
    pub fn with_transport(quic: Server, http3_parameters: Http3Parameters) -> Self {
        Self {
            quic,
            params: http3_parameters,
            connections: Connections::default(),
            others: BTreeSet::new(),
        }
    }

    /// A connection that negotiated another protocol and has events. Each is named once, until something happens to it
    /// again.
    pub fn next_other(&mut self) -> Option<ConnectionHandle> {
        self.others.pop_first()
    }

    /// A connection to act upon, unless it is gone or speaks HTTP/3.
    pub fn other_mut(&mut self, conn: ConnectionHandle) -> Option<&mut Connection> {
        self.quic.connection_mut(conn).filter(|quic| is_other(quic))
    }

    /// When clients must prove their address before a connection is made.
    pub const fn set_validation(&mut self, v: ValidateAddress) {
        self.quic.set_validation(v);
    }

    /// How many connections are taken. Those that exist stay.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.quic.set_limits(limits);
    }

    /// Refuses new connections from now on; those that exist go on.
    pub const fn stop_accepting(&mut self) {
        self.quic.stop_accepting();
    }

    /// The transport's server, to look at.
    #[must_use]
    pub const fn transport(&self) -> &Server {
        &self.quic
    }

    /// What happened so far.
    #[must_use]
    pub const fn stats(&self) -> &ServerStats {
        self.quic.stats()
    }

    /// A connection, to look at, unless it is gone.
    #[must_use]
    pub fn connection(&self, conn: ConnectionHandle) -> Option<&Connection> {
        self.quic.connection(conn)
    }

    /// The state of a connection that is not gone.
    #[must_use]
    pub fn state(&self, conn: ConnectionHandle) -> Option<Http3State> {
        self.connections.get(conn).map(Driver::state)
    }

    /// How many requests of a connection are not over.
    #[must_use]
    pub fn open_requests(&self, conn: ConnectionHandle) -> usize {
        self.connections
            .get(conn)
            .map_or(0, |driver| driver.core.open_requests())
    }

    /// Tells a client that no further requests will be processed. Those that arrived are.
    ///
    /// # Errors
    /// [`Misuse::InvalidInput`] when there is no such connection, [`Misuse::Unavailable`] before its handshake is
    /// complete, [`Misuse::InvalidState`] when that was said already.
    pub fn send_goaway(&mut self, conn: ConnectionHandle) -> Res<()> {
        let quic = self.quic.connection_mut(conn).ok_or(Misuse::InvalidInput)?;
        let driver = self.connections.get_mut(conn).ok_or(Misuse::Unavailable)?;
        if driver.state() == Http3State::Initializing {
            return Err(Misuse::Unavailable.into());
        }
        driver.core.send_goaway(quic)
    }

    /// Closes a connection with an application error code, at most 2^62-1; `H3_NO_ERROR` when nothing is wrong. Does
    /// nothing when it is gone.
    pub fn close<S: AsRef<str>>(
        &mut self,
        conn: ConnectionHandle,
        now: Instant,
        error: AppError,
        msg: S,
    ) {
        if let Some(quic) = self.quic.connection_mut(conn) {
            quic.close(now, error, msg);
            self.process_connection(conn, now);
        }
    }

    /// Acts on everything that happened on the connections.
    fn process_http3(&mut self, now: Instant) {
        while let Some(conn) = self.quic.next_active() {
            self.process_connection(conn, now);
        }
    }

    fn process_connection(&mut self, conn: ConnectionHandle, now: Instant) {
        let Some(quic) = self.quic.connection_mut(conn) else {
            return;
        };
        if is_other(quic) {
            self.connections.remove(conn);
            self.note_other(conn);
            return;
        }
        let params = &self.params;
        let driver = self.connections.entry(conn, || {
            Driver::new(Core::new(Role::Server, params.core_config()))
        });
        let mut news = None;
        driver.process(quic, now, |notice| {
            if let Notice::StateChange(state) = notice {
                news = Some(state);
            }
        });
        if let Some(state) = news {
            self.connections.note_state(conn, state);
        }
        self.connections.check_events(conn);
    }

    /// Something happened on a connection with another protocol. A host that never asks is not
    /// told of those that are gone.
    fn note_other(&mut self, conn: ConnectionHandle) {
        const SLACK: usize = 64;
        self.others.insert(conn);
        if self.others.len() > 2 * self.quic.connection_count() + SLACK {
            let quic = &self.quic;
            self.others.retain(|conn| quic.connection(*conn).is_some());
        }
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

    /// Takes datagrams, and tells what to do next.
    #[must_use = "the output must be sent"]
    pub fn process<A, I>(&mut self, dgrams: I, now: Instant) -> Output
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        self.process_multiple_input(dgrams, now);
        self.process_output(now)
    }

    /// Takes datagrams, and tells what to do next, at most `max_datagrams`.
    #[must_use = "the output must be sent"]
    pub fn process_multiple<A, I>(
        &mut self,
        dgrams: I,
        now: Instant,
        max_datagrams: NonZeroUsize,
    ) -> OutputBatch
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        self.process_multiple_input(dgrams, now);
        self.process_multiple_output(now, max_datagrams)
    }

    /// Fills `buf` with up to `max` datagrams of one size for one destination, or tells how long to wait. See
    /// [`Server::write_batch`].
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
}

impl Provider for Http3Server {
    type Event = Http3ServerEvent;

    fn has_events(&self) -> bool {
        self.connections.has_events()
    }

    fn next_event(&mut self) -> Option<Self::Event> {
        while let Some((conn, news)) = self.connections.next_event() {
            let event = match news {
                News::State(state) => Some(Http3ServerEvent::StateChange { conn, state }),
                News::Core(event) => Http3ServerEvent::from_core(conn, event),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }
}

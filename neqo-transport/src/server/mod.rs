//! The server: many connections behind one address.
//!
//! | file | what it owns |
//! |---|---|
//! | `input` | from a datagram to a connection, or to an answer without one |
//! | `output` | from connections and answers to batches of datagrams |
//! | `roster` | the connections, and whose turn it is: `table`, `timers` and queues |
//! | `routing` | connection ID → connection |
//! | `accept` | admission: who is let in, who must prove its address first, who is dropped |
//! | `retry` | address validation tokens |
//! | `reset` | stateless resets |
//! | `refuse` | CONNECTION_CLOSE without a connection |
//! | `origin` | addresses that are never answered |
//! | `responses` | answers that wait to be sent |
//!
//! A connection is named by a [`ConnectionHandle`], a number that is lent a connection when needed.
//! No call takes time in proportion to the number of connections, but for [`Server::handles`].

mod accept;
mod input;
mod origin;
mod output;
mod refuse;
mod reset;
mod responses;
mod retry;
mod roster;
mod routing;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod timers;

use std::{
    fmt::{self, Debug, Formatter},
    time::Instant,
};

use neqo_common::Random;
use neqo_crypto::ResetKey;

use self::{
    accept::Admission, reset::Resetter, responses::Responses, retry::Tokens, roster::Roster,
};
pub use self::{
    accept::{Limits, ValidateAddress},
    stats::{Dropped, ServerStats},
    table::ConnectionHandle,
};
use crate::{
    Misuse, Res,
    cid::id::ConnectionIdGenerator,
    config::params::ConnectionParameters,
    connection::{Connection, ServerContext},
};

/// Makes a generator of connection IDs for each connection.
type CidSource = Box<dyn Fn() -> Box<dyn ConnectionIdGenerator> + Send>;

/// A QUIC server, sans IO.
///
/// It opens no socket and reads no clock: datagrams go in by [`Server::process_input`] or
/// [`Server::process_input_owned`], come out by [`Server::write_batch`] (or the owned shapes
/// [`Server::process_output`] and [`Server::process_multiple_output`]), and each call is told the
/// time, which must never go backwards.
///
/// After input or a change to a connection, take the output until it is a callback, and call again
/// when that time has come. [`Server::next_active`] tells which connections have events.
pub struct Server {
    context: ServerContext,
    cids: CidSource,
    random: Random,
    roster: Roster,
    admission: Admission,
    tokens: Tokens,
    resetter: Resetter,
    responses: Responses,
    /// Whose turn the next output is.
    answers_first: bool,
    /// Where the owned shapes of output are written first.
    scratch: Vec<u8>,
    stats: ServerStats,
}

impl Server {
    /// A server that does TLS as `tls` says and speaks one of `protocols`, the preferred one
    /// first. `cid_generator` is called for each connection; all that it makes must recognize each
    /// other's connection IDs, which must not be empty.
    ///
    /// # Errors
    /// [`Misuse::InvalidInput`] if connection IDs are empty: packets could not be told apart.
    /// When TLS refuses the protocols.
    pub fn new<A, F>(
        now: Instant,
        tls: neqo_crypto::Server,
        protocols: &[A],
        cid_generator: F,
        conn_params: ConnectionParameters,
    ) -> Res<Self>
    where
        A: AsRef<str>,
        F: Fn() -> Box<dyn ConnectionIdGenerator> + Send + 'static,
    {
        let alpn: Vec<Vec<u8>> = protocols.iter().map(|p| p.as_ref().into()).collect();
        tls.session(&alpn)?;
        let generator = cid_generator();
        //= rfc9000#section-10.3.2
        //# In addition, it cannot provide
        //# a zero-length connection ID.
        if generator.generates_empty_cids() {
            return Err(Misuse::InvalidInput.into());
        }
        let mut random = Random::from_seed(conn_params.get_seed().unwrap_or_else(|| {
            let mut seed = [0; 32];
            neqo_crypto::random(&mut seed);
            seed
        }));
        Ok(Self {
            context: ServerContext {
                tls,
                alpn,
                params: conn_params,
                reset_key: ResetKey::random(),
            },
            cids: Box::new(cid_generator),
            roster: Roster::new(generator, &mut random),
            random,
            admission: Admission::default(),
            tokens: Tokens::new(now),
            resetter: Resetter::default(),
            responses: Responses::default(),
            answers_first: false,
            scratch: Vec::new(),
            stats: ServerStats::default(),
        })
    }

    /// When clients must prove their address before a connection is made.
    pub const fn set_validation(&mut self, v: ValidateAddress) {
        self.admission.validate = v;
    }

    /// How many connections are taken. Those that exist stay.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.admission.limits = limits;
    }

    /// Keeps the key of stateless resets over a restart, so that clients of the server before can
    /// be told that it is gone (RFC 9000 §10.3.2). To be called before the first connection. No two
    /// servers that run at once may share a key (§21.11).
    pub fn set_reset_key(&mut self, key: ResetKey) {
        self.context.reset_key = key;
    }

    /// Refuses new connections from now on; those that exist go on.
    pub const fn stop_accepting(&mut self) {
        self.admission.open = false;
    }

    /// A connection, unless it is gone. One that is closed is gone, at the latest, with the first
    /// call to the server after [`Server::next_active`] named it.
    #[must_use]
    pub fn connection(&self, handle: ConnectionHandle) -> Option<&Connection> {
        self.roster.get(handle)
    }

    /// A connection to act upon, unless it is gone. It gets a turn at the next output.
    pub fn connection_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Connection> {
        self.roster.wake(handle);
        self.roster.get_mut(handle).map(|entry| &mut entry.conn)
    }

    /// The next connection that has events: each is named once, until something happens to it
    /// again. A connection that is new is named for the first time when its state changes.
    pub fn next_active(&mut self) -> Option<ConnectionHandle> {
        self.roster.next_active()
    }

    /// All connections that are not closed.
    pub fn handles(&self) -> impl Iterator<Item = ConnectionHandle> + '_ {
        self.roster.handles()
    }

    /// How many connections are not closed.
    #[must_use]
    pub const fn connection_count(&self) -> usize {
        self.roster.load().connections
    }

    /// Whether there is no connection, and nothing waits to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.connection_count() == 0 && self.responses.is_empty()
    }

    /// What happened so far.
    #[must_use]
    pub const fn stats(&self) -> &ServerStats {
        &self.stats
    }
}

impl Debug for Server {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("load", &self.roster.load())
            .field("admission", &self.admission)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

//! `Connection`: it owns every component by value and is the only place that wires them together.
//!
//! | file | what it owns |
//! |---|---|
//! | `state` | the declared states |
//! | `api` | what the host calls about streams, events and information |
//! | `setup` | how a client's and a server's connection begin |
//! | `input` | from a datagram to opened packets |
//! | `dispatch` | from an opened packet's frames to the components |
//! | `fate` | what an acknowledgement or a loss means to the component that wrote a frame |
//! | `tls` | what TLS wants done |
//! | `retry` | Retry and Version Negotiation at the client |
//! | `output` | from what components want to say to a batch of datagrams |
//! | `timers` | when to act without input, and what to do then |
//! | `close`, `idle` | how connections end |

mod api;
pub(crate) mod close;
mod dispatch;
mod fate;
mod idle;
mod input;
mod output;
mod retry;
mod setup;
mod state;
#[cfg(test)]
mod tests;
mod timers;
mod tls;

use std::time::{Duration, Instant};

use close::Closer;
use idle::Idle;
use neqo_common::{Random, Role, qdebug, qinfo};
use neqo_crypto::Version;
pub use output::{Output, OutputBatch, Transmit};
pub use setup::{Accept, ServerContext};
pub use state::State;

use crate::{
    CloseReason, Error, Stats,
    cid::{local::LocalCids, remote::RemoteCids},
    config::params::ConnectionParameters,
    events::{ConnectionEvent, Events},
    handshake::Handshake,
    path::set::PathSet,
    recovery::pto::Pto,
    rx::saved::Saved,
    space::{PacketNumberSpace, table::Spaces},
    streams::Streams,
    wire::tparams::TransportParameters,
};

/// A QUIC connection, client or server.
///
/// It opens no socket and reads no clock: datagrams go in by
/// [`Connection::process_input`], come out by [`Connection::write_batch`] (or the owned shapes
/// [`Connection::process_output`] and [`Connection::process_multiple_output`]), and each call is
/// told the time, which must never go backwards.
///
/// After any call, take the output until it is a callback, and call again when that time has come.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    state: State,
    version: Version,
    params: ConnectionParameters,
    random: Random,
    handshake: Handshake,
    spaces: Spaces,
    paths: PathSet,
    local_cids: LocalCids,
    remote_cids: RemoteCids,
    streams: Streams,
    /// The peer's transport parameters; the defaults of RFC 9000 §18.2 until they arrive.
    peer: TransportParameters,
    pto: Pto,
    idle: Idle,
    saved: Saved,
    /// Keys were installed: saved packets of these spaces may open now.
    unlocked: Vec<PacketNumberSpace>,
    closer: Option<Closer>,
    /// How often CRYPTO data was sent again before the probe timeout.
    speed_ups: u8,
    /// A server owes HANDSHAKE_DONE.
    handshake_done_due: bool,
    /// How a client begins again after Version Negotiation or Retry.
    client: Option<setup::ClientStart>,
    events: Events,
    stats: Stats,
}

/// The name of a close timer in RFC 9000 §10.2: three times the PTO.
const CLOSE_PTOS: u32 = 3;

impl Connection {
    /// Which side this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where the connection is in its life.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The version in use.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    fn set_state(&mut self, next: State) {
        if self.state.allows(&next) {
            qinfo!("{self} {:?} -> {next:?}", self.state);
            self.state = next.clone();
            self.events.push(ConnectionEvent::StateChange(next));
        }
    }

    /// The probe timeout of the primary path with the peer's `max_ack_delay` (RFC 9002 §6.2.1).
    fn pto(&self) -> Duration {
        self.paths.primary().rtt.pto_base() + self.peer.max_ack_delay
    }

    /// Closes the connection because something failed. What the caller did wrong never does.
    fn fail(&mut self, error: Error, now: Instant) {
        qdebug!("{self} fails: {error}");
        let text = error.to_string();
        self.begin_close(CloseReason::Transport(error), &text, now);
    }

    fn begin_close(&mut self, error: CloseReason, text: &str, now: Instant) {
        if self.state.closing() || self.state.closed() {
            return;
        }
        let nothing_said = matches!(self.state, State::Init);
        self.closer = Some(Closer::new(&error, text));
        if nothing_said {
            self.set_state(State::Closed(error));
        } else {
            let timeout = now + self.pto() * CLOSE_PTOS;
            self.set_state(State::Closing { error, timeout });
        }
    }

    /// The peer closed the connection.
    fn drain(&mut self, error: CloseReason, now: Instant) {
        let timeout = now + self.pto() * CLOSE_PTOS;
        self.set_state(State::Draining { error, timeout });
    }

    /// Ends without a word (RFC 9000 §10.1, §10.3.1).
    fn end_silently(&mut self, error: Error) {
        self.set_state(State::Closed(CloseReason::Transport(error)));
    }

    /// Drops a packet number space and all that belongs to it (RFC 9001 §4.9).
    fn discard_space(&mut self, id: PacketNumberSpace) {
        if let Some(mut space) = self.spaces.take(id) {
            qdebug!("{self} discards {id:?}");
            let paths = &mut self.paths;
            space.loss.discard(|p| {
                if p.in_flight {
                    let sender = &mut paths.get_mut(p.path).sender;
                    sender.on_discarded(usize::from(p.size));
                }
            });
            //= rfc9002#section-6.2.2
            //# When Initial or Handshake keys are discarded, the PTO and loss detection timers
            //# MUST be reset, because discarding keys indicates forward progress
            self.pto.reset();
        }
    }

    /// What must hold after every public call.
    fn consistent(&self) -> bool {
        let sent: usize = self
            .spaces
            .iter()
            .map(|(_, s)| s.loss.sent.bytes_in_flight())
            .sum();
        let counted: usize = self
            .paths
            .iter()
            .map(|(_, p)| p.sender.bytes_in_flight())
            .sum();
        sent == counted && self.streams.consistent()
    }
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.role, self.handshake.ids.original_dcid)
    }
}

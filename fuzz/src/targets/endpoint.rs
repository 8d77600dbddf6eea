//! What the harnesses share: ends of connections that use them as carelessly as a host might.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, event::Provider as _};
use neqo_crypto::Identity;
use neqo_transport::{Connection, ConnectionEvent, ConnectionParameters, StreamType};
use test_fixture::{
    node::{App, ConnectionNode, ServerNode},
    sim::Node,
    tls,
};

use crate::input::Input;

/// What one input may do at most, so that long ones stay quick.
pub const MAX_OPS: usize = 300;

/// The certificate, which takes longer to make than most inputs take to run.
pub fn identity() -> Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(tls::identity).clone()
}

/// From nothing to about a minute, small steps more often.
pub fn step(input: &mut Input<'_>) -> Duration {
    let n = u64::from(input.byte());
    Duration::from_millis(n * n)
}

/// Opens streams when it can, reads what it gets and answers what can be answered.
#[derive(Debug, Default)]
pub struct Careless {
    opened: bool,
}

impl App for Careless {
    fn drive(&mut self, c: &mut Connection, _now: Instant) {
        while let Some(event) = c.next_event() {
            // What the connection refuses is nothing to this host.
            _ = match event {
                ConnectionEvent::StateChange(state) if state.connected() => self.open(c),
                ConnectionEvent::NewStream { stream_id } if stream_id.is_bidi() => c
                    .stream_send(stream_id, b"answer")
                    .and_then(|_| c.stream_close_send(stream_id)),
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    let mut buf = [0; 1000];
                    while let Ok((1.., false)) = c.stream_recv(stream_id, &mut buf) {}
                    Ok(())
                }
                ConnectionEvent::RecvStreamReset { stream_id, .. } => {
                    c.stream_reset_send(stream_id, 7)
                }
                _ => Ok(()),
            };
        }
    }

    fn done(&self, _: &Connection) -> bool {
        true
    }
}

impl Careless {
    fn open(&mut self, c: &mut Connection) -> neqo_transport::Res<()> {
        if std::mem::replace(&mut self.opened, true) {
            return Ok(());
        }
        for kind in [StreamType::BiDi, StreamType::UniDi, StreamType::BiDi] {
            let id = c.stream_create(kind)?;
            c.stream_send(id, &[7; 3000])?;
        }
        Ok(())
    }
}

/// A server of careless connections.
pub type ServerEnd = ServerNode<fn() -> Careless, Careless>;
/// A careless client.
pub type ClientEnd = ConnectionNode<Careless>;

/// A server that does the same whenever its input is the same.
pub fn server() -> ServerEnd {
    ServerNode::new(
        1,
        identity(),
        ConnectionParameters::default(),
        Careless::default,
    )
}

/// A client of it.
pub fn client() -> ClientEnd {
    ConnectionNode::client(
        1,
        &identity(),
        ConnectionParameters::default(),
        Careless::default(),
    )
}

/// Takes what a node wants to send.
pub fn output(node: &mut impl Node, now: Instant) -> Vec<Datagram> {
    let mut out = Vec::new();
    node.output(now, &mut out);
    out
}

/// A datagram with some bytes changed, cut or appended, as the input says.
pub fn mutated(d: &Datagram, input: &mut Input<'_>) -> Datagram {
    let mut bytes = d.to_vec();
    for _ in 0..input.byte() % 8 {
        let at = usize::from(input.u16());
        let with = input.byte();
        match bytes.get_mut(at) {
            Some(byte) => *byte ^= with,
            None => bytes.truncate(usize::from(with) * 6),
        }
    }
    if input.byte() & 1 == 1 {
        bytes.extend_from_slice(input.chunk());
    }
    Datagram::new(d.source(), d.destination(), d.tos(), bytes)
}

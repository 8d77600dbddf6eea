//! The harness of a hostile network between honest ends.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use neqo_common::Datagram;
use neqo_transport::{CloseReason, ConnectionParameters, Error};
use test_fixture::{
    node::{ConnectionNode, ServerNode},
    sim::Node,
    transfer::{Requests, Responses},
};

use super::endpoint::{identity, mutated, output};
use crate::input::Input;

const ONE_WAY: Duration = Duration::from_millis(10);
/// Steps of virtual time after which the run is stuck.
const MAX_STEPS: usize = 50_000;
const REQUESTS: usize = 3;
const UPLOAD: u64 = 3_000;
const DOWNLOAD: u64 = 20_000;

/// Datagrams under way, by when they arrive and the order in which they were sent. The second is
/// for the server.
type Wire = BTreeMap<(Instant, usize), (Datagram, bool)>;

/// A network of which the input says, datagram by datagram, what it does. When the input is spent it
/// only delivers, so that in the end everything has arrived or a connection was given up. A network
/// that changes nothing can only make the ends give up by silence.
pub fn connection_pair(data: &[u8]) {
    let mut input = Input::new(data);
    let mut client = ConnectionNode::client(
        1,
        &identity(),
        ConnectionParameters::default(),
        Requests::new(REQUESTS, UPLOAD, DOWNLOAD),
    );
    let params = ConnectionParameters::default();
    let mut server = ServerNode::new(1, identity(), params, Responses::default);
    let mut wire = Wire::new();
    let mut changed = false;
    let mut sent = 0;
    let mut now = test_fixture::now();
    for _ in 0..MAX_STEPS {
        let mut timer = None;
        for to_server in [true, false] {
            let from: &mut dyn Node = if to_server { &mut client } else { &mut server };
            let mut out = Vec::new();
            let next = from.output(now, &mut out);
            timer = [timer, next].into_iter().flatten().min();
            for d in out {
                changed |= transmit(d, to_server, now, &mut sent, &mut input, &mut wire);
            }
        }
        if client.done() || client.connection.state().closed() {
            break;
        }
        let arrival = wire.keys().next().map(|(at, _)| *at);
        now = match [arrival, timer].into_iter().flatten().min() {
            Some(next) => next.max(now),
            None => panic!("nothing will ever happen: {}", client.describe()),
        };
        while let Some(entry) = wire.first_entry().filter(|e| e.key().0 <= now) {
            let (d, to_server) = entry.remove();
            if to_server {
                server.input(d, now);
            } else {
                client.input(d, now);
            }
        }
    }
    let state = client.connection.state();
    assert!(
        client.done() || state.closed(),
        "stuck: {} | {}",
        client.describe(),
        server.describe()
    );
    if let Some(reason) = state.error().filter(|_| !changed) {
        let late = server.server.stats().late > 0;
        assert!(
            ends_in_silence(reason, late),
            "{reason} | {} | {}",
            client.describe(),
            server.describe()
        );
    }
    output(&mut server, now);
}

/// Whether a connection may end for this reason though nobody changed a datagram. A server that saw
/// the handshake take too long (`late`) says so; one that went away without being heard may still say
/// so by a stateless reset.
const fn ends_in_silence(reason: &CloseReason, late: bool) -> bool {
    const APPLICATION_ERROR: u64 = 0xc;
    match reason {
        CloseReason::Transport(
            Error::IdleTimeout | Error::HandshakeTimeout | Error::StatelessReset,
        ) => true,
        CloseReason::Transport(Error::PeerClosed { code, .. }) => {
            late && *code == APPLICATION_ERROR
        }
        _ => false,
    }
}

/// Puts a datagram on the wire, or not. Whether it was changed.
fn transmit(
    d: Datagram,
    to_server: bool,
    now: Instant,
    sent: &mut usize,
    input: &mut Input<'_>,
    wire: &mut Wire,
) -> bool {
    *sent += 1;
    let op = input.byte();
    let at = now + ONE_WAY;
    match op & 7 {
        1 | 2 => false, // lost
        3 => {
            let late = Duration::from_millis(u64::from(input.byte()) * 4);
            wire.insert((at + late, *sent), (d, to_server));
            false
        }
        4 => {
            wire.insert((at, *sent), (d.clone(), to_server));
            *sent += 1;
            let late = Duration::from_millis(u64::from(op >> 3) * 16);
            wire.insert((at + late, *sent), (d, to_server));
            false
        }
        5 => {
            let d = mutated(&d, input);
            wire.insert((at, *sent), (d, to_server));
            true
        }
        _ => {
            wire.insert((at, *sent), (d, to_server));
            false
        }
    }
}

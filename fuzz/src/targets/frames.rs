//! Harnesses for what only a peer with keys can say: frames and transport parameters.

use std::time::{Duration, Instant};

use neqo_common::{Datagram, Encoder};
use neqo_crypto::Level;
use test_fixture::sim::{Node, address};

use super::endpoint::{self, MAX_OPS, identity, output, step};
use crate::{input::Input, puppet::Puppet};

/// Exchanges in which a handshake is over.
const HANDSHAKE_ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_millis(5);

/// One end that is tested and a puppet, side by side.
struct Stage<N> {
    node: N,
    puppet: Puppet,
    now: Instant,
}

impl<N: Node> Stage<N> {
    /// Lets both say what they have to say.
    fn exchange(&mut self) {
        for d in self.puppet.flight() {
            self.node.input(d, self.now);
        }
        for d in output(&mut self.node, self.now) {
            self.puppet.input(&d, self.now);
        }
        self.now += ROUND;
    }

    fn handshake(&mut self) {
        for _ in 0..HANDSHAKE_ROUNDS {
            self.exchange();
        }
    }

    fn send(&mut self, d: Option<Datagram>) {
        if let Some(d) = d {
            self.node.input(d, self.now);
        }
        for d in output(&mut self.node, self.now) {
            self.puppet.input(&d, self.now);
        }
    }

    /// Does what the input says until it is spent.
    fn play(&mut self, input: &mut Input<'_>) {
        if input.byte() & 1 == 0 {
            self.handshake();
        }
        for _ in 0..MAX_OPS {
            if input.is_empty() {
                break;
            }
            let op = input.byte();
            let level = match op >> 3 & 7 {
                0 => Level::Initial,
                1 => Level::Handshake,
                _ => Level::OneRtt,
            };
            match op & 7 {
                0 => self.exchange(),
                1 => self.now += step(input),
                2 => self.puppet.skip(level, input.byte()),
                3 => self.other(input.byte()),
                4 => {
                    let mut payload = self.puppet.ack(level);
                    payload.extend_from_slice(input.chunk());
                    let d = self.puppet.packet(level, &payload, 0);
                    self.send(d);
                }
                5 => {
                    let first = input.byte();
                    let d = self.puppet.packet(level, input.chunk(), first);
                    self.send(d);
                }
                _ => {
                    let d = self.puppet.packet(level, input.chunk(), 0);
                    self.send(d);
                }
            }
        }
        // What became of it may still be on its way out.
        for _ in 0..3 {
            self.exchange();
            self.now += Duration::from_secs(1);
        }
    }

    /// What happens seldom.
    fn other(&mut self, what: u8) {
        match what & 3 {
            0 => self.puppet.update_keys(),
            1 => self.puppet.source.set_port(4433 + u16::from(what >> 2)),
            _ => self.send(Some(self.puppet.datagram(vec![what; 40]))),
        }
    }
}

/// The transport parameters of a client, or of a server for a client that chose `odcid`.
fn params(scid: &[u8], odcid: Option<&[u8]>) -> Vec<u8> {
    let mut p = Encoder::new();
    let mut int = |id: u64, v: u64| {
        p.encode_varint(id);
        p.encode_vvec_with(|p| {
            p.encode_varint(v);
        });
    };
    int(0x01, 30_000); // max_idle_timeout
    int(0x04, 100_000); // initial_max_data
    int(0x05, 10_000);
    int(0x06, 10_000);
    int(0x07, 10_000);
    int(0x08, 8); // initial_max_streams_bidi
    int(0x09, 8);
    int(0x0e, 4); // active_connection_id_limit
    p.encode_varint(0x0f_u64).encode_vvec(scid);
    if let Some(odcid) = odcid {
        p.encode_varint(0x00_u64).encode_vvec(odcid);
    }
    p.as_ref().to_vec()
}

/// Frames to a server, in packets of every level that the keys allow, before and after the handshake.
pub fn server_frames(data: &[u8]) {
    let params = params(Puppet::scid(), None);
    let mut stage = with_server(&params);
    stage.play(&mut Input::new(data));
}

/// Frames to a client.
pub fn client_frames(data: &[u8]) {
    let mut stage = with_client(|odcid, scid| params(scid, Some(odcid)));
    stage.play(&mut Input::new(data));
}

/// Transport parameters of a client; if the first byte is odd, after those that it needs.
pub fn server_transport_parameters(data: &[u8]) {
    let mut input = Input::new(data);
    let mut announced = Vec::new();
    if input.byte() & 1 == 1 {
        announced = params(Puppet::scid(), None);
    }
    announced.extend_from_slice(input.rest());
    let mut stage = with_server(&announced);
    stage.handshake();
    after(&mut stage);
}

/// Transport parameters of a server; if the first byte is odd, after those that it needs.
pub fn client_transport_parameters(data: &[u8]) {
    let mut input = Input::new(data);
    let needed = input.byte() & 1 == 1;
    let rest = input.rest();
    let mut stage = with_client(|odcid, scid| {
        let mut announced = Vec::new();
        if needed {
            announced = params(scid, Some(odcid));
        }
        announced.extend_from_slice(rest);
        announced
    });
    stage.handshake();
    after(&mut stage);
}

/// A life under the parameters: streams, acknowledgments, silence.
fn after<N: Node>(stage: &mut Stage<N>) {
    const STREAM_0_OF_THE_CLIENT: &[u8] = &[0x0a, 0x00, 0x02, b'h', b'i'];
    const STREAM_0_OF_THE_SERVER: &[u8] = &[0x0a, 0x01, 0x02, b'h', b'i'];
    for frame in [STREAM_0_OF_THE_CLIENT, STREAM_0_OF_THE_SERVER, &[1], &[1]] {
        let mut payload = stage.puppet.ack(Level::OneRtt);
        payload.extend_from_slice(frame);
        let d = stage.puppet.packet(Level::OneRtt, &payload, 0);
        stage.send(d);
        stage.now += Duration::from_secs(1);
        stage.exchange();
    }
    stage.now += Duration::from_secs(60);
    stage.exchange();
}

fn with_server(params: &[u8]) -> Stage<endpoint::ServerEnd> {
    Stage {
        node: endpoint::server(),
        puppet: Puppet::client(&identity(), params, (address(0), address(1))),
        now: test_fixture::now(),
    }
}

fn with_client(params: impl FnOnce(&[u8], &[u8]) -> Vec<u8>) -> Stage<endpoint::ClientEnd> {
    let now = test_fixture::now();
    let mut node = endpoint::client();
    let flight = output(&mut node, now);
    let first = flight.first().expect("a client speaks first");
    let ends = (address(1), address(0));
    let mut puppet = Puppet::server(&identity(), params, first, ends);
    for d in &flight {
        puppet.input(d, now);
    }
    Stage { node, puppet, now }
}

#[cfg(test)]
mod tests {
    use neqo_transport::{CloseReason, Error};

    use super::*;

    /// Without this the harnesses would not get past the handshake, and nobody would know.
    #[test]
    fn puppets_connect() {
        let mut stage = with_server(&params(Puppet::scid(), None));
        stage.handshake();
        assert!(stage.puppet.complete());
        let connected = stage.node.first().map(|c| c.state().connected());
        assert_eq!(connected, Some(true));
        after(&mut stage);

        let mut stage = with_client(|odcid, scid| params(scid, Some(odcid)));
        stage.handshake();
        assert!(stage.puppet.complete());
        assert!(stage.node.connection.state().connected());
    }

    #[test]
    fn frames_of_puppets_are_read() {
        let mut stage = with_server(&params(Puppet::scid(), None));
        stage.handshake();
        let close = [0x1c, 0, 0, 0];
        let d = stage.puppet.packet(Level::OneRtt, &close, 0);
        stage.send(d);
        let state = stage.node.first().map(|c| c.state().clone());
        let reason = state.as_ref().and_then(|s| s.error());
        assert_eq!(
            reason,
            Some(&CloseReason::Transport(Error::PeerClosed {
                code: 0,
                reason: String::new()
            }))
        );
    }
}

//! Harnesses for what a peer writes to its streams.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use neqo_common::{Datagram, Header, event::Provider as _};
use neqo_http3::{
    Http3Client, Http3ClientEvent, Http3Parameters, Http3Server, Http3ServerEvent, Http3State,
    OutputBatch, Priority, StreamId,
};
use neqo_transport::{
    Connection, ConnectionEvent, ConnectionParameters, RandomConnectionIdGenerator, StreamType,
    server::{ConnectionHandle, Server},
};
use test_fixture::{sim::address, tls};

use super::endpoint::{MAX_OPS, identity, step};
use crate::input::Input;

const ALPN: &str = "h3";
const CID_LEN: usize = 8;
const BATCH: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
/// Rounds of datagrams in which both ends have said everything, or something is wrong.
const MAX_ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(2);
/// Events that one step of the input can cause, or something is wrong.
const MAX_EVENTS: usize = 10_000;

/// The end that speaks HTTP/3.
trait Tested {
    fn input(&mut self, d: Datagram, now: Instant);
    fn output(&mut self, now: Instant) -> OutputBatch;
    /// Acts upon events. What is refused is nothing to it.
    fn drive(&mut self, now: Instant);
}

/// The end that writes what the input says.
trait Raw {
    fn input(&mut self, d: Datagram, now: Instant);
    fn output(&mut self, now: Instant) -> OutputBatch;
    fn connection(&mut self) -> Option<&mut Connection>;
}

struct Stage<T, R> {
    tested: T,
    raw: R,
    now: Instant,
    /// Streams that the raw end can write to.
    streams: Vec<StreamId>,
}

impl<T: Tested, R: Raw> Stage<T, R> {
    /// Passes datagrams until both are silent.
    fn exchange(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let now = self.now;
            let mut silent = true;
            while let OutputBatch::DatagramBatch(batch) = self.tested.output(now) {
                silent = false;
                for d in batch.iter() {
                    self.raw.input(d.to_owned(), now);
                }
            }
            self.listen();
            while let OutputBatch::DatagramBatch(batch) = self.raw.output(now) {
                silent = false;
                for d in batch.iter() {
                    self.tested.input(d.to_owned(), now);
                }
            }
            self.tested.drive(now);
            self.now += ROUND;
            if silent {
                return;
            }
        }
        panic!("the ends have no end of output");
    }

    /// The raw end reads nothing but gives its peer credit, and learns of streams.
    fn listen(&mut self) {
        let Some(c) = self.raw.connection() else {
            return;
        };
        while let Some(event) = c.next_event() {
            match event {
                ConnectionEvent::NewStream { stream_id } if stream_id.is_bidi() => {
                    self.streams.push(stream_id);
                }
                ConnectionEvent::RecvStreamReadable { stream_id } => {
                    let mut buf = [0; 1000];
                    while let Ok((1.., false)) = c.stream_recv(stream_id, &mut buf) {}
                }
                _ => {}
            }
        }
    }

    fn play(&mut self, input: &mut Input<'_>) {
        for _ in 0..MAX_OPS {
            if input.is_empty() {
                break;
            }
            let op = input.byte();
            if op & 7 == 0 {
                self.exchange();
            } else if op & 7 == 1 {
                self.now += step(input) / 16;
            } else {
                self.write(op, input);
            }
        }
        self.exchange();
        self.now += Duration::from_secs(1);
        self.exchange();
    }

    /// One operation on a stream. What the transport refuses is nothing to us.
    fn write(&mut self, op: u8, input: &mut Input<'_>) {
        let which = usize::from(op >> 3) % self.streams.len().max(1);
        let stream = self.streams.get(which).copied();
        let Some(c) = self.raw.connection() else {
            return;
        };
        match (op & 7, stream) {
            (2, _) => self.streams.extend(c.stream_create(StreamType::BiDi)),
            (3, _) => self.streams.extend(c.stream_create(StreamType::UniDi)),
            (4 | 5, Some(id)) => _ = c.stream_send(id, input.chunk()),
            (6, Some(id)) => _ = c.stream_close_send(id),
            (7, Some(id)) if op & 8 == 0 => _ = c.stream_reset_send(id, input.byte().into()),
            (7, Some(id)) => _ = c.stream_stop_sending(id, input.byte().into()),
            _ => {}
        }
    }
}

fn seeded(role: u8) -> ConnectionParameters {
    ConnectionParameters::default().seed(Some([role; 32]))
}

fn client_params() -> ConnectionParameters {
    seeded(1).client_tls(tls::client(&identity()))
}

fn cids() -> Box<RandomConnectionIdGenerator> {
    Box::new(RandomConnectionIdGenerator::new(CID_LEN))
}

/// A raw client's streams, to a server that answers requests.
pub fn http3_server_stream(data: &[u8]) {
    let now = test_fixture::now();
    let params = Http3Parameters::default().connection_parameters(seeded(2));
    let server = Http3Server::new(now, tls::server(identity()), || cids(), params);
    let client = Connection::new_client(
        tls::NAME,
        &[ALPN],
        cids(),
        address(0),
        address(1),
        client_params(),
        now,
    );
    let mut stage = Stage {
        tested: TestedServer(server.expect("the parameters can be used")),
        raw: RawClient(client.expect("the parameters can be used")),
        now,
        streams: Vec::new(),
    };
    // The client's first flight precedes everything.
    while let OutputBatch::DatagramBatch(batch) = stage.raw.output(now) {
        for d in batch.iter() {
            stage.tested.input(d.to_owned(), now);
        }
    }
    stage.exchange();
    assert!(stage.raw.0.state().connected());
    stage.play(&mut Input::new(data));
}

/// A raw server's streams, to a client that made two requests.
pub fn http3_client_stream(data: &[u8]) {
    let now = test_fixture::now();
    let params = Http3Parameters::default().connection_parameters(client_params());
    let client = Http3Client::new(tls::NAME, cids(), address(0), address(1), params, now);
    let server = Server::new(now, tls::server(identity()), &[ALPN], || cids(), seeded(2));
    let mut stage = Stage {
        tested: TestedClient(client.expect("the parameters can be used")),
        raw: RawServer(server.expect("the parameters can be used"), None),
        now,
        streams: Vec::new(),
    };
    stage.exchange();
    assert!(!stage.streams.is_empty(), "requests were made");
    stage.play(&mut Input::new(data));
}

struct RawClient(Connection);

impl Raw for RawClient {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.0.process_input(d, now);
    }

    fn output(&mut self, now: Instant) -> OutputBatch {
        self.0.process_multiple_output(now, BATCH)
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        Some(&mut self.0)
    }
}

struct RawServer(Server, Option<ConnectionHandle>);

impl Raw for RawServer {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.0.process_input(d, now);
    }

    fn output(&mut self, now: Instant) -> OutputBatch {
        self.0.process_multiple_output(now, BATCH)
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        while let Some(handle) = self.0.next_active() {
            self.1 = Some(handle);
        }
        self.0.connection_mut(self.1?)
    }
}

struct TestedServer(Http3Server);

impl Tested for TestedServer {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.0.process_input(d, now);
    }

    fn output(&mut self, now: Instant) -> OutputBatch {
        self.0.process_multiple_output(now, BATCH)
    }

    fn drive(&mut self, now: Instant) {
        let h3 = &mut self.0;
        for n in 0.. {
            assert!(n < MAX_EVENTS, "events have no end");
            let Some(event) = h3.next_event() else {
                return;
            };
            match event {
                Http3ServerEvent::Headers { stream, fin, .. } => {
                    _ = h3.send_headers(stream, &[Header::new(":status", "200")]);
                    _ = h3.send_data(stream, b"content", now);
                    if fin {
                        _ = h3.close_send(stream, now);
                    }
                }
                Http3ServerEvent::DataReadable { stream } => {
                    let mut buf = [0; 500];
                    loop {
                        match h3.read_data(now, stream, &mut buf) {
                            Ok((_, true)) => {
                                _ = h3.close_send(stream, now);
                                break;
                            }
                            Ok((1.., false)) => {}
                            _ => break,
                        }
                    }
                }
                Http3ServerEvent::Reset { stream, .. } => _ = h3.cancel(stream, 0x10c),
                _ => {}
            }
        }
    }
}

struct TestedClient(Http3Client);

impl Tested for TestedClient {
    fn input(&mut self, d: Datagram, now: Instant) {
        self.0.process_input(d, now);
    }

    fn output(&mut self, now: Instant) -> OutputBatch {
        self.0.process_multiple_output(now, BATCH)
    }

    fn drive(&mut self, now: Instant) {
        let h3 = &mut self.0;
        for n in 0.. {
            assert!(n < MAX_EVENTS, "events have no end");
            let Some(event) = h3.next_event() else {
                return;
            };
            match event {
                Http3ClientEvent::StateChange(Http3State::Connected) => {
                    let target = ("https", tls::NAME, "/");
                    let get = h3.fetch(now, "GET", target, &[], Priority::default());
                    _ = get.and_then(|id| h3.stream_close_send(id, now));
                    let post = h3.fetch(now, "POST", target, &[], Priority::default());
                    _ = post.and_then(|id| h3.send_data(id, b"upload", now));
                }
                Http3ClientEvent::DataReadable { stream_id } => {
                    let mut buf = [0; 500];
                    while let Ok((1.., false)) = h3.read_data(now, stream_id, &mut buf) {}
                }
                Http3ClientEvent::Reset { stream_id, .. } => {
                    _ = h3.cancel_fetch(stream_id, 0x10c);
                }
                _ => {}
            }
        }
    }
}

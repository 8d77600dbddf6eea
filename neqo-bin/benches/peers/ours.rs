//! The stack of this repository.
//!
//! The server is `neqo-server` without its command line: [`Driver`] with its
//! generated resources and no access log. The client has the receive and transmit turns of
//! `neqo-client`'s loop, and drops what it gets as the other peers' clients do, where the program
//! would write files.

use std::{
    net::{SocketAddr, UdpSocket},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use bytes::Bytes;
use neqo_bin::{
    clock,
    runtime::{
        port::Port,
        signals::Signals,
        turn::{self, Next, Step},
    },
    server::{access_log::AccessLog, connections::Connections, driver::Driver, service::Service},
};
use neqo_common::{Datagram, event::Provider as _};
use neqo_crypto::{Cipher, Group, Identity, Verification};
use neqo_http3::{
    Error, H3_NO_ERROR, Http3Client, Http3ClientEvent, Http3Parameters, Http3Server, Http3State,
    Misuse, Priority,
};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator, StreamId, StreamType};
use neqo_udp::RecvBuf;
use tokio::runtime::{Builder, Runtime};

use crate::{
    peer::{Client, Peer},
    setup::{CHUNK, NAME, Setup},
};

/// The length of connection IDs, in bytes: that of the other peers.
const CID_LEN: usize = 8;

const CIPHERS: &[Cipher] = &[Cipher::Aes128GcmSha256];
const GROUPS: &[Group] = &[Group::X25519];

pub(crate) struct Ours;

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "neqo"
    }

    fn server(&self, setup: &Setup, socket: UdpSocket) -> Box<dyn FnOnce() + Send> {
        let chain = vec![setup.certificate.to_vec()];
        let key = setup.key.secret_der().to_vec();
        let tls = neqo_crypto::Server::builder(Identity::from_der(chain, key).unwrap())
            .ciphers(CIPHERS)
            .groups(GROUPS)
            .build()
            .unwrap();
        let params = Http3Parameters::default().connection_parameters(transport(setup));
        Box::new(move || {
            runtime().block_on(async {
                let cids = || Box::new(RandomConnectionIdGenerator::new(CID_LEN)) as Box<_>;
                let server = Http3Server::new(clock::now(), tls, cids, params).unwrap();
                let connections = Connections::new(server);
                let (_stop, signals) = Signals::manual();
                Driver::new(connections, Port::new(socket).unwrap())
                    .serve(
                        Service::new(None).unwrap(),
                        AccessLog::disabled(),
                        Duration::ZERO,
                        signals,
                    )
                    .await
                    .unwrap();
            });
        })
    }

    fn client(&self, setup: &Setup, socket: UdpSocket, server: SocketAddr) -> Box<dyn Client> {
        let tls = neqo_crypto::Client::builder()
            .verification(Verification::Roots(vec![setup.certificate.to_vec()]))
            .ciphers(CIPHERS)
            .groups(GROUPS)
            .build()
            .unwrap();
        let transport = transport(setup).client_tls(tls);
        let runtime = runtime();
        let port = {
            let _guard = runtime.enter();
            Port::new(socket).unwrap()
        };
        let endpoint = Endpoint {
            params: Http3Parameters::default().connection_parameters(transport),
            server,
            recv_buf: port.recv_buf(),
            port,
            memory: Vec::new(),
            connection: None,
        };
        Box::new(OurClient { runtime, endpoint })
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn transport(setup: &Setup) -> ConnectionParameters {
    if setup.options.defaults {
        return ConnectionParameters::default();
    }
    let window = u64::from(setup.options.window);
    ConnectionParameters::default()
        .mtu(setup.options.payload.into())
        .pmtud(false)
        .max_data(window * 2)
        .max_stream_data(StreamType::BiDi, false, window)
        .max_stream_data(StreamType::BiDi, true, window)
        .max_streams(StreamType::BiDi, setup.options.streams.into())
}

/// What is done on a connection.
trait Work {
    /// Acts on an event.
    fn on_event(&mut self, event: Http3ClientEvent, connection: &mut Http3Client, now: Instant);
    /// Does what needs no event.
    fn proceed(&mut self, _connection: &mut Http3Client, _now: Instant) {}
    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;
}

/// A socket, and at most one connection on it.
struct Endpoint {
    params: Http3Parameters,
    server: SocketAddr,
    port: Port,
    recv_buf: RecvBuf,
    memory: Vec<u8>,
    connection: Option<Http3Client>,
}

impl Endpoint {
    /// Makes a connection in place of the one before.
    fn renew(&mut self) {
        if let Some(old) = &mut self.connection {
            old.close(clock::now(), H3_NO_ERROR, "");
            self.transmit();
        }
        let connection = Http3Client::new(
            NAME,
            Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            self.port.local_addr(),
            self.server,
            self.params.clone(),
            clock::now(),
        );
        self.connection = Some(connection.unwrap());
    }

    /// Takes what has arrived.
    fn receive(&mut self) -> Next {
        let connection = self.connection.as_mut().unwrap();
        let now = clock::now();
        let more = turn::receive(&self.port, &mut self.recv_buf, |segment| {
            let stride = NonZeroUsize::new(segment.stride).unwrap();
            let datagrams =
                Datagram::from_parts(segment.src, segment.dst, segment.tos, segment.data);
            connection.process_input_owned(datagrams, stride, now);
        });
        more.unwrap()
    }

    /// Sends what is to be sent.
    fn transmit(&mut self) -> Next {
        let connection = self.connection.as_mut().unwrap();
        let now = clock::now();
        let next = turn::transmit(&mut self.port, &mut self.memory, now, |buf, max| {
            Step::from(connection.write_batch(now, buf, max))
        });
        next.unwrap()
    }

    /// Runs the connection until the work is done.
    async fn run(&mut self, work: &mut impl Work) {
        loop {
            let more = self.receive();
            let now = clock::now();
            let connection = self.connection.as_mut().unwrap();
            while let Some(event) = connection.next_event() {
                check(&event);
                work.on_event(event, connection, now);
            }
            work.proceed(connection, now);
            let next = more.or(self.transmit());
            if work.is_done() {
                return;
            }
            tokio::select! {
                biased;
                ready = self.port.ready() => ready.unwrap(),
                () = next.wait() => {}
            }
        }
    }
}

/// Panics at what must not happen.
fn check(event: &Http3ClientEvent) {
    match event {
        Http3ClientEvent::StateChange(Http3State::Closing(reason) | Http3State::Closed(reason)) => {
            panic!("{reason}");
        }
        Http3ClientEvent::Reset { .. } | Http3ClientEvent::StopSending { .. } => {
            panic!("{event:?}");
        }
        Http3ClientEvent::HeaderReady { headers, .. } => {
            assert_eq!(headers[0].value(), b"200");
        }
        _ => {}
    }
}

/// Waits for the handshake.
struct Handshake(bool);

impl Work for Handshake {
    fn on_event(&mut self, event: Http3ClientEvent, _connection: &mut Http3Client, _now: Instant) {
        self.0 |= matches!(event, Http3ClientEvent::StateChange(Http3State::Connected));
    }

    fn is_done(&self) -> bool {
        self.0
    }
}

/// Gets a resource, again and again.
struct Gets {
    path: String,
    /// Not made yet.
    waiting: u64,
    /// Made and not answered.
    open: u64,
    received: u64,
}

impl Gets {
    fn new(bytes: u64, count: u64) -> Self {
        Self {
            path: format!("/{bytes}"),
            waiting: count,
            open: 0,
            received: 0,
        }
    }
}

impl Work for Gets {
    fn on_event(&mut self, event: Http3ClientEvent, connection: &mut Http3Client, now: Instant) {
        let Http3ClientEvent::DataReadable { stream_id } = event else {
            return;
        };
        let ended = read(connection, stream_id, now, |data| {
            self.received += u64::try_from(data.len()).unwrap();
        });
        self.open -= u64::from(ended);
    }

    fn proceed(&mut self, connection: &mut Http3Client, now: Instant) {
        while self.waiting > 0 {
            let Some(id) = request(connection, "GET", &self.path, now) else {
                return;
            };
            connection.stream_close_send(id, now).unwrap();
            self.waiting -= 1;
            self.open += 1;
        }
    }

    fn is_done(&self) -> bool {
        self.waiting == 0 && self.open == 0
    }
}

/// Posts a body.
struct Post {
    /// Once the request was made.
    stream: Option<StreamId>,
    left: usize,
    answer: Vec<u8>,
    answered: bool,
}

impl Post {
    fn send(&mut self, id: StreamId, connection: &mut Http3Client, now: Instant) {
        while self.left > 0 {
            let chunk = Bytes::from_static(&CHUNK[..self.left.min(CHUNK.len())]);
            let len = chunk.len();
            let sent = connection.send_data_bytes(id, chunk, now).unwrap();
            self.left -= sent;
            if sent < len {
                return;
            }
        }
        connection.stream_close_send(id, now).unwrap();
    }
}

impl Work for Post {
    fn on_event(&mut self, event: Http3ClientEvent, connection: &mut Http3Client, now: Instant) {
        match event {
            Http3ClientEvent::DataWritable { stream_id } if self.left > 0 => {
                self.send(stream_id, connection, now);
            }
            Http3ClientEvent::DataReadable { stream_id } => {
                self.answered = read(connection, stream_id, now, |data| {
                    self.answer.extend_from_slice(&data);
                });
            }
            _ => {}
        }
    }

    fn proceed(&mut self, connection: &mut Http3Client, now: Instant) {
        if self.stream.is_none() {
            self.stream = request(connection, "POST", "/", now);
            if let Some(id) = self.stream {
                self.send(id, connection, now);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.answered
    }
}

/// Makes a request, unless the server allows no more for now.
fn request(
    connection: &mut Http3Client,
    method: &str,
    path: &str,
    now: Instant,
) -> Option<StreamId> {
    let target = ("https", NAME, path);
    match connection.fetch(now, method, target, &[], Priority::default()) {
        Ok(id) => Some(id),
        Err(Error::Api(Misuse::StreamLimit)) => None,
        Err(e) => panic!("{e}"),
    }
}

/// Takes what there is of a body. Whether that was its end.
fn read(
    connection: &mut Http3Client,
    id: StreamId,
    now: Instant,
    mut take: impl FnMut(Bytes),
) -> bool {
    loop {
        let (data, end) = connection.read_data_bytes(now, id).unwrap();
        let more = data.is_some();
        data.map(&mut take);
        if end || !more {
            return end;
        }
    }
}

struct OurClient {
    runtime: Runtime,
    endpoint: Endpoint,
}

impl OurClient {
    fn run(&mut self, work: &mut impl Work) {
        self.runtime.block_on(self.endpoint.run(work));
    }
}

impl Client for OurClient {
    fn connect(&mut self) {
        self.endpoint.renew();
        self.run(&mut Handshake(false));
    }

    fn download(&mut self, bytes: u64) {
        let mut get = Gets::new(bytes, 1);
        self.run(&mut get);
        assert_eq!(get.received, bytes);
    }

    fn upload(&mut self, bytes: u64) {
        let mut post = Post {
            stream: None,
            left: usize::try_from(bytes).unwrap(),
            answer: Vec::new(),
            answered: false,
        };
        self.run(&mut post);
        let answer = String::from_utf8(post.answer).unwrap();
        assert_eq!(answer, format!("received {bytes} bytes\n"));
    }

    fn requests(&mut self, count: u64) {
        let mut gets = Gets::new(1, count);
        self.run(&mut gets);
        assert_eq!(gets.received, count);
    }
}

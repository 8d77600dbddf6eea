//! A client that makes requests and a server that answers them, as nodes of the simulated network.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use neqo_common::{Datagram, event::Provider as _};
use neqo_crypto::{AuthenticationStatus, Client, Identity, Server, Verification};
use neqo_http3::{
    Error, H3_NO_ERROR, Header, Http3Client, Http3ClientEvent, Http3Parameters, Http3Server,
    Http3ServerEvent, Http3State, Http3StreamHandle, Misuse, Priority, StreamId, Transmit,
};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};
use test_fixture::sim::{self, Node};

const CID_LEN: usize = 8;
/// Datagrams in a batch.
const MAX_BATCH: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
pub const SERVER_NAME: &str = "example.com";

fn seeded(seed: u64, role: u8) -> Http3Parameters {
    let mut bytes = [role; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Http3Parameters::default()
        .connection_parameters(ConnectionParameters::default().seed(Some(bytes)))
}

/// One request, and what came of it.
#[derive(Debug, Default)]
pub struct Exchange {
    pub method: &'static str,
    pub path: String,
    pub fields: Vec<Header>,
    /// Content to send.
    pub upload: Bytes,
    pub trailers: Vec<Header>,
    pub statuses: Vec<String>,
    pub content: Vec<u8>,
    pub received_trailers: Vec<Header>,
    pub reset: Option<u64>,
    pub complete: bool,
}

impl Exchange {
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            ..Self::default()
        }
    }

    pub fn post(path: impl Into<String>, upload: Vec<u8>) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            upload: upload.into(),
            ..Self::default()
        }
    }

    pub const fn is_over(&self) -> bool {
        self.complete || self.reset.is_some()
    }
}

/// A client with requests to make.
#[derive(Debug)]
pub struct ClientNode {
    pub h3: Http3Client,
    pub waiting: VecDeque<Exchange>,
    pub running: BTreeMap<StreamId, Exchange>,
    pub finished: Vec<Exchange>,
    pub events: Vec<Http3ClientEvent>,
    pub verdict: AuthenticationStatus,
    /// Whether the calls without copies are used.
    pub hot: bool,
    /// Closes the connection when everything is finished, and is not done before it is closed.
    pub closes: bool,
}

impl ClientNode {
    pub fn new(seed: u64, exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let tls = Client::builder().verification(Verification::Host);
        Self::with_tls(seed, exchanges, tls.build().unwrap())
    }

    pub fn with_tls(seed: u64, exchanges: impl IntoIterator<Item = Exchange>, tls: Client) -> Self {
        let params = seeded(seed, 1);
        let conn = params.get_connection_parameters().clone().client_tls(tls);
        let h3 = Http3Client::new(
            SERVER_NAME,
            Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            sim::address(0),
            sim::address(1),
            params.connection_parameters(conn),
            test_fixture::now(),
        )
        .unwrap();
        Self {
            h3,
            waiting: exchanges.into_iter().collect(),
            running: BTreeMap::new(),
            finished: Vec::new(),
            events: Vec::new(),
            verdict: AuthenticationStatus::Ok,
            hot: false,
            closes: false,
        }
    }

    fn start_requests(&mut self, now: Instant) {
        while let Some(x) = self.waiting.pop_front() {
            let target = ("https", SERVER_NAME, &*x.path);
            match self
                .h3
                .fetch(now, x.method, target, &x.fields, Priority::default())
            {
                Ok(id) => {
                    self.running.insert(id, x);
                    self.upload(id, now);
                }
                Err(Error::Api(
                    Misuse::Unavailable
                    | Misuse::StreamLimit
                    | Misuse::GoingAway
                    | Misuse::InvalidState,
                )) => {
                    self.waiting.push_front(x);
                    return;
                }
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn upload(&mut self, id: StreamId, now: Instant) {
        let Some(x) = self.running.get_mut(&id) else {
            return;
        };
        while !x.upload.is_empty() {
            let n = if self.hot {
                self.h3.send_data_bytes(id, x.upload.clone(), now).unwrap()
            } else {
                self.h3.send_data(id, &x.upload, now).unwrap()
            };
            if n == 0 {
                return;
            }
            drop(x.upload.split_to(n));
        }
        if !x.trailers.is_empty() {
            self.h3
                .send_trailers(id, &std::mem::take(&mut x.trailers), now)
                .unwrap();
        }
        self.h3.stream_close_send(id, now).unwrap();
    }

    fn download(&mut self, id: StreamId, now: Instant) {
        let Some(x) = self.running.get_mut(&id) else {
            return;
        };
        loop {
            let (n, fin) = if self.hot {
                let (bytes, fin) = self.h3.read_data_bytes(now, id).unwrap();
                x.content
                    .extend_from_slice(bytes.as_deref().unwrap_or_default());
                (bytes.map_or(0, |b| b.len()), fin)
            } else {
                let mut buf = [0; 5000];
                let (n, fin) = self.h3.read_data(now, id, &mut buf).unwrap();
                x.content.extend_from_slice(&buf[..n]);
                (n, fin)
            };
            x.complete |= fin;
            if fin || n == 0 {
                return;
            }
        }
    }

    fn on_event(&mut self, event: &Http3ClientEvent, now: Instant) {
        match event {
            Http3ClientEvent::AuthenticationNeeded
            | Http3ClientEvent::EchFallbackAuthenticationNeeded { .. } => {
                self.h3.authenticated(self.verdict, now);
            }
            Http3ClientEvent::StateChange(Http3State::Connected)
            | Http3ClientEvent::RequestsCreatable => {
                self.start_requests(now);
            }
            Http3ClientEvent::HeaderReady {
                stream_id,
                headers,
                fin,
                ..
            } => {
                if let Some(x) = self.running.get_mut(stream_id) {
                    x.statuses
                        .push(String::from_utf8(headers[0].value().to_vec()).unwrap());
                    x.complete |= fin;
                }
            }
            Http3ClientEvent::TrailerReady { stream_id, headers } => {
                if let Some(x) = self.running.get_mut(stream_id) {
                    x.received_trailers.clone_from(headers);
                }
            }
            Http3ClientEvent::DataReadable { stream_id } => self.download(*stream_id, now),
            Http3ClientEvent::DataWritable { stream_id } => self.upload(*stream_id, now),
            Http3ClientEvent::Reset {
                stream_id, error, ..
            } => {
                if let Some(x) = self.running.get_mut(stream_id) {
                    x.reset = Some(*error);
                }
            }
            _ => {}
        }
    }

    fn work(&mut self, now: Instant) {
        while let Some(event) = self.h3.next_event() {
            self.on_event(&event, now);
            self.events.push(event);
        }
        let over: Vec<_> = self
            .running
            .iter()
            .filter(|(_, x)| x.is_over())
            .map(|(id, _)| *id)
            .collect();
        self.finished
            .extend(over.into_iter().filter_map(|id| self.running.remove(&id)));
        if self.closes
            && self.running.is_empty()
            && self.waiting.is_empty()
            && self.h3.state().active()
        {
            self.h3.close(now, H3_NO_ERROR, "done");
            self.work(now);
        }
    }
}

/// Takes what an endpoint wants to send, by the call that a fast host uses.
fn send(
    out: &mut Vec<Datagram>,
    now: Instant,
    mut write: impl FnMut(Instant, &mut [u8], NonZeroUsize) -> Option<Result<Vec<Datagram>, Instant>>,
) -> Option<Instant> {
    let mut buf = vec![0; 65_535];
    loop {
        match write(now, &mut buf, MAX_BATCH)? {
            Ok(datagrams) => out.extend(datagrams),
            Err(when) => return Some(when),
        }
    }
}

fn owned(transmit: Transmit<'_>, now: Instant) -> Option<Result<Vec<Datagram>, Instant>> {
    match transmit {
        Transmit::None => None,
        Transmit::Callback(t) => Some(Err(now + t)),
        Transmit::Batch(b) => Some(Ok(b.to_batch().iter().map(|d| d.to_owned()).collect())),
    }
}

fn super_buffer(d: &Datagram) -> (Datagram<BytesMut>, NonZeroUsize) {
    let stride = NonZeroUsize::new(d.len().max(1)).unwrap();
    (
        Datagram::from_parts(d.source(), d.destination(), d.tos(), BytesMut::from(&d[..])),
        stride,
    )
}

impl Node for ClientNode {
    fn input(&mut self, d: Datagram, now: Instant) {
        if self.hot {
            let (d, stride) = super_buffer(&d);
            self.h3.process_input_owned(d, stride, now);
        } else {
            self.h3.process_input(d, now);
        }
        self.work(now);
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        let when = send(out, now, |now, buf, max| {
            owned(self.h3.write_batch(now, buf, max), now)
        });
        self.work(now);
        when
    }

    fn done(&self) -> bool {
        let closed = !self.closes || matches!(self.h3.state(), Http3State::Closed(_));
        self.waiting.is_empty() && self.running.is_empty() && closed
    }

    fn describe(&self) -> String {
        format!(
            "{:?}: {} waiting, running: {:?}",
            self.h3.state(),
            self.waiting.len(),
            self.running
        )
    }
}

/// What a server still owes a request.
#[derive(Debug, Default)]
struct Job {
    /// Content that is made up.
    bytes: usize,
    /// Content that came back.
    echo: VecDeque<Bytes>,
    /// Nothing will be added.
    complete: bool,
    trailers: bool,
}

/// A server.
///
/// `/N` is N bytes, `/echo` what was sent, `/hints` comes with an informational response and trailers.
#[derive(Debug)]
pub struct ServerNode {
    pub h3: Http3Server,
    jobs: BTreeMap<Http3StreamHandle, Job>,
    pub events: Vec<Http3ServerEvent>,
    pub hot: bool,
    /// Goes away when this many requests have arrived.
    pub goaway_after: usize,
    requests: usize,
}

impl ServerNode {
    pub fn new(seed: u64) -> Self {
        let identity = Identity::self_signed(&[SERVER_NAME]).unwrap();
        Self::with_tls(seed, Server::builder(identity).build().unwrap())
    }

    pub fn with_tls(seed: u64, tls: Server) -> Self {
        let h3 = Http3Server::new(
            test_fixture::now(),
            tls,
            || Box::new(RandomConnectionIdGenerator::new(CID_LEN)),
            seeded(seed, 2),
        )
        .unwrap();
        Self {
            h3,
            jobs: BTreeMap::new(),
            events: Vec::new(),
            hot: false,
            goaway_after: usize::MAX,
            requests: 0,
        }
    }

    fn on_headers(
        &mut self,
        stream: Http3StreamHandle,
        headers: &[Header],
        fin: bool,
        now: Instant,
    ) {
        let path = headers
            .iter()
            .find(|h| h.name() == ":path")
            .unwrap()
            .value_utf8()
            .unwrap()
            .to_owned();
        let mut job = Job {
            complete: path != "/echo",
            ..Job::default()
        };
        let mut response = vec![Header::new(":status", "200")];
        match &*path {
            "/echo" => job.complete = fin,
            "/hints" => {
                self.h3
                    .send_headers(
                        stream,
                        &[Header::new(":status", "103"), Header::new("link", "</>")],
                    )
                    .unwrap();
                job.trailers = true;
                job.bytes = 5;
            }
            "/cancel" => {
                self.h3.cancel(stream, 0x10c).unwrap();
                return;
            }
            path => {
                job.bytes = path.trim_start_matches('/').parse().unwrap();
                response.push(Header::new("content-length", job.bytes.to_string()));
            }
        }
        self.h3.send_headers(stream, &response).unwrap();
        self.jobs.insert(stream, job);
        self.answer(stream, now);
        self.requests += 1;
        if self.requests == self.goaway_after {
            self.h3.send_goaway(stream.conn).unwrap();
        }
    }

    fn take(&mut self, stream: Http3StreamHandle, now: Instant) {
        loop {
            let (bytes, fin) = if self.hot {
                self.h3.read_data_bytes(now, stream).unwrap()
            } else {
                let mut buf = vec![0; 3000];
                let (n, fin) = self.h3.read_data(now, stream, &mut buf).unwrap();
                buf.truncate(n);
                ((n > 0).then(|| buf.into()), fin)
            };
            let Some(job) = self.jobs.get_mut(&stream) else {
                return;
            };
            job.complete |= fin;
            let nothing = bytes.is_none();
            job.echo.extend(bytes);
            if fin || nothing {
                break;
            }
        }
        self.answer(stream, now);
    }

    fn answer(&mut self, stream: Http3StreamHandle, now: Instant) {
        const PATTERN: &[u8] = &[b'x'; 40_000];
        let Some(job) = self.jobs.get_mut(&stream) else {
            return;
        };
        while job.bytes > 0 {
            let part = &PATTERN[..job.bytes.min(PATTERN.len())];
            let n = if self.hot {
                self.h3
                    .send_data_bytes(stream, Bytes::from_static(part), now)
                    .unwrap()
            } else {
                self.h3.send_data(stream, part, now).unwrap()
            };
            if n == 0 {
                return;
            }
            job.bytes -= n;
        }
        while let Some(part) = job.echo.front_mut() {
            let n = self.h3.send_data_bytes(stream, part.clone(), now).unwrap();
            if n == 0 {
                return;
            }
            drop(part.split_to(n));
            if part.is_empty() {
                job.echo.pop_front();
            }
        }
        if job.complete {
            if job.trailers {
                self.h3
                    .send_headers(stream, &[Header::new("checksum", "0")])
                    .unwrap();
            }
            self.h3.close_send(stream, now).unwrap();
            self.jobs.remove(&stream);
        }
    }

    fn work(&mut self, now: Instant) {
        while let Some(event) = self.h3.next_event() {
            match &event {
                Http3ServerEvent::Headers {
                    stream,
                    headers,
                    fin,
                } => self.on_headers(*stream, headers, *fin, now),
                Http3ServerEvent::DataReadable { stream } => self.take(*stream, now),
                Http3ServerEvent::DataWritable { stream } => self.answer(*stream, now),
                Http3ServerEvent::Reset { stream, .. }
                | Http3ServerEvent::StopSending { stream, .. } => {
                    self.jobs.remove(stream);
                }
                _ => {}
            }
            self.events.push(event);
        }
    }
}

impl Node for ServerNode {
    fn input(&mut self, d: Datagram, now: Instant) {
        if self.hot {
            let (d, stride) = super_buffer(&d);
            self.h3.process_input_owned(d, stride, now);
        } else {
            self.h3.process_input(d, now);
        }
        self.work(now);
    }

    fn output(&mut self, now: Instant, out: &mut Vec<Datagram>) -> Option<Instant> {
        let when = send(out, now, |now, buf, max| {
            owned(self.h3.write_batch(now, buf, max), now)
        });
        self.work(now);
        when
    }

    fn done(&self) -> bool {
        self.jobs.is_empty()
    }

    fn describe(&self) -> String {
        format!("jobs: {:?}, {:?}", self.jobs, self.h3)
    }
}

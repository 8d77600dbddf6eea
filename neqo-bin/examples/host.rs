//! What a browser's glue does: an event loop of its own over `mio`, its socket and its clock, TLS by the NSS that it
//! ships, and a decision about the certificate that another thread takes, later.
//!
//! ```text
//! cargo run -p neqo-bin --features nss --example host -- 127.0.0.1:4433 localhost /1000 SHA256-OF-CERTIFICATE [SECONDS]
//! ```
//!
//! The body goes to standard output. The decision takes `SECONDS` (0); the connection waits for it and sends nothing
//! meanwhile that would show acceptance. What fails is said in one line.

#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    io::{self, ErrorKind, Write as _},
    net::SocketAddr,
    num::NonZeroUsize,
    process::ExitCode,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::UdpSocket};
use neqo_common::{Datagram, Tos, event::Provider as _};
use neqo_crypto::{AuthenticationStatus, Client, PeerChain, Provider, Verification};
use neqo_http3::{Http3Client, Http3ClientEvent, Http3Parameters, Http3State, Priority, Transmit};
use neqo_transport::{ConnectionParameters, RandomConnectionIdGenerator};

/// Something arrived, or there is room to send again.
const SOCKET: Token = Token(0);
/// The other thread has decided.
const VERDICT: Token = Token(1);

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The library never looks at the clock: its host does.
#[expect(clippy::disallowed_methods, reason = "a host owns the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Whom this host trusts, decided on a thread of its own: a browser asks databases, users and servers there.
struct Judge {
    cases: Sender<PeerChain>,
    verdicts: Receiver<AuthenticationStatus>,
}

impl Judge {
    fn start(trusted: [u8; 32], takes: Duration, waker: Waker) -> Self {
        let (cases, docket) = mpsc::channel::<PeerChain>();
        let (decide, verdicts) = mpsc::channel();
        thread::spawn(move || {
            for chain in docket {
                thread::sleep(takes);
                let verdict = if chain.leaf_sha256() == trusted {
                    AuthenticationStatus::Ok
                } else {
                    AuthenticationStatus::UnknownIssuer
                };
                // Either fails only when the loop is over.
                if decide.send(verdict).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        });
        Self { cases, verdicts }
    }
}

/// What is fetched.
struct Page {
    name: String,
    path: String,
}

/// The loop and what it owns.
struct Host {
    poll: Poll,
    socket: UdpSocket,
    local: SocketAddr,
    client: Http3Client,
    judge: Judge,
    page: Page,
    verdict: AuthenticationStatus,
    /// Whether all of the page has arrived.
    whole: bool,
    /// Datagrams that the kernel had no room for.
    unsent: Option<(Vec<u8>, SocketAddr)>,
    buf: Vec<u8>,
    body: Vec<u8>,
}

impl Host {
    fn new(
        server: SocketAddr,
        page: Page,
        trusted: [u8; 32],
        takes: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let poll = Poll::new()?;
        let mut socket = UdpSocket::bind(any.parse()?)?;
        // So that the kernel tells which of the host's addresses this path uses, and when nobody listens there.
        socket.connect(server)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, SOCKET, both)?;
        let local = socket.local_addr()?;

        let tls = Client::builder()
            .provider(Provider::Nss)
            .verification(Verification::Host)
            .build()?;
        let params = ConnectionParameters::default()
            .client_tls(tls)
            .idle_timeout(PATIENCE);
        let params = Http3Parameters::default().connection_parameters(params);
        let cids = Box::new(RandomConnectionIdGenerator::new(8));
        let client = Http3Client::new(page.name.as_str(), cids, local, server, params, now())?;
        let judge = Judge::start(trusted, takes, Waker::new(poll.registry(), VERDICT)?);
        Ok(Self {
            poll,
            socket,
            local,
            client,
            judge,
            page,
            verdict: AuthenticationStatus::Ok,
            whole: false,
            unsent: None,
            buf: vec![0; 65536],
            body: vec![0; 65536],
        })
    }

    /// Runs until the connection is closed.
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut ready = Events::with_capacity(8);
        loop {
            let ended = self.serve_events()?;
            let wait = self.send()?;
            if let Some(state) = ended {
                return self.outcome(&state);
            }
            if self.client.has_events() {
                continue; // of a timer that was due: nothing else would wake the loop for them
            }
            match self.poll.poll(&mut ready, wait) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &ready {
                if event.token() == VERDICT {
                    for verdict in self.judge.verdicts.try_iter() {
                        self.verdict = verdict;
                        self.client.authenticated(verdict, now());
                    }
                } else if event.is_readable() {
                    self.receive()?;
                }
            }
        }
    }

    /// What the end of the connection means to the host.
    fn outcome(&self, end: &Http3State) -> Result<(), Box<dyn Error>> {
        if self.verdict != AuthenticationStatus::Ok {
            return Err(format!("its certificate is refused: {:?}", self.verdict).into());
        }
        match end.failure() {
            Some(reason) => Err(reason.to_string().into()),
            None if !self.whole => Err("the page did not arrive whole".into()),
            None => Ok(()),
        }
    }

    /// Takes all that has arrived: readiness is told once.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            match self.socket.recv_from(&mut self.buf) {
                Ok((n, from)) => {
                    let data = &mut self.buf[..n];
                    let datagram = Datagram::from_slice(from, self.local, Tos::default(), data);
                    self.client.process_input(datagram, now());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Sends what the connection has to send. The time until it wants to be called again; `None` is never.
    fn send(&mut self) -> io::Result<Option<Duration>> {
        loop {
            if let Some((data, to)) = self.unsent.take() {
                match self.socket.send_to(&data, to) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {
                        self.unsent = Some((data, to));
                        return Ok(None); // there will be room
                    }
                    result => result?,
                };
            }
            match self
                .client
                .write_batch(now(), &mut self.buf, NonZeroUsize::MIN)
            {
                Transmit::Batch(batch) => {
                    self.unsent = Some((batch.data().to_vec(), batch.destination()));
                }
                Transmit::Callback(wait) => return Ok(Some(wait)),
                Transmit::None => return Ok(None),
            }
        }
    }

    /// Acts on what happened. The state in which the connection ended, if it did.
    fn serve_events(&mut self) -> Result<Option<Http3State>, Box<dyn Error>> {
        while let Some(event) = self.client.next_event() {
            match event {
                Http3ClientEvent::AuthenticationNeeded => {
                    let chain = self.client.peer_certificate().ok_or("a chain is there")?;
                    self.judge.cases.send(chain.clone())?;
                }
                Http3ClientEvent::StateChange(Http3State::Connected) => {
                    let target = ("https", self.page.name.as_str(), self.page.path.as_str());
                    let priority = Priority::default();
                    let id = self.client.fetch(now(), "GET", target, &[], priority)?;
                    self.client.stream_close_send(id, now())?;
                }
                Http3ClientEvent::HeaderReady { headers, .. } => {
                    let status = headers.iter().find(|h| h.name() == ":status");
                    let status = status.map_or(&b"none"[..], |h| h.value());
                    let mut log = io::stderr();
                    writeln!(log, "status {}", String::from_utf8_lossy(status))?;
                }
                Http3ClientEvent::DataReadable { stream_id } => loop {
                    let (n, fin) = self.client.read_data(now(), stream_id, &mut self.body)?;
                    io::stdout().write_all(&self.body[..n])?;
                    if fin {
                        self.whole = true;
                        self.client.close(now(), 0x100, "done");
                    }
                    if fin || n == 0 {
                        break;
                    }
                },
                Http3ClientEvent::Reset { .. } => {
                    self.client.close(now(), 0x100, "no page");
                }
                Http3ClientEvent::StateChange(
                    state @ (Http3State::Closing(_) | Http3State::Closed(_)),
                ) => return Ok(Some(state)),
                _ => {}
            }
        }
        Ok(None)
    }
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [server, name, path, pin, rest @ ..] = args else {
        return Err("usage: host IP:PORT NAME PATH SHA256 [SECONDS]".into());
    };
    let server = server.parse()?;
    let trusted = hex::decode(pin)?.try_into();
    let trusted = trusted.map_err(|_| "the SHA-256 of a certificate has 64 hexadecimal digits")?;
    let takes = Duration::try_from_secs_f64(rest.first().map_or(Ok(0.0), |s| s.parse())?)?;
    let page = Page {
        name: name.clone(),
        path: path.clone(),
    };
    // A browser started its NSS long before, with the user's database; this is without.
    neqo_crypto::init()?;
    let fetched = Host::new(server, page, trusted, takes).and_then(|mut host| host.run());
    fetched.map_err(|e| format!("{server}: {e}").into())
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Err(e) = run(&args) {
        // Nobody is left to tell that there is nobody to tell.
        drop(writeln!(io::stderr(), "host: {e}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

//! Two sessions joined in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::OnceLock,
    time::Instant,
};

use neqo_crypto::{
    AuthenticationStatus, Client, ClientBuilder, Direction, Error, Event, Events, Group, Identity,
    Level, PeerChain, Provider, Res, ResumptionToken, Secret, Server, ServerBuilder, Session,
    Verification,
};

pub(crate) const CLIENT_PARAMS: &[u8] = b"\x01\x04client";
pub(crate) const SERVER_PARAMS: &[u8] = b"\x01\x04server";
pub(crate) const NAME: &str = "example.com";

#[expect(
    clippy::disallowed_methods,
    reason = "a base for the times that tests pass in"
)]
pub(crate) fn now() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

pub(crate) fn alpn(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|n| n.as_bytes().to_vec()).collect()
}

pub(crate) fn identity() -> &'static Identity {
    static ID: OnceLock<Identity> = OnceLock::new();
    ID.get_or_init(|| Identity::self_signed(&[NAME]).unwrap())
}

/// Which libraries the two sides use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) client: Provider,
    pub(crate) server: Provider,
}

impl Pair {
    pub(crate) fn client_builder(self) -> ClientBuilder {
        Client::builder().provider(self.client)
    }

    pub(crate) fn client(self, verification: Verification) -> Client {
        client_of(self.client_builder(), verification)
    }

    pub(crate) fn server_builder_of(self, identity: Identity) -> ServerBuilder {
        Server::builder(identity).provider(self.server)
    }

    pub(crate) fn server_builder(self) -> ServerBuilder {
        self.server_builder_of(identity().clone())
    }

    pub(crate) fn server(self) -> Server {
        self.server_builder().build().unwrap()
    }

    /// A client that trusts `roots`; `None` if its NSS is one without libpkix, which has to say so.
    pub(crate) fn trusting(self, roots: &[Vec<u8>]) -> Option<Client> {
        let builder = self.client_builder();
        match builder
            .verification(Verification::Roots(roots.to_vec()))
            .build()
        {
            Ok(client) => Some(client),
            Err(Error::Config(e)) if self.client_is_nss() && e.contains("libpkix") => None,
            Err(e) => panic!("{e}"),
        }
    }

    pub(crate) fn client_is_nss(self) -> bool {
        self.client.to_string() == "nss"
    }

    pub(crate) fn server_is_nss(self) -> bool {
        self.server.to_string() == "nss"
    }

    /// Whether both sides can compress certificates.
    pub(crate) fn compresses(self) -> bool {
        [self.client, self.server]
            .iter()
            .all(|p| p.to_string() != "nss" || nss_compresses())
    }

    /// The groups that both sides have.
    pub(crate) fn groups(self) -> Vec<Group> {
        let nss = [self.client, self.server]
            .iter()
            .any(|p| p.to_string() == "nss");
        if nss {
            nss_groups()
        } else {
            Group::ALL.to_vec()
        }
    }
}

#[cfg(feature = "nss")]
fn nss_compresses() -> bool {
    neqo_crypto::capabilities()
        .unwrap()
        .certificate_compression()
}

#[cfg(not(feature = "nss"))]
const fn nss_compresses() -> bool {
    false
}

/// The groups of the NSS that is loaded.
#[cfg(feature = "nss")]
fn nss_groups() -> Vec<Group> {
    neqo_crypto::capabilities().unwrap().groups().to_vec()
}

#[cfg(not(feature = "nss"))]
fn nss_groups() -> Vec<Group> {
    Vec::new()
}

/// Makes tests of functions that take a [`Pair`], on every pair of libraries that are compiled in.
macro_rules! every_pair {
    ($($name:ident),* $(,)?) => {
        crate::pair::one_pair!(rustls, "rustls", "rustls", Rustls, Rustls, $($name)*);
        crate::pair::one_pair!(nss, "nss", "nss", Nss, Nss, $($name)*);
        crate::pair::one_pair!(nss_to_rustls, "nss", "rustls", Nss, Rustls, $($name)*);
        crate::pair::one_pair!(rustls_to_nss, "rustls", "nss", Rustls, Nss, $($name)*);
    };
}

macro_rules! one_pair {
    ($pair:ident, $c:literal, $s:literal, $client:ident, $server:ident, $($name:ident)*) => {
        #[cfg(all(feature = $c, feature = $s))]
        mod $pair {
            $(
                #[test]
                fn $name() {
                    super::$name(crate::pair::Pair {
                        client: neqo_crypto::Provider::$client,
                        server: neqo_crypto::Provider::$server,
                    });
                }
            )*
        }
    };
}

pub(crate) use {every_pair, one_pair};

pub(crate) fn client_of(builder: ClientBuilder, verification: Verification) -> Client {
    builder.verification(verification).build().unwrap()
}

/// One side, and all that came out of it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) session: Box<dyn Session>,
    pub(crate) outbox: VecDeque<(Level, Vec<u8>)>,
    pub(crate) secrets: BTreeMap<(Level, Direction), Secret>,
    pub(crate) params: Option<Vec<u8>>,
    pub(crate) hello: Option<Vec<u8>>,
    pub(crate) chain: Option<PeerChain>,
    pub(crate) tickets: Vec<ResumptionToken>,
    pub(crate) complete: bool,
    pub(crate) alert: Option<u8>,
    /// The name to verify for when encrypted `ClientHello` was not accepted.
    pub(crate) fallback: Option<String>,
    /// Whether the server answers the client's parameters by itself.
    pub(crate) answers: bool,
    /// The time.
    pub(crate) now: Instant,
}

impl End {
    pub(crate) fn new(session: Box<dyn Session>) -> Self {
        Self {
            session,
            outbox: VecDeque::new(),
            secrets: BTreeMap::new(),
            params: None,
            hello: None,
            chain: None,
            tickets: Vec::new(),
            complete: false,
            alert: None,
            fallback: None,
            answers: true,
            now: now(),
        }
    }

    pub(crate) fn client(c: &Client) -> Self {
        Self::new(c.session(NAME, &alpn(&["h3"]), CLIENT_PARAMS).unwrap())
    }

    pub(crate) fn resuming(c: &Client, token: &ResumptionToken) -> Self {
        Self::resuming_at(c, token, now())
    }

    pub(crate) fn resuming_at(c: &Client, token: &ResumptionToken, now: Instant) -> Self {
        let session = c.resume(NAME, &alpn(&["h3"]), CLIENT_PARAMS, token, now);
        Self {
            now,
            ..Self::new(session.unwrap())
        }
    }

    pub(crate) fn server(s: &Server) -> Self {
        Self::new(s.session(&alpn(&["h3"])).unwrap())
    }

    /// Notes events and checks what every sequence of them has to obey.
    fn absorb(&mut self, mut events: Events) -> Res<()> {
        let mut answer = false;
        while let Some(event) = events.pop() {
            assert!(self.alert.is_none(), "after an alert: {event:?}");
            match event {
                Event::Crypto { level, data } => {
                    assert!(!data.is_empty());
                    assert!(
                        level == Level::Initial
                            || self.secrets.contains_key(&(level, Direction::Write)),
                        "Crypto before its secret"
                    );
                    self.outbox.push_back((level, data));
                }
                Event::Secret(s) => {
                    let old = self.secrets.insert((s.level, s.direction), s);
                    assert!(old.is_none(), "a secret twice");
                }
                Event::PeerParams(p) => {
                    assert!(self.params.replace(p).is_none());
                    answer = self.hello.is_some();
                }
                Event::ClientHello(h) => assert!(self.hello.replace(h).is_none()),
                Event::AuthenticationNeeded(c) => assert!(self.chain.replace(c).is_none()),
                Event::Ticket(t) => self.tickets.push(t),
                Event::Complete => {
                    assert!(!self.complete, "complete twice");
                    self.complete = true;
                }
                Event::Alert(a) => self.alert = Some(a),
                Event::EchFallback(name) => assert!(self.fallback.replace(name).is_none()),
            }
        }
        if answer && self.answers {
            self.answer(SERVER_PARAMS)?;
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, params: &[u8]) -> Res<()> {
        let mut out = Events::default();
        self.session.set_local_params(params, self.now, &mut out)?;
        self.absorb(out)
    }

    pub(crate) fn start(&mut self) -> Res<()> {
        let mut out = Events::default();
        self.session.start(self.now, &mut out)?;
        self.absorb(out)
    }

    pub(crate) fn read(&mut self, level: Level, data: &[u8]) -> Res<()> {
        let mut out = Events::default();
        let result = self.session.read(level, data, self.now, &mut out);
        self.absorb(out)?;
        result
    }

    pub(crate) fn verdict(&mut self, status: AuthenticationStatus) -> Res<()> {
        let mut out = Events::default();
        self.session.authenticated(status, self.now, &mut out)?;
        self.absorb(out)
    }

    pub(crate) fn has(&self, level: Level, direction: Direction) -> bool {
        self.secrets.contains_key(&(level, direction))
    }

    /// The types of the messages of a level that wait to be carried.
    pub(crate) fn waiting(&self, level: Level) -> Vec<u8> {
        let of_level = self.outbox.iter().filter(|(l, _)| *l == level);
        let flight: Vec<u8> = of_level.flat_map(|(_, data)| data.clone()).collect();
        let (mut types, mut rest) = (Vec::new(), &flight[..]);
        while let [kind, a, b, c, body @ ..] = rest {
            types.push(*kind);
            rest = &body[usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)..];
        }
        types
    }

    pub(crate) fn exported(&self) -> Res<[u8; 40]> {
        let mut out = [0; 40];
        self.session
            .export("EXPERIMENTAL label", b"context", &mut out)?;
        Ok(out)
    }
}

/// Whose `read` failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Client(Error),
    Server(Error),
}

/// Starts both and joins them.
pub(crate) fn handshake(client: &mut End, server: &mut End) -> Result<(), Failed> {
    client.start().map_err(Failed::Client)?;
    server.start().map_err(Failed::Server)?;
    join(client, server)
}

/// Carries CRYPTO bytes both ways until neither side has any.
pub(crate) fn join(client: &mut End, server: &mut End) -> Result<(), Failed> {
    join_with(client, server, &mut |data| vec![data])
}

/// Like `join`, but `cut` may divide or alter what is carried.
pub(crate) fn join_with(
    client: &mut End,
    server: &mut End,
    cut: &mut dyn FnMut(Vec<u8>) -> Vec<Vec<u8>>,
) -> Result<(), Failed> {
    loop {
        if let Some((level, data)) = client.outbox.pop_front() {
            for piece in cut(data) {
                server.read(level, &piece).map_err(Failed::Server)?;
            }
        } else if let Some((level, data)) = server.outbox.pop_front() {
            for piece in cut(data) {
                client.read(level, &piece).map_err(Failed::Client)?;
            }
        } else {
            return Ok(());
        }
    }
}

/// Checks that both sides are done and have the same secrets.
pub(crate) fn agreed(client: &End, server: &End) {
    assert!(client.complete && server.complete);
    assert_eq!(client.params.as_deref(), Some(SERVER_PARAMS));
    assert_eq!(server.params.as_deref(), Some(CLIENT_PARAMS));
    for level in [Level::Handshake, Level::OneRtt] {
        for (c, s) in [
            (Direction::Read, Direction::Write),
            (Direction::Write, Direction::Read),
        ] {
            let (c, s) = (&client.secrets[&(level, c)], &server.secrets[&(level, s)]);
            assert_eq!((c.bytes(), c.cipher), (s.bytes(), s.cipher));
        }
    }
    assert_eq!(client.exported().unwrap(), server.exported().unwrap());
}

/// A finished pair.
pub(crate) fn connected(c: &Client, s: &Server) -> (End, End) {
    let (mut client, mut server) = (End::client(c), End::server(s));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    (client, server)
}

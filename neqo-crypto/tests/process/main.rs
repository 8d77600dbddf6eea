//! What needs a process of its own: tickets that outlive one, NSS with a database, and a search for leaks.
//!
//! Without an argument this runs itself with all of these but the last. That, `leaks nss rustls 10000`, is for
//! `neqo-crypto/nss/leaks.sh`, which runs it under LeakSanitizer.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test without harness"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a base for the times that tests pass in"
)]

mod leaks;
mod roots;

use std::{
    env, hint,
    io::{self, Read, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use neqo_crypto::{
    Client, Event, Events, Identity, Level, Provider, Res, ResumptionToken, Secret, Server,
    Session, Verification,
};

const NAME: &str = "example.com";
const HOUR: Duration = Duration::from_hours(1);

fn main() -> ExitCode {
    let mode = env::args().nth(1).filter(|a| !a.starts_with('-'));
    match mode.as_deref() {
        Some("resume") => resume(env::args().nth(2).unwrap().parse().unwrap()),
        Some("roots") => roots::verify(Path::new(&env::args().nth(2).unwrap())),
        Some("database") => database(Path::new(&env::args().nth(2).unwrap())),
        // For `leaks.sh`, to see that it sees.
        Some("leak") => _ = Box::leak(hint::black_box(Box::new([7; 1000]))),
        Some("leaks") => {
            let arg = |n| env::args().nth(n).unwrap();
            let pair = [2, 3].map(|n| arg(n).parse().unwrap());
            leaks::look(pair, arg(4).parse().unwrap());
        }
        _ => {
            for &from in Provider::ALL {
                for &to in Provider::ALL {
                    ticket_across_processes(from, to);
                    println!("ticket_across_processes, {from} to {to} ... ok");
                }
            }
            identity_in_a_database();
            println!("identity_in_a_database ... ok");
            roots::beside_a_database();
            println!("roots_beside_a_database ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h3".to_vec()]
}

fn client_by(provider: Provider) -> Client {
    let builder = Client::builder().provider(provider);
    let builder = builder.enable_early_data(true);
    builder
        .verification(Verification::Insecure)
        .build()
        .unwrap()
}

/// What came out of a session.
#[derive(Default)]
struct Seen {
    crypto: Vec<(Level, Vec<u8>)>,
    tickets: Vec<ResumptionToken>,
    secrets: Vec<Secret>,
    complete: bool,
    hello: bool,
}

impl Seen {
    fn absorb(&mut self, events: &mut Events) {
        while let Some(event) = events.pop() {
            match event {
                Event::Crypto { level, data } => self.crypto.push((level, data)),
                Event::Ticket(t) => self.tickets.push(t),
                Event::Secret(s) => self.secrets.push(s),
                Event::Complete => self.complete = true,
                Event::ClientHello(_) => self.hello = true,
                _ => {}
            }
        }
    }
}

/// Gives a server what its client said.
fn serve(
    server: &mut dyn Session,
    seen: &mut Seen,
    level: Level,
    data: &[u8],
    now: Instant,
) -> Res<()> {
    let mut out = Events::default();
    let answered = seen.hello;
    server.read(level, data, now, &mut out)?;
    seen.absorb(&mut out);
    if seen.hello && !answered {
        server.set_local_params(b"server", now, &mut out)?;
        seen.absorb(&mut out);
    }
    Ok(())
}

/// Connects; gives what the client saw.
fn connect(client: &mut dyn Session, server: &mut dyn Session) -> Seen {
    let [c, s] = carry(client, server, &|_, _| ()).unwrap();
    assert!(c.complete && s.complete);
    c
}

fn started(session: &mut dyn Session, now: Instant) -> Seen {
    let (mut seen, mut out) = (Seen::default(), Events::default());
    session.start(now, &mut out).unwrap();
    seen.absorb(&mut out);
    seen
}

/// Carries what a client and a server say, until they say no more; gives what both saw. Before, `spoil` has it in its
/// hands, numbered from 0.
fn carry(
    client: &mut dyn Session,
    server: &mut dyn Session,
    spoil: &dyn Fn(usize, &mut [u8]),
) -> Res<[Seen; 2]> {
    let now = Instant::now();
    let (mut c, mut s) = (started(client, now), started(server, now));
    let mut out = Events::default();
    let mut count = 0;
    let mut spoiled = |mut data: Vec<u8>| {
        spoil(count, &mut data);
        count += 1;
        data
    };
    while !c.crypto.is_empty() || !s.crypto.is_empty() {
        for (level, data) in c.crypto.split_off(0) {
            serve(server, &mut s, level, &spoiled(data), now)?;
        }
        for (level, data) in s.crypto.split_off(0) {
            client.read(level, &spoiled(data), now, &mut out)?;
            c.absorb(&mut out);
        }
    }
    Ok([c, s])
}

fn send(to: &mut dyn Write, tag: u8, data: &[u8]) {
    let len = u32::try_from(data.len()).unwrap();
    to.write_all(&[tag]).unwrap();
    to.write_all(&len.to_be_bytes()).unwrap();
    to.write_all(data).unwrap();
    to.flush().unwrap();
}

fn receive(from: &mut dyn Read) -> (u8, Vec<u8>) {
    let mut head = [0; 5];
    from.read_exact(&mut head).unwrap();
    let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut data = vec![0; usize::try_from(len).unwrap()];
    from.read_exact(&mut data).unwrap();
    (head[0], data)
}

const TOKEN: u8 = 10;
const OUTCOME: u8 = 11;

fn level(tag: u8) -> Level {
    [
        Level::Initial,
        Level::ZeroRtt,
        Level::Handshake,
        Level::OneRtt,
    ][usize::from(tag)]
}

const fn tag(level: Level) -> u8 {
    level as u8
}

/// A client in a process of its own resumes what another process's client left, with early data, if its library is NSS.
/// With rustls the token refers to what the other process remembers: a full handshake.
fn ticket_across_processes(from_library: Provider, to_library: Provider) {
    let resumes = from_library == Provider::Nss;
    let identity = Identity::self_signed(&[NAME]).unwrap();
    let server = Server::builder(identity).provider(to_library);
    let server = server.enable_early_data(true).build().unwrap();
    let mut first = client_by(from_library)
        .session(NAME, &alpn(), b"client")
        .unwrap();
    let seen = connect(&mut *first, &mut *server.session(&alpn()).unwrap());
    let token = seen.tickets.first().expect("a ticket");

    let mut child = Command::new(env::current_exe().unwrap())
        .args(["resume", &from_library.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    send(&mut to, TOKEN, token.as_ref());
    let now = Instant::now();
    let mut session = server.session(&alpn()).unwrap();
    session.start(now, &mut Events::default()).unwrap();
    let mut seen = Seen::default();
    let outcome = loop {
        let (kind, data) = receive(&mut from);
        if kind == OUTCOME {
            break data;
        }
        serve(&mut *session, &mut seen, level(kind), &data, now).unwrap();
        for (level, data) in seen.crypto.split_off(0) {
            // The client does not stay for tickets.
            if level != Level::OneRtt {
                send(&mut to, tag(level), &data);
            }
        }
    };
    drop(to);
    assert!(child.wait().unwrap().success());
    assert_eq!(outcome, [u8::from(resumes); 2], "resumed, early data");
    let info = session.info().unwrap();
    assert!(seen.complete);
    assert_eq!(
        (info.resumed(), info.early_data_accepted()),
        (resumes, resumes)
    );
}

/// The other process of [`ticket_across_processes`].
fn resume(provider: Provider) {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let (TOKEN, token) = receive(&mut from) else {
        panic!("no token");
    };
    let now = Instant::now();
    let token = ResumptionToken::new(token, now + HOUR, true);
    let mut session = client_by(provider)
        .resume(NAME, &alpn(), b"client", &token, now)
        .unwrap();
    let (mut seen, mut out) = (started(&mut *session, now), Events::default());
    loop {
        for (level, data) in seen.crypto.split_off(0) {
            send(&mut to, tag(level), &data);
        }
        if seen.complete {
            break;
        }
        let (kind, data) = receive(&mut from);
        session.read(level(kind), &data, now, &mut out).unwrap();
        seen.absorb(&mut out);
    }
    let info = session.info().unwrap();
    let early = seen.secrets.iter().any(|s| s.level == Level::ZeroRtt);
    let outcome = [info.resumed(), early && info.early_data_accepted()];
    send(&mut to, OUTCOME, &outcome.map(u8::from));
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap_or_else(|e| {
        eprintln!("{program} (of the package libnss3-tools or nss-tools): {e}");
        panic!("{program} is needed");
    });
    assert!(status.success(), "{program} {args:?}");
}

/// Makes a database; gives what NSS's own tools call it.
fn new_database(dir: &Path) -> String {
    let db = format!("sql:{}", dir.to_str().unwrap());
    run("certutil", &["-N", "-d", &db, "--empty-password"]);
    db
}

/// A server whose key is in a database, made by NSS's own tool.
fn identity_in_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let db = new_database(dir.path());
    let noise = dir.path().join("noise");
    std::fs::write(&noise, path.repeat(20)).unwrap();
    run(
        "certutil",
        &[
            "-S",
            "-d",
            &db,
            "-n",
            "key",
            "-s",
            "CN=example.com",
            "-8",
            NAME,
            "-x",
            "-t",
            "CT,,",
            "-k",
            "ec",
            "-q",
            "nistp256",
            "-z",
            noise.to_str().unwrap(),
        ],
    );
    let status = Command::new(env::current_exe().unwrap())
        .args(["database", path])
        .status();
    assert!(status.unwrap().success());
}

/// The other process of [`identity_in_a_database`].
fn database(dir: &Path) {
    assert!(neqo_crypto::init_db(Path::new("/no/such/directory")).is_err());
    neqo_crypto::init_db(dir).unwrap();
    assert!(Identity::nss_nickname("nobody").is_err());
    let identity = Identity::nss_nickname("key").unwrap();
    let hash = identity.sha256();
    for &provider in Provider::ALL {
        let server = Server::builder(identity.clone()).provider(provider);
        assert_eq!(server.build().is_ok(), provider == Provider::Nss);
    }
    let server = Server::builder(identity).provider(Provider::Nss);
    let server = server.build().unwrap();
    for verification in [
        Verification::PinSha256(vec![hash]),
        // The database trusts it.
        Verification::Platform,
    ] {
        let client = Client::builder().provider(Provider::Nss);
        let client = client.verification(verification).build().unwrap();
        let mut session = client.session(NAME, &alpn(), b"client").unwrap();
        connect(&mut *session, &mut *server.session(&alpn()).unwrap());
        assert_eq!(session.peer_certificate().unwrap().leaf_sha256(), hash);
    }
}

//! `neqo-client demo`: a server and a client in one process, and real files between them.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    thread,
};

use clap::Parser as _;
use indicatif::{BinaryBytes, HumanBytes};
use neqo_common::Random;
use sha2::{Digest as _, Sha256};
use tokio::sync::{oneshot, watch};

use super::{
    args::{self, DemoArgs},
    error::Error,
    fetch::{Failure, fetch},
    summary::rate,
};
use crate::{
    clock,
    runtime::signals::Signals,
    server::{access_log::AccessLog, args::Cli as ServerArgs, run::Bound},
    startup,
};

/// Content is made and checked in pieces of this many bytes.
const PIECE: usize = 64 << 10;

/// A file of the demonstration.
#[derive(Debug)]
struct Sample {
    name: String,
    size: u64,
    sha256: [u8; 32],
}

/// A server on a thread of its own.
struct Served {
    addr: SocketAddr,
    pin: [u8; 32],
    stop: watch::Sender<u32>,
    thread: thread::JoinHandle<Result<(), String>>,
}

/// Runs the demonstration.
pub async fn run(args: &DemoArgs, signals: &Signals) -> Result<(), Failure> {
    let dir = tempfile::tempdir().map_err(|e| internal(&e))?;
    let (root, out) = (dir.path().join("served"), dir.path().join("fetched"));
    std::fs::create_dir(&root).map_err(|e| internal(&e))?;
    let samples = args
        .sizes
        .iter()
        .enumerate()
        .map(|(n, size)| make(&root, n, *size))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| internal(&e))?;
    let server = serve(&root).await?;
    say(&format!(
        "serving {} files on {} over HTTP/3, certificate {}",
        samples.len(),
        server.addr,
        hex::encode(server.pin)
    ));
    let started = clock::now();
    let fetched = fetch(&fetch_args(args, &server, &out, &samples)?, signals).await;
    let elapsed = clock::now().saturating_duration_since(started);
    server.stop()?;
    fetched?;
    for sample in &samples {
        verify(&out, sample)?;
        say(&format!(
            "verified {:>10} {}  {}",
            HumanBytes(sample.size).to_string(),
            hex::encode(sample.sha256),
            sample.name
        ));
    }
    let total = samples.iter().map(|s| s.size).sum();
    say(&format!(
        "all {} files arrived intact: {} in {:.3} s, {}/s",
        samples.len(),
        BinaryBytes(total),
        elapsed.as_secs_f64(),
        BinaryBytes(rate(total, elapsed))
    ));
    Ok(())
}

fn internal(e: &dyn std::fmt::Display) -> Error {
    Error::Internal(e.to_string())
}

fn say(line: &str) {
    // When stdout is gone the exit code still tells.
    drop(writeln!(io::stdout().lock(), "{line}"));
}

fn fetch_args(
    demo: &DemoArgs,
    server: &Served,
    out: &Path,
    samples: &[Sample],
) -> Result<args::FetchArgs, Error> {
    let pin = hex::encode(server.pin);
    let mut line = vec![
        "neqo-client".to_owned(),
        "--pin-sha256".to_owned(),
        pin,
        "--output-dir".to_owned(),
        out.to_string_lossy().into_owned(),
    ];
    if demo.quiet {
        line.push("--quiet".into());
    }
    if demo.stats {
        line.push("--stats".into());
    }
    let urls = samples
        .iter()
        .map(|s| format!("https://{}/{}", server.addr, s.name));
    line.extend(urls);
    let mut fetch = args::Cli::try_parse_from(line)
        .map_err(|e| internal(&e))?
        .fetch;
    fetch.output.verbose = demo.verbose;
    Ok(fetch)
}

/// Makes a file that is the same in every run.
fn make(root: &Path, n: usize, size: u64) -> io::Result<Sample> {
    let name = format!("{n}-{size}.bin");
    let mut random = Random::from_seed([u8::try_from(n).unwrap_or(u8::MAX); 32]);
    let mut file = File::create(root.join(&name))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut left = size;
    while left > 0 {
        let len = usize::try_from(left).map_or(PIECE, |l| l.min(PIECE));
        let part = &mut piece[..len];
        random.fill(part);
        hash.update(&*part);
        file.write_all(part)?;
        left -= len as u64;
    }
    Ok(Sample {
        name,
        size,
        sha256: hash.finalize().into(),
    })
}

fn verify(out: &Path, sample: &Sample) -> Result<(), Error> {
    let path = out.join(&sample.name);
    let read = || {
        let mut file = File::open(&path)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            let n = file.read(&mut piece)?;
            if n == 0 {
                return Ok(<[u8; 32]>::from(hash.finalize()));
            }
            hash.update(&piece[..n]);
        }
    };
    let found = read().map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    if found == sample.sha256 {
        Ok(())
    } else {
        Err(Error::Internal(format!("{} arrived damaged", sample.name)))
    }
}

async fn serve(root: &Path) -> Result<Served, Error> {
    let root = root.to_string_lossy().into_owned();
    let line = ["neqo-server", "--root", &root, "127.0.0.1:0"];
    let args = ServerArgs::try_parse_from(line).map_err(|e| internal(&e))?;
    let (stop, signals) = Signals::manual();
    let (ready, bound) = oneshot::channel();
    let work = async move {
        let server = Bound::new(args).await.map_err(|e| e.to_string())?;
        let addr = server.addrs().next().ok_or("no socket")?;
        let known = (addr, server.certificate().identity.sha256());
        ready.send(known).map_err(|_known| "the client is gone")?;
        server
            .serve(AccessLog::disabled(), signals)
            .await
            .map_err(|e| e.to_string())
    };
    let thread = thread::Builder::new()
        .name("server".into())
        .spawn(move || startup::block_on(work).map_err(|e| e.to_string())?)
        .map_err(|e| internal(&e))?;
    match bound.await {
        Ok((addr, pin)) => Ok(Served {
            addr,
            pin,
            stop,
            thread,
        }),
        Err(_) => Err(internal(&join(thread).err().unwrap_or_default())),
    }
}

fn join(thread: thread::JoinHandle<Result<(), String>>) -> Result<(), String> {
    thread
        .join()
        .unwrap_or_else(|_panic| Err("the server panicked".into()))
}

impl Served {
    fn stop(self) -> Result<(), Error> {
        self.stop.send_modify(|n| *n += 1);
        join(self.thread).map_err(Error::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_deterministic_and_checked() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let size = 2 * PIECE as u64 + 5;
        let one = make(a.path(), 1, size).unwrap();
        let other = make(b.path(), 1, size).unwrap();
        assert_eq!(one.sha256, other.sha256);
        assert_ne!(one.sha256, make(b.path(), 2, size).unwrap().sha256);
        assert!(verify(a.path(), &one).is_ok());

        let path = a.path().join(&one.name);
        let mut content = std::fs::read(&path).unwrap();
        assert_eq!(content.len() as u64, size);
        content[PIECE] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert!(verify(a.path(), &one).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(verify(a.path(), &one).is_err());
    }
}

//! Both programs in bounded memory, however large the body: the peak of their resident sets while they carry one.
//!
//! `NEQO_MEMORY_MIB` sets the size of the bodies, which is 64 otherwise.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of programs that run in real time; a failure is a panic"
)]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What neither program may exceed, in KiB.
const LIMIT: u64 = 32 << 10;

/// How often a running client is looked at. Its peak only grows, and ends with the body: little is missed.
const INTERVAL: Duration = Duration::from_millis(2);

/// How long a transfer may take, per MiB, and in any case: the programs may be debug builds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);
const MIN_PATIENCE: Duration = Duration::from_mins(2);

/// A program that is stopped at the end of the test, come what may.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Running {
    /// The largest resident set so far, in KiB; nothing when the program is over.
    fn peak(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }
}

struct Server {
    running: Running,
    /// Held open: the access log goes there.
    out: BufReader<ChildStdout>,
    url: String,
    pin: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_neqo-server"))
            .env_remove("SSLKEYLOGFILE")
            .env_remove("RUST_LOG")
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let running = Running(child);
        let mut value = |name: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim_end().strip_prefix(name).unwrap().to_owned()
        };
        let url = format!("https://{}/", value("listening on "));
        let pin = value("certificate SHA-256 ");
        Self {
            running,
            out,
            url,
            pin,
        }
    }

    /// Runs a client to its successful end: what it said on stderr, and its peak in KiB.
    fn carry(&self, args: &[&str], mib: u64) -> (String, u64) {
        let child = Command::new(env!("CARGO_BIN_EXE_neqo-client"))
            .env_remove("SSLKEYLOGFILE")
            .env_remove("RUST_LOG")
            .args(["--pin-sha256", &self.pin])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut client = Running(child);
        let patience = PATIENCE
            .saturating_mul(u32::try_from(mib).unwrap())
            .max(MIN_PATIENCE);
        let end = Instant::now() + patience;
        let mut peak = 0;
        let status = loop {
            peak = peak.max(client.peak().unwrap_or(0));
            if let Some(status) = client.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "still running after {patience:?}");
            thread::sleep(INTERVAL);
        };
        let mut said = String::new();
        let mut stderr = client.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert!(status.success(), "{said}");
        (said, peak)
    }
}

fn mib() -> u64 {
    match std::env::var("NEQO_MEMORY_MIB") {
        Ok(mib) => mib.parse().unwrap(),
        Err(_) => 64,
    }
}

#[track_caller]
fn is_bounded(what: &str, peak: u64) {
    assert!(peak > 1024, "{what}: {peak} KiB cannot be the truth");
    assert!(
        peak < LIMIT,
        "{what}: {peak} KiB at its peak, {LIMIT} are allowed"
    );
}

#[test]
fn a_download_takes_bounded_memory() {
    let mib = mib();
    let bytes = mib << 20;
    let server = Server::start();
    let url = format!("{}{bytes}", server.url);
    let (said, peak) = server.carry(&["-o", "/dev/null", &url], mib);
    assert!(said.contains(&format!("200, {bytes} bytes in ")), "{said}");
    is_bounded("client, download", peak);
    is_bounded("server, download", server.running.peak().unwrap());
}

#[test]
fn an_upload_takes_bounded_memory() {
    let mib = mib();
    let bytes = mib << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zeros");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    let mut server = Server::start();
    let data = format!("@{}", path.display());
    let (said, peak) = server.carry(&["--data", &data, &server.url], mib);
    let answer = format!("received {bytes} bytes\n").len();
    assert!(
        said.contains(&format!(
            "200, {answer} bytes received, {bytes} bytes sent in "
        )),
        "{said}"
    );
    is_bounded("client, upload", peak);
    is_bounded("server, upload", server.running.peak().unwrap());
    // The log tells that the server received it all: its answer has the length above.
    let mut line = String::new();
    while !line.contains("\"POST / HTTP/3\" 200 ") {
        line.clear();
        assert_ne!(
            server.out.read_line(&mut line).unwrap(),
            0,
            "no such request"
        );
    }
}

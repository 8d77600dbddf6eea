//! The programs as a shell sees them: what they print, what they leave on disk, and how they exit.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of programs that run in real time; a failure is a panic"
)]

#[cfg(all(unix, feature = "nss"))]
mod ech;
#[cfg(all(unix, feature = "nss"))]
mod host;
mod pairs;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Nothing here takes longer, not even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn client() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neqo-client"));
    command.env_remove("SSLKEYLOGFILE").env_remove("RUST_LOG");
    command
}

/// A server that runs until it is dropped, its root, and a place for outputs.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    addrs: Vec<String>,
    pin: String,
    dir: TempDir,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        Self::start_on(args, &["127.0.0.1:0"])
    }

    fn start_on(args: &[&str], listen: &[&str]) -> Self {
        Self::start_with(args, listen, |_| ())
    }

    /// The same after a `change` of the command.
    fn start_with(args: &[&str], listen: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("www")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_neqo-server"));
        command
            .args(args)
            .arg("--root")
            .arg(dir.path().join("www"))
            .args(listen)
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let addrs = listen
            .iter()
            .map(|_| line().strip_prefix("listening on ").unwrap().to_owned())
            .collect();
        let pin = line()
            .strip_prefix("certificate SHA-256 ")
            .unwrap()
            .to_owned();
        assert!(line().contains(&format!("--pin-sha256 {pin}")));
        Self {
            child,
            out,
            addrs,
            pin,
            dir,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.addrs[0])
    }

    fn file(&self, name: &str, content: &[u8]) {
        fs::write(self.www().join(name), content).unwrap();
    }

    fn www(&self) -> PathBuf {
        self.dir.path().join("www")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A client that trusts this server.
    fn client(&self) -> Command {
        let mut command = client();
        command.args(["--pin-sha256", &self.pin]);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        finish(self.client().args(args))
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// The exit code and the access log of a server that is ending.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.out.read_to_string(&mut log).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command to its end, which must come.
fn finish(command: &mut Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    collect(child)
}

fn collect(child: Child) -> Output {
    let id = child.id();
    let (done, waiting) = std::sync::mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    if let Ok(output) = waiting.recv_timeout(PATIENCE) {
        return output.unwrap();
    }
    drop(
        Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status(),
    );
    panic!("still running: {:?}", waiting.recv());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One line that says what is wrong, and this exit code.
#[track_caller]
fn fails(output: &Output, code: i32, word: &str) {
    program_fails("neqo-", output, code, word);
}

#[track_caller]
fn program_fails(name: &str, output: &Output, code: i32, word: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with(name) && stderr.contains(word),
        "{stderr}"
    );
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    stderr
}

fn content(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_body_on_stdout_and_a_summary() {
    let server = Server::start(&[]);
    server.file("hello.txt", b"hello, world\n");
    let output = server.run(&[&server.url("hello.txt")]);
    let summary = succeeds(&output);
    assert_eq!(output.stdout, b"hello, world\n");
    // X25519, alone or with ML-KEM: the library's choice.
    for word in ["200, 13 bytes", "h3", "TLS_", "25519"] {
        assert!(summary.contains(word), "{summary}");
    }
    assert_eq!(summary.lines().count(), 1, "no progress bars in a pipe");
    let output = server.run(&["-q", &server.url("hello.txt")]);
    assert_eq!(succeeds(&output), "");
}

#[test]
fn many_bodies_on_stdout_keep_their_order() {
    let server = Server::start(&[]);
    server.file("a", &content(300_000));
    server.file("b", b"the end");
    let output = server.run(&[
        "-q",
        &server.url("a"),
        &server.url("b"),
        &server.url("0"),
        &server.url("b"),
    ]);
    succeeds(&output);
    let want = [&content(300_000)[..], b"the end", b"the end"].concat();
    assert!(output.stdout == want);
}

#[test]
fn a_hundred_files_into_a_directory() {
    let server = Server::start(&[]);
    let urls: Vec<_> = (0..100).map(|n| server.url(&format!("f{n}.bin"))).collect();
    for n in 0..100 {
        server.file(&format!("f{n}.bin"), &content(n * 1234));
    }
    let out = server.at("out");
    let output = finish(server.client().arg("--output-dir").arg(&out).args(&urls));
    assert_eq!(succeeds(&output).lines().count(), 100);
    assert_eq!(entries(&out).len(), 100);
    for n in 0..100 {
        assert!(
            fs::read(out.join(format!("f{n}.bin"))).unwrap() == content(n * 1234),
            "{n}"
        );
    }
}

#[test]
fn several_origins_at_once() {
    let server = Server::start_on(&[], &["127.0.0.1:0", "127.0.0.1:0"]);
    let out = server.at("out");
    let urls = server.addrs.iter().map(|a| format!("https://{a}/1000"));
    let output = finish(server.client().arg("--output-dir").arg(&out).args(urls));
    succeeds(&output);
    assert_eq!(entries(&out), ["1000", "1000.1"]);
}

#[test]
fn a_large_file_is_whole() {
    let server = Server::start(&[]);
    let want = content(20 << 20);
    server.file("big", &want);
    let out = server.at("big");
    succeeds(&server.run(&["-o", out.to_str().unwrap(), &server.url("big")]));
    assert!(fs::read(out).unwrap() == want);
}

#[test]
fn uploads_are_counted_and_echoed() {
    let server = Server::start(&[]);
    let body = content(3_000_000);
    fs::write(server.at("up"), &body).unwrap();
    let data = format!("@{}", server.at("up").display());
    let output = server.run(&["-q", "-d", &data, &server.url("anything")]);
    succeeds(&output);
    assert_eq!(output.stdout, b"received 3000000 bytes\n");

    let output = server.run(&["-q", "-d", &data, "-X", "PUT", &server.url("echo")]);
    succeeds(&output);
    assert!(output.stdout == body);

    let mut child = server
        .client()
        .args(["-q", "-d", "@-", &server.url("echo")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = body.clone();
    thread::spawn(move || stdin.write_all(&input));
    let output = collect(child);
    succeeds(&output);
    assert!(output.stdout == body);
}

#[test]
fn methods_headers_and_statuses() {
    let server = Server::start(&[]);
    server.file("f", b"0123456789");
    let url = server.url("f");
    let output = server.run(&["-X", "HEAD", "-v", &url]);
    let stderr = succeeds(&output);
    assert!(output.stdout.is_empty());
    assert!(stderr.contains("< content-length: 10"), "{stderr}");

    let output = server.run(&["-H", "Range: bytes=2-4", &url]);
    assert!(succeeds(&output).contains(": 206, 3 bytes"));
    assert_eq!(output.stdout, b"234");

    let output = server.run(&[&server.url("missing")]);
    assert!(succeeds(&output).contains(": 404,"));
    assert_eq!(output.stdout, b"not found\n");

    let out = server.at("none");
    let output = server.run(&[
        "--fail",
        "-o",
        out.to_str().unwrap(),
        &server.url("missing"),
    ]);
    fails(&output, 22, "404");
    assert!(!out.exists());
}

#[test]
fn http_0_9_beside_http_3() {
    let server = Server::start(&[]);
    server.file("f", &content(500_000));
    let hq = ["--alpn", "hq-interop"];
    let output = finish(server.client().args(hq).arg(server.url("f")));
    assert!(succeeds(&output).contains("hq-interop"));
    assert!(output.stdout == content(500_000));
    let output = server.run(&["-q", &server.url("f")]);
    succeeds(&output);
    assert!(output.stdout == content(500_000));

    let out = server.at("none");
    let output = finish(
        server
            .client()
            .args(hq)
            .arg("-o")
            .args([&out, Path::new(&server.url("missing"))]),
    );
    fails(&output, 18, "incomplete");
    assert!(!out.exists());
    server.signal("-INT");
    let (_, log) = server.end();
    assert!(log.contains("\"GET /f HTTP/0.9\" 200 500000 "), "{log}");
    assert!(log.contains("\"GET /f HTTP/3\" 200 500000 "), "{log}");
}

#[test]
fn one_protocol_only() {
    let server = Server::start(&["--alpn", "hq-interop"]);
    fails(&server.run(&[&server.url("5")]), 4, "--alpn");
    let output = server.run(&["-q", "--alpn", "hq-interop", &server.url("5")]);
    succeeds(&output);
    assert_eq!(output.stdout.len(), 5);
}

#[test]
fn retry_is_survived() {
    let server = Server::start(&["--retry"]);
    let output = server.run(&["-q", &server.url("10")]);
    succeeds(&output);
    assert_eq!(output.stdout.len(), 10);
}

#[test]
fn certificates_are_verified() {
    let server = Server::start(&[]);
    let url = server.url("1");
    fails(&finish(client().arg(&url)), 5, "--cacert");
    let wrong = "00".repeat(32);
    fails(
        &finish(client().args(["--pin-sha256", &wrong, &url])),
        5,
        "certificate",
    );
    succeeds(&finish(client().args(["--insecure", &url])));
}

#[test]
fn a_certificate_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    fs::write(&cert, certified.cert.pem()).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_neqo-server"))
        .arg("--cert")
        .arg(&cert)
        .arg("--key")
        .arg(&key)
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line.trim_end().rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/5");
    let output = finish(client().arg("-4").arg("--cacert").arg(&cert).arg(&url));
    let by_name = succeeds(&output);
    // Its name is not 127.0.0.1.
    let url = format!("https://127.0.0.1:{port}/5");
    let output = finish(client().arg("--cacert").arg(&cert).arg(&url));
    drop(server.kill());
    drop(server.wait());
    assert!(by_name.contains(": 200, 5 bytes"));
    fails(&output, 5, "does not verify");
}

#[test]
fn an_address_for_a_name() {
    let server = Server::start(&[]);
    let port = server.addrs[0].rsplit(':').next().unwrap();
    let output = server.run(&[
        "--resolve",
        &format!("www.invalid:{port}:127.0.0.1"),
        &format!("https://www.invalid:{port}/3"),
    ]);
    succeeds(&output);
    assert_eq!(output.stdout.len(), 3);
}

#[test]
fn bad_input_has_one_line_and_a_code() {
    fails(&finish(client().arg("http://localhost/")), 2, "https");
    fails(&finish(client().arg("nonsense")), 2, "https://");
    fails(
        &finish(client().arg("https://no-such-host.invalid/")),
        3,
        "resolve",
    );
    fails(
        &finish(client().args(["-d", "@/no/such", "https://localhost/"])),
        26,
        "/no/such",
    );
    fails(
        &finish(client().args(["-o", "/no/such/f", "https://localhost/"])),
        23,
        "/no/such/f",
    );
    fails(
        &finish(client().args(["--cacert", "/no/such", "https://localhost/"])),
        26,
        "/no/such",
    );
    assert_eq!(finish(&mut client()).status.code(), Some(2));
    assert_eq!(
        finish(client().arg("--no-such-option")).status.code(),
        Some(2)
    );
    let help = finish(client().arg("--help"));
    assert!(text(&help.stdout).contains("Exit codes"));
}

#[test]
fn nobody_there() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", socket.local_addr().unwrap());
    let start = Instant::now();
    let output = finish(client().args(["--connect-timeout", "1", &url]));
    fails(&output, 4, "no answer");
    assert!(start.elapsed() < Duration::from_secs(10));
    drop(socket);
    let start = Instant::now();
    let output = finish(client().args(["--connect-timeout", "30", &url]));
    fails(&output, 4, "refuses");
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// A client that writes to a pipe which nobody reads yet: the transfer stands still.
fn stalled(server: &Server, path: &str, more: &[&str]) -> Child {
    let child = server
        .client()
        .args(["-q", &server.url(path)])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    child
}

#[test]
fn a_slow_reader_gets_everything() {
    let server = Server::start(&[]);
    let want = content(30 << 20);
    server.file("big", &want);
    let output = collect(stalled(&server, "big", &[]));
    succeeds(&output);
    assert!(output.stdout == want);
}

#[test]
fn a_truncated_response_is_an_error() {
    let server = Server::start(&[]);
    server.file("big", &content(30 << 20));
    let child = stalled(&server, "big", &[]);
    server.file("big", b"short");
    fails(&collect(child), 18, "incomplete");
}

#[test]
fn a_broken_connection_leaves_no_file() {
    let mut server = Server::start(&[]);
    let out = server.at("out");
    fs::create_dir(&out).unwrap();
    let child = server
        .client()
        .args(["-q", "--idle-timeout", "1", "--output-dir"])
        .args([&out, Path::new(&server.url("100000000000"))])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while entries(&out).is_empty() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(entries(&out)[0].contains(".part"));
    server.child.kill().unwrap();
    fails(&collect(child), 6, "connection");
    assert!(entries(&out).is_empty());
}

#[cfg(unix)]
#[test]
fn an_interrupted_client_leaves_no_file() {
    let server = Server::start(&[]);
    let out = server.at("out");
    fs::create_dir(&out).unwrap();
    let child = server
        .client()
        .args(["-q", "--output-dir"])
        .args([&out, Path::new(&server.url("100000000000"))])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while entries(&out).is_empty() && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    fails(&collect(child), 130, "interrupted");
    assert!(entries(&out).is_empty());
}

#[cfg(unix)]
#[test]
fn a_server_that_ends_finishes_requests() {
    let server = Server::start(&[]);
    let want = content(30 << 20);
    server.file("big", &want);
    let child = stalled(&server, "big", &[]);
    server.signal("-TERM");
    thread::sleep(Duration::from_millis(200));
    let output = collect(child);
    succeeds(&output);
    assert!(output.stdout == want);
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("\"GET /big HTTP/3\" 200 31457280"), "{log}");
}

#[cfg(unix)]
#[test]
fn grace_has_a_limit() {
    let server = Server::start(&["--grace", "0.5"]);
    let child = stalled(&server, "100000000000", &[]);
    let start = Instant::now();
    server.signal("-INT");
    let (code, log) = server.end();
    assert!(start.elapsed() < Duration::from_secs(8));
    assert_eq!(code, Some(0));
    assert!(log.contains("aborted"), "{log}");
    fails(&collect(child), 6, "closed by the peer");
}

#[test]
#[cfg(unix)]
fn the_access_log() {
    let server = Server::start(&[]);
    succeeds(&server.run(&["-q", &server.url("7"), &server.url("none")]));
    succeeds(&server.run(&["-q", "-X", "DELETE", &server.url("x%20y\"")]));
    server.signal("-INT");
    let (_, log) = server.end();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("\"GET /7 HTTP/3\" 200 7 "));
    assert!(lines[1].contains("\"GET /none HTTP/3\" 404 10 "));
    assert!(
        lines[2].contains("\"DELETE /x%20y%22 HTTP/3\" 405 "),
        "{log}"
    );
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let server = || Command::new(env!("CARGO_BIN_EXE_neqo-server"));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    fails(&finish(server().arg(&addr)), 1, &addr);
    fails(&finish(server().arg("nonsense")), 1, "HOST:PORT");
    fails(&finish(server().args(["--root", "/no/such"])), 1, "--root");
    let pem = ["--cert", "/no/c", "--key", "/no/k", "127.0.0.1:0"];
    fails(&finish(server().args(pem)), 1, "/no/c");
    assert_eq!(finish(server().arg("--no-such")).status.code(), Some(2));
}

#[test]
fn the_demonstration_verifies_its_files() {
    let output = finish(client().args(["demo", "--quiet", "--sizes", "0,1K,3M"]));
    succeeds(&output);
    let stdout = text(&output.stdout);
    assert_eq!(stdout.matches("verified").count(), 3, "{stdout}");
    assert!(stdout.contains("all 3 files arrived intact"));
}

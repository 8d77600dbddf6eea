//! The example of a browser-style host (`examples/host.rs`) against servers of every TLS library.

use std::{
    net::UdpSocket,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use neqo_crypto::Provider;

use crate::{Server, content, finish, program_fails, succeeds};

/// How long the host thinks about the certificate.
const VERDICT: Duration = Duration::from_secs(1);
/// Longer than the host waits for an answer, shorter than a wait for ever.
const BOUND: Duration = Duration::from_secs(30);

/// Runs the example, which `cargo test` builds next to the programs.
fn host(args: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_neqo-server")).with_file_name("examples");
    let program = program.join("host");
    assert!(
        program.exists(),
        "there is no {}: `cargo test` builds it, if not told to build one test only",
        program.display()
    );
    finish(Command::new(program).args(args))
}

fn fetch(server: &str, pin: &str) -> Output {
    let seconds = VERDICT.as_secs().to_string();
    host(&[server, "localhost", "/page", pin, &seconds])
}

#[test]
fn a_page_after_a_late_verdict() {
    for tls in Provider::ALL {
        let server = Server::start(&["--tls", &tls.to_string()]);
        server.file("page", &content(300_000));
        let start = Instant::now();
        let output = fetch(&server.addrs[0], &server.pin);
        assert!(start.elapsed() >= VERDICT, "{tls}");
        assert_eq!(succeeds(&output), "status 200\n", "{tls}");
        assert!(output.stdout == content(300_000), "{tls}");
    }
}

#[test]
fn a_certificate_that_is_refused_late() {
    for tls in Provider::ALL {
        let server = Server::start(&["--tls", &tls.to_string()]);
        server.file("page", b"not for everyone");
        let output = fetch(&server.addrs[0], &"00".repeat(32));
        program_fails("host: ", &output, 1, "certificate is refused");
        assert!(output.stdout.is_empty(), "{tls}");
        server.signal("-INT");
        let (_, log) = server.end();
        assert_eq!(log, "", "{tls}: nothing was asked for");
    }
}

#[test]
fn no_server() {
    let pin = "00".repeat(32);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    let start = Instant::now();
    program_fails("host: ", &fetch(&addr, &pin), 1, "no answer");
    drop(socket);
    program_fails("host: ", &fetch(&addr, &pin), 1, "refused");
    assert!(start.elapsed() < BOUND);
}

#[test]
fn bad_arguments() {
    let pin = "00".repeat(32);
    for (args, word) in [
        (&[][..], "usage"),
        (&["nowhere", "localhost", "/", &pin], "address"),
        (&["127.0.0.1:1", "localhost", "/", "0a"], "64"),
        (&["127.0.0.1:1", "localhost", "/", &pin, "-1"], "negative"),
    ] {
        program_fails("host: ", &host(args), 1, word);
    }
}

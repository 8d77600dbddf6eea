//! Encrypted ClientHello by both programs.

use std::io::BufRead as _;

use neqo_crypto::Provider;

use crate::{Server, client, content, fails, finish, succeeds, text};

/// A server with a key, and its configuration in Base64.
fn server() -> (Server, String) {
    let mut server = Server::start(&["--tls", "nss", "--ech=public.example"]);
    server.file("page", &content(1000));
    let mut line = String::new();
    server.out.read_line(&mut line).unwrap();
    let configs = line.trim_end().strip_prefix("ECH ").unwrap().to_owned();
    (server, configs)
}

/// A URL with a name, which there is nothing to hide without.
fn named(server: &Server, path: &str) -> String {
    server.url(path).replace("127.0.0.1", "localhost")
}

/// The arguments of a client on `tls`.
fn with<'a>(tls: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["--tls", tls, "-v", "--ech"], rest].concat()
}

/// Runs `test` with each library for the client.
fn each_client(test: impl Fn(&str)) {
    for tls in Provider::ALL {
        test(&tls.to_string());
    }
}

#[test]
fn accepted() {
    let (server, configs) = server();
    each_client(|tls| {
        let url = named(&server, "page");
        let output = server.run(&with(tls, &[&configs, &url]));
        let said = succeeds(&output);
        assert!(said.contains(", ECH\n"), "{said}");
        assert_eq!(output.stdout, content(1000));
    });
}

/// The server has another key: the client says with which configuration it goes.
#[test]
fn another_key() {
    let ((server, _), (_, configs)) = (server(), server());
    let url = named(&server, "page");
    each_client(|tls| {
        let output = server.run(&with(tls, &[&configs, &url]));
        fails(&output, 4, "another key");
        assert!(output.stdout.is_empty());
        let said = text(&output.stderr);
        let (_, retry) = said.trim_end().rsplit_once("--ech ").unwrap();
        let output = server.run(&with(tls, &[retry, &url]));
        assert!(succeeds(&output).contains(", ECH\n"));
    });
}

#[test]
fn no_key() {
    let (_, configs) = server();
    for theirs in Provider::ALL {
        let server = Server::start(&["--tls", &theirs.to_string()]);
        each_client(|tls| {
            let output = server.run(&with(tls, &[&configs, &named(&server, "1")]));
            fails(&output, 4, "leave --ech out");
            assert!(output.stdout.is_empty());
        });
    }
}

#[test]
fn what_cannot_be() {
    let (_, configs) = server();
    let url = "https://localhost/";
    each_client(|tls| {
        let run = |rest: &[&str]| finish(client().args(with(tls, rest)));
        for bad in ["", "AAAA", "?"] {
            let output = run(&[bad, url]);
            assert_eq!(output.status.code(), Some(2), "{bad}");
            assert!(text(&output.stderr).contains("--ech"), "{bad}");
        }
        let address = "https://127.0.0.1:4433/";
        fails(&run(&[&configs, address]), 2, "address");
        let other = "https://example.invalid/";
        fails(&run(&[&configs, url, other]), 2, "one host");
    });
}

#[test]
fn a_server_that_cannot() {
    use std::process::Command;
    let run = |args: &[&str]| {
        let server = env!("CARGO_BIN_EXE_neqo-server");
        finish(Command::new(server).args(args).arg("127.0.0.1:0"))
    };
    fails(&run(&["--tls", "nss", "--ech=127.0.0.1"]), 1, "--ech");
    #[cfg(feature = "rustls")]
    fails(&run(&["--tls", "rustls", "--ech"]), 1, "--ech");
}

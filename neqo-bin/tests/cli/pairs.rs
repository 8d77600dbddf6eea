//! Both programs, with every library at each end.

use std::{collections::BTreeSet, fs};

use neqo_crypto::Provider;

use crate::{Server, client, content, finish, succeeds};

#[test]
fn every_library_at_each_end() {
    for from in Provider::ALL {
        for to in Provider::ALL {
            let server = Server::start(&["--tls", &to.to_string()]);
            server.file("page", &content(50_000));
            let url = server.url("page");
            let output = server.run(&["--tls", &from.to_string(), "-v", &url]);
            let said = succeeds(&output);
            assert!(said.contains("connected to"), "{from} to {to}: {said}");
            assert!(output.stdout == content(50_000), "{from} to {to}");
        }
    }
}

/// Both ends log the same secrets, so a capture can be read with the file of either.
#[test]
fn secrets_are_logged() {
    const LABELS: [&str; 4] = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    for from in Provider::ALL {
        for to in Provider::ALL {
            let dir = tempfile::tempdir().unwrap();
            let file = |name| dir.path().join(name);
            let listen = ["127.0.0.1:0"];
            let server = Server::start_with(&["--tls", &to.to_string()], &listen, |command| {
                command.env("SSLKEYLOGFILE", file("server"));
            });
            let mut command = server.client();
            command.env("SSLKEYLOGFILE", file("client"));
            let args = ["--tls", &from.to_string(), &server.url("1")];
            succeeds(&finish(command.args(args)));
            let lines = |name| -> BTreeSet<String> {
                let log = fs::read_to_string(file(name)).unwrap();
                let secret = |l: &&str| LABELS.iter().any(|s| l.starts_with(&format!("{s} ")));
                log.lines().filter(secret).map(str::to_owned).collect()
            };
            let logged = lines("client");
            assert_eq!(logged.len(), LABELS.len(), "{from} to {to}: {logged:?}");
            assert_eq!(logged, lines("server"), "{from} to {to}");
        }
    }
}

#[test]
fn a_key_log_that_cannot_be_written() {
    for tls in Provider::ALL {
        let mut command = client();
        command.env("SSLKEYLOGFILE", "/no/such/directory/log");
        let output = finish(command.args(["--tls", &tls.to_string(), "https://127.0.0.1/"]));
        crate::fails(&output, 2, "SSLKEYLOGFILE");
    }
}

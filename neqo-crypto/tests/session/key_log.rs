//! What the key log says: the same on both sides, whatever library writes it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use neqo_crypto::{Direction, Group, Info, KeyLog, Level, ResumptionToken, Server, Verification};

use crate::{
    ech,
    pair::{End, Pair, client_of, connected, every_pair, handshake},
};

every_pair! {
    of_both_roles,
    of_early_data,
    of_a_hidden_hello,
}

/// A log that is read while it is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn writer(&self) -> KeyLog {
        KeyLog::to_writer(self.clone())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Its lines in order, without that which NSS does not show.
    fn sorted(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|l| !is_exporter(l));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Write for Log {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_exporter(line: &str) -> bool {
    line.starts_with("EXPORTER_SECRET ")
}

fn of_both_roles(p: Pair) {
    let (theirs, ours) = (Log::default(), Log::default());
    let c = p.client_builder().key_log(Some(ours.writer()));
    let s = p.server_builder().key_log(Some(theirs.writer()));
    let (client, _) = connected(&client_of(c, Verification::Insecure), &s.build().unwrap());
    assert_eq!(ours.sorted(), theirs.sorted());
    let log = ours.text();
    for (label, level, direction) in [
        (
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            Level::Handshake,
            Direction::Write,
        ),
        (
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            Level::Handshake,
            Direction::Read,
        ),
        ("CLIENT_TRAFFIC_SECRET_0", Level::OneRtt, Direction::Write),
        ("SERVER_TRAFFIC_SECRET_0", Level::OneRtt, Direction::Read),
    ] {
        let line = log.lines().find(|l| l.starts_with(label)).unwrap();
        let [_, random, secret] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(hex::decode(random).unwrap().len(), 32);
        assert_eq!(
            secret,
            hex::encode(client.secrets[&(level, direction)].bytes())
        );
    }
    assert_eq!(log.lines().any(is_exporter), !p.client_is_nss());
}

fn of_early_data(p: Pair) {
    let logs = [Log::default(), Log::default()];
    let [c, s] = [&logs[0], &logs[1]].map(|log| Some(log.writer()));
    let c = p.client_builder().key_log(c).enable_early_data(true);
    let c = client_of(c, Verification::Insecure);
    let s = p.server_builder().key_log(s).enable_early_data(true);
    let s = s.build().unwrap();
    let logged = || {
        [&logs[0], &logs[1]].map(|log| {
            let text = log.text();
            let lines = text.lines().map(str::to_owned);
            let early = lines.filter(|l| l.starts_with("CLIENT_EARLY_TRAFFIC_SECRET "));
            early.collect::<Vec<_>>()
        })
    };
    let (first, _) = connected(&c, &s);
    assert_eq!(logged().concat(), Vec::<String>::new());
    let (mut client, mut server) = (End::resuming(&c, &first.tickets[0]), End::server(&s));
    handshake(&mut client, &mut server).unwrap();
    assert!(server.session.info().unwrap().early_data_accepted());
    let hello = server.hello.as_ref().unwrap();
    let line = format!(
        "CLIENT_EARLY_TRAFFIC_SECRET {} {}",
        hex::encode(&hello[6..38]),
        hex::encode(client.secrets[&(Level::ZeroRtt, Direction::Write)].bytes()),
    );
    assert_eq!(logged(), [vec![line.clone()], vec![line]]);
}

/// Every line is found by the random of the `ClientHello` that can be seen: with early data, after `HelloRetryRequest`,
/// and if the server does not accept.
fn of_a_hidden_hello(p: Pair) {
    let Some(keys) = ech::keys(p) else { return };
    let (ours, theirs) = (Log::default(), Log::default());
    let groups = [Group::X25519, Group::Secp384r1];
    let c = p.client_builder().groups(&groups);
    let c = c.key_log(Some(ours.writer())).enable_early_data(true);
    let c = client_of(c, Verification::Insecure);
    let [straight, retrying] = groups.map(|group| {
        let s = ech::server_builder(p, &keys).groups(&[group]);
        let s = s.key_log(Some(theirs.writer())).enable_early_data(true);
        s.build().unwrap()
    });
    let run = |s: &Server, configs: &[u8], token: Option<&ResumptionToken>| {
        ours.clear();
        theirs.clear();
        let mut client = match token {
            None => End::client(&c),
            Some(token) => End::resuming(&c, token),
        };
        client.session.enable_ech(configs).unwrap();
        let mut server = End::server(s);
        let accepted = handshake(&mut client, &mut server).is_ok();
        let info = client.session.info();
        assert_eq!(accepted, info.is_some_and(Info::ech_accepted));
        let random = hex::encode(&server.hello.as_ref().unwrap()[6..38]);
        let lines = [&ours, &theirs].map(Log::sorted);
        assert!(lines.concat().iter().all(|l| l.contains(&random)));
        assert!(!accepted || lines[0] == lines[1]);
        (client.tickets, lines[0].len())
    };
    let (tickets, lines) = run(&straight, keys.configs(), None);
    assert_eq!(lines, 4);
    assert_eq!(run(&straight, keys.configs(), Some(&tickets[0])).1, 5);
    assert_eq!(run(&retrying, keys.configs(), None).1, 4);
    for token in [None, Some(&tickets[1])] {
        assert!(run(&straight, &ech::nobodys(), token).1 >= 2);
    }
}

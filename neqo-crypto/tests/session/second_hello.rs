//! A second `ClientHello`, after `HelloRetryRequest`, that is not what RFC 8446 §4.1.2 wants: with another ticket than the
//! first, without the cookie, or none at all.

use std::ops::Range;

use neqo_crypto::{Client, Error, Group, Level, ResumptionToken, Server, Verification, sha256};

use crate::{
    ech,
    pair::{End, Pair, agreed, client_of, connected, every_pair, join},
};

every_pair! {
    another_servers_ticket,
    without_the_cookie,
    malformed,
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes.
fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = [&block.map(|b| b ^ 0x36)[..], data].concat();
    sha256(&[&block.map(|b| b ^ 0x5c)[..], &sha256(&inner)].concat())
}

/// HKDF-Expand-Label (RFC 8446 §7.1) for 32 bytes.
fn expand(secret: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
    let label = format!("tls13 {label}");
    let length = |b: &[u8]| u8::try_from(b.len()).unwrap();
    let (l, c) = (length(label.as_bytes()), length(context));
    let info = [&[0, 32, l], label.as_bytes(), &[c], context, &[1]].concat();
    hmac(secret, &info)
}

/// The same `ClientHello`, without its extension `kind`.
fn without(hello: &[u8], kind: u16) -> Vec<u8> {
    let at = |i: usize| usize::from(u16::from_be_bytes([hello[i], hello[i + 1]]));
    let ciphers = 4 + 2 + 32 + 1;
    let list = ciphers + 2 + at(ciphers) + 2;
    let (mut extensions, mut next) = (Vec::new(), list + 2);
    while next < hello.len() {
        let end = next + 4 + at(next + 2);
        if at(next) != usize::from(kind) {
            extensions.extend_from_slice(&hello[next..end]);
        }
        next = end;
    }
    let mut shorter = hello[..list].to_vec();
    shorter.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    shorter.extend(extensions);
    let len = u32::try_from(shorter.len() - 4).unwrap().to_be_bytes();
    shorter[1..4].copy_from_slice(&len[1..]);
    shorter
}

/// Where a `ClientHello`, of which it is the last extension, has the identity of its only pre-shared key, and the
/// binders.
fn pre_shared_key(hello: &[u8]) -> (Range<usize>, usize) {
    let at = |i: usize| usize::from(u16::from_be_bytes([hello[i], hello[i + 1]]));
    // The extension's length is what remains, and so is that of the binders: one of 32 bytes.
    let binders = hello.len() - (2 + 1 + 32);
    let start = (0..binders)
        .find(|&i| at(i) == 41 && at(i + 2) == hello.len() - i - 4 && at(i + 4) == binders - i - 6)
        .expect("a pre-shared key");
    let identity = start + 8..start + 8 + at(start + 6);
    assert_eq!(identity.end + 4, binders, "one identity");
    (identity, binders)
}

/// The token of a session with `server`, by which its group is not remembered.
fn token(client: &Client, server: &Server) -> ResumptionToken {
    const GROUP: Range<usize> = 50..52;
    let (first, _) = connected(client, server);
    let token = &first.tickets[0];
    let mut bytes = token.as_ref().to_vec();
    assert_eq!(bytes[GROUP], Group::Secp384r1.id().to_be_bytes());
    bytes[GROUP].fill(0);
    ResumptionToken::new(bytes, token.expiry(), token.early_data())
}

/// The pre-shared key in a token of NSS.
fn secret(token: &ResumptionToken) -> [u8; 32] {
    const CHAIN: usize = 52;
    let bytes = &token.as_ref()[CHAIN..];
    let (len, rest) = bytes.split_first_chunk().unwrap();
    let rest = &rest[usize::try_from(u32::from_be_bytes(*len)).unwrap()..];
    assert_eq!(rest[0], 32);
    *rest[1..].first_chunk().unwrap()
}

/// A client and a server between which a second `ClientHello` is about to go.
struct Asked {
    client: End,
    server: End,
    first: Vec<u8>,
    retry: Vec<u8>,
    second: Vec<u8>,
}

fn asked_again(mut client: End, server: &Server) -> Asked {
    let mut server = End::server(server);
    client.start().unwrap();
    server.start().unwrap();
    let (_, first) = client.outbox.pop_front().unwrap();
    server.read(Level::Initial, &first).unwrap();
    let (_, retry) = server.outbox.pop_front().unwrap();
    client.read(Level::Initial, &retry).unwrap();
    let (_, second) = client.outbox.pop_front().unwrap();
    Asked {
        client,
        server,
        first,
        retry,
        second,
    }
}

// hardening A30
fn another_servers_ticket(p: Pair) {
    if !p.client_is_nss() {
        // The secret of a ticket stays with rustls, and no binder can be made.
        return;
    }
    let groups = [Group::X25519, Group::Secp384r1];
    let suites = [neqo_crypto::Cipher::Aes128GcmSha256];
    let builder = p.client_builder().groups(&groups).ciphers(&suites);
    let client = client_of(builder, Verification::Insecure);
    let server = || p.server_builder().groups(&[Group::Secp384r1]);
    let other = server().build().unwrap();
    let encrypting = ech::keys(p).map(|keys| server().ech(keys));
    for ours in [Some(server()), encrypting].into_iter().flatten() {
        another_tickets_at(p, &client, &ours.build().unwrap(), &other);
    }
}

fn another_tickets_at(p: Pair, client: &Client, ours: &Server, other: &Server) {
    for (another, resumed) in [(true, false), (false, !p.server_is_nss())] {
        let (own, others) = (token(client, ours), token(client, other));
        let Asked {
            mut server,
            first,
            retry,
            mut second,
            ..
        } = asked_again(End::resuming(client, &own), ours);
        if another {
            let mut probe = End::resuming(client, &others);
            probe.start().unwrap();
            let (_, hello) = probe.outbox.pop_front().unwrap();
            let (from, _) = pre_shared_key(&hello);
            let (to, binders) = pre_shared_key(&second);
            second[to].copy_from_slice(&hello[from]);
            // RFC 8446 §4.2.11.2, §4.4.1
            let early = hmac(&[0; 32], &secret(&others));
            let key = expand(&expand(&early, "res binder", &sha256(b"")), "finished", b"");
            let message_hash = [&[254, 0, 0, 32][..], &sha256(&first)].concat();
            let transcript = [&message_hash, &retry[..], &second[..binders]].concat();
            let binder = hmac(&key, &sha256(&transcript));
            second[binders + 3..].copy_from_slice(&binder);
        }
        server.read(Level::Initial, &second).unwrap();
        assert_eq!(server.session.info().unwrap().resumed(), resumed);
    }
}

/// A server that gave one wants it back, whether it can decrypt a `ClientHello` or not; and no other's.
//= rfc8446#section-4.2.2 type=test
//# Clients MUST copy the contents of the extension received in the
//# HelloRetryRequest into a "cookie" extension in the new ClientHello.
fn without_the_cookie(p: Pair) {
    const COOKIE: u16 = 44;
    for server in retrying(p) {
        let asked = || asked_again(End::client(&p.client(Verification::Insecure)), &server);
        let mut honest = asked();
        let spoiled = without(&honest.second, COOKIE);
        if !p.server_is_nss() {
            assert_eq!(spoiled, honest.second, "rustls gives none");
            continue;
        }
        let result = asked().server.read(Level::Initial, &spoiled);
        assert_eq!(result, Err(Error::Alert(109)));
        let result = asked().server.read(Level::Initial, &honest.second);
        assert_eq!(result, Err(Error::Alert(47)));
        honest.server.read(Level::Initial, &honest.second).unwrap();
        join(&mut honest.client, &mut honest.server).unwrap();
        agreed(&honest.client, &honest.server);
    }
}

/// Servers that ask for another group, without keys for encrypted `ClientHello` and, if they can, with.
fn retrying(p: Pair) -> impl Iterator<Item = Server> {
    let encrypting = ech::keys(p).map(|keys| ech::server_builder(p, &keys));
    let builders = [Some(p.server_builder()), encrypting].into_iter().flatten();
    builders.map(|b| b.groups(&[Group::Secp384r1]).build().unwrap())
}

fn malformed(p: Pair) {
    for server in retrying(p) {
        let asked = || asked_again(End::client(&p.client(Verification::Insecure)), &server);
        let mut spoiled = asked();
        spoiled.second.extend([0, 0, 0]);
        let len = u32::try_from(spoiled.second.len() - 4)
            .unwrap()
            .to_be_bytes();
        spoiled.second[1..4].copy_from_slice(&len[1..]);
        let result = spoiled.server.read(Level::Initial, &spoiled.second);
        assert_eq!(result, Err(Error::Alert(50)));
        let finished = [&[20, 0, 0, 32][..], &[0; 32]].concat();
        let result = asked().server.read(Level::Initial, &finished);
        assert_eq!(result, Err(Error::Alert(10)));
    }
}

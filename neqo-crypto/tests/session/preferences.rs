//! Who chooses the cipher suite and the group.

use neqo_crypto::{Cipher, Client, Direction, Group, Level, Server, Verification};

use crate::pair::{End, Pair, agreed, client_of, connected, every_pair, join};

every_pair! {
    the_cipher_is_the_clients_choice,
    the_first_group_has_the_share,
    between_many_groups_one_order_counts,
}

/// The order of what the server accepts does not count.
fn the_cipher_is_the_clients_choice(p: Pair) {
    use Cipher::{Aes128GcmSha256, ChaCha20Poly1305Sha256};
    let orders = [
        [ChaCha20Poly1305Sha256, Aes128GcmSha256],
        [Aes128GcmSha256, ChaCha20Poly1305Sha256],
    ];
    for order in orders {
        let c = client_of(p.client_builder().ciphers(&order), Verification::Insecure);
        let mut servers = vec![p.server()];
        servers.extend(orders.map(|o| p.server_builder().ciphers(&o).build().unwrap()));
        for s in servers {
            let (client, server) = connected(&c, &s);
            for end in [&client, &server] {
                assert_eq!(end.session.info().unwrap().cipher(), order[0]);
            }
        }
    }
}

/// The group of a handshake, and whether it took a `HelloRetryRequest`.
fn negotiated(c: &Client, s: &Server) -> (Group, bool) {
    let (mut client, mut server) = (End::client(c), End::server(s));
    client.start().unwrap();
    server.start().unwrap();
    let (level, hello) = client.outbox.pop_front().unwrap();
    server.read(level, &hello).unwrap();
    let retried = !server.has(Level::Handshake, Direction::Write);
    join(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    let group = |end: &End| end.session.info().unwrap().group().unwrap();
    assert_eq!(group(&client), group(&server));
    (group(&client), retried)
}

fn offering(p: Pair, groups: &[Group]) -> Client {
    client_of(p.client_builder().groups(groups), Verification::Insecure)
}

/// A server that accepts it takes what it has, whatever else the client can.
fn the_first_group_has_the_share(p: Pair) {
    use Group::{Secp256r1, X25519};
    for order in [[Secp256r1, X25519], [X25519, Secp256r1]] {
        let c = offering(p, &order);
        assert_eq!(negotiated(&c, &p.server()), (order[0], false));
    }
}

/// NSS's servers take what they like best of what the client can, unless a group that has a key share is as strong;
/// rustls's take what the client likes best of what they accept.
fn between_many_groups_one_order_counts(p: Pair) {
    use Group::{Secp256r1, Secp384r1, X25519};
    let offered = [X25519, Secp256r1, Secp384r1];
    let c = offering(p, &offered);
    let server = |order: &[Group]| p.server_builder().groups(order).build().unwrap();
    let of = |nss, rustls| if p.server_is_nss() { nss } else { rustls };
    for (order, group) in [
        (&[Secp256r1][..], Secp256r1),
        (&[Secp384r1], Secp384r1),
        (&[Secp256r1, Secp384r1], Secp256r1),
        (&[Secp384r1, Secp256r1], of(Secp384r1, Secp256r1)),
        (&[X25519, Secp384r1], X25519),
        (&[Secp384r1, X25519], of(Secp384r1, X25519)),
        (&[Secp256r1, X25519], X25519),
    ] {
        let expected = (group, group != X25519);
        assert_eq!(negotiated(&c, &server(order)), expected, "{order:?}");
    }
    // No rustls client sends a second share.
    let c = p.client_builder().groups(&offered).additional_key_shares(1);
    match c.verification(Verification::Insecure).build() {
        Ok(c) => {
            let expected = (of(Secp256r1, X25519), false);
            assert_eq!(negotiated(&c, &server(&[Secp256r1, X25519])), expected);
        }
        Err(e) => assert!(!p.client_is_nss(), "{e}"),
    }
}

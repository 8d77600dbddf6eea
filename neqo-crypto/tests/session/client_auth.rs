//! Clients that are asked who they are.

use neqo_crypto::{Client, ClientCertificate, Error, Identity, Level, Server, Verification};

use crate::pair::{End, Failed, Pair, agreed, client_of, connected, every_pair, handshake, join};

every_pair! {
    shown,
    shown_once_for_all_that_resume,
    compressed,
    no_early_data,
    not_shown,
    required,
    not_asked,
}

fn with_identity(p: Pair) -> (Client, Identity) {
    let identity = Identity::self_signed(&["client.example"]).unwrap();
    let builder = p.client_builder().identity(identity.clone());
    (client_of(builder, Verification::Insecure), identity)
}

/// A server that asks.
fn server(p: Pair, request: ClientCertificate) -> Server {
    let builder = p.server_builder().client_certificate(request);
    builder.build().unwrap()
}

fn shown(p: Pair) {
    let (c, identity) = with_identity(p);
    for request in [ClientCertificate::Requested, ClientCertificate::Required] {
        let (mut client, mut server) = (End::client(&c), End::server(&server(p, request)));
        handshake(&mut client, &mut server).unwrap();
        agreed(&client, &server);
        let chain = server.session.peer_certificate().unwrap();
        assert_eq!(chain.certs(), identity.chain());
        // NSS makes no token of a session in which its client showed a certificate.
        assert_eq!(client.tickets.is_empty(), p.client_is_nss());
    }
}

/// A resumed session is that of the client which showed the certificate.
fn shown_once_for_all_that_resume(p: Pair) {
    let (c, identity) = with_identity(p);
    let server = server(p, ClientCertificate::Required);
    let (first, _) = connected(&c, &server);
    let Some(token) = first.tickets.first() else {
        assert!(p.client_is_nss());
        return;
    };
    let (mut client, mut end) = (End::resuming(&c, token), End::server(&server));
    handshake(&mut client, &mut end).unwrap();
    agreed(&client, &end);
    assert!(end.session.info().unwrap().resumed());
    let chain = end.session.peer_certificate().unwrap();
    assert_eq!(chain.certs(), identity.chain());
}

/// Its certificate is compressed like a server's, for a library that can have it so.
fn compressed(p: Pair) {
    let (c, identity) = with_identity(p);
    let mut server = End::server(&server(p, ClientCertificate::Required));
    let mut client = End::client(&c);
    client.start().unwrap();
    server.start().unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut client, &mut server];
        while let Some((level, data)) = ends[from].outbox.pop_front() {
            ends[to].read(level, &data).unwrap();
        }
    }
    let flight = client.waiting(Level::Handshake);
    if p.client_is_nss() || p.server_is_nss() {
        assert!([11, 25].contains(&flight[0]), "{flight:?}");
    } else {
        assert_eq!(flight, [25, 15, 20]);
    }
    join(&mut client, &mut server).unwrap();
    let chain = server.session.peer_certificate().unwrap();
    assert_eq!(chain.certs(), identity.chain());
}

/// What comes early would come before anyone can judge a certificate.
fn no_early_data(p: Pair) {
    for request in [ClientCertificate::Requested, ClientCertificate::Required] {
        let builder = p.server_builder().enable_early_data(true);
        let refused = builder.client_certificate(request).build();
        assert!(matches!(refused, Err(Error::Config(_))));
    }
}

fn not_shown(p: Pair) {
    let mut server = End::server(&server(p, ClientCertificate::Requested));
    let mut client = End::client(&p.client(Verification::Insecure));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.peer_certificate().is_none());
}

fn required(p: Pair) {
    let mut server = End::server(&server(p, ClientCertificate::Required));
    let mut client = End::client(&p.client(Verification::Insecure));
    let result = handshake(&mut client, &mut server);
    let Err(Failed::Server(e)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(e.alert(), 116, "certificate_required");
    assert!(!server.complete);
}

fn not_asked(p: Pair) {
    let (c, _) = with_identity(p);
    let (mut client, mut server) = (End::client(&c), End::server(&p.server()));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.peer_certificate().is_none());
}

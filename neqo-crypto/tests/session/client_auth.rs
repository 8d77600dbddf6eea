//! Clients that are asked who they are.

use neqo_crypto::{
    Client, ClientCertificate, Direction, Error, Identity, Level, Server, Verification,
};

use crate::pair::{End, Failed, Pair, agreed, client_of, connected, every_pair, handshake, join};

every_pair! {
    shown,
    shown_once_for_all_that_resume,
    compressed,
    no_early_data,
    not_shown,
    required,
    a_signature_of_others,
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

/// Flips the last bit of a message of this type.
fn flip_end_of(kind: u8, flight: &mut [u8]) {
    let mut rest = flight;
    while let [first, a, b, c, body @ ..] = rest {
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (body, after) = body.split_at_mut(len);
        if *first == kind {
            *body.last_mut().unwrap() ^= 1;
            return;
        }
        rest = after;
    }
    panic!("no message of type {kind}");
}

/// Who cannot sign with the certificate's key is not who the certificate says.
fn a_signature_of_others(p: Pair) {
    const CERTIFICATE_VERIFY: u8 = 15;
    let (c, _) = with_identity(p);
    for request in [ClientCertificate::Requested, ClientCertificate::Required] {
        let (mut client, mut server) = (End::client(&c), End::server(&server(p, request)));
        client.start().unwrap();
        server.start().unwrap();
        while !client
            .waiting(Level::Handshake)
            .contains(&CERTIFICATE_VERIFY)
        {
            for (level, data) in client.outbox.split_off(0) {
                server.read(level, &data).unwrap();
            }
            let (level, data) = server.outbox.pop_front().expect("more to say");
            client.read(level, &data).unwrap();
        }
        let flight = client.outbox.drain(..).map(|(_, data)| data);
        let mut flight = flight.collect::<Vec<_>>().concat();
        flip_end_of(CERTIFICATE_VERIFY, &mut flight);
        let e = server.read(Level::Handshake, &flight).unwrap_err();
        assert_eq!(e.alert(), 51, "decrypt_error: {e:?}");
        assert!(!server.complete && !server.has(Level::OneRtt, Direction::Read));
        assert!(server.session.peer_certificate().is_none());
    }
}

fn not_asked(p: Pair) {
    let (c, _) = with_identity(p);
    let (mut client, mut server) = (End::client(&c), End::server(&p.server()));
    handshake(&mut client, &mut server).unwrap();
    agreed(&client, &server);
    assert!(server.session.peer_certificate().is_none());
}
